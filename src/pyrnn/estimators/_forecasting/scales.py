"""Scales: the units in which a network reads series, and what a user fills gaps with before."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..._base.checks import Array, check_choice
from .._file import learnt
from .._scaling import Scaling, identity, robust, standard
from .gaps import Filler, check_observed, filled
from .series import Parts, Series
from .transform import Transform

NO_GROUPS = np.zeros(0, np.int64)
SCALINGS = {"standard": standard, "robust": robust}


@learnt
@dataclass(frozen=True)
class Scales:
    """Of y, transformed, for each series by itself; of covariates for all, so that a constant one
    counts. What the user has for gaps is filled in before, in his units."""

    owner: str  # how messages begin
    kind: str | None  # of scaling, one of SCALINGS
    filler: Filler | None
    y: list[Scaling]
    past: Scaling
    future: Scaling
    transform: Transform
    static: Scaling
    categories: tuple[int, ...]  # of each group, how many

    def apply(self, i: int, series: Series) -> Series:
        """Series i as the network reads it."""
        shown = None
        if self.filler is not None:
            shown = self._read(i, filled(self.owner, self.filler, series))
        scaled = series.with_parts(self._read(i, series.parts()), shown)
        return replace(scaled, unit=self.y[i], static=self._static(series), groups=NO_GROUPS)

    def undo(self, i: int, y: Array) -> Array:
        """The y of series i, as it came."""
        return self.transform.back(self.y[i].undo(y))

    def restored(self, i: int, series: Series) -> Series:
        """Series i as it came, without values that fill gaps."""
        past, future = self.past.undo(series.past), self.future.undo(series.future)
        return series.with_parts((self.undo(i, series.y), past, future), None)

    def of_others(self, names: list[str], many: list[Series], known: list[int | None]) -> "Scales":
        """For other series: the scale of the series of the fit that each is, or for None its own.
        Errors call them by `names`."""
        own = [
            _scale_of_y(f"{self.owner}: {name}", self.kind, self.transform, series)
            if k is None
            else self.y[k]
            for name, series, k in zip(names, many, known, strict=True)
        ]
        return replace(self, y=own)

    def _static(self, series: Series) -> Array:
        """What is the same at all steps, as the network reads it: numbers in units of all series,
        and groups one-hot, whose weights are embeddings; nothing where it is not there."""
        there, expected = (len(series.static), len(series.groups)), len(self.static.center)
        if there != (expected, len(self.categories)):
            return np.zeros(0)
        width = sum(self.categories)
        first = np.cumsum([0, *self.categories[:-1]], dtype=np.int64)[: len(self.categories)]
        ones = np.zeros(width)
        ones[first + series.groups] = 1.0
        return np.concatenate([self.static.apply(series.static), ones])

    def _read(self, i: int, parts: Parts) -> Parts:
        """The parts of series i as the network reads them."""
        y, past, future = parts
        y = self.y[i].apply(self.transform.forth(y))
        return y, self.past.apply(past), self.future.apply(future)


def scales_of(
    owner: str,
    kind: Any,
    filler: Filler | None,
    transform: Transform,
    names: list[str],
    many: list[Series],
) -> Scales:
    """The scales of series, of those steps that are not missing. Errors call them by `names`."""
    kind = None if kind is None else check_choice(owner, "scale", kind, tuple(SCALINGS))
    past, future = (
        _scale_of(f"{owner}: {name}", kind, np.concatenate([getattr(s, name) for s in many]))
        for name in ("past", "future")
    )
    pairs = zip(names, many, strict=True)
    own = [_scale_of_y(f"{owner}: {name}", kind, transform, series) for name, series in pairs]
    static = _scale_of(f"{owner}: static", kind, np.stack([s.static for s in many]))
    codes = np.stack([series.groups for series in many])
    categories = tuple((1 + codes.max(axis=0, initial=0)).tolist())
    return Scales(owner, kind, filler, own, past, future, transform, static, categories)


def _scale_of_y(name: str, kind: str | None, transform: Transform, series: Series) -> Scaling:
    """The scale of the target."""
    return _scale_of(name, kind, transform.forth(series.y))


def _scale_of(name: str, kind: str | None, rows: Array) -> Scaling:
    """The scale of rows (N, F). ValueError, which begins with `name`, if a column has no value."""
    check_observed(name, rows)
    return (
        identity(rows.shape[1]) if kind is None or not rows.shape[1] else SCALINGS[kind](name, rows)
    )
