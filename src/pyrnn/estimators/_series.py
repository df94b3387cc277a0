"""Series: many time series with their covariates, in the form in which the user has them."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.checks import Array, convert, describe, describe_all
from .._base.columns import read_numbers
from .._base.foreign import is_foreign
from ._naming import naming


@dataclass(frozen=True)
class Series:
    """y (T, D) with covariates: past (T, P), future (T, K), or with more rows for what comes. P and
    K are 0 without covariates."""

    y: Array
    past: Array
    future: Array

    def __len__(self) -> int:
        """T, the number of steps of y."""
        return len(self.y)

    def rows(self, start: int, stop: int) -> "Series":
        """Some of the steps."""
        return Series(*(part[start:stop] for part in self.parts()))

    def last(self, steps: int) -> "Series":
        """The last steps."""
        return self.rows(len(self) - steps, len(self))

    def followed_by(self, other: "Series") -> "Series":
        """Both, one after the other."""
        pairs = zip(self.parts(), other.parts(), strict=True)
        return Series(*(np.concatenate(pair) for pair in pairs))

    def parts(self) -> tuple[Array, Array, Array]:
        """y, past, future."""
        return self.y, self.past, self.future


@dataclass(frozen=True)
class Form:
    """How the user has the series: one array, a list, or a dict; and whether 1-D."""

    keys: tuple[Hashable, ...]  # of a dict, or positions
    kind: str  # "array", "list" or "dict"
    flat: bool  # series are (T,), and so are forecasts

    def name(self, argument: str, i: int) -> str:
        """How messages call series i."""
        return argument if self.kind == "array" else f"{argument}[{describe(self.keys[i])}]"

    def pack(self, arrays: list[Array], columns: int = 1) -> Any:
        """One array (T, D, ...) per series, as the user has them; (T, ...) where flat. `columns` is
        the axis of D."""
        if self.flat:
            arrays = [array.squeeze(columns) for array in arrays]
        if self.kind == "dict":
            return dict(zip(self.keys, arrays, strict=True))
        return arrays if self.kind == "list" else arrays[0]


def form_of(owner: str, y: Any) -> Form:
    """The form of y. ValueError or TypeError for none of them."""
    keys: tuple[Hashable, ...] = (0,)
    kind, values = "array", [y]
    if isinstance(y, dict):
        kind, keys, values = "dict", tuple(y), list(y.values())
    elif isinstance(y, list | tuple) and any(map(_is_series, y)):
        kind, keys, values = "list", tuple(range(len(y))), list(y)
    if not values:
        raise ValueError(f"{owner}: y has no series, expected at least one")
    flat = {_axes(owner, value) == 1 for value in values}
    if len(flat) > 1:
        raise ValueError(f"{owner}: y has series of shape (T,) and of (T, D), expected one kind")
    return Form(keys, kind, flat.pop())


def _is_series(entry: Any) -> bool:
    """Whether an entry of a list is a series, and not a number."""
    number = isinstance(entry, np.generic)
    return hasattr(entry, "__len__") or (is_foreign(entry) and not number)


def _axes(owner: str, value: Any) -> int:
    """The number of axes of a series."""
    if isinstance(axes := getattr(value, "ndim", None), int):
        return axes
    return convert(f"{owner}: y", value, "of numbers").ndim


def values_of(owner: str, argument: str, value: Any, form: Form) -> list[Any]:
    """What the user has for each series of y."""
    if form.kind == "array":
        return [value]
    if form.kind == "dict":
        if not isinstance(value, dict) or set(value) != set(form.keys):
            came = (
                f"a dict of {describe_all(value)}" if isinstance(value, dict) else describe(value)
            )
            raise ValueError(
                f"{owner}: {argument} is {came}, expected a dict with the keys of y, "
                f"{describe_all(form.keys)}"
            )
        return [value[key] for key in form.keys]
    values = list(value) if isinstance(value, list | tuple) else [value]
    if len(values) != len(form.keys):
        raise ValueError(f"{owner}: {argument} has {len(values)} series, expected {len(form.keys)}")
    return values


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
