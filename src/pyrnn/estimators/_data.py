"""What an estimator is given, and what its network is trained on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.columns import Columns, Dataset
from ._padding import Padding
from ._weights import Weight


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
        weight = self.weight
        if weight is None or any(np.size(self.target[i]) and np.any(weight[i]) for i in rows):
            return
        raise ValueError(
            f"{self.owner}: {self.weighed_by} is 0 {where}. Sample weights must contain at least "
            "one non-zero number."
        )


def _taken(column: Any, rows: Array) -> Any:
    """Some entries of an array or a list, if there is one."""
    if column is None:
        return None
    return [column[i] for i in rows] if isinstance(column, list) else column[rows]
