"""What a forecaster learns: scales, network, the sizes of its errors."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._base.checks import (
    Array,
    check_choice,
    check_flag,
    check_number,
    check_probability,
    check_size,
)
from ..layers._sequential import Sequential
from ..losses import Loss, Quantile
from ..training._history import History
from ..training._trainer import Trainer
from ._conformal import margins
from ._estimator import Estimator
from ._network import LOSSES, build_network, inner_threads, make_trainer, train
from ._rollout import forecast
from ._scaling import Scaling, identity, robust, standard
from ._series import Form, Series, form_of, read_series
from ._windows import Cutter

SCALINGS = {"standard": standard, "robust": robust}


@dataclass(kw_only=True, eq=False, repr=False)
class Forecasting(Estimator):
    """Base of Forecaster: its parameters, learning, and forecasts from any origin."""

    horizon: int = 1
    lookback: int | None = None
    strategy: str = "direct"
    quantiles: Any = None
    calibration: float = 0.2
    scale: str | None = "standard"
    relative: bool = True
    cell: str = "gru"
    hidden_size: int = 32
    num_layers: int = 1
    dropout: float = 0.0
    loss: str = "mse"
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 5e-3
    optimizer: str = "adam"
    clip_norm: float | None = 1.0
    early_stopping: bool = False
    validation_fraction: float = 0.1
    patience: int = 5
    random_state: Any = None
    verbose: bool = False

    def learn(self, many: list[Series], form: Form, seed: int) -> None:
        """Scales, network and errors, of series that have been read."""
        self.seed_ = seed
        self.fit_params_: dict[str, Any] = self.get_params(deep=False)  # set_params may follow
        self.cutter_: Cutter = self._make_cutter()
        self._asked: tuple[float, ...] = self._read_levels()
        self._levels: tuple[float, ...] = tuple(sorted({*self._asked, 0.5}))
        self._form: Form = form
        self._widths = tuple(part.shape[1] for part in many[0].parts())
        trained, held_out, calibrated = self._split(many)
        self._read_scales([s.rows(0, n) for s, n in zip(many, trained, strict=True)])
        many = [self.scaled(i, series) for i, series in enumerate(many)]
        self._train(many, trained, held_out, seed)
        self._tails: list[Series] = [series.last(self.cutter_.lookback) for series in many]
        self._scores: Array = self._errors(many, calibrated)

    def _train(
        self, many: list[Series], trained: list[int], held_out: list[int], seed: int
    ) -> None:
        """The network, on the first steps of scaled series; the next ones tell when to stop."""
        data = self.cutter_.training([s.rows(0, n) for s, n in zip(many, trained, strict=True)])
        held = None
        if check_flag(self._owner, "early_stopping", self.early_stopping):
            ends = zip(many, trained, held_out, strict=True)
            short = min(self.cutter_.lookback, min(held_out) - self.cutter_.steps)
            held = self.cutter_.training([s.rows(n, n + m) for s, n, m in ends], short)
        outputs = len(self._levels) * data[1].shape[-1]
        self.network_: Sequential = build_network(
            self, data[0].shape[-1], outputs, pooling=None, seed=seed
        )
        trainer = self._trainer(seed, self.epochs)
        train(self, trainer, data, held, self.epochs)
        self.history_: History = trainer.history

    def _trainer(self, seed: int, epochs: int) -> Trainer:
        """Trains the network in this forecaster's way."""
        return make_trainer(self, self.network_, self._make_loss(), seed, annealed=epochs)

    def _errors(self, many: list[Series], calibrated: list[int]) -> Array:
        """(N, horizon, D): the sizes of the scaled errors from all origins in the last steps."""
        horizon, D = self.cutter_.horizon, self._widths[0]
        errors = [np.zeros((0, horizon, D))]
        for i, (series, count) in enumerate(zip(many, calibrated, strict=True)):
            origins = np.arange(len(series) - count, len(series) - horizon + 1)
            if count and len(origins):
                ahead = self.middle_of(self.ahead(i, series, origins, horizon))
                error = ahead - self._scales[i].undo(actual(series, origins, horizon))
                errors.append(np.abs(error) / self._scales[i].scale)
        return np.concatenate(errors)

    def ahead(
        self, i: int, series: Series, origins: Array, horizon: int, *, hold_past: bool = True
    ) -> Array:
        """(N, horizon, D, levels): forecasts of series i, which came scaled, in its own units;
        sorted, so that no quantiles cross."""
        levels = len(self._levels)
        with inner_threads():
            scaled = forecast(
                self.network_, self.cutter_, series, origins, horizon, levels, hold_past
            )
        return np.sort(self._scales[i].undo(scaled.swapaxes(-1, -2)).swapaxes(-1, -2), axis=-1)

    def middle_of(self, ahead: Array) -> Array:
        """The medians (..., D) of forecasts (..., D, levels)."""
        middle: Array = ahead[..., self._levels.index(0.5)]
        return middle

    def reach(self, i: int, level: float, horizon: int) -> Array:
        """(horizon, D): how far the intervals of series i reach."""
        if horizon > self.cutter_.horizon:
            raise ValueError(
                f"{self._owner}: horizon is {horizon}, expected at most {self.cutter_.horizon}, "
                "the one fitted: intervals go no further"
            )
        reach: Array = margins(self._owner, self._scores, level)[:horizon] * self._scales[i].scale
        return reach

    def scaled(self, i: int, series: Series) -> Series:
        """Series i as the network reads it."""
        past, future = self._covariate_scales
        return Series(
            self._scales[i].apply(series.y), past.apply(series.past), future.apply(series.future)
        )

    def _read_scales(self, trained: list[Series]) -> None:
        """Of y for each series by itself; of covariates for all, so that a constant one counts."""
        self._scales: list[Scaling] = [self._scale_of(series.y) for series in trained]
        self._covariate_scales: tuple[Scaling, Scaling] = (
            self._scale_of(np.concatenate([series.past for series in trained])),
            self._scale_of(np.concatenate([series.future for series in trained])),
        )

    def _scale_of(self, rows: Array) -> Scaling:
        """The scale of rows (N, F)."""
        if self.scale is None or rows.shape[1] == 0:
            return identity(rows.shape[1])
        return SCALINGS[check_choice(self._owner, "scale", self.scale, tuple(SCALINGS))](rows)

    def _split(self, many: list[Series]) -> tuple[list[int], list[int], list[int]]:
        """For each series, how many steps to train on, to stop early by, to calibrate on."""
        calibration = check_probability(self._owner, "calibration", self.calibration)
        held = self._validation() if self.early_stopping else 0.0
        parts = []
        for i, series in enumerate(many):
            T = len(series)
            last, middle = round(calibration * T), round(held * T)
            first, least = T - last - middle, self.cutter_.least
            if first < least:
                raise ValueError(
                    f"{self._owner}: {self._form.name('y', i)} has {T} steps, of which {first} are "
                    f"left to train on, expected at least {least} = lookback + horizon"
                )
            if held and middle <= self.cutter_.steps:
                raise ValueError(
                    f"{self._owner}: validation_fraction is {held}, which holds out {middle} of "
                    f"{T} steps, expected more than {self.cutter_.steps}"
                )
            parts.append((first, middle, last))
        trained, held_out, calibrated = zip(*parts, strict=True)
        return list(trained), list(held_out), list(calibrated)

    def _validation(self) -> float:
        share = check_number(self._owner, "validation_fraction", self.validation_fraction)
        if not 0 < share < 1:
            raise ValueError(
                f"{self._owner}: validation_fraction is {share}, expected 0 < share < 1"
            )
        return share

    def _make_cutter(self) -> Cutter:
        """How windows are cut."""
        owner = self._owner
        horizon = check_size(owner, "horizon", self.horizon)
        direct = check_choice(owner, "strategy", self.strategy, ("direct", "recursive")) == "direct"
        lookback = max(8, 3 * horizon) if self.lookback is None else self.lookback
        return Cutter(
            lookback=check_size(owner, "lookback", lookback),
            horizon=horizon,
            direct=direct,
            relative=check_flag(owner, "relative", self.relative),
        )

    def _read_levels(self) -> tuple[float, ...]:
        """The quantiles that were asked for, ascending; the network also predicts the median."""
        if self.quantiles is None:
            return ()
        if self.strategy == "recursive":
            raise ValueError(
                f"{self._owner}: quantiles need strategy='direct': what is fed back is one number, "
                "without the spread of the steps before; intervals need none"
            )
        return tuple(sorted(set(Quantile(self.quantiles).levels)))

    def _make_loss(self) -> Loss:
        """What is minimised."""
        if self._asked:
            return Quantile(self._levels)
        return LOSSES[check_choice(self._owner, "loss", self.loss, tuple(LOSSES))]()

    @property
    def _owner(self) -> str:
        """How messages begin."""
        return type(self).__name__

    def _read(self, y: Any, past: Any, future: Any, *, like_fit: bool) -> tuple[list[Series], Form]:
        """Series and covariates of the user; with `like_fit`, those of the fit."""
        form = form_of(self._owner, y)
        if not like_fit:
            return read_series(self._owner, y, past, future, form), form
        fitted = self._form
        if form.kind == fitted.kind == "dict" and set(form.keys) == set(fitted.keys):
            form = replace(form, keys=fitted.keys)  # in another order they are the same series
        if form.flat != fitted.flat:
            came, expected = (_axes(one) for one in (form, fitted))
            raise ValueError(f"{self._owner}: y is of shape {came}, expected {expected} as in fit")
        if (form.kind, form.keys) != (fitted.kind, fitted.keys):
            raise ValueError(
                f"{self._owner}: y has other series than in fit: {form.kind} {list(form.keys)}, "
                f"expected {fitted.kind} {list(fitted.keys)}"
            )
        return read_series(self._owner, y, past, future, form, widths=self._widths), form


def actual(series: Series, origins: Array, horizon: int) -> Array:
    """(N, horizon, D): what came from each origin on."""
    came: Array = series.y[origins[:, None] + np.arange(horizon)]
    return came


def _axes(form: Form) -> str:
    """The shape of a series, for a message."""
    return "(steps,)" if form.flat else "(steps, columns)"
