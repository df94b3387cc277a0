"""Datasets: samples that are sequences, each of its own length."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._base.checks import describe
from .._base.columns import Column, Columns


class SequenceDataset(Columns):
    """N samples: sequences x of any lengths, each with a target.

    `x` is a list of arrays (T_i, F), or (T_i,) of ids; `target` has one entry per sequence, an
    array (N, ...), or one per step, a list of arrays (T_i, ...). Padded arrays (N, T, ...), x with
    `lengths` (N,), will do as well. `dataset[i]` is (x_i, target_i). `sample_weight` has a number
    >= 0 for each sample, (N,), or for each step, (N, T) or a list of arrays (T_i,); see
    `Trainer.fit`.

    For samples that do not fit in memory see `StoredDataset`; or a class of your own, which may be
    a subclass, defines `__len__`, `__getitem__` and `lengths`, the number of steps of each sample,
    by which batches are made, and perhaps `sample_weight`; it needs nothing of this `__init__`. A
    sample must be the same each time it is asked for, and have no padding. With `is_stored = True`
    it is read ahead by a thread, and checked batch by batch.

    TypeError for what is no real numbers. ValueError for no samples, for x and target that do not
    belong together, and for samples of different widths. `name` begins the messages.

    Examples
    --------
    >>> x = [np.zeros((5, 3)), np.ones((2, 3))]  # two samples of 5 and 2 steps
    >>> dataset = pyrnn.SequenceDataset(x, np.array([0, 1]))
    >>> len(dataset), dataset.lengths.tolist()
    (2, [5, 2])
    >>> dataset[1][0].shape, int(dataset[1][1])
    ((2, 3), 1)
    """

    def __init__(
        self,
        x: Any,
        target: Any = None,
        lengths: Any = None,
        sample_weight: Any = None,
        *,
        name: str = "SequenceDataset:",
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"SequenceDataset: name is {describe(name)}, expected a text")
        super().__init__(x, target, lengths, sample_weight, name=name)

    def _phrases(self) -> Iterator[str]:
        yield f"{len(self)} samples"
        least, most = np.min(self.lengths), np.max(self.lengths)
        yield f"{least} to {most} steps" if least < most else f"{most} steps"
        for name in ("x", "target", "sample_weight"):
            column = getattr(self, name, None)  # a subclass need not have them
            if column is not None:
                yield f"{name} {in_words(column)}"


def in_words(column: Column) -> str:
    """Shape and dtype of one entry per sample."""
    if not isinstance(column, list):
        return f"{column.shape} {column.dtype}"
    steps = ", ".join(["T", *map(str, column[0].shape[1:])])
    return f"({steps}{',' * (column[0].ndim == 1)}) {column[0].dtype}"
