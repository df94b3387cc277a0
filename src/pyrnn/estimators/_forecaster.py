"""Forecaster: time series some steps ahead, with intervals."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._base.checks import Array, check_flag, check_size
from ._backtest import Backtest, rolling
from ._forecasting import Forecasting
from ._network import train
from ._series import Series, read_covariates


@dataclass(kw_only=True, eq=False, repr=False)
class Forecaster(Forecasting):
    """A recurrent network that forecasts time series, one or many together.

    y is a series (T,), or (T, D) of several columns, or a list or dict of such series, of any
    lengths: one network learns from all. Forecasts and all else come in the form of y.
    Covariates come in the same form: `past` (T, P) are known up to the present, `future` (T, K)
    also as far ahead as is forecast, such as the calendar.

    Parameters
    ----------
    horizon : int
        Steps ahead.
    lookback : int or None
        Steps that a forecast is made from; None: max(8, 3 * horizon).
    strategy : "direct" or "recursive"
        All steps at once, or each from the one before, which reaches any horizon; past covariates
        then keep their last values, unless `predict` is told.
    quantiles : sequence of floats or None
        Levels for `predict_quantiles`, learnt with the pinball loss; the forecast is the median.
    calibration : float
        The share of each series, its end, that is not trained on but tells the errors from which
        `interval` is made; 0 trains on all, and there are no intervals.
    scale : "standard", "robust" or None
        Each series is scaled by mean and deviation, or median and quartiles, of what is trained on.
    relative : bool
        The network reads and predicts changes, from the first value of a window and from the
        present one, which bears trends and shifts of the level; False lets it know the level, for
        series that come back to one, and for recursion far ahead, which then drifts less.
    cell, hidden_size, num_layers, dropout
        The recurrent layers: "gru", "lstm" or "rnn".
    loss : "mse", "mae" or "huber"
        What is minimised, if there are no quantiles.
    epochs, batch_size, learning_rate, optimizer, clip_norm
        The training: `optimizer` is "adam", "adamw", "nadam", "rmsprop", "adagrad" or "sgd".
    early_stopping, validation_fraction, patience
        If wanted, a share of each series, before its calibration, tells when to stop.
    random_state : int, RandomState or None
        All randomness of a fit.
    verbose : bool
        Progress bars.

    Attributes
    ----------
    network_ : pyrnn.Sequential
        From windows of scaled series and covariates to the scaled steps ahead.
    history_ : pyrnn.History
        Losses of all epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from pyrnn.estimators import Forecaster
    >>> y = 10 + np.sin(np.arange(300) / 4)
    >>> forecaster = Forecaster(horizon=6, random_state=0).fit(y)
    >>> bool(np.abs(forecaster.predict() - 10 - np.sin(np.arange(300, 306) / 4)).max() < 0.2)
    True
    >>> forecaster.interval(0.9).shape  # lower and upper end of each step
    (6, 2)
    """

    def fit(self, y: Any, past: Any = None, future: Any = None) -> Self:
        """Learns from series and their covariates, each with as many steps as y.

        TypeError or ValueError for what does not fit, such as a series too short for a window of
        lookback + horizon; after any error the forecaster is as before.
        """
        fresh = self._begin(keep=False)
        fresh.learn(*fresh._read(y, past, future, like_fit=False), self._seed())
        return self._finish(fresh)

    def predict(self, horizon: int | None = None, *, past: Any = None, future: Any = None) -> Any:
        """The next steps of each series: (horizon,), or (horizon, D), in the form of y.

        `horizon` may be less than the fitted one, or with strategy="recursive" more. `future` has
        the known covariates of these steps, with "direct" of all fitted ones; `past`, with
        "recursive", what the past ones are thought to become.
        """
        forecasts = self._forecasts(horizon, past, future)
        return self._form.pack([self.middle_of(ahead) for ahead in forecasts])

    def predict_quantiles(
        self, horizon: int | None = None, *, past: Any = None, future: Any = None
    ) -> Any:
        """The `quantiles` of the next steps, ascending: (horizon, Q) or (horizon, D, Q)."""
        forecasts = self._forecasts(horizon, past, future)
        if not self._asked:
            raise ValueError(f"{self._owner}: quantiles was None in fit, expected levels")
        wanted = np.isin(self._levels, self._asked)
        return self._form.pack([ahead[..., wanted] for ahead in forecasts])

    def interval(
        self,
        level: float = 0.9,
        horizon: int | None = None,
        *,
        past: Any = None,
        future: Any = None,
    ) -> Any:
        """Lower and upper end (horizon, 2), or (horizon, D, 2), of intervals that hold what comes
        with probability `level`, for each step by itself.

        Split conformal prediction: as far on both sides of the forecast as that share of the
        errors in the calibration reached, at the same step ahead, in units of the series' scale.
        ValueError if there are too few for the level, or for a horizon beyond the fitted one.
        """
        ends = []
        for i, ahead in enumerate(self._forecasts(horizon, past, future)):
            middle, far = self.middle_of(ahead), self.reach(i, level, len(ahead))
            ends.append(np.stack([middle - far, middle + far], axis=-1))
        return self._form.pack(ends)

    def update(self, y: Any, past: Any = None, future: Any = None, *, epochs: int = 0) -> Self:
        """Goes on to the steps y that have come since, with their covariates.

        Forecasts start behind them. The network stays as it is, or with `epochs` is trained on
        windows that end in them; scales and intervals stay. Errors as fit's.
        """
        check_is_fitted(self, "network_")
        fresh = self._begin(keep=True)
        check_size(self._owner, "epochs", epochs, minimum=0)
        new, _ = self._read(y, past, future, like_fit=True)
        joined = [
            tail.followed_by(fresh.scaled(i, series))
            for i, (tail, series) in enumerate(zip(self._tails, new, strict=True))
        ]
        if epochs:
            fresh._tune(joined, epochs, self._seed())
        fresh._tails = [series.last(self.cutter_.lookback) for series in joined]
        return self._finish(fresh)

    def backtest(
        self,
        y: Any,
        past: Any = None,
        future: Any = None,
        *,
        start: int | None = None,
        stride: int = 1,
        refit: bool = False,
        horizon: int | None = None,
        season: int = 1,
        level: float | None = None,
    ) -> Backtest:
        """Forecasts from every `stride`-th origin of y, and their errors per step of the horizon.

        y has the series of the fit, or others in the same form, which then take its scales.
        `start` is the number of steps known at the first origin, lookback if None. The network is
        the fitted one, which may have been trained on the same steps; with `refit`, a new one
        learns what is known at each origin, with the parameters of the fit. `season` is that of
        MASE; with `level`, the coverage of the intervals is counted.
        """
        check_is_fitted(self, "network_")
        many, form = self._read(y, past, future, like_fit=True)
        start = self.cutter_.lookback if start is None else start
        return rolling(
            self,
            many,
            form,
            horizon=self._horizon(horizon),
            start=check_size(self._owner, "start", start, minimum=self.cutter_.lookback),
            stride=check_size(self._owner, "stride", stride),
            season=check_size(self._owner, "season", season),
            refit=check_flag(self._owner, "refit", refit),
            level=level,
        )

    def _forecasts(self, horizon: int | None, past: Any, future: Any) -> list[Array]:
        """(horizon, D, levels) for each series, in its own units."""
        check_is_fitted(self, "network_")
        h = self._horizon(horizon)
        reach = max(h, self.cutter_.steps)
        if past is not None and self.cutter_.direct:
            raise ValueError(
                f"{self._owner}: past was given, expected None: only strategy='recursive' goes "
                "through what comes"
            )
        count, held = len(self._tails), past is None
        owner, form, (D, P, K) = self._owner, self._form, self._widths
        nothing = [np.zeros((reach, P))] * count
        pasts = (
            nothing if held else read_covariates(owner, "past", past, form, [h] * count, width=P)
        )
        futures = read_covariates(owner, "future", future, form, [reach] * count, width=K)
        forecasts = []
        for i, tail in enumerate(self._tails):
            coming = self.scaled(i, Series(np.zeros((0, D)), pasts[i], futures[i]))
            known = tail.followed_by(coming)
            forecasts.append(self.ahead(i, known, np.array([len(tail)]), h, hold_past=held)[0])
        return forecasts

    def _horizon(self, horizon: int | None) -> int:
        """The number of steps to forecast."""
        fitted = self.cutter_.horizon
        h = check_size(self._owner, "horizon", fitted if horizon is None else horizon)
        if h > fitted and self.cutter_.direct:
            raise ValueError(
                f"{self._owner}: horizon is {h}, expected at most {fitted}, the one "
                "fitted; strategy='recursive' goes further"
            )
        return h

    def _tune(self, many: list[Series], epochs: int, seed: int) -> None:
        """Trains the network on the windows of scaled series."""
        for i, series in enumerate(many):
            if len(series) < self.cutter_.least:
                new = len(series) - self.cutter_.lookback
                raise ValueError(
                    f"{self._owner}: {self._form.name('y', i)} has {new} steps, expected at least "
                    f"{self.cutter_.steps} to train on"
                )
        trainer = self._trainer(seed, epochs)
        train(self, trainer, self.cutter_.training(many), None, epochs)
        self.history_ = trainer.history
