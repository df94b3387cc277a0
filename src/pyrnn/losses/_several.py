"""SeveralPerTarget: what the losses that take several numbers of y for each target share."""

import math
from typing import Any

import numpy as np

from .._base.checks import Array, as_floats, check_number
from .._base.settings import missing
from .._base.targets import Bools, check_finite
from ._loss import Loss


class SeveralPerTarget(Loss):
    """A loss that takes K numbers of y for each target.

    y is (..., K) for a target (...), or (..., K*F) for a target (..., F): the first F numbers are
    those of k = 0.
    """

    @property
    def per_target(self) -> int:
        """K."""
        raise missing(self, "per_target")

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        owner, K = type(self).__name__, self.per_target
        values = as_floats(owner, "target", target, dtype)
        if y_shape != (*values.shape, K):
            if not values.ndim or y_shape != (*values.shape[:-1], K * values.shape[-1]):
                raise ValueError(
                    f"{owner}: y has shape {y_shape} for a target of shape {values.shape}, expected"
                    f" {K} numbers for each target: (..., {K}) for (...), or (..., {K}*F) for "
                    "(..., F)"
                )
            return values
        return values[..., None]

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        check_finite(type(self).__name__, target, real)
        return real

    def weights_of_losses(self, weight: Array, losses: Array) -> Array:
        spread: Array = weight[..., None, :]
        return spread

    def split(self, y: Array, target: Array, real: Bools) -> tuple[Array, Array, Bools]:
        """y (..., K, F), target and real (..., 1, F), zeros where not real."""
        shape = (*target.shape[:-1], self.per_target, target.shape[-1])
        real, zero = real[..., None, :], y.dtype.type(0)
        y, target = y.reshape(shape), target[..., None, :]
        return np.where(real, y, zero), np.where(real, target, zero), real


def check_positive(owner: str, name: str, value: Any) -> float:
    """A finite number > 0."""
    number = check_number(owner, name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{owner}: {name} is {number}, expected a finite number > 0")
    return number
