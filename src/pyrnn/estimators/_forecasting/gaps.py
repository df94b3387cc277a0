"""Gaps: what is missing in series, NaN there: where, how much, and what a user puts there."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._base.checks import Array, describe
from .form import Form
from .series import Parts, Series

FLAG = "flag"
PARTS = ("y", "past", "future")
Filler = Callable[[Array], Any]


def read_filler(owner: str, missing: Any) -> Filler | None:
    """The function that fills columns, None for "flag". TypeError for anything else."""
    if isinstance(missing, str) and missing == FLAG:
        return None
    if not callable(missing):
        raise TypeError(
            f"{owner}: missing is {describe(missing)}, expected 'flag' or a function of a column "
            "(steps,), NaN where it is missing, that gives it filled"
        )
    filler: Filler = missing
    return filler


def flagged(many: list[Series]) -> tuple[tuple[int, ...], ...]:
    """The columns of y, past and future in which anything is missing in any series."""
    gone = [
        np.any([np.isnan(part).any(axis=0) for part in parts], axis=0)
        for parts in zip(*(series.parts() for series in many), strict=True)
    ]
    return tuple(tuple(np.flatnonzero(columns).tolist()) for columns in gone)


def shares(many: list[Series]) -> Array:
    """(series, 3): the shares of y, past and future that are missing; NaN where there is no such
    part."""
    with np.errstate(invalid="ignore"):
        return np.array(
            [[np.isnan(part).sum() / part.size for part in series.parts()] for series in many]
        )


def check_observed(name: str, rows: Array) -> None:
    """ValueError for a column of rows (T, F) without any value."""
    empty = np.isnan(rows).all(axis=0)
    if empty.any():
        column = f" in column {int(empty.argmax())}" if rows.shape[1] > 1 else ""
        raise ValueError(
            f"{name} has no observed value{column} among {len(rows)} steps, expected at least one "
            "that is not NaN"
        )


def tell_unflagged(
    owner: str, form: Form, many: list[Series], known: tuple[tuple[int, ...], ...]
) -> None:
    """Warns of columns with missing values where the fit had none: the network has no flag for
    them."""
    for i, series in enumerate(many):
        for argument, part, columns in zip(PARTS, series.parts(), known, strict=True):
            counts = np.isnan(part).sum(axis=0)
            counts[list(columns)] = 0
            if counts.any():
                warnings.warn(
                    f"{owner}: {form.name(argument, i)} has {int(counts.sum())} missing values "
                    f"where fit had none: the last value before stands in for each, and the "
                    "network is not told; a fit on series with gaps learns to tell them",
                    stacklevel=4,
                )


def filled(owner: str, filler: Filler, series: Series) -> Parts:
    """y, past and future with a user's values where they are missing."""
    y, past, future = (_fill_part(owner, filler, part) for part in series.parts())
    return y, past, future


def _fill_part(owner: str, filler: Filler, part: Array) -> Array:
    """A part (T, F), each column by itself."""
    columns = [_fill(owner, filler, column) for column in part.T]
    return np.stack(columns, axis=1) if columns else part


def _fill(owner: str, filler: Filler, column: Array) -> Array:
    """A column (T,) with the values of `filler` where it is missing.

    TypeError or ValueError for what is no such column, and for a filler that looks ahead: what it
    put there would tell the network what is to come.
    """
    gone = np.isnan(column)
    if not gone.any():
        return column
    whole = _call(owner, filler, column)
    step = int(np.flatnonzero(gone)[gone.sum() // 2])
    early = _call(owner, filler, column[: step + 1])[gone[: step + 1]]
    if not np.allclose(early, whole[: step + 1][gone[: step + 1]], rtol=1e-9, equal_nan=True):
        raise ValueError(
            f"{owner}: missing fills the steps up to {step} otherwise if the steps after it are "
            "not there, expected a function that looks back alone: what comes is not known"
        )
    return np.where(gone, whole, column)


def _call(owner: str, filler: Filler, column: Array) -> Array:
    """What a filler gives for a column (T,)."""
    result = np.asarray(filler(column.copy()), dtype=np.float64)
    if result.shape != column.shape or np.isinf(result).any():
        raise ValueError(
            f"{owner}: missing gives an array of shape {result.shape} for a column "
            f"{column.shape}, expected {column.shape} of numbers that are not infinite"
        )
    return result
