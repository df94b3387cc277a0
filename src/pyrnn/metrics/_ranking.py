"""AUC: the area under the ROC curve."""

import math
from typing import Any

import numpy as np

from .. import _core
from .._base.checks import Array, check_choice
from .._base.runtime import num_threads
from ._classification import ClassMetric


class AUC(ClassMetric):
    """The probability that an element of a class is scored higher than one of another class.

    The area under the ROC curve, by the ranks of the scores (Hanley & McNeil 1982); of equal scores
    each half counts; as scikit-learn's roc_auc_score. Of two classes it is that of class 1, whose
    score is its logit, or its logit less that of class 0. Of more it is one-vs-rest: each class by
    its softmax probability, then average="macro", the mean over the classes, or "weighted", by
    their numbers of elements; None: an array with a number for each class. A class that all
    elements have or none has no number, NaN, and is left out of the mean. y are logits; inputs and
    errors as Accuracy's. All scores are kept until `reset`: 16 bytes or more for an element.

    Examples
    --------
    >>> metric = pyrnn.metrics.AUC()
    >>> metric.update(np.array([-2.0, 0.5, 0.1, 3.0]), np.array([0, 0, 1, 1]))
    >>> metric.value  # of four pairs, 0.5 is above 0.1
    0.75
    """

    name = "auc"

    def __init__(self, average: str | None = "macro", *, ignore_index: int = -100) -> None:
        if average is not None:
            check_choice("AUC", "average", average, ("macro", "weighted"))
        self.average = average
        super().__init__(ignore_index=ignore_index)

    def reset(self) -> None:
        self._scores: list[Array] = []
        self._classes: list[Array] = []

    def needs_logits(self, y_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> bool:
        scored = not super().needs_logits(y_shape, target_shape)
        return scored and y_shape[-1] > 2  # those of one or two classes keep their order

    def add(self, y: Array, target: Any, lengths: Any) -> None:
        classes, real, C, scored = self.read_classes(y, target, lengths)
        if not scored:
            scores = y.reshape(classes.shape)[real].astype(np.float64)
        else:
            scores = y[real].astype(np.float64)
            scores = (
                scores[:, 1] - scores[:, 0]
                if C == 2
                else _core.softmax_forward(scores, num_threads())
            )
        if np.isnan(scores).any():
            raise ValueError("AUC: y has a NaN, expected scores that can be ordered")
        if self._scores and self._scores[0].shape[1:] != scores.shape[1:]:
            raise ValueError(f"AUC: y has {C} classes, those before had another number")
        self._scores.append(scores)
        self._classes.append(classes[real])

    @property
    def value(self) -> Any:
        """The area over all batches so far, or the array of all classes."""
        if not self._scores:
            return math.nan
        scores, classes = np.concatenate(self._scores), np.concatenate(self._classes)
        if scores.ndim == 1:
            area = _area(scores, classes == 1)
            return area if self.average is not None else np.array([area, area])
        C = scores.shape[1]
        areas = np.array([_area(scores[:, c], classes == c) for c in range(C)])
        if self.average is None:
            return areas
        known = ~np.isnan(areas)
        weights = np.bincount(classes, minlength=C) if self.average == "weighted" else np.ones(C)
        total = math.fsum(weights[known])
        return math.fsum((areas * weights)[known]) / total if total else math.nan


def _area(scores: Array, positive: Array) -> float:
    """By the sum of the positives' ranks, equal scores at their mean rank: exact in float64."""
    there, counts = np.unique(scores, return_inverse=True, return_counts=True)[1:]
    ranks = np.cumsum(counts) - (counts - 1) / 2
    n, m = int(np.count_nonzero(positive)), int(np.count_nonzero(~positive))
    if not n or not m:
        return math.nan
    return float((ranks[there.reshape(-1)][positive].sum() - n * (n + 1) / 2) / (n * m))
