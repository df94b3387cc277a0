"""The linear part of a forecasting network: at least squares before and after the training."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..._base.checks import Array
from ...layers._autoregression import Autoregression
from ...layers._branches import Add
from ...layers._sequential import Sequential
from .outcomes import Levels, Likelihood
from .plan import Plan
from .ridge import Moments, best_strength
from .series import Series
from .windows import Cutter, Windows

PIECE = 4096  # rows at a time
SHOWN = 20_000  # rows whose residuals give the quantiles
SLOWER = 0.1  # the learning rate of the linear part, over that of the recurrent one
LEAST = 1e-3, 0.3  # share of the learning rate; where a likelihood has more than locations

Pairs = Iterator[tuple[Array, Array]]


@dataclass
class Skip:
    """The linear part of a network, beside its recurrent part, whose last layer begins at 0.

    Weights are drawn to the seasonal naive forecast. Learning rates are shares of the residual, the
    root of the mean square of what the linear part leaves, in scaled units: weights have to be as
    exact as what is left to explain is small.
    """

    network: Sequential
    rnn: Sequential
    part: Autoregression
    plan: Plan
    prior: Array  # (rows of the weight, O = steps * D)
    strength: float
    residual: float = 1.0

    @classmethod
    def beside(
        cls,
        rnn: Sequential,
        plan: Plan,
        learnt: list[Series],
        held: list[Series],
        strength: float | None,
    ) -> "Skip":
        """Joins a recurrent part with a linear one that has learnt scaled series; the strength None
        is the one that errs least on those held out."""
        cutter, D = replace(plan.cutter, counts=False), learnt[0].y.shape[1]
        y, past, future = (part.shape[1] for part in cutter.read(learnt[0]))
        part = Autoregression(
            y + past + future * cutter.steps + len(learnt[0].static),
            plan.outcome.outputs * cutter.steps * D,
            lags=cutter.lookback,
            lagged=y + past,
            relative=D * cutter.relative,
        )
        for parameter in rnn[-1].parameters():
            parameter[...] = 0
        prior = seasonal_naive(part, cutter, D, plan.season)

        def pairs(many: list[Series]) -> Pairs:
            return (pair for series in many for pair in _pairs(part, cutter, series))

        sums = Moments.of(pairs(learnt), *prior.shape)
        if strength is None:
            strength = best_strength(sums, Moments.of(pairs(held), *prior.shape), prior)
        network = Sequential(Add(rnn=rnn, skip=part))
        skip = cls(network, rnn, part, plan, prior, strength)
        for k in range(plan.outcome.locations):
            weight, bias = skip._set(k, sums, lambda: pairs(learnt))
        variance = sums.variance(weight, bias)
        for k in range(plan.outcome.locations, plan.outcome.outputs):
            part.bias[skip._columns(k)] = plan.outcome.shape(k, variance)
        skip.residual = float(np.sqrt(variance.mean()))
        return skip

    @property
    def is_least_squares(self) -> bool:
        """Whether least squares is what the network is to be, apart from its quantiles."""
        return not isinstance(self.plan.outcome, Likelihood)

    @property
    def has_levels(self) -> bool:
        """Whether its biases are quantiles, which need rows besides the `moments`."""
        return isinstance(self.plan.outcome, Levels)

    @property
    def rates(self) -> dict[str, float]:
        """The learning rates of parameters by their names, as shares of that of the others."""
        share = float(np.clip(self.residual, LEAST[not self.is_least_squares], 1.0))
        return {f"0.rnn.{len(self.rnn) - 1}.*": share, "0.skip.*": SLOWER * share}

    def moments(self, windows: Windows) -> list[Moments]:
        """What least squares needs for each location: of windows, all of whose lags are there, and
        of what the recurrent part leaves of them."""
        locations = range(self.plan.outcome.locations)
        return [Moments.of(self._left(windows, k), *self.prior.shape) for k in locations]

    def refit(self, sums: list[Moments], windows: Windows) -> None:
        """Sets the linear part to least squares by its `moments`, and what is no mean by the
        windows."""
        for k, own in enumerate(sums):
            if own.count > 0:  # else all series are shorter than the lags
                self._set(k, own, partial(self._left, windows, k))

    def _columns(self, k: int) -> slice:
        """Where the outcome's number k stands among the outputs."""
        O = self.prior.shape[1]
        return slice(k * O, (k + 1) * O)

    def _set(self, k: int, sums: Moments, pairs: Callable[[], Pairs]) -> tuple[Array, Array]:
        """Writes the weights of location k; (W, b) of the mean."""
        ((weight, bias),) = sums.fitted(self.prior, np.array([self.strength]))
        self.part.weight[:, self._columns(k)] = weight
        self.part.bias[self._columns(k)] = bias
        outcome = self.plan.outcome
        if isinstance(outcome, Levels) and sums.count:
            left = _residuals(pairs(), weight)
            self.part.bias[self._columns(k)] = np.nanquantile(left, outcome.levels[k], axis=0)
        return weight, bias

    def _left(self, windows: Windows, k: int) -> Pairs:
        """What the linear part reads in windows, and what the recurrent part leaves of number k."""
        x, target, weight = windows
        burn, size = self.part.lags - 1, max(1, PIECE // x.shape[1])
        for i in range(0, len(x), size):
            some = slice(i, i + size)
            said = self.rnn(x[some])[:, burn:, self._columns(k)]
            left = (target[some, burn:] - said).astype(np.float64)
            rows = np.stack([self.part.rows(one) for one in x[some].astype(np.float64)])
            there = np.ones(left.shape[:2], bool)
            if weight is not None:
                counted: Any = weight[some, burn:] > 0
                there = counted if counted.ndim == 2 else counted.all(axis=2)
            yield rows[there], left[there]


def seasonal_naive(part: Autoregression, cutter: Cutter, D: int, season: int) -> Array:
    """(rows of the weight, steps * D): the weights that repeat the last season or, where there is
    none or the lags do not reach, the present value."""
    weight = np.zeros((part.weight.shape[0], cutter.steps, D))
    column = np.arange(D)
    for step in range(cutter.steps):
        lag = -(step + 1) % season
        lag = lag if lag < part.lags else 0
        if lag or not cutter.relative:
            weight[(part.lags - 1 - lag) * part.lagged + column, step, column] = 1
    return weight.reshape(-1, cutter.steps * D)


def _pairs(part: Autoregression, cutter: Cutter, series: Series) -> Pairs:
    """What the linear part reads at the steps of a series, and what follows them, in pieces."""
    inputs = cutter.inputs(series)
    targets = cutter.targets(series, max(len(series) - cutter.steps, 0))
    before = part.lags - 1
    for i in range(before, min(len(targets), len(inputs)), PIECE):
        y = targets[i : i + PIECE]
        yield part.rows(inputs[i - before : i + len(y)].astype(np.float64)), y


def _residuals(pairs: Pairs, weight: Array) -> Any:
    """(N, O): what is left of the first rows."""
    residuals: list[Array] = []
    for x, y in pairs:
        residuals.append(y - x @ weight)
        if sum(map(len, residuals)) > SHOWN:
            break
    return np.concatenate(residuals)
