"""Which steps of padded samples are real: `lengths`, `mask`, and what was left out of X by them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.checks import Array, as_integers, as_plain_array, check_shape, describe
from .._base.targets import Bools


@dataclass(frozen=True)
class Padding:
    """What a caller says of the steps of X: `lengths` (N,), or a `mask` of bools for each step, or
    neither. `owner` begins the messages."""

    owner: str
    lengths: Any = None
    mask: Any = None

    def __bool__(self) -> bool:
        return self.lengths is not None or self.mask is not None

    def read(self, steps: list[int]) -> list[Bools] | None:
        """True for the real steps of each sample, of as many as came in X; None if all are.

        TypeError or ValueError for both, for another number of samples or steps."""
        if self.lengths is not None and self.mask is not None:
            raise ValueError(
                f"{self.owner}: mask is {describe(self.mask)}, expected None with lengths: one of "
                "the two says which steps are real"
            )
        if self.lengths is not None:
            return self._of_lengths(steps)
        return None if self.mask is None else self._of_mask(steps)

    def _of_lengths(self, steps: list[int]) -> list[Bools]:
        lengths = as_integers(self.owner, "lengths", self.lengths)
        check_shape(self.owner, "lengths", lengths, (len(steps),), "one for each sample of X")
        wrong = np.flatnonzero((lengths < 0) | (lengths > steps))
        if wrong.size:
            i = int(wrong[0])
            raise ValueError(
                f"{self.owner}: lengths[{i}] is {lengths[i]}, expected 0 <= length <= {steps[i]}, "
                f"the steps of X[{i}]"
            )
        return [np.arange(T) < length for T, length in zip(steps, lengths, strict=True)]

    def _of_mask(self, steps: list[int]) -> list[Bools]:
        if not hasattr(self.mask, "__len__") or len(self.mask) != len(steps):
            came = f"{len(self.mask)} rows" if hasattr(self.mask, "__len__") else "no rows"
            raise ValueError(
                f"{self.owner}: mask has {came}, expected {len(steps)}, one for each sample of X"
            )
        whole = as_rows(self.mask)
        return [self._row(i, row, T) for i, (row, T) in enumerate(zip(whole, steps, strict=True))]

    def _row(self, i: int, row: Any, steps: int) -> Bools:
        name = f"mask[{i}]"
        mask = as_plain_array(self.owner, name, row, "of bools")
        if mask.dtype != bool and mask.size:
            raise TypeError(f"{self.owner}: {name} has dtype {mask.dtype}, expected bools")
        check_shape(self.owner, name, mask, (steps,), f"one for each step of X[{i}]")
        return mask.astype(bool)


def as_rows(column: Any) -> Any:
    """What has an entry for each sample, as something whose entries can be walked through."""
    return column.to_numpy() if hasattr(column, "columns") else column


@dataclass(frozen=True)
class Read:
    """X as it was read: `sequences` is (N, T, F), or N arrays (T_i, F), or (T_i,) of ids.

    `kept` has for each sample True at the steps that are real, of those that came; None where
    nothing may be left out: then what has an entry for each step comes back as one array if X is
    one (`is_array`)."""

    sequences: Array | list[Array]
    kept: list[Bools] | None
    is_array: bool

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def steps(self) -> list[int]:
        """The number of real steps of each sample."""
        return [len(sequence) for sequence in self.sequences]

    def check_steps(self, owner: str) -> None:
        """ValueError unless there is a real step."""
        if not any(self.steps):
            raise ValueError(f"{owner}: X has no steps, expected at least one")

    def cut(self, rows: Any) -> Any:
        """Rows with an entry for each step that came, such as labels, without what was left out of
        X; rows of the real steps alone stay as they are, and so does what is no row."""
        if self.kept is None or not hasattr(rows, "__len__") or len(rows) != len(self):
            return rows
        return [_real(row, kept) for row, kept in zip(as_rows(rows), self.kept, strict=True)]

    def per_step(self, results: list[Array]) -> Array:
        """Results (T_i, ...) of all samples: an array of objects, which scikit-learn can join and
        index, or (N, T, ...) if X is an array without padding."""
        if self.is_array and self.kept is None:
            return np.stack(results)
        return as_objects(results)


def as_objects(rows: list[Any]) -> Array:
    """One axis of objects; numpy would take rows of one length for one array."""
    objects = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        objects[i] = row
    return objects


def _real(row: Any, kept: Bools) -> Any:
    """The entries of the real steps."""
    if not hasattr(row, "__len__") or isinstance(row, str) or len(row) != len(kept) or kept.all():
        return row
    if isinstance(row, np.ndarray):
        return row[kept]
    return [entry for entry, real in zip(row, kept, strict=True) if real]
