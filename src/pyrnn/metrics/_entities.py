"""EntityF1: whole spans of tags, such as names, rather than single tags."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base.checks import Array, check_choice, check_list, describe
from ._classification import ClassMetric
from ._per_class import AVERAGES, averaged, quotients

PREFIXES = "OBIES"  # outside, begin, inside, end, single
O, B, I, E, S = range(5)


class EntityF1(ClassMetric):
    """F1 of entities: spans of tags such as B-PER, I-PER, right only if type and both ends are.

    F1 = 2 * right / (predicted + true entities). Tjong Kim Sang & De Meulder 2003; as seqeval's
    f1_score in its default mode, which reads IOB1, BIO, IOBES and what is none of them: a span goes
    on while the type stays the same, until a B or S, or until after an E or S.

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

    def __init__(
        self, tags: Sequence[str], average: str | None = "micro", *, ignore_index: int = -100
    ) -> None:
        self.tags = tuple(check_list("EntityF1", "tags", tags))
        if average is not None:
            check_choice("EntityF1", "average", average, AVERAGES)
        self.average = average
        parts = [_parts(tag) for tag in self.tags]
        self.types = tuple(sorted({kind for prefix, kind in parts if prefix != O}))
        if not self.types:
            raise ValueError("EntityF1: tags have no entities, expected some such as 'B-PER'")
        places = {kind: i for i, kind in enumerate(self.types)}
        self._prefix = np.array([prefix for prefix, _ in parts])
        self._type = np.array([places.get(kind, -1) for _, kind in parts])
        super().__init__(ignore_index=ignore_index)

    def reset(self) -> None:
        self._counts = np.zeros((3, len(self.types)), np.int64)  # right, predicted, true

    @property
    def value(self) -> Any:
        """F1 over all batches so far, or the array of all types."""
        return averaged(self.average, self.scores, *self._counts)

    def scores(self, right: Array, predicted: Array, true: Array) -> Array:
        """F1 of counts; NaN for 0/0."""
        return quotients(2 * right, predicted + true)

    def add(self, y: Array, target: Any, lengths: Any) -> None:
        classes, real, C, scored = self.read_classes(y, target, lengths)
        if classes.ndim != 2 or y.ndim != 3 or len(self.tags) != C:
            raise ValueError(
                f"EntityF1: y has shape {y.shape}, expected (N, T, {len(self.tags)}), a score for "
                "each tag"
            )
        front = np.argsort(~real, axis=1, kind="stable")  # what counts, without the gaps
        counted = np.take_along_axis(real, front, 1)
        told, right = (
            self._spans(np.take_along_axis(np.where(real, tags, 0), front, 1), counted)
            for tags in (self.predicted(y, scored), classes)
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


def _parts(tag: Any) -> tuple[int, str]:
    """The prefix of a tag, and its type: "_" if it has none."""
    prefix, _, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    if prefix not in PREFIXES or len(prefix) != 1 or (prefix == "O" and kind):
        raise ValueError(
            f"EntityF1: tags has {describe(tag)}, expected 'O', or a prefix B, I, E or S and a type"
            ": 'B-PER'"
        )
    return PREFIXES.index(prefix), kind or "_"
