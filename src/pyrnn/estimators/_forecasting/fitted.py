"""What a forecaster learns: scales, network, the sizes of its errors; and forecasts by it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..._base.checks import Array
from ..._base.columns import Columns
from ...layers._sequential import Sequential
from ...losses import Loss, Quantile
from ...training._history import History
from .._file import learnt
from .._network import (
    inner_threads,
    make_trainer,
    read_loss,
    train,
)
from .._scaling import Scaling
from .conformal import margins
from .form import Form
from .rollout import forecast
from .series import Series
from .windows import Cutter, Windows


@learnt
@dataclass(frozen=True)
class Scales:
    """Of y for each series by itself; of covariates for all, so that a constant one counts."""

    y: list[Scaling]
    past: Scaling
    future: Scaling

    def apply(self, i: int, series: Series) -> Series:
        """Series i as the network reads it."""
        y, past, future = self.y[i], self.past, self.future
        return series.with_parts(
            y.apply(series.y), past.apply(series.past), future.apply(series.future)
        )


@learnt
@dataclass(eq=False, repr=False)
class Fitted:
    """A fitted forecaster: forecasts of its series from any origin, and how far they may err."""

    owner: str  # how messages begin
    form: Form
    widths: tuple[int, ...]  # of y, past, future
    cutter: Cutter
    asked: tuple[float, ...]  # the quantiles that were asked for
    scales: Scales
    network: Sequential
    tails: list[Series]  # the scaled last steps of each series, from which forecasts start
    history: History = field(init=False)
    scores: list[Array] = field(init=False)  # of each series (N, horizon, D): its errors' sizes
    changes: list[Array] = field(init=False)  # of each series (D,): the mean size of its changes

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles that the network predicts, ascending: those asked for and the median."""
        return tuple(sorted({*self.asked, 0.5}))

    def train(
        self, spec: Any, data: Windows, held_out: Windows | None, epochs: int, seed: int
    ) -> None:
        """Trains the network on windows, as the parameters of `spec` say."""
        trainer = make_trainer(spec, self.network, self._loss(spec), seed, annealed=epochs)
        held = None if held_out is None else _samples(held_out)
        train(spec, trainer, _samples(data), held, epochs)
        self.history = trainer.history

    def ahead(
        self, i: int, series: Series, origins: Array, horizon: int, *, hold_past: bool = True
    ) -> Array:
        """(N, horizon, D, levels): forecasts of series i, which came scaled, in its own units;
        sorted, so that no quantiles cross."""
        levels = len(self.levels)
        with inner_threads():
            scaled = forecast(
                self.network, self.cutter, series, origins, horizon, levels, hold_past
            )
        undone = self.scales.y[i].undo(scaled.swapaxes(-1, -2))
        return np.sort(undone.swapaxes(-1, -2), axis=-1)

    def middle_of(self, ahead: Array) -> Array:
        """The medians (..., D) of forecasts (..., D, levels)."""
        middle: Array = ahead[..., self.levels.index(0.5)]
        return middle

    def reach(self, i: int, level: float, horizon: int) -> Array:
        """(horizon, D): how far the intervals of series i reach."""
        if horizon > self.cutter.horizon:
            raise ValueError(
                f"{self.owner}: horizon is {horizon}, expected at most {self.cutter.horizon}, "
                "the one fitted: intervals go no further"
            )
        return margins(f"{self.owner}: {self.form.name('y', i)}", self.scores, i, level)[:horizon]

    def ends_of(self, i: int, middle: Array, level: float) -> Array:
        """(..., horizon, D, 2): lower and upper end of the intervals of series i around forecasts
        (..., horizon, D)."""
        far = self.reach(i, level, middle.shape[-2])
        return np.stack([middle - far, middle + far], axis=-1)

    def scaled(self, i: int, series: Series) -> Series:
        """Series i as the network reads it."""
        return self.scales.apply(i, series)

    def errors(self, many: list[Series], calibrated: list[int]) -> list[Array]:
        """(N, horizon, D) for each series, in its own units: the sizes of the errors from all
        origins in its last steps."""
        horizon, D = self.cutter.horizon, self.widths[0]
        errors = []
        for i, (series, count) in enumerate(zip(many, calibrated, strict=True)):
            origins = np.arange(len(series) - count, len(series) - horizon + 1)
            if count and len(origins):
                errors.append(self.sizes(i, series, origins, horizon))
            else:
                errors.append(np.zeros((0, horizon, D)))
        return errors

    def sizes(self, i: int, series: Series, origins: Array, horizon: int) -> Array:
        """(N, horizon, D): those of the errors of forecasts of series i, which came scaled, in its
        own units."""
        ahead = self.middle_of(self.ahead(i, series, origins, horizon))
        sizes: Array = np.abs(ahead - self.scales.y[i].undo(actual(series, origins, horizon)))
        return sizes

    def _loss(self, spec: Any) -> Loss:
        """What is minimised."""
        loss = read_loss(spec)
        return Quantile(self.levels) if self.asked else loss


def _samples(windows: Windows) -> Columns:
    """What a Trainer is given."""
    x, target, weight = windows
    return Columns(x, target, None, weight, name="Trainer: train")


def actual(series: Series, origins: Array, horizon: int) -> Array:
    """(N, horizon, D): what came from each origin on."""
    came: Array = series.y[origins[:, None] + np.arange(horizon)]
    return came
