"""Metrics of each class: Precision, Recall and F1, their averages; Confusion."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.checks import Array, check_choice, check_size
from .._base.settings import missing
from ._classification import ClassMetric
from ._metric import ratio

AVERAGES = ("macro", "weighted", "micro")
AVERAGING = """average="binary": of class 1 of two, or of the class `positive` of any number;
    "macro": the mean over the classes that occur, predicted or true; "weighted": the same by their
    numbers of true elements; "micro": of all classes' counts together; None: an array with a number
    for each class, which a Trainer cannot record. NaN for a class that does not occur and where
    there is nothing to count. Inputs and errors as Accuracy's; ValueError for "binary" with more
    than two classes and no `positive`, and for a number of classes that changes."""


class PerClass(ClassMetric):
    __doc__ = f"""A metric of the counts of each class: true positives, predicted, true; 0 for 0/0.

    {AVERAGING}
    """

    _word = ""  # what the name begins with

    def __init__(
        self,
        average: str | None = "binary",
        *,
        positive: int | None = None,
        ignore_index: int = -100,
    ) -> None:
        owner = type(self).__name__
        if average is not None:
            check_choice(owner, "average", average, ("binary", *AVERAGES))
        if positive is not None:
            check_size(owner, "positive", positive, minimum=0)
            if average != "binary":
                raise ValueError(
                    f"{owner}: positive is {positive} and average {average!r}, expected 'binary'"
                )
        self.average, self.positive = average, positive
        suffix = average if average != "binary" else positive
        self.name = self._word if suffix is None else f"{self._word}_{suffix}"
        super().__init__(ignore_index=ignore_index)

    def reset(self) -> None:
        self._true_positives = self._predicted = self._true = np.zeros(0, np.int64)

    @property
    def value(self) -> Any:
        """The average over all batches so far, or the array of all classes."""
        counts = self._true_positives, self._predicted, self._true
        if self.average != "binary":
            return averaged(self.average, self.scores, *counts)
        positive = 1 if self.positive is None else self.positive
        own = (count[positive : positive + 1] for count in counts)
        return averaged("micro", self.scores, *own)

    def scores(self, tp: Array, predicted: Array, true: Array) -> Array:
        """The metric of counts, for each class or of all together; NaN for 0/0."""
        raise missing(self, "scores")

    def add_classes(self, predicted: Array, classes: Array, C: int) -> None:
        owner = type(self).__name__
        if self.average == "binary" and self.positive is None and C != 2:
            raise ValueError(f"{owner}: y has {C} classes, expected 2 for average 'binary'")
        if self.positive is not None and self.positive >= C:
            raise ValueError(f"{owner}: positive is {self.positive}, and y has {C} classes")
        check_same_classes(owner, self._true.size, C)
        some = predicted[predicted >= 0]
        counted = [
            np.bincount(of, minlength=C) for of in (classes[predicted == classes], some, classes)
        ]
        if self._true.size:
            counted[0] += self._true_positives
            counted[1] += self._predicted
            counted[2] += self._true
        self._true_positives, self._predicted, self._true = counted


class Precision(PerClass):
    __doc__ = f"""true positives / predicted: the share of what was predicted that is right.

    As scikit-learn's precision_score; 0 where nothing was predicted.

    {AVERAGING}

    Examples
    --------
    >>> metric = pyrnn.metrics.Precision(average=None)
    >>> scores = np.eye(3)[[0, 1, 1, 1]]  # 0, 1, 1 and 1 are predicted
    >>> metric.update(scores, np.array([0, 1, 2, 1]))
    >>> metric.value.round(3)
    array([1.   , 0.667, 0.   ])
    """

    _word = "precision"

    def scores(self, tp: Array, predicted: Array, true: Array) -> Array:
        return quotients(tp, predicted)


class Recall(PerClass):
    """true positives / true: the share of a class that is found.

    As scikit-learn's recall_score; averages as Precision's. 0 where a class was predicted that no
    element has.

    Examples
    --------
    >>> metric = pyrnn.metrics.Recall(positive=2)  # of three classes
    >>> metric.update(np.eye(3)[[0, 2, 1]], np.array([0, 2, 2]))
    >>> metric.name, metric.value
    ('recall_2', 0.5)
    """

    _word = "recall"

    def scores(self, tp: Array, predicted: Array, true: Array) -> Array:
        return quotients(tp, true)


class F1(PerClass):
    __doc__ = f"""2 * precision * recall / (precision + recall) = tp / (tp + (fp + fn) / 2).

    van Rijsbergen 1979; as scikit-learn's f1_score. 0 where no element is a true positive.

    {AVERAGING}

    Examples
    --------
    >>> metric = pyrnn.metrics.F1()
    >>> metric.update(np.array([-1.0, 1.0, 1.0]), np.array([0, 1, 0]))  # logits of class 1
    >>> round(metric.value, 4)  # precision 1/2, recall 1
    0.6667
    """

    _word = "f1"

    def scores(self, tp: Array, predicted: Array, true: Array) -> Array:
        return quotients(2 * tp, predicted + true)


class Confusion(ClassMetric):
    """How many elements of each class are predicted as which: (C, C), rows true, columns predicted.

    As scikit-learn's confusion_matrix. `normalize` divides: "true" each row by its sum, the share
    of a class that is predicted so; "pred" each column; "all" by the number of all elements; 0 for
    0/0. None: counts, as int64. An element whose y has a NaN is not predicted, and not counted.
    The array is one that a Trainer cannot record: `update` it with what `predict` gives. (0, 0)
    before the first batch. Inputs and errors as Accuracy's; ValueError for a number of classes that
    changes.

    Examples
    --------
    >>> metric = pyrnn.metrics.Confusion()
    >>> metric.update(np.eye(3)[[0, 1, 1, 1]], np.array([0, 1, 2, 1]))  # a 2 that is taken for 1
    >>> metric.value
    array([[1, 0, 0],
           [0, 2, 0],
           [0, 1, 0]])
    """

    name = "confusion"
    higher_is_better = None  # an array is neither

    def __init__(self, normalize: str | None = None, *, ignore_index: int = -100) -> None:
        if normalize is not None:
            check_choice("Confusion", "normalize", normalize, ("true", "pred", "all"))
        self.normalize = normalize
        super().__init__(ignore_index=ignore_index)

    def reset(self) -> None:
        self._counts = np.zeros((0, 0), np.int64)

    @property
    def value(self) -> Any:
        """The array over all batches so far."""
        axes = {"true": 1, "pred": 0, "all": None}
        if self.normalize is None:
            return self._counts.copy()
        sums = self._counts.sum(axis=axes[self.normalize], keepdims=True)
        return np.nan_to_num(quotients(self._counts, sums), nan=0.0)

    def add_classes(self, predicted: Array, classes: Array, C: int) -> None:
        check_same_classes("Confusion", len(self._counts), C)
        there = predicted >= 0
        pairs = np.bincount(classes[there] * C + predicted[there], minlength=C * C)
        self._counts = pairs.reshape(C, C) + (self._counts if self._counts.size else 0)


def check_same_classes(owner: str, before: int, C: int) -> None:
    """ValueError for another number of classes than in the batches before, if there were any."""
    if before not in (0, C):
        raise ValueError(f"{owner}: y has {C} classes, those before had {before}")


def quotients(over: Array, under: Array) -> Array:
    """over / under, NaN for 0/0."""
    with np.errstate(invalid="ignore"):
        found: Array = np.asarray(over, np.float64) / np.asarray(under, np.float64)
    return found


def averaged(
    average: str | None,
    scores_of: Callable[[Array, Array, Array], Array],
    tp: Array,
    predicted: Array,
    true: Array,
) -> Any:
    """The scores of classes by their counts, averaged; None: all of them."""
    if average == "micro":
        together = [np.asarray(counts.sum()) for counts in (tp, predicted, true)]
        return _or_zero(scores_of(*together)) if together[1] + together[2] > 0 else math.nan
    occurring = predicted + true > 0
    scores = np.where(occurring, _or_zero(scores_of(tp, predicted, true)), np.nan)
    if average is None:
        return scores
    if average == "macro":
        return ratio(math.fsum(scores[occurring]), int(np.count_nonzero(occurring)))
    weighted, count = math.fsum(scores[occurring] * true[occurring]), int(true.sum())
    only_wrong = not count and occurring.any()
    return 0.0 if only_wrong else ratio(weighted, count)


def _or_zero(scores: Array) -> Any:
    """0 for 0/0; a number alone as a float."""
    found = np.where(np.isnan(scores), 0.0, scores)
    return found if found.ndim else float(found)
