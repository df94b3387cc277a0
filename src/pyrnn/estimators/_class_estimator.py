"""Classes: what classifier and tagger share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import unique_labels

from .._base.checks import Array, describe, describe_all
from ..losses import CrossEntropy, Loss
from ._base import SequenceEstimator
from ._naming import naming


@dataclass(kw_only=True, eq=False, repr=False)
class ClassEstimator(SequenceEstimator):
    """Labels, their numbers and weights."""

    class_weight: Any = None

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One more epoch on X and y, weighted as by `fit`.

        The first call, unless a fit came before, makes the network: it decides on scale and
        vocabulary, and `classes` are all labels that will ever come, those of y without.
        """
        fresh = self._begin(keep=True)
        if classes is not None:
            with naming(type(self).__name__, "classes"):
                given = unique_labels(classes)
            if not hasattr(fresh, "network_"):
                fresh.classes_ = given
            elif not np.array_equal(given, fresh.classes_):
                raise ValueError(
                    f"{type(self).__name__}: classes is {given.tolist()}, which is not the same as "
                    f"on last call to partial_fit, was: {fresh.classes_.tolist()}"
                )
        fresh._learn(X, y, sample_weight, self._seed(), 1, hold_out=False)
        return self._finish(fresh)

    def _encode(self, labels: Array, *, first: bool) -> Array:
        """The numbers of labels; with `first`, they are the classes."""
        if first and not hasattr(self, "classes_"):
            self.classes_ = unique_labels(labels)
        unknown = ~np.isin(labels, self.classes_)
        if unknown.any():
            raise ValueError(
                f"{type(self).__name__}: y holds the label {describe(labels[unknown].tolist()[0])},"
                f" expected one of {describe_all(self.classes_.tolist(), 20)}"
            )
        numbers: Array = np.searchsorted(self.classes_, labels).astype(np.int64)
        if first:
            with naming(type(self).__name__, "class_weight"):
                self._weights = self._weights_of(labels)
        return numbers

    def _weights_of(self, labels: Array) -> Array | None:
        """A weight for each class, or None."""
        if self.class_weight is None:
            return None
        weighted = self.classes_
        if not isinstance(self.class_weight, Mapping):  # as often as a class is seen
            weighted = self.classes_[np.isin(self.classes_, labels)]
            if len(weighted) < len(self.classes_):
                missing = self.classes_[~np.isin(self.classes_, weighted)]
                raise ValueError(
                    f"{type(self).__name__}: class_weight is {describe(self.class_weight)}, and y "
                    f"lacks the class {missing[:1].tolist()[0]!r}: expected a dict with a weight "
                    "for each class, or a first y that has all classes"
                )
        weights: Array = compute_class_weight(self.class_weight, classes=weighted, y=labels)
        return weights

    def _outputs(self) -> int:
        return len(self.classes_)

    def _loss(self) -> Loss:
        return CrossEntropy(weight=self._weights)
