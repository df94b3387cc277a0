"""Metrics of classifiers and language models: Accuracy and Perplexity."""

from typing import Any, ClassVar

import numpy as np

from .. import _core
from .._base.checks import Array, as_integers, as_plain_array, too_large
from .._base.runtime import num_threads
from .._base.settings import missing
from .._base.targets import (
    Bools,
    check_classes,
    check_ignore_index,
    class_target,
    first_wrong,
    sum_in_order,
)
from ._metric import Metric, ratio


class ClassMetric(Metric):
    """A metric of the predicted class.

    y (..., C) with C >= 2 are scores for class numbers target (...): the largest is predicted, the
    first of equals. y of the target's own shape, or with a last axis of 1 more, are logits of class
    1: it is predicted where y > 0. A target may be floats if they are whole (0.0 and 1.0, as
    BCEWithLogits takes them). Targets that are `ignore_index` do not count; where y has a NaN no
    class is predicted.
    """

    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, *, ignore_index: int = -100) -> None:
        self.ignore_index = check_ignore_index(type(self).__name__, ignore_index)
        super().__init__()

    def needs_logits(self, y_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> bool:
        return not _is_scored(y_shape, target_shape)  # the largest score is that of both

    def add(self, y: Array, target: Any, lengths: Any) -> None:
        classes, real, C, scored = self.read_classes(y, target, lengths)
        predicted = self.predicted(y, scored).reshape(classes.shape)
        self.add_classes(predicted[real], classes[real], C)

    def read_classes(self, y: Array, target: Any, lengths: Any) -> tuple[Array, Bools, int, bool]:
        """The classes of the target, which of them count, the number of classes, and whether y has
        a score for each rather than a logit of class 1."""
        owner = type(self).__name__
        classes, whole = _as_classes(owner, target)
        scored = _is_scored(y.shape, classes.shape)
        if scored:
            class_target(owner, y.shape, classes)
        C = y.shape[-1] if scored else 2
        real = self.real(classes, lengths)
        if (wrong := real & ~whole).any():
            given = as_plain_array(owner, "target", target, "of integers")
            raise ValueError(f"{owner}: {first_wrong(given, wrong)}, expected whole class numbers")
        real = check_classes(owner, classes, real, C, self.ignore_index)
        return classes, real, C, scored

    def predicted(self, y: Array, scored: bool) -> Array:
        """The predicted classes, of scores or of logits, -1 where y has a NaN."""
        if not scored:
            return np.where(np.isnan(y), -1, y > 0)
        return np.where(np.isnan(y).any(axis=-1), -1, y.argmax(axis=-1))

    def add_classes(self, predicted: Array, classes: Array, C: int) -> None:
        """Adds the real elements, predicted and true; C is the number of classes."""
        raise missing(self, "add_classes")


class Accuracy(ClassMetric):
    """The share of targets whose class is predicted.

    y (..., C) scores for class numbers target (...), or logits of class 1 in the target's shape.
    TypeError or ValueError for targets that are no classes of y and for shapes that do not fit.

    Examples
    --------
    >>> metric = pyrnn.metrics.Accuracy()
    >>> metric.update(np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([0, 0]))  # logits, classes
    >>> metric.value
    0.5
    >>> metric.reset()
    """

    name = "accuracy"

    def reset(self) -> None:
        self._right, self._count = 0, 0

    @property
    def value(self) -> float:
        return ratio(self._right, self._count)

    def add_classes(self, predicted: Array, classes: Array, C: int) -> None:
        self._right += int(np.count_nonzero(predicted == classes))
        self._count += classes.size


class Perplexity(Metric):
    """exp(mean of -log softmax(y)[target]): logits y (..., C), class numbers target (...).

    Jelinek et al. 1977. Targets that are `ignore_index` do not count. TypeError unless targets are
    integers, ValueError for one outside [0, C) and for shapes that do not fit.

    Examples
    --------
    >>> metric = pyrnn.metrics.Perplexity()
    >>> metric.update(np.zeros((2, 10)), np.array([3, 7]))  # no idea which of 10 classes
    >>> round(metric.value, 6)
    10.0
    """

    name = "perplexity"
    higher_is_better = False

    def __init__(self, *, ignore_index: int = -100) -> None:
        self.ignore_index = check_ignore_index("Perplexity", ignore_index)
        super().__init__()

    def reset(self) -> None:
        self._total, self._count = 0.0, 0

    @property
    def value(self) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(np.float64(ratio(self._total, self._count))))

    def needs_logits(self, y_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> bool:
        return True

    def add(self, y: Array, target: Any, lengths: Any) -> None:
        classes = class_target("Perplexity", y.shape, target)
        real = self.real(classes, lengths)
        real = check_classes("Perplexity", classes, real, y.shape[-1], self.ignore_index)
        self._total = sum_in_order(_nll(y[real], classes[real]), self._total)
        self._count += int(np.count_nonzero(real))


def _is_scored(y_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> bool:
    """Whether y has a score for each class rather than a logit of class 1."""
    return y_shape not in (target_shape, (*target_shape, 1))


def _nll(rows: Array, classes: Array) -> Array:
    """-log softmax(rows)[classes] of each row."""
    ones = np.ones(len(rows), rows.dtype)
    return _core.cross_entropy(np.ascontiguousarray(rows), classes, ones, None, num_threads())[0]


def _as_classes(owner: str, target: Any) -> tuple[Array, Any]:
    """Class numbers as int64, and which targets are whole numbers: floats are taken if they are."""
    array = as_plain_array(owner, "target", target, "of integers")
    if array.dtype.kind != "f":
        return as_integers(owner, "target", target), np.True_
    try:
        whole: Bools = np.isfinite(array) & (np.trunc(array) == array) & (np.abs(array) < 2**53)
        return np.where(whole, array, 0).astype(np.int64), whole
    except MemoryError:
        raise too_large(owner, "target", array) from None
