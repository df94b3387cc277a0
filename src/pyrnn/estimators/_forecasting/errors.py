"""Errors: how far forecasts were off on held-out steps, and what follows for those to come."""

from functools import cached_property

import numpy as np

from ..._base.checks import Array
from .conformal import Scores
from .fitted import Fitted
from .outcomes import Likelihood
from .paths import Draws

FEW = 2  # errors of a series, fewer than which say nothing of their size


class Errors:
    """The held-out errors of each series of a fitted forecaster; for one that has too few, those of
    all in its unit. What series share is made once, for as long as these are at work."""

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted

    def reach(self, i: int, level: float, horizon: int) -> Array:
        """(horizon, D): how far the intervals of series i reach."""
        fitted = self._fitted
        fitted.check_reach(horizon)
        if self._has_own(i):
            return self._scores.margins(fitted.name(i), i, level)[:horizon]
        return self._pooled_scores.margins(fitted.name(i), 0, level, fitted.unit(i))[:horizon]

    def paths(self, i: int, ahead: Array, rng: np.random.Generator, n: int) -> Array:
        """(n, horizon, D): what may come of series i, where `ahead` (horizon, D, K) is said: errors
        of whole paths are added, or levels of a likelihood go together as errors did."""
        fitted, horizon = self._fitted, len(ahead)
        outcome = fitted.outcome
        own, k = (self._draws, i) if self._has_own(i) else (self._pooled_draws, 0)
        if isinstance(outcome, Likelihood):
            levels = own.levels(k, (n, *ahead.shape[:-1]), rng)
            return outcome.results.back(outcome.quantile(ahead, levels))
        fitted.check_reach(horizon)
        unit = 1.0 if own is self._draws else fitted.unit(i)
        errors = own.errors(fitted.name(i), k, n, rng, unit)[:, :horizon]
        return outcome.results.back(fitted.center(ahead) + errors)

    def _has_own(self, i: int) -> bool:
        """Whether series i has errors enough to say anything."""
        return self._scores.known[i] >= FEW

    @cached_property
    def _scores(self) -> Scores:
        return Scores(self._fitted.scores)

    @cached_property
    def _draws(self) -> Draws:
        return Draws(self._fitted.residuals)

    @cached_property
    def _pooled(self) -> Array:
        fitted = self._fitted
        return fitted.pooled() if fitted.pool is None else fitted.pool

    @cached_property
    def _pooled_scores(self) -> Scores:
        return Scores([np.abs(self._pooled)])

    @cached_property
    def _pooled_draws(self) -> Draws:
        return Draws([self._pooled])
