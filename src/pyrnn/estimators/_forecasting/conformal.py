"""Split conformal prediction: intervals from the errors on held-out windows."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..._base.checks import Array, check_number

OWN, POOLED = "own", "pooled"


def read_levels(owner: str, level: Any, name: str = "level") -> tuple[float, ...]:
    """One number in (0, 1) or several."""
    is_array = isinstance(level, np.ndarray) and level.ndim > 0
    several = level if is_array or isinstance(level, list | tuple) else [level]
    if not len(several):
        raise ValueError(f"{owner}: {name} is empty, expected at least one number in (0, 1)")
    return tuple(check_level(owner, one, name) for one in several)


def check_level(owner: str, level: float, name: str = "level") -> float:
    """A number in (0, 1)."""
    number = check_number(owner, name, level)
    if not 0 < number < 1:
        raise ValueError(f"{owner}: {name} is {number}, expected 0 < {name} < 1")
    return number


class Scores:
    """The sizes of held-out errors, for each series (N, horizon, D), NaN where what came is
    missing, which counts nowhere; and from them how far intervals reach."""

    def __init__(self, sizes: list[Array]) -> None:
        self.sizes = sizes
        self._found: dict[tuple[int | None, float], Ranked] = {}

    def margins(self, name: str, i: int, level: float, unit: Any = 1.0) -> Array:
        """(horizon, D): how far from the forecast the interval of a level reaches, on both sides,
        where scores are in a unit.

        The margin of series i is that of rank (N + 1) * level among its own: if errors to come are
        exchangeable with them, they stay inside with that probability (Vovk et al. 2005; Lei et
        al. 2018). Between two ranks it is interpolated, where the upper one would cover up to
        1 / (N + 1) more than was asked for; at least the level is still covered if larger errors
        are rarer. If N is too small, it is the same of the errors of all series, each divided by
        the largest of its series' other errors, times the largest of series i (a normalised score,
        Lei et al. 2018, section 5.2; by the largest, not the mean, as smooth series, whose errors
        are all alike, and noisy ones then differ less). ValueError, which begins with `name`, if
        these are too few as well, or N < 2.
        """
        level, known = check_level(name.partition(":")[0], level), self.known[i]
        if _rank(known, level) <= known:
            return self._ranked(i, level).between(unit)
        if known < 2 or _rank(self._known_of_all, level) > self._known_of_all:
            least = _ceil(level / (1 - level))
            raise ValueError(
                f"{name} has {known} held-out windows, level {level} needs {least}, or 2 and "
                f"{least} of all series, which have {self._known_of_all}: more data, or a larger "
                "calibration"
            )
        reach: Array = self._ranked(None, level).between(1.0) * (
            np.fmax.reduce(self.sizes[i]) * unit
        )
        return reach

    def _ranked(self, i: int | None, level: float) -> "Ranked":
        """Those of series i, or relative ones of all."""
        if (i, level) not in self._found:
            scores = self._relative if i is None else self.sizes[i]
            self._found[i, level] = ranked(scores, level)
        return self._found[i, level]

    @cached_property
    def known(self) -> list[int]:
        """How many scores each series has."""
        return [fewest(some) for some in self.sizes]

    @cached_property
    def _known_of_all(self) -> int:
        return fewest(self._relative)

    @cached_property
    def _relative(self) -> Array:
        """(N, horizon, D): those of all series, in units of the largest of each."""
        return np.concatenate([_relative(some) for some in self.sizes])


def source_of(own: Array, level: float) -> str:
    """Whose errors decide: the series' "own" (N, horizon, D), or if they are too few for the level
    those of all, "pooled"."""
    return OWN if _rank(fewest(own), level) <= fewest(own) else POOLED


def fewest(scores: Array) -> int:
    """How many are known, at the step and column where the fewest are."""
    return int((~np.isnan(scores)).sum(axis=0).min(initial=len(scores)))


def _rank(N: int, level: float) -> int:
    """How many of N scores an interval of that level has to hold."""
    return _ceil((N + 1) * level)


@dataclass(frozen=True)
class Ranked:
    """The scores (horizon, D) of the ranks below and above one, and its share of the way there."""

    lower: Array
    upper: Array
    share: Array

    def between(self, unit: Any) -> Array:
        """The score of that rank, of scores in a unit."""
        lower, upper = self.lower * unit, self.upper * unit
        score: Array = lower + self.share * (upper - lower)
        return score


def ranked(scores: Array, level: float) -> Ranked:
    """Of rank (N + 1) * level among the N known, at each step and column."""
    counts, ordered = (~np.isnan(scores)).sum(axis=0), np.sort(scores, axis=0)
    rank = np.maximum(np.round((counts + 1) * level, 9), 1.0)
    below = np.floor(rank).astype(int)
    lower, upper = (
        np.take_along_axis(ordered, ranks[None] - 1, axis=0)[0]
        for ranks in (below, np.ceil(rank).astype(int))
    )
    return Ranked(lower, upper, rank - below)


def _relative(scores: Array) -> Array:
    """Each score in units of the largest of the others (N - 1, horizon, D) of its series, NaN where
    there is none; 1 where all others are 0."""
    if len(scores) < 2:
        return scores[:0]
    known = np.nan_to_num(scores, nan=-1.0)
    second, first = np.partition(known, (-2, -1), axis=0)[-2:]
    others = np.where(scores == first, second, first)
    relative: Array = np.divide(scores, others, out=np.ones_like(scores), where=others > 0)
    return np.where(others < 0, np.nan, np.where(np.isnan(scores), np.nan, relative))


def _ceil(number: float) -> int:
    """Rounded up, but for rounding errors: 0.9 / (1 - 0.9) is 9."""
    return math.ceil(round(number, 9))
