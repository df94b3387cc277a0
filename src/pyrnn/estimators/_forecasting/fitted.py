"""What a forecaster learns: scales, network, the sizes of its errors; and forecasts by it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..._base.checks import Array
from ..._base.columns import Columns
from ...layers._sequential import Sequential
from ...training._history import History
from .._file import learnt
from .._network import inner_threads, make_trainer, train
from .._scaling import Scaling
from .conformal import margins
from .form import Form
from .gaps import Filler, filled
from .outcomes import Likelihood, Outcome
from .paths import draw_errors, draw_levels, unlikely
from .rollout import Rollout
from .series import Parts, Series
from .transform import Transform
from .windows import Cutter, Windows


@learnt
@dataclass(frozen=True)
class Scales:
    """Of y, transformed, for each series by itself; of covariates for all, so that a constant one
    counts. What the user has for gaps is filled in before, in his units."""

    owner: str  # how messages begin
    y: list[Scaling]
    past: Scaling
    future: Scaling
    transform: Transform = field(default_factory=Transform)
    filler: Filler | None = None

    def apply(self, i: int, series: Series) -> Series:
        """Series i as the network reads it."""
        shown = None
        if self.filler is not None:
            shown = self._scaled(i, filled(self.owner, self.filler, series))
        return replace(series.with_parts(self._scaled(i, series.parts()), shown), unit=self.y[i])

    def undo(self, i: int, y: Array) -> Array:
        """The y of series i, as it came."""
        return self.transform.back(self.y[i].undo(y))

    def given(self, i: int, series: Series) -> Series:
        """Series i as the user has it, without values that fill gaps."""
        past, future = self.past.undo(series.past), self.future.undo(series.future)
        return series.with_parts((self.undo(i, series.y), past, future), None)

    def _scaled(self, i: int, parts: Parts) -> Parts:
        """y, past and future as the network reads them."""
        y, past, future = parts
        y = self.y[i].apply(self.transform.forth(y))
        return y, self.past.apply(past), self.future.apply(future)


@learnt
@dataclass(eq=False, repr=False)
class Fitted:
    """A fitted forecaster: forecasts of its series from any origin, and how far they may err."""

    owner: str  # how messages begin
    form: Form
    widths: tuple[int, ...]  # of y, past, future
    cutter: Cutter
    asked: tuple[float, ...]  # the quantiles that were asked for
    outcome: Outcome  # what the network's numbers mean
    scales: Scales
    network: Sequential
    tails: list[Series]  # the scaled last steps of each series, from which forecasts start
    missing: Array  # (series, 3): which share of y, past and future was, in the fit
    history: History = field(init=False)
    residuals: list[Array] = field(init=False)  # of each series (N, horizon, D): its errors
    changes: list[Array] = field(init=False)  # of each series (D,): the mean size of its changes

    @property
    def scores(self) -> list[Array]:
        """The sizes of the errors of each series."""
        return [np.abs(errors) for errors in self.residuals]

    def train(
        self, spec: Any, data: Windows, held_out: Windows | None, epochs: int, seed: int
    ) -> None:
        """Trains the network on windows, as the parameters of `spec` say."""
        trainer = make_trainer(spec, self.network, self.outcome.loss(spec), seed, annealed=epochs)
        held = None if held_out is None else _samples(held_out)
        train(spec, trainer, _samples(data), held, epochs)
        self.history = trainer.history

    def ahead(
        self, i: int, series: Series, origins: Array, horizon: int, *, hold_past: bool = True
    ) -> Array:
        """(N, horizon, D, K): the outcome's numbers of series i, which came scaled."""
        outcome, choose = self.outcome, None
        if outcome.counts:

            def choose(numbers: Array) -> Array:
                return self._read_again(i, outcome.center(self._undo(i, numbers)))

        with inner_threads():
            numbers = self._rollout(choose).forecast(series, origins, horizon, hold_past)
        return self._undo(i, numbers)

    def middle_of(self, ahead: Array) -> Array:
        """The forecasts (..., D) that `ahead` (..., D, K) says, in the user's units."""
        return self.outcome.results.back(self.outcome.center(ahead))

    def quantiles_of(self, ahead: Array, levels: tuple[float, ...]) -> Array:
        """The same of quantiles (..., D, Q)."""
        return self.outcome.results.back(self.outcome.quantiles(ahead, levels))

    def reach(self, i: int, level: float, horizon: int) -> Array:
        """(horizon, D): how far the intervals of series i reach."""
        self._check_reach(horizon)
        return margins(f"{self.owner}: {self.form.name('y', i)}", self.scores, i, level)[:horizon]

    def _check_reach(self, horizon: int) -> None:
        """ValueError beyond the steps whose errors are known."""
        if horizon > self.cutter.horizon:
            raise ValueError(
                f"{self.owner}: horizon is {horizon}, expected at most {self.cutter.horizon}, "
                "the one fitted: intervals go no further"
            )

    def ends_of(self, i: int, ahead: Array, level: float) -> Array:
        """(..., horizon, D, 2): lower and upper end of the intervals of series i around what
        `ahead` (..., horizon, D, K) says."""
        far = self.reach(i, level, ahead.shape[-3]) * self.outcome.spread(ahead)
        middle = self._center(ahead)
        return self.outcome.results.back(np.stack([middle - far, middle + far], axis=-1))

    def paths(
        self, i: int, known: Series, horizon: int, rng: np.random.Generator, n: int, hold_past: bool
    ) -> Array:
        """(n, horizon, D): what may follow the steps of series i, which came scaled."""
        origin, outcome = np.array([len(known)]), self.outcome
        if isinstance(outcome, Likelihood) and horizon > self.cutter.steps:

            def choose(numbers: Array) -> Array:
                numbers = self._undo(i, numbers)
                return self._read_again(i, outcome.quantile(numbers, unlikely(rng, numbers)))

            with inner_threads():
                rollout, origins = self._rollout(choose), origin.repeat(n)
                chosen = rollout.forecast(known, origins, horizon, hold_past)[..., -1]
            drawn = self.scales.undo(i, chosen)
            return np.rint(drawn) if outcome.counts else drawn
        ahead = self.ahead(i, known, origin, horizon, hold_past=hold_past)[0]
        if isinstance(outcome, Likelihood):
            levels = draw_levels(self.residuals, i, (n, *ahead.shape[:-1]), rng)
            return outcome.results.back(outcome.quantile(ahead, levels))
        self._check_reach(horizon)
        name = f"{self.owner}: {self.form.name('y', i)}"
        errors = draw_errors(name, self.residuals, i, n, rng)[:, :horizon]
        return outcome.results.back(self._center(ahead) + errors)

    def scaled(self, i: int, series: Series) -> Series:
        """Series i as the network reads it."""
        return self.scales.apply(i, series)

    def continued(self, i: int, coming: Series) -> Series:
        """Series i as the network reads it, from its tail on, and steps that come."""
        tail = self.tails[i]
        if self.scales.filler is None:
            return tail.followed_by(self.scaled(i, coming))
        known = self.scales.given(i, tail).followed_by(coming)  # what a filler looks back to
        steps = max(map(len, known.parts()))
        return tail.followed_by(self.scaled(i, known).rows(len(tail), steps))

    def errors(self, many: list[Series], calibrated: list[int]) -> list[Array]:
        """(N, horizon, D) for each series: the errors from all origins in its last steps, in the
        units of the outcome; NaN where what came is missing."""
        horizon, D = self.cutter.horizon, self.widths[0]
        errors = []
        for i, (series, count) in enumerate(zip(many, calibrated, strict=True)):
            origins = np.arange(len(series) - count, len(series) - horizon + 1)
            if count and len(origins):
                ahead = self.ahead(i, series, origins, horizon)
                came = self.scales.undo(i, actual(series, origins, horizon))
                error = self.outcome.results.forth(came) - self._center(ahead)
                errors.append(error / self.outcome.spread(ahead))
            else:
                errors.append(np.zeros((0, horizon, D)))
        return errors

    def sizes(self, i: int, series: Series, origins: Array, horizon: int) -> Array:
        """(N, horizon, D): those of the errors of forecasts of series i, which came scaled, in the
        user's units."""
        ahead = self.middle_of(self.ahead(i, series, origins, horizon))
        sizes: Array = np.abs(ahead - self.scales.undo(i, actual(series, origins, horizon)))
        return sizes

    def _center(self, ahead: Array) -> Array:
        """What errors are measured from: the forecast, where it may be."""
        results = self.outcome.results
        return results.forth(results.back(self.outcome.center(ahead)))

    def _rollout(self, choose: Any) -> Rollout:
        """The network on windows."""
        outcome = self.outcome
        return Rollout(self.network, self.cutter, outcome.outputs, outcome.locations, choose)

    def _undo(self, i: int, numbers: Array) -> Array:
        """The outcome's numbers in the units of y, of those of the network."""
        return self.outcome.undo(self.scales.y[i], numbers[..., : self.outcome.outputs])

    def _read_again(self, i: int, values: Array) -> Array:
        """Forecasts as the network reads y."""
        y = self.outcome.results.back(values)
        return self.scales.y[i].apply(self.scales.transform.forth(y))


def _samples(windows: Windows) -> Columns:
    """What a Trainer is given."""
    x, target, weight = windows
    return Columns(x, target, None, weight, name="Trainer: train")


def actual(series: Series, origins: Array, horizon: int) -> Array:
    """(N, horizon, D): what came from each origin on."""
    came: Array = series.y[origins[:, None] + np.arange(horizon)]
    return came
