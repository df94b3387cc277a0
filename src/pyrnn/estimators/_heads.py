"""The loss of several labels, each with classes of its own."""

from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.targets import Bools
from ..losses import CrossEntropy, Loss


class SeveralCrossEntropies(Loss):
    """The mean over labels k of -log softmax(y_k)[target_k]: y (N, C_1 + ... + C_K) has the logits
    of all labels side by side, target (N, K) their class numbers; `sizes` are C_1, ..., C_K."""

    integer_target = True
    takes_logits = True

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes
        self._ends = np.cumsum(sizes)[:-1]
        self._one = CrossEntropy()

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        return np.asarray(target, np.int64)

    def elements(self, y_shape: tuple[int, ...], target: Array) -> tuple[int, ...]:
        return y_shape[:-1]

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        return real

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        parts, scale = np.split(y, self._ends, axis=-1), scale / len(self.sizes)
        found = [
            self._one.terms(np.ascontiguousarray(part), target[:, k], real, scale)
            for k, part in enumerate(parts)
        ]
        losses: Array = np.sum([losses for losses, _ in found], axis=0)
        return losses, np.hstack([dy for _, dy in found])
