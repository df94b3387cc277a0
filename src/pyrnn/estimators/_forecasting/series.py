"""Series: a time series with its covariates, as arrays that go by step."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from ..._base.checks import Array
from ..._base.columns import read_numbers
from .._file import learnt
from .._naming import naming
from .._scaling import Scaling

Parts: TypeAlias = tuple[Array, Array, Array]  # of y, past and future


@learnt
@dataclass(frozen=True)
class Series:
    """y (T, D) with covariates: past (T, P), future (T, K), or with more rows for what comes. P and
    K are 0 without covariates; NaN is what is missing, of which `filled` has a user's values, if
    any, in the three parts. What is the same at all steps: numbers static (S,), and groups (C,) of
    numbers of categories. `unit` is how y was scaled, if it was."""

    y: Array
    past: Array
    future: Array
    static: Array = field(default_factory=lambda: np.zeros(0))
    groups: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    unit: Scaling | None = None
    filled: Parts | None = None

    def __len__(self) -> int:
        """T, the number of steps of y."""
        return len(self.y)

    def rows(self, start: int, stop: int) -> "Series":
        """Some of the steps."""
        filled = None if self.filled is None else _cut(self.filled, start, stop)
        return self.with_parts(_cut(self.parts(), start, stop), filled)

    def last(self, steps: int) -> "Series":
        """The last steps; where one of them has no value yet in a column, also those before it,
        back to the last value, which is read in its place."""
        first = max(len(self) - steps, 0)
        start = first
        for part in self.parts():
            gone = np.isnan(part[: first + 1])
            for column in np.flatnonzero(gone[-1:].any(axis=0) & ~gone.all(axis=0)):
                start = min(start, int(np.flatnonzero(~gone[:, column])[-1]))
        return self.rows(start, len(self))

    def followed_by(self, other: "Series") -> "Series":
        """Both, one after the other."""
        any_filled = self.filled is not None or other.filled is not None
        shown = _joined(self.shown(), other.shown()) if any_filled else None
        return self.with_parts(_joined(self.parts(), other.parts()), shown)

    def with_parts(self, parts: Parts, filled: Parts | None) -> "Series":
        """The same series with other steps."""
        y, past, future = parts
        return replace(self, y=y, past=past, future=future, filled=filled)

    def parts(self) -> Parts:
        """y, past, future."""
        return self.y, self.past, self.future

    def shown(self) -> Parts:
        """The same with a user's values where there are some."""
        return self.parts() if self.filled is None else self.filled


def _cut(parts: Parts, start: int, stop: int) -> Parts:
    """Some of the steps."""
    y, past, future = (part[start:stop] for part in parts)
    return y, past, future


def _joined(parts: Parts, others: Parts) -> Parts:
    """One after the other."""
    y, past, future = (np.concatenate(pair) for pair in zip(parts, others, strict=True))
    return y, past, future


def read_rows(name: str, value: Any) -> Array:
    """(T, F) of an array, NaN where a value is missing, T >= 1."""
    owner, _, argument = name.partition(": ")
    with naming(owner, argument):
        array = read_numbers(name, value).astype(np.float64)
    rows = array[:, None] if array.ndim == 1 else array
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}, expected (steps,) or (steps, columns), "
            "at least one of each"
        )
    check_rows(name, rows, lambda step: f"step {step}")
    return rows


def check_rows(name: str, rows: Array, where: Callable[[int], str]) -> None:
    """ValueError for rows that are infinite; `where` says which row."""
    wrong = np.isinf(rows).any(axis=1)
    if wrong.any():
        step = int(wrong.argmax())
        raise ValueError(
            f"{name} is {rows[step].tolist()} at {where(step)}, expected finite numbers, or "
            "NaN where one is missing"
        )
