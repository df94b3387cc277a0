"""Classes as a network has them: one label of several, several labels of yes or no, or both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from .._base.checks import Array, describe, describe_all
from ..losses import BCEWithLogits, CrossEntropy, Loss
from ._file import learnt
from ._heads import SeveralCrossEntropies
from ._naming import naming
from ._network import softmax


class Targets(Protocol):
    """How labels are numbers for a loss, and scores are labels."""

    @property
    def classes(self) -> Any:
        """As scikit-learn's `classes_`."""

    @property
    def outputs(self) -> int:
        """The network's outputs."""

    def loss(self) -> Loss:
        """What is minimised."""

    def encode(self, y: Any) -> Array:
        """The target of labels y."""

    def columns(self, target: Array) -> list[tuple[Array, Array]]:
        """Of each label: its classes, and the classes' numbers (N,)."""

    def expected(self, target: Array) -> Array:
        """(N, outputs), whose mean is the probability of each output."""

    def scores(self, probabilities: Array) -> Array:
        """The network's outputs that say so."""

    def decode(self, scores: Array) -> Array:
        """The most likely labels."""

    def probabilities(self, scores: Array) -> Any:
        """Those of each class."""


@learnt
@dataclass(frozen=True)
class OneLabel:
    """One of C classes for each sample or step: C logits."""

    owner: str
    classes: Array

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def loss(self) -> Loss:
        return CrossEntropy()

    def encode(self, y: Any) -> Array:
        """The numbers of labels (N,). ValueError for a label that is no class."""
        labels = np.asarray(y)
        unknown = ~np.isin(labels, self.classes)
        if unknown.any():
            raise ValueError(
                f"{self.owner}: y holds the label {describe(labels[unknown].tolist()[0])}, "
                f"expected one of {describe_all(self.classes.tolist(), 20)}"
            )
        numbers: Array = np.searchsorted(self.classes, labels).astype(np.int64)
        return numbers

    def columns(self, target: Array) -> list[tuple[Array, Array]]:
        return [(self.classes, target)]

    def expected(self, target: Array) -> Array:
        one_hot: Array = target[:, None] == np.arange(self.outputs)
        return one_hot.astype(np.float64)

    def scores(self, probabilities: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(probabilities)

    def decode(self, scores: Array) -> Array:
        labels: Array = self.classes[scores.argmax(axis=-1)]
        return labels

    def probabilities(self, scores: Array) -> Array:
        return softmax(scores)


@learnt
@dataclass(frozen=True)
class YesOrNo:
    """Several labels, each there or not (multilabel): a logit for each."""

    owner: str
    outputs: int

    @property
    def classes(self) -> Array:
        return np.arange(self.outputs)

    def loss(self) -> Loss:
        return BCEWithLogits()

    def encode(self, y: Any) -> Array:
        """0 or 1 (N, L). ValueError for other numbers, and for more or fewer labels."""
        labels = np.asarray(y)
        _check_columns(self.owner, labels, self.outputs)
        wrong = ~np.isin(labels, (0, 1))
        if wrong.any():
            raise ValueError(
                f"{self.owner}: y holds {describe(labels[wrong].tolist()[0])}, expected 0 or 1 "
                f"for each of {self.outputs} labels"
            )
        return labels.astype(np.float32)

    def columns(self, target: Array) -> list[tuple[Array, Array]]:
        return [(np.arange(2), column) for column in target.T.astype(np.int64)]

    def expected(self, target: Array) -> Array:
        return target.astype(np.float64)

    def scores(self, probabilities: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(probabilities) - np.log1p(-probabilities)

    def decode(self, scores: Array) -> Array:
        there: Array = scores > 0
        return there.astype(np.int64)

    def probabilities(self, scores: Array) -> Array:
        return softmax(np.stack([np.zeros_like(scores), scores], axis=-1))[..., 1]


@learnt
@dataclass(frozen=True)
class SeveralLabels:
    """Several labels, each one of classes of its own (multi-output): their logits side by side."""

    owner: str
    labels: tuple[OneLabel, ...]

    @property
    def classes(self) -> list[Array]:
        return [label.classes for label in self.labels]

    @property
    def outputs(self) -> int:
        return sum(label.outputs for label in self.labels)

    def loss(self) -> Loss:
        return SeveralCrossEntropies([label.outputs for label in self.labels])

    def encode(self, y: Any) -> Array:
        labels = np.asarray(y)
        _check_columns(self.owner, labels, len(self.labels))
        columns = zip(self.labels, labels.T, strict=True)
        return np.stack([label.encode(column) for label, column in columns], axis=1)

    def columns(self, target: Array) -> list[tuple[Array, Array]]:
        return list(zip(self.classes, target.T, strict=True))

    def expected(self, target: Array) -> Array:
        columns = zip(self.labels, target.T, strict=True)
        return np.hstack([label.expected(column) for label, column in columns])

    def scores(self, probabilities: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(probabilities)

    def decode(self, scores: Array) -> Array:
        parts = zip(self.labels, self._split(scores), strict=True)
        return np.stack([label.decode(part) for label, part in parts], axis=1)

    def probabilities(self, scores: Array) -> list[Array]:
        return [softmax(part) for part in self._split(scores)]

    def _split(self, scores: Array) -> list[Array]:
        """The scores of each label."""
        ends = np.cumsum([label.outputs for label in self.labels])[:-1]
        return np.split(scores, ends, axis=-1)


def read_labels(owner: str, y: Any) -> Array:
    """y of a classifier: labels (N,) or (N, L)."""
    with naming(owner, "y"):
        check_classification_targets(y)
        labels = np.asarray(y)
        several = labels.ndim == 2 and labels.shape[1] > 1
        return labels if several else column_or_1d(y, warn=True)


def targets_of(owner: str, labels: Array, declared: Any) -> Targets:
    """What labels are there, by the first y, and by the classes that were declared, if any."""
    if declared is not None and isinstance(declared, list):
        return SeveralLabels(owner, tuple(OneLabel(owner, classes) for classes in declared))
    if labels.ndim == 1:
        found = unique_labels(labels) if declared is None else declared
        return OneLabel(owner, found)
    if type_of_target(labels) == "multilabel-indicator" and np.isin(labels, (0, 1)).all():
        targets = YesOrNo(owner, labels.shape[1])
        if declared is not None and not np.array_equal(declared, targets.classes):
            raise ValueError(
                f"{owner}: classes is {declared.tolist()}, expected the numbers of the columns of "
                f"y, {targets.classes.tolist()}"
            )
        return targets
    if declared is not None:
        raise ValueError(
            f"{owner}: classes is {declared.tolist()}, expected a list with the classes of each of "
            f"the {labels.shape[1]} columns of y"
        )
    return SeveralLabels(owner, tuple(OneLabel(owner, unique_labels(c)) for c in labels.T))


def read_classes(owner: str, classes: Any) -> Any:
    """`classes` of partial_fit: an array, or a list of them, one for each label."""
    several = isinstance(classes, list | tuple) and all(
        hasattr(entry, "__len__") and not isinstance(entry, str) for entry in classes
    )
    with naming(owner, "classes"):
        return [unique_labels(one) for one in classes] if several else unique_labels(classes)


def same_classes(a: Any, b: Any) -> bool:
    """Whether the classes of all labels are the same."""
    several = isinstance(a, list)
    if several != isinstance(b, list):
        return False
    pairs = list(zip(a, b, strict=False)) if several else [(a, b)]
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in pairs)


def class_weights(
    owner: str, class_weight: Any, targets: Targets, target: Array, weight: Array | None
) -> list[Array] | None:
    """The weight of each class, of one label or of each; None if all weigh the same.

    "balanced" is total / (C * the class' share of the total weight), as scikit-learn's
    `compute_class_weight`. ValueError for a class that "balanced" says nothing of."""
    if class_weight is None:
        return None
    columns = targets.columns(target)
    words = [class_weight] * len(columns)
    if len(columns) > 1 and not isinstance(class_weight, str):
        if not isinstance(class_weight, Sequence) or len(class_weight) != len(columns):
            raise ValueError(
                f"{owner}: class_weight is {describe(class_weight)}, expected 'balanced', or a "
                f"list of {len(columns)} dicts, one for each label"
            )
        words = list(class_weight)
    with naming(owner, "class_weight"):
        return [
            _weights_of(owner, word, *column, weight, len(columns) == 1)
            for word, column in zip(words, columns, strict=True)
        ]


def factors(targets: Targets, weights: list[Array], target: Array) -> Array:
    """What the class weights make of each sample's weight: of several labels the product."""
    product = np.ones(len(target))
    for of_classes, (_, numbers) in zip(weights, targets.columns(target), strict=True):
        product *= of_classes[numbers]
    return product


def _weights_of(
    owner: str, word: Any, classes: Array, numbers: Array, weight: Array | None, alone: bool
) -> Array:
    """The weights of a label's classes."""
    if isinstance(word, Mapping):
        given: Array = compute_class_weight(word, classes=classes, y=classes[numbers])
        return given
    there = np.bincount(numbers, minlength=len(classes)) > 0
    if alone and not there.all():
        missing = classes[~there].tolist()[0]
        raise ValueError(
            f"{owner}: class_weight is {describe(word)}, and y lacks the class {missing!r}: "
            "expected a dict with a weight for each class, or a first y that has all classes"
        )
    weights = np.ones(len(classes))
    weights[there] = compute_class_weight(word, classes=classes[there], y=classes[numbers])
    if word is not None and weight is not None:  # scikit-learn < 1.7 takes no sample_weight
        sums = np.bincount(numbers, weight, minlength=len(classes))
        there = sums > 0
        weights[there] = sums.sum() / (there.sum() * sums[there])
    return weights


def _check_columns(owner: str, labels: Array, expected: int) -> None:
    """ValueError for another number of labels than in the first fit."""
    if labels.ndim != 2 or labels.shape[1] != expected:
        raise ValueError(f"{owner}: y has shape {labels.shape}, expected (N, {expected}) as in fit")
