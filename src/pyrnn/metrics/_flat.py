"""Metrics of labels of sequences: any metric of their steps, and those of entities."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.checks import Array, check_choice, describe
from .._base.columns import as_numpys
from ._entities import EntityF1, EntityMetric, EntityPrecision, EntityRecall
from ._per_class import AVERAGES


def flat(metric: Callable[..., Any], **options: Any) -> "FlatMetric":
    """A metric of single labels or numbers, for sequences of them: of all steps, laid end to end.

    `flat(f1_score, average="macro")(y_true, y_pred)` is
    `f1_score(all true, all predicted, average="macro")`: y_true and y_pred are N sequences of any
    lengths, such as y and `tagger.predict(X)`. `sample_weight` has a number for each sequence or
    step. The same object is a scorer for scikit-learn,
    `cross_val_score(tagger, X, y, scoring=flat(f1_score, average="macro"))`; with `make_scorer` it
    may be turned around (greater_is_better=False). TypeError for a metric that cannot be called,
    ValueError for unlike numbers of sequences or steps.

    Examples
    --------
    >>> right = lambda true, told: float(np.mean(true == told))
    >>> pyrnn.metrics.flat(right)([["a", "b"], ["a"], []], [["a", "a"], ["a"], []])
    0.6666666666666666
    """
    if not callable(metric):
        raise TypeError(
            f"flat: metric is {describe(metric)}, expected a function of y_true and y_pred"
        )
    return FlatMetric(metric, options)


class FlatMetric:
    """What `flat` gives: a metric of sequences, and a scorer."""

    def __init__(self, metric: Callable[..., Any], options: dict[str, Any]) -> None:
        self._metric, self._given = metric, options
        self.__name__ = f"flat_{getattr(metric, '__name__', 'metric')}"

    def __call__(
        self, y_true: Any, y_pred: Any, y: Any = None, *, sample_weight: Any = None, **options: Any
    ) -> Any:
        """The metric of (y_true, y_pred); of (estimator, X, y), as scikit-learn calls a scorer."""
        if hasattr(y_true, "predict"):
            y_true, y_pred = y, y_true.predict(y_pred)
        true, told = _pairs(self._name, y_true, y_pred)
        if sample_weight is not None:
            options["sample_weight"] = _of_steps(self._name, sample_weight, true)
        return self._metric(_joined(true), _joined(told), **self._given, **options)

    @property
    def _name(self) -> str:
        return f"flat({getattr(self._metric, '__name__', 'metric')})"

    def __repr__(self) -> str:
        words = "".join(f", {name}={value!r}" for name, value in self._given.items())
        return f"{self._name[:-1]}{words})"


def entity_f1(y_true: Any, y_pred: Any, *, average: str | None = "micro") -> Any:
    """F1 of the entities in sequences of tags, such as y and `tagger.predict(X)`; see EntityF1.

    With `average=None` an array by type, in alphabetical order. NaN where there is no entity.
    `sklearn.metrics.make_scorer(entity_f1)` is a scorer. ValueError for unlike numbers of sequences
    or steps, and for what is no tag.

    Examples
    --------
    >>> y = [["B-PER", "I-PER", "O"], ["B-LOC"]]
    >>> pyrnn.metrics.entity_f1(y, [["B-PER", "O", "O"], ["B-LOC"]])
    0.5
    """
    return _of_entities(EntityF1, y_true, y_pred, average)


def entity_precision(y_true: Any, y_pred: Any, *, average: str | None = "micro") -> Any:
    """The share of the told entities that are there; the rest as `entity_f1`.

    Examples
    --------
    >>> pyrnn.metrics.entity_precision([["O", "B-LOC"]], [["B-PER", "B-LOC"]])
    0.5
    """
    return _of_entities(EntityPrecision, y_true, y_pred, average)


def entity_recall(y_true: Any, y_pred: Any, *, average: str | None = "micro") -> Any:
    """The share of the entities that were told; the rest as `entity_f1`.

    Examples
    --------
    >>> pyrnn.metrics.entity_recall([["O", "B-LOC"]], [["B-PER", "B-LOC"]])
    1.0
    """
    return _of_entities(EntityRecall, y_true, y_pred, average)


def _of_entities(kind: type[EntityMetric], y_true: Any, y_pred: Any, average: Any) -> Any:
    """The metric of tags by name."""
    owner = kind.name
    if average is not None:
        check_choice(owner, "average", average, AVERAGES)
    true, told = _pairs(owner, y_true, y_pred)
    lengths = np.array([len(row) for row in true], np.int64)
    names, numbers = np.unique(
        np.concatenate([_joined(true), _joined(told)]).astype(str), return_inverse=True
    )
    if set(names.tolist()) <= {"O"}:
        return math.nan if average is not None else np.zeros(0)
    metric = kind(names.tolist(), average)
    real = np.arange(lengths.max()) < lengths[:, None]
    tags = np.zeros((2, *real.shape), np.int64)
    tags[:, real] = numbers.reshape(2, -1)
    metric.add_tags(tags[1], tags[0], real)
    return metric.value


def _pairs(owner: str, y_true: Any, y_pred: Any) -> tuple[list[Array], list[Array]]:
    """The sequences of both, of the same lengths."""
    true, told = _rows(owner, "y_true", y_true), _rows(owner, "y_pred", y_pred)
    if len(true) != len(told):
        raise ValueError(
            f"{owner}: y_pred has {len(told)} sequences, expected {len(true)} as y_true"
        )
    for i, (a, b) in enumerate(zip(true, told, strict=True)):
        if len(a) != len(b):
            raise ValueError(
                f"{owner}: y_pred[{i}] has {len(b)} steps, expected {len(a)} as y_true[{i}]"
            )
    return true, told


def _rows(owner: str, name: str, column: Any) -> list[Array]:
    """One array for each sequence, with at least one axis."""
    column = as_numpys(owner, name, column, "of labels")
    if isinstance(column, str) or not hasattr(column, "__len__"):
        raise TypeError(f"{owner}: {name} is {describe(column)}, expected sequences")
    rows = column.to_numpy() if hasattr(column, "columns") else column
    found = []
    for i, row in enumerate(rows):
        if isinstance(row, str) or not hasattr(row, "__len__"):
            raise TypeError(f"{owner}: {name}[{i}] is {describe(row)}, expected a sequence")
        found.append(np.asarray(row))
    return found


def _joined(rows: list[Array]) -> Array:
    """All steps; a row without any has no dtype of its own."""
    filled = [row for row in rows if len(row)]
    return np.concatenate(filled) if filled else np.zeros(0)


def _of_steps(owner: str, weight: Any, rows: list[Array]) -> Array:
    """A weight for each step of all sequences."""
    if not hasattr(weight, "__len__") or len(weight) != len(rows):
        raise ValueError(
            f"{owner}: sample_weight is {describe(weight)}, expected a number for each of "
            f"{len(rows)} sequences, or one for each step"
        )
    of_each = []
    for i, (w, row) in enumerate(zip(weight, rows, strict=True)):
        if np.ndim(w) and np.shape(w) != (len(row),):
            raise ValueError(
                f"{owner}: sample_weight[{i}] has shape {np.shape(w)}, expected ({len(row)},), one "
                f"number for each step of y_true[{i}]"
            )
        of_each.append(np.broadcast_to(w, len(row)))
    return _joined(of_each)
