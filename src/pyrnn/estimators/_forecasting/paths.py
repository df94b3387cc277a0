"""Paths: what may come at all steps together, as errors of calibration went together."""

from functools import cached_property
from typing import Any

import numpy as np

from ..._base.checks import Array

ENOUGH = 30  # origins, of which a series has errors, for paths of its own


def unlikely(rng: np.random.Generator, numbers: Array) -> Array:
    """Levels (..., D) in (0, 1), each by itself, for numbers (..., D, K)."""
    levels: Array = np.maximum(rng.random(numbers.shape[:-1]), np.finfo(float).tiny)
    return levels


class Draws:
    """Draws from errors of many series, for each (N, horizon, D)."""

    def __init__(self, errors: list[Array]) -> None:
        self._errors = errors

    def levels(self, i: int, shape: tuple[int, int, int], rng: np.random.Generator) -> Array:
        """(n, horizon, D): uniform levels, a path of which is ranked as the errors of one origin of
        series i are among its others, or of all series if it has too few (the Schaake shuffle,
        Clark et al. 2004). Without errors each step is by itself."""
        n, horizon, _ = shape
        own = self._whole[i] if len(self._whole[i]) >= ENOUGH else None
        order, counts = self._order if own is None else _ordered([own])
        if not len(order):
            return unlikely(rng, np.empty((*shape, 1)))
        rows = rng.integers(len(order), size=n)
        ranks = order[rows, :horizon]
        levels: Array = (ranks + unlikely(rng, ranks[..., None])) / counts[rows, None, None]
        return levels

    def errors(self, name: str, i: int, n: int, rng: np.random.Generator, unit: Any = 1.0) -> Array:
        """(n, horizon, D): errors of whole paths: those of origins of series i, or if it has too
        few of all series, in units of the largest error of each; all are in a unit. ValueError if
        there are none."""
        own = self._whole[i]
        if len(own) < 2:
            raise ValueError(
                f"{name} has {len(own)} held-out windows, expected at least 2: paths without a "
                "likelihood are made of their errors"
            )
        own = own * unit
        if len(own) >= ENOUGH:
            return np.asarray(own[rng.integers(len(own), size=n)])
        relative = _relative([own]) if len(self._errors) == 1 else self._relative
        rows = rng.integers(len(relative), size=n)
        return np.asarray(relative[rows] * np.abs(own).max(axis=0))

    @cached_property
    def _whole(self) -> list[Array]:
        """The origins of each series whose errors are known at all steps."""
        return [some[np.isfinite(some).all(axis=(1, 2))] for some in self._errors]

    @cached_property
    def _relative(self) -> Array:
        return _relative(self._whole)

    @cached_property
    def _order(self) -> tuple[Array, Array]:
        """The ranks of all series, each among its own."""
        return _ordered(self._whole)


def _ordered(every: list[Array]) -> tuple[Array, Array]:
    """(N, horizon, D): of each error among those of its series, step and column; and (N,): how many
    these are. Equal ones come in any order, always the same."""
    rng = np.random.default_rng(0)
    ranks = [np.lexsort((rng.random(some.shape), some), axis=0).argsort(axis=0) for some in every]
    return np.concatenate(ranks), np.repeat(list(map(len, every)), list(map(len, every)))


def _relative(every: list[Array]) -> Array:
    """(N, horizon, D): errors of all series, in units of the largest of each."""
    relative = []
    for some in every:
        largest = np.abs(some).max(axis=0, initial=0.0)
        relative.append(np.divide(some, largest, out=np.zeros_like(some), where=largest > 0))
    return np.concatenate(relative)
