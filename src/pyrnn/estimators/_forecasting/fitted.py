"""What a forecaster learns: scales, network, the sizes of its errors; and forecasts by it."""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..._base.checks import Array
from ..._base.columns import Columns
from ...layers._sequential import Sequential
from ...training._history import History
from .._file import learnt
from .._network import inner_threads, make_trainer, train
from .form import Form
from .gaps import shares
from .measures import ends_around, naive_scale
from .outcomes import Likelihood, Outcome
from .paths import unlikely
from .rollout import Rollout, in_chunks
from .scales import Scales
from .series import Series
from .windows import Cutter, Windows


@learnt
@dataclass(eq=False, repr=False)
class Fitted:
    """A fitted forecaster: forecasts of its series from any origin, and how far they may err."""

    owner: str  # how messages begin
    form: Form
    cutter: Cutter
    asked: tuple[float, ...]  # the quantiles that were asked for
    outcome: Outcome  # what the network's numbers mean
    scales: Scales
    network: Sequential
    tails: list[Series]  # the scaled last steps of each series, from which forecasts start
    missing: Array  # (series, 3): which share of y, past and future was, in the fit
    history: History = field(init=False)
    residuals: list[Array] = field(init=False)  # of each series (N, horizon, D): its errors
    rates: dict[str, float] = field(init=False)  # shares of the learning rate, by parameters' names
    changes: list[Array] = field(init=False)  # of each series (D,): the mean size of its changes
    pool: Array | None = None  # of others, if these are not the series of the fit: their `pooled`

    def check(self) -> None:
        """ValueError for parts that do not belong together, as in a file that somebody changed."""
        parts = (self.form.keys, self.scales.y, self.tails, self.residuals, self.changes)
        if len({*map(len, parts), len(self.missing)}) > 1 or not self.tails:
            raise ValueError("Fitted has parts of different numbers of series")
        if len({tuple(part.shape[1:] for part in tail.parts()) for tail in self.tails}) > 1:
            raise ValueError("Fitted has series of different numbers of columns")
        cutter, D = self.cutter, self.widths[0]
        if any(errors.shape[1:] != (cutter.horizon, D) for errors in self.residuals):
            raise ValueError(
                f"Fitted has errors of other steps or columns than {cutter.horizon, D}"
            )
        outputs = self.outcome.outputs * cutter.steps * D
        first = self.network[0]
        last: Any = first.rnn[-1] if hasattr(first, "rnn") else self.network[-1]
        if last.out_features != outputs:
            raise ValueError(f"Fitted has a network of {last.out_features} outputs, not {outputs}")

    @property
    def widths(self) -> tuple[int, int, int]:
        """The numbers of columns of y, past and future."""
        y, past, future = (part.shape[1] for part in self.tails[0].parts())
        return y, past, future

    @property
    def scores(self) -> list[Array]:
        """The sizes of the errors of each series."""
        return [np.abs(errors) for errors in self.residuals]

    def train(
        self, spec: Any, data: Windows, held_out: Windows | None, epochs: int, seed: int
    ) -> int:
        """Trains the network on windows, as the parameters of `spec` say; the number of epochs that
        were best."""
        loss, rates = self.outcome.loss(spec), self.rates
        trainer = make_trainer(spec, self.network, loss, seed, annealed=epochs, rates=rates)
        held = None if held_out is None else _samples(held_out)
        best = train(spec, trainer, _samples(data), held, epochs, from_start=bool(rates))
        self.history = trainer.history
        return best

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

    def ahead_of(
        self,
        many: Iterable[Series],
        origins: list[Array],
        horizon: int,
        *,
        hold_past: bool = True,
    ) -> Iterator[Array]:
        """The same for each series. Where all steps are predicted at once, the windows of many go
        through the network together, which changes no bit."""
        pairs = zip(many, origins, strict=True)
        if horizon > self.cutter.steps:
            for i, (series, some) in enumerate(pairs):
                yield self.ahead(i, series, some, horizon, hold_past=hold_past)
            return
        i = 0
        for chunk in in_chunks(pairs):
            with inner_threads():
                every = self._rollout(None).at_once(chunk, horizon)
            for numbers in every:
                yield self._undo(i, numbers)
                i += 1

    def middle_of(self, ahead: Array) -> Array:
        """The forecasts (..., D) that `ahead` (..., D, K) says, in the user's units."""
        return self.outcome.results.back(self.outcome.center(ahead))

    def quantiles_of(self, ahead: Array, levels: tuple[float, ...]) -> Array:
        """The same of quantiles (..., D, Q)."""
        return self.outcome.results.back(self.outcome.quantiles(ahead, levels))

    def pooled(self) -> Array:
        """(N, horizon, D): the errors of all series, in the units of each."""
        return np.concatenate([errors / self.unit(i) for i, errors in enumerate(self.residuals)])

    def name(self, i: int) -> str:
        """How messages call series i."""
        return f"{self.owner}: {self.form.name('y', i)}"

    def unit(self, i: int) -> Any:
        """The unit of the errors of series i: its scale, if they are not in units of what they were
        expected to be."""
        return 1.0 if isinstance(self.outcome, Likelihood) else self.scales.y[i].scale

    def on(self, form: Form, many: list[Series], known: list[int | None]) -> "Fitted":
        """The same network for other series, which come in the user's units. `known` has for each
        the number of the series of the fit that it is and goes on from; None: it has a scale and a
        beginning of its own, and intervals from the errors of all in units of their scales.
        ValueError for a series without an observed value."""
        view, pairs = copy(self), list(zip(many, known, strict=True))
        names = [form.name("y", i) for i in range(len(many))]
        view.form, view.scales = form, self.scales.of_others(names, many, known)
        if None in known and self.pool is None:
            view.pool = self.pooled()
        none = np.zeros((0, self.cutter.horizon, self.widths[0]))
        view.residuals = [none if k is None else self.residuals[k] for k in known]
        view.changes = [naive_scale(s.y, 1) if k is None else self.changes[k] for s, k in pairs]
        gone = shares(many)
        own = [gone[i] if k is None else self.missing[k] for i, k in enumerate(known)]
        view.missing = np.stack(own)
        view.tails = [
            view.scaled(i, series.rows(0, 0)) if k is None else self.tails[k]
            for i, (series, k) in enumerate(pairs)
        ]
        return view

    def check_reach(self, horizon: int) -> None:
        """ValueError beyond the steps whose errors are known."""
        if horizon > self.cutter.horizon:
            raise ValueError(
                f"{self.owner}: horizon is {horizon}, expected at most {self.cutter.horizon}, "
                "the one fitted: intervals go no further"
            )

    def ends_of(self, ahead: Array, far: Array) -> Array:
        """(..., horizon, D, 2): lower and upper end of intervals that reach `far` (horizon, D)
        around what `ahead` (..., horizon, D, K) says."""
        far = far * self.outcome.spread(ahead)
        return ends_around(self.outcome.results, self.center(ahead), far)

    def drawn_paths(
        self, i: int, known: Series, horizon: int, rng: np.random.Generator, n: int, hold_past: bool
    ) -> Array:
        """(n, horizon, D): what may follow the steps of series i, which came scaled: each step
        drawn by a likelihood, and then read."""
        outcome: Any = self.outcome

        def choose(numbers: Array) -> Array:
            numbers = self._undo(i, numbers)
            return self._read_again(i, outcome.quantile(numbers, unlikely(rng, numbers)))

        with inner_threads():
            rollout, origins = self._rollout(choose), np.array([len(known)]).repeat(n)
            chosen = rollout.forecast(known, origins, horizon, hold_past)[..., -1]
        drawn = self.scales.undo(i, chosen)
        return np.rint(drawn) if outcome.counts else drawn

    def scaled(self, i: int, series: Series) -> Series:
        """Series i as the network reads it."""
        return self.scales.apply(i, series)

    def continued(self, i: int, coming: Series) -> Series:
        """Series i as the network reads it, from its tail on, and steps that come."""
        tail = self.tails[i]
        if self.scales.filler is None:
            return tail.followed_by(self.scaled(i, coming))
        known = self.scales.restored(i, tail).followed_by(coming)  # what a filler looks back to
        steps = max(map(len, known.parts()))
        return tail.followed_by(self.scaled(i, known).rows(len(tail), steps))

    def errors_of(self, many: list[Series], origins: list[Array]) -> list[Array]:
        """(N, horizon, D) for each series: the errors of forecasts from its origins, in the units
        of the outcome; NaN where what came is missing. The series came scaled."""
        horizon, results = self.cutter.horizon, self.outcome.results
        pairs = zip(many, origins, self.ahead_of(many, origins, horizon), strict=True)
        errors = []
        for i, (series, some, ahead) in enumerate(pairs):
            came = self.scales.undo(i, actual(series, some, horizon))
            error = results.forth(came) - self.center(ahead)
            errors.append(error / self.outcome.spread(ahead))
        return errors

    def sizes(self, i: int, series: Series, origins: Array, horizon: int) -> Array:
        """(N, horizon, D): those of the errors of forecasts of series i, which came scaled, in the
        user's units."""
        ahead = self.middle_of(self.ahead(i, series, origins, horizon))
        sizes: Array = np.abs(ahead - self.scales.undo(i, actual(series, origins, horizon)))
        return sizes

    def center(self, ahead: Array) -> Array:
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
