"""What an estimator is given, and what its network is trained on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.columns import Columns, Dataset
from ._padding import Padding
from ._weights import Weight, check_weighs


@dataclass(frozen=True)
class Given:
    """The arguments of a fit."""

    X: Any
    y: Any
    sample_weight: Any
    padding: Padding


@dataclass(frozen=True)
class Data:
    """Samples as a Trainer takes them: sequences, targets, and weights of samples or steps.

    `weighed_by` names the argument that the weights come from."""

    owner: str
    x: Any
    target: Any
    weight: Weight | None
    weighed_by: str

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Array) -> "Data":
        """Some of the samples."""
        x, target, weight = (_taken(column, rows) for column in (self.x, self.target, self.weight))
        return Data(self.owner, x, target, weight, self.weighed_by)

    def dataset(self) -> Dataset:
        """What a Trainer is given."""
        return Columns(self.x, self.target, None, self.weight, name="Trainer: train")

    def check_weighs(self, rows: Iterable[int], where: str) -> None:
        """ValueError unless some of these samples, or of their steps, has a weight > 0."""
        if self.weight is not None:
            every = [np.max(self.weight[i], initial=0.0) for i in rows if np.size(self.target[i])]
            check_weighs(self.owner, self.weighed_by, np.array(every), where)


def _taken(column: Any, rows: Array) -> Any:
    """Some entries of an array or a list, if there is one."""
    if column is None:
        return None
    return [column[i] for i in rows] if isinstance(column, list) else column[rows]
