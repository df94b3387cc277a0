"""Metrics of entities: whole spans of tags, such as names, rather than single tags."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base.checks import Array, check_choice, check_list, describe
from .._base.settings import missing
from ._classification import ClassMetric
from ._per_class import AVERAGES, averaged, quotients

PREFIXES = {"O": 0, "B": 1, "I": 2, "E": 3, "L": 3, "S": 4, "U": 4}
O, B, I, E, S = range(5)  # outside, begin, inside, end or last, single or unit


class EntityMetric(ClassMetric):
    """A metric of the counts of entities: right, predicted and true."""

    def __init__(
        self, tags: Sequence[str], average: str | None = "micro", *, ignore_index: int = -100
    ) -> None:
        owner = type(self).__name__
        self.tags = tuple(check_list(owner, "tags", tags))
        if average is not None:
            check_choice(owner, "average", average, AVERAGES)
        self.average = average
        parts = [_parts(owner, tag) for tag in self.tags]
        self.types = tuple(sorted({kind for prefix, kind in parts if prefix != O}))
        if not self.types:
            raise ValueError(f"{owner}: tags have no entities, expected some such as 'B-PER'")
        places = {kind: i for i, kind in enumerate(self.types)}
        self._prefix = np.array([prefix for prefix, _ in parts])
        self._type = np.array([places.get(kind, -1) for _, kind in parts])
        super().__init__(ignore_index=ignore_index)

    def reset(self) -> None:
        self._counts = np.zeros((3, len(self.types)), np.int64)  # right, predicted, true

    @property
    def value(self) -> Any:
        """The metric over all batches so far, or the array of all types."""
        return averaged(self.average, self.scores, *self._counts)

    def scores(self, right: Array, predicted: Array, true: Array) -> Array:
        """The metric of counts; NaN for 0/0."""
        raise missing(self, "scores")

    def add(self, y: Array, target: Any, lengths: Any) -> None:
        classes, real, C, scored = self.read_classes(y, target, lengths)
        if classes.ndim != 2 or y.ndim != 3 or len(self.tags) != C:
            raise ValueError(
                f"{type(self).__name__}: y has shape {y.shape}, expected (N, T, {len(self.tags)}), "
                "a score for each tag"
            )
        self.add_tags(self.predicted(y, scored), classes, real)

    def add_tags(self, predicted: Array, classes: Array, real: Array) -> None:
        """Adds the numbers of tags (N, T), predicted and true, where they are real."""
        front = np.argsort(~real, axis=1, kind="stable")  # what counts, without the gaps
        counted = np.take_along_axis(real, front, 1)
        told, right = (
            self._spans(np.take_along_axis(np.where(real, tags, 0), front, 1), counted)
            for tags in (predicted, classes)
        )
        same = (told[0] >= 0) & (told[0] == right[0]) & (told[1] == right[1])
        for counts, types in zip(self._counts, (right[0][same], told[0], right[0]), strict=True):
            counts += np.bincount(types[types >= 0], minlength=len(self.types))

    def _spans(self, tags: Array, counted: Array) -> tuple[Array, Array]:
        """(type, last step) of the span that begins at each step, -1 where none does (N, T)."""
        prefix = np.where(counted & (tags >= 0), self._prefix[tags], O)
        kind = np.where(prefix == O, -1, self._type[tags])
        edge = np.zeros((len(tags), 1), np.int64)
        before, after = np.hstack([edge, prefix]), np.hstack([prefix, edge])
        changes = np.hstack([edge - 1, kind]) != np.hstack([kind, edge - 1])
        cut = np.isin(after, (B, S)) | np.isin(before, (E, S)) | changes
        begins, ends = cut & (after != O), cut & (before != O)
        row, first = np.nonzero(begins)
        last = np.nonzero(ends)[1] - 1  # in the same order: spans do not overlap
        types, ended = np.full(tags.shape, -1), np.full(tags.shape, -1)
        types[row, first], ended[row, first] = kind[row, first], last
        return types, ended


class EntityF1(EntityMetric):
    """F1 of entities: spans of tags such as B-PER, I-PER, right only if type and both ends are.

    F1 = 2 * right / (predicted + true entities). Tjong Kim Sang & De Meulder 2003; as seqeval's
    f1_score in its default mode, which reads IOB1, BIO, IOBES and what is none of them: a span goes
    on while the type stays the same, until a B or S, or until after an E or S. BILOU's L and U are
    read as E and S.

    `tags` are the names of the classes, "O" and prefix and type, "B-PER". y (N, T, C) are scores,
    target (N, T); `ignore_index` and steps that do not count are left out, and the steps around
    them are neighbours. average="micro" is of all entities together, "macro" the mean over the
    types, "weighted" by their numbers of true entities, None an array by type, as `types` names
    them. 0 where nothing is right, NaN where there is no entity. ValueError for a tag of another
    form, for another number of classes, and for y without time; else as Accuracy.

    Examples
    --------
    >>> metric = pyrnn.metrics.EntityF1(["O", "B-PER", "I-PER"])
    >>> told = np.eye(3)[[[1, 2, 0, 1]]]  # a name of two words, and one of one
    >>> metric.update(told, np.array([[1, 0, 0, 1]]))  # two names of one word
    >>> metric.value
    0.5
    """

    name = "entity_f1"

    def scores(self, right: Array, predicted: Array, true: Array) -> Array:
        return quotients(2 * right, predicted + true)


class EntityPrecision(EntityMetric):
    """right / predicted entities: the share of the entities that were told which are there.

    Tags, averages and errors as EntityF1's; 0 where none was told.

    Examples
    --------
    >>> metric = pyrnn.metrics.EntityPrecision(["O", "B-PER", "I-PER"])
    >>> metric.update(np.eye(3)[[[1, 2, 0, 1]]], np.array([[0, 0, 0, 1]]))  # two told, one right
    >>> metric.value
    0.5
    """

    name = "entity_precision"

    def scores(self, right: Array, predicted: Array, true: Array) -> Array:
        return quotients(right, predicted)


class EntityRecall(EntityMetric):
    """right / true entities: the share of the entities that are found.

    Tags, averages and errors as EntityF1's; 0 where there are only wrong ones.

    Examples
    --------
    >>> metric = pyrnn.metrics.EntityRecall(["O", "B-PER", "I-PER"])
    >>> metric.update(np.eye(3)[[[1, 2, 0, 1]]], np.array([[0, 0, 0, 1]]))  # the one is found
    >>> metric.value
    1.0
    """

    name = "entity_recall"

    def scores(self, right: Array, predicted: Array, true: Array) -> Array:
        return quotients(right, true)


def _parts(owner: str, tag: Any) -> tuple[int, str]:
    """The prefix of a tag, and its type: "_" if it has none."""
    prefix, _, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    if prefix not in PREFIXES or (prefix == "O" and kind):
        raise ValueError(
            f"{owner}: tags has {describe(tag)}, expected 'O', or a prefix B, I, E, S, L or U and "
            "a type: 'B-PER'"
        )
    return PREFIXES[prefix], kind or "_"
