"""Series: many time series with their covariates, in the form in which the user has them."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..._base.checks import Array
from ..._base.columns import read_numbers
from .._file import learnt
from .._naming import naming
from .._scaling import Scaling
from .form import Form, values_of


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


def read_parts(owner: str, argument: str, value: Any, form: Form) -> list[Array]:
    """One array (T, F) per series of y. Errors name the series."""
    values = values_of(owner, argument, value, form)
    arrays = [_rows(f"{owner}: {form.name(argument, i)}", v) for i, v in enumerate(values)]
    for i, array in enumerate(arrays):
        if array.shape[1] != arrays[0].shape[1]:
            raise ValueError(
                f"{owner}: {form.name(argument, i)} has {array.shape[1]} columns, "
                f"expected {arrays[0].shape[1]} as the first series"
            )
    return arrays


def read_covariates(
    owner: str, argument: str, value: Any, form: Form, lengths: list[int], *, width: int | None
) -> list[Array]:
    """One array (T, F) per series, of the given lengths; F = `width`, or what comes if None.

    None is no covariates, F = 0.
    """
    if value is None and not width:
        return [np.zeros((length, 0)) for length in lengths]
    if value is None:
        raise ValueError(f"{owner}: {argument} is None, expected {width} covariates as in fit")
    if width == 0:
        raise ValueError(f"{owner}: {argument} was given, expected None as in fit")
    arrays = read_parts(owner, argument, value, form)
    for i, (array, length) in enumerate(zip(arrays, lengths, strict=True)):
        expected = (length, width if width is not None else array.shape[1])
        if array.shape != expected:
            raise ValueError(
                f"{owner}: {form.name(argument, i)} has shape {array.shape}, expected {expected} = "
                "(steps, covariates)"
            )
    return arrays


def read_series(
    owner: str, y: Any, past: Any, future: Any, form: Form, *, widths: Any = (None, None, None)
) -> list[Series]:
    """All series; covariates have as many steps as y. `widths` of y, past, future are those of the
    fit, None if this is it."""
    ys = read_parts(owner, "y", y, form)
    if widths[0] is not None and ys[0].shape[1] != widths[0]:
        raise ValueError(f"{owner}: y has {ys[0].shape[1]} columns, expected {widths[0]} as in fit")
    lengths = [len(rows) for rows in ys]
    pasts = read_covariates(owner, "past", past, form, lengths, width=widths[1])
    futures = read_covariates(owner, "future", future, form, lengths, width=widths[2])
    return [Series(*parts) for parts in zip(ys, pasts, futures, strict=True)]


def _rows(name: str, value: Any) -> Array:
    """(T, F) of finite numbers, T >= 1."""
    owner, _, argument = name.partition(": ")
    with naming(owner, argument):
        array = read_numbers(name, value).astype(np.float64)
    rows = array[:, None] if array.ndim == 1 else array
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}, expected (steps,) or (steps, columns), "
            "at least one of each"
        )
    wrong = ~np.isfinite(rows).all(axis=1)
    if wrong.any():
        step = int(wrong.argmax())
        raise ValueError(f"{name} is {rows[step].tolist()} at step {step}, expected finite numbers")
    return rows
