"""Transform: y between the user's units and those in which it is scaled and forecast."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._base.checks import Array, check_choice, check_flag
from .._file import learnt

LARGEST = 700.0  # a logarithm, beyond which float64 has no numbers


@learnt
@dataclass(frozen=True)
class Transform:
    """log(1 + y) and back, if `log`; what comes back is never below 0, if `positive`."""

    log: bool = False
    positive: bool = False

    def forth(self, y: Array) -> Array:
        """Of the user's numbers."""
        return np.log1p(y) if self.log else y

    def back(self, values: Array) -> Array:
        """The user's numbers."""
        if self.log:
            values = np.expm1(np.minimum(values, LARGEST))
        return np.maximum(values, 0.0) if self.positive else values


def read_transform(spec: Any) -> Transform:
    """What the parameters of a forecaster say."""
    owner = type(spec).__name__
    log = spec.transform is not None
    if log:
        check_choice(owner, "transform", spec.transform, ("log1p",))
    return Transform(log, log or check_flag(owner, "positive", spec.positive))
