"""What a forecaster learns: scales, network, the sizes of its errors; and forecasts by it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._base.checks import (
    Array,
    check_choice,
    check_probability,
    check_size,
)
from ..layers._sequential import Sequential
from ..losses import Loss, Quantile
from ..training._history import History
from ._conformal import margins
from ._labels import Rows
from ._naming import naming
from ._network import (
    build_network,
    check_share,
    inner_threads,
    make_trainer,
    read_loss,
    train,
)
from ._rollout import forecast
from ._scaling import Scaling, identity, robust, standard
from ._series import Form, Series
from ._windows import Cutter

SCALINGS = {"standard": standard, "robust": robust}


@dataclass(frozen=True)
class Scales:
    """Of y for each series by itself; of covariates for all, so that a constant one counts."""

    y: list[Scaling]
    past: Scaling
    future: Scaling

    def apply(self, i: int, series: Series) -> Series:
        """Series i as the network reads it."""
        y, past, future = self.y[i], self.past, self.future
        return Series(y.apply(series.y), past.apply(series.past), future.apply(series.future))


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
    labels: list[Rows] = field(init=False)  # of the tables of the fit, up to the present
    history: History = field(init=False)
    scores: list[Array] = field(init=False)  # of each series (N, horizon, D): its errors' sizes

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles that the network predicts, ascending: those asked for and the median."""
        return tuple(sorted({*self.asked, 0.5}))

    def train(self, spec: Any, data: Any, held_out: Any, epochs: int, seed: int) -> None:
        """Trains the network on windows, as the parameters of `spec` say."""
        trainer = make_trainer(spec, self.network, self._loss(spec), seed, annealed=epochs)
        train(spec, trainer, data, held_out, epochs)
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
                ahead = self.middle_of(self.ahead(i, series, origins, horizon))
                came = self.scales.y[i].undo(actual(series, origins, horizon))
                errors.append(np.abs(ahead - came))
            else:
                errors.append(np.zeros((0, horizon, D)))
        return errors

    def _loss(self, spec: Any) -> Loss:
        """What is minimised."""
        loss = read_loss(spec)
        return Quantile(self.levels) if self.asked else loss


def learn(spec: Any, many: list[Series], form: Form, seed: int) -> Fitted:
    """Scales, network and errors, of series that have been read; `spec` is the forecaster, whose
    parameters say how."""
    owner = type(spec).__name__
    cutter, asked = _cutter(spec), _quantiles(spec)
    trained, held_out, calibrated = _split(spec, cutter, many, form)
    scales = _scales(spec, [s.rows(0, n) for s, n in zip(many, trained, strict=True)], form)
    widths = tuple(part.shape[1] for part in many[0].parts())
    many = [scales.apply(i, series) for i, series in enumerate(many)]
    data = cutter.training([s.rows(0, n) for s, n in zip(many, trained, strict=True)])
    held = None
    if spec.early_stopping:
        ends = zip(many, trained, held_out, strict=True)
        short = min(cutter.lookback, min(held_out) - cutter.steps)
        held = cutter.training([s.rows(n, n + m) for s, n, m in ends], short)
    outputs = len({*asked, 0.5}) * data[1].shape[-1]
    network = build_network(spec, data[0].shape[-1], outputs, pooling=None, seed=seed)
    tails = [series.last(cutter.lookback) for series in many]
    fitted = Fitted(owner, form, widths, cutter, asked, scales, network, tails)
    fitted.train(spec, data, held, spec.epochs, seed)
    fitted.scores = fitted.errors(many, calibrated)
    return fitted


def actual(series: Series, origins: Array, horizon: int) -> Array:
    """(N, horizon, D): what came from each origin on."""
    came: Array = series.y[origins[:, None] + np.arange(horizon)]
    return came


def _scales(spec: Any, trained: list[Series], form: Form) -> Scales:
    """The scales of the steps that are trained on."""
    return Scales(
        [_scale_of(spec, form.name("y", i), series.y) for i, series in enumerate(trained)],
        _scale_of(spec, "past", np.concatenate([series.past for series in trained])),
        _scale_of(spec, "future", np.concatenate([series.future for series in trained])),
    )


def _scale_of(spec: Any, name: str, rows: Array) -> Scaling:
    """The scale of rows (N, F)."""
    if spec.scale is None or rows.shape[1] == 0:
        return identity(rows.shape[1])
    owner = type(spec).__name__
    scaling = SCALINGS[check_choice(owner, "scale", spec.scale, tuple(SCALINGS))]
    return scaling(f"{owner}: {name}", rows)


def _split(
    spec: Any, cutter: Cutter, many: list[Series], form: Form
) -> tuple[list[int], list[int], list[int]]:
    """For each series, how many steps to train on, to stop early by, to calibrate on."""
    owner = type(spec).__name__
    calibration = check_probability(owner, "calibration", spec.calibration)
    share = check_share(spec)
    held = share if spec.early_stopping else 0.0
    parts = []
    for i, series in enumerate(many):
        T = len(series)
        last, middle = round(calibration * T), round(held * T)
        first, least = T - last - middle, cutter.least
        if first < least:
            raise ValueError(
                f"{owner}: {form.name('y', i)} has {T} steps, of which {first} are "
                f"left to train on, expected at least {least} = lookback + "
                f"{'horizon' if cutter.direct else '1, the next step'}"
            )
        if held and middle <= cutter.steps:
            raise ValueError(
                f"{owner}: validation_fraction is {held}, which holds out {middle} of "
                f"{T} steps, expected more than {cutter.steps}"
            )
        parts.append((first, middle, last))
    trained, held_out, calibrated = zip(*parts, strict=True)
    return list(trained), list(held_out), list(calibrated)


def _cutter(spec: Any) -> Cutter:
    """How windows are cut."""
    owner = type(spec).__name__
    horizon = check_size(owner, "horizon", spec.horizon)
    direct = check_choice(owner, "strategy", spec.strategy, ("direct", "recursive")) == "direct"
    lookback = max(8, 3 * horizon) if spec.lookback is None else spec.lookback
    lookback = check_size(owner, "lookback", lookback)
    if spec.relative and lookback == 1:
        raise ValueError(
            f"{owner}: lookback is 1, expected at least 2 with relative=True: changes from the "
            "first value of a window are all that is read, and one step has none; "
            "relative=False reads the values themselves"
        )
    return Cutter(lookback=lookback, horizon=horizon, direct=direct, relative=spec.relative)


def _quantiles(spec: Any) -> tuple[float, ...]:
    """The quantiles that were asked for, ascending."""
    if spec.quantiles is None:
        return ()
    if spec.strategy == "recursive":
        raise ValueError(
            f"{type(spec).__name__}: quantiles need strategy='direct': what is fed back is one "
            "number, without the spread of the steps before; intervals need none"
        )
    with naming(type(spec).__name__, "quantiles"):
        return tuple(sorted(set(Quantile(spec.quantiles).levels)))
