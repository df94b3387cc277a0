"""Paths: what may come at all steps together, as errors of calibration went together."""

import numpy as np

from ..._base.checks import Array

ENOUGH = 30  # origins, of which a series has errors, for paths of its own


def unlikely(rng: np.random.Generator, numbers: Array) -> Array:
    """Levels (..., D) in (0, 1), each by itself, for numbers (..., D, K)."""
    levels: Array = np.maximum(rng.random(numbers.shape[:-1]), np.finfo(float).tiny)
    return levels


def draw_levels(
    errors: list[Array], i: int, shape: tuple[int, int, int], rng: np.random.Generator
) -> Array:
    """(n, horizon, D): uniform levels, a path of which is ranked as the errors (N, horizon, D) of
    one origin of series i are among its others, or of all series if it has too few (the Schaake
    shuffle, Clark et al. 2004). Without errors each step is by itself."""
    n, horizon, _ = shape
    own = [ranks for ranks in (_ranks(some[:, :horizon], rng) for some in errors) if len(ranks)]
    if len(_whole(errors[i][:, :horizon])) >= ENOUGH:
        own = [_ranks(errors[i][:, :horizon], rng)]
    if not own:
        return unlikely(rng, np.empty((*shape, 1)))
    every = np.concatenate(own)
    return np.asarray(every[rng.integers(len(every), size=n)])


def draw_errors(name: str, errors: list[Array], i: int, n: int, rng: np.random.Generator) -> Array:
    """(n, horizon, D): errors of whole paths: those of origins of series i, or if it has too few of
    all series, in units of the largest error of each. ValueError if there are none."""
    whole = [_whole(some) for some in errors]
    own = whole[i]
    if len(own) < 2:
        raise ValueError(
            f"{name} has {len(own)} held-out windows, expected at least 2: paths without a "
            "likelihood are made of their errors"
        )
    if len(own) < ENOUGH:
        relative = []
        for some in whole:
            largest = np.abs(some).max(axis=0, initial=0.0)
            relative.append(np.divide(some, largest, out=np.zeros_like(some), where=largest > 0))
        own = np.concatenate(relative) * np.abs(own).max(axis=0)
    return np.asarray(own[rng.integers(len(own), size=n)])


def _whole(errors: Array) -> Array:
    """The origins whose errors (N, horizon, D) are known at all steps."""
    whole: Array = errors[np.isfinite(errors).all(axis=(1, 2))]
    return whole


def _ranks(errors: Array, rng: np.random.Generator) -> Array:
    """(N, horizon, D): of each error among those of its step and column, as a level in (0, 1)."""
    whole = _whole(errors)
    order = np.lexsort((rng.random(whole.shape), whole), axis=0)  # equal ones in any order
    ranks = order.argsort(axis=0)
    levels: Array = (ranks + unlikely(rng, whole[..., None])) / max(len(whole), 1)
    return levels
