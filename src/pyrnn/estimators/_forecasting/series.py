"""Series: a time series with its covariates, as arrays that go by step."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..._base.checks import Array
from ..._base.columns import read_numbers
from .._file import learnt
from .._naming import naming
from .._scaling import Scaling


@learnt
@dataclass(frozen=True)
class Series:
    """y (T, D) with covariates: past (T, P), future (T, K), or with more rows for what comes. P and
    K are 0 without covariates. What is the same at all steps: numbers static (S,), and groups (C,)
    of numbers of categories. `unit` is how y was scaled, if it was."""

    y: Array
    past: Array
    future: Array
    static: Array = field(default_factory=lambda: np.zeros(0))
    groups: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    unit: Scaling | None = None

    def __len__(self) -> int:
        """T, the number of steps of y."""
        return len(self.y)

    def rows(self, start: int, stop: int) -> "Series":
        """Some of the steps."""
        return self.with_parts(*(part[start:stop] for part in self.parts()))

    def last(self, steps: int) -> "Series":
        """The last steps."""
        return self.rows(len(self) - steps, len(self))

    def followed_by(self, other: "Series") -> "Series":
        """Both, one after the other."""
        pairs = zip(self.parts(), other.parts(), strict=True)
        return self.with_parts(*(np.concatenate(pair) for pair in pairs))

    def with_parts(self, y: Array, past: Array, future: Array) -> "Series":
        """The same series with other steps."""
        return replace(self, y=y, past=past, future=future)

    def parts(self) -> tuple[Array, Array, Array]:
        """y, past, future."""
        return self.y, self.past, self.future


def read_rows(name: str, value: Any) -> Array:
    """(T, F) of an array, T >= 1."""
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
    """ValueError for rows that are not finite numbers; `where` says which row."""
    wrong = ~np.isfinite(rows).all(axis=1)
    if wrong.any():
        step = int(wrong.argmax())
        raise ValueError(
            f"{name} is {rows[step].tolist()} at {where(step)}, expected finite numbers"
        )
