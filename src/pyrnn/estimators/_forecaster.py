"""Forecaster: time series some steps ahead, with intervals."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._base.checks import Array, check_flag, check_size
from ..layers._sequential import Sequential
from ..training._history import History
from ._backtest import Backtest, rolling
from ._estimator import Estimator
from ._fitted import Fitted, learn
from ._labels import Rows, read_labels
from ._series import Form, Series, form_of, read_covariates, read_series


@dataclass(kw_only=True, eq=False, repr=False)
class Forecaster(Estimator):
    """A recurrent network that forecasts time series, one or many together.

    y is a series (T,), or (T, D) of several columns, or a list or dict of such series, of any
    lengths: one network learns from all. Forecasts and all else come in the form of y.
    Covariates come in the same form: `past` (T, P) are known up to the present, `future` (T, K)
    also as far ahead as is forecast, such as the calendar.

    Rows and columns are read by place, and tables of pandas must agree with that: their times rise
    by equal steps, are the same in y and its covariates and continue where those known end; their
    columns are in the order of the fit. ValueError if not.

    GridSearchCV and cross_val_score are not offered for it: they split samples, of which a series
    has none. Compare parameters by `backtest`, on later steps or with `refit=True`.

    Parameters
    ----------
    horizon : int
        Steps ahead.
    lookback : int or None
        Steps that a forecast is made from; None: max(8, 3 * horizon).
    strategy : "direct" or "recursive"
        All steps at once, or each from the one before, which reaches any horizon; past covariates
        then keep their last values, unless `predict` gets them.
    quantiles : sequence of floats or None
        Levels for `predict_quantiles`, learnt with the pinball loss; the forecast is the median.
    calibration : float
        The share of each series, its end, that is not trained on but gives the errors from which
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
        If wanted, a share of each series, before its calibration, decides when to stop.
    random_state : int, RandomState or None
        All randomness of a fit.
    verbose : bool
        Progress bars.

    Attributes
    ----------
    network_ : pyrnn.Sequential
        From windows of scaled series and covariates to the scaled steps ahead.
    history_ : pyrnn.History
        Losses of the last training: of the fit, or of an `update` with epochs.

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

    def fit(self, y: Any, past: Any = None, future: Any = None) -> Self:
        """Learns from series and their covariates, each with as many steps as y.

        TypeError or ValueError for what does not fit, such as a series too short for a window and
        what is predicted from it; after any error the forecaster is as before.
        """
        fresh = self._begin(keep=False)
        many, form, labels = fresh._read(y, past, future, like_fit=False)
        fresh._learn(many, form, self._seed())
        fresh._fitted.labels = labels
        return self._finish(fresh)

    def predict(self, horizon: int | None = None, *, past: Any = None, future: Any = None) -> Any:
        """The next steps of each series: (horizon,), or (horizon, D), in the form of y.

        `horizon` may be less than the fitted one, or with strategy="recursive" more. `future` has
        the known covariates of these steps, with "direct" of all fitted ones; `past`, with
        "recursive", what the past ones are thought to become.
        """
        forecasts, fitted = self._forecasts(horizon, past, future), self._fitted
        return fitted.form.pack([fitted.middle_of(ahead) for ahead in forecasts])

    def predict_quantiles(
        self, horizon: int | None = None, *, past: Any = None, future: Any = None
    ) -> Any:
        """The `quantiles` of the next steps, ascending: (horizon, Q) or (horizon, D, Q)."""
        forecasts, fitted = self._forecasts(horizon, past, future), self._fitted
        if not fitted.asked:
            raise ValueError(f"{self._owner}: quantiles was None in fit, expected levels")
        wanted = np.isin(fitted.levels, fitted.asked)
        return fitted.form.pack([ahead[..., wanted] for ahead in forecasts])

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
        series' errors in its calibration reached, at the same step ahead. A series with too few
        for the level takes the errors of all, each in units of the mean error of its own series.
        ValueError if these are too few, too, or the series has fewer than two windows of its own,
        and for a horizon beyond the fitted one.
        """
        forecasts, fitted = self._forecasts(horizon, past, future), self._fitted
        ends = []
        for i, ahead in enumerate(forecasts):
            middle, far = fitted.middle_of(ahead), fitted.reach(i, level, len(ahead))
            ends.append(np.stack([middle - far, middle + far], axis=-1))
        return fitted.form.pack(ends)

    def update(self, y: Any, past: Any = None, future: Any = None, *, epochs: int = 0) -> Self:
        """Goes on to the steps y that have come since, with their covariates.

        Forecasts start after them. The network stays as it is, or with `epochs` is trained on
        windows that end in them; scales and intervals stay. Errors as fit's.
        """
        check_is_fitted(self, "network_")
        fresh = self._begin(keep=True)
        fitted = fresh._fitted
        check_size(self._owner, "epochs", epochs, minimum=0)
        new, form, labels = self._read(y, past, future, like_fit=True)
        for i, (known, coming) in enumerate(zip(fitted.labels, labels, strict=True)):
            coming["y"].check_follows(f"{self._owner}: {form.name('y', i)}", known["y"])
        joined = [
            tail.followed_by(fitted.scaled(i, series))
            for i, (tail, series) in enumerate(zip(fitted.tails, new, strict=True))
        ]
        if epochs:
            fresh._tune(joined, epochs, self._seed())
        fitted.tails = [series.last(fitted.cutter.lookback) for series in joined]
        fitted.labels = [
            known | {"y": known["y"].followed_by(coming["y"])}
            for known, coming in zip(fitted.labels, labels, strict=True)
        ]
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
        many, form, _ = self._read(y, past, future, like_fit=True)
        lookback = self._fitted.cutter.lookback
        start = lookback if start is None else start

        def learn_anew(known: list[Series]) -> Fitted:
            spec = clone(self).set_params(**self.fit_params_)
            return learn(spec, known, form, self.seed_)

        return rolling(
            self._fitted,
            many,
            form,
            horizon=self._horizon(horizon),
            start=check_size(self._owner, "start", start, minimum=lookback),
            stride=check_size(self._owner, "stride", stride),
            season=check_size(self._owner, "season", season),
            refit=learn_anew if check_flag(self._owner, "refit", refit) else None,
            level=level,
        )

    def _forecasts(self, horizon: int | None, past: Any, future: Any) -> list[Array]:
        """(horizon, D, levels) for each series, in its own units."""
        check_is_fitted(self, "network_")
        h, fitted = self._horizon(horizon), self._fitted
        reach = max(h, fitted.cutter.steps)
        if past is not None and fitted.cutter.direct:
            raise ValueError(
                f"{self._owner}: past was given, expected None: only strategy='recursive' goes "
                "through what comes"
            )
        count, held = len(fitted.tails), past is None
        owner, form, (D, P, K) = self._owner, fitted.form, fitted.widths
        nothing = [np.zeros((reach, P))] * count
        pasts = (
            nothing if held else read_covariates(owner, "past", past, form, [h] * count, width=P)
        )
        futures = read_covariates(owner, "future", future, form, [reach] * count, width=K)
        labels = read_labels(owner, form, past=past, future=future)
        for i, (before, rows) in enumerate(zip(fitted.labels, labels, strict=True)):
            for argument, own in rows.items():
                name = f"{owner}: {form.name(argument, i)}"
                own.check_columns(name, before[argument], "in fit")
                own.check_follows(name, before["y"])
        forecasts = []
        for i, tail in enumerate(fitted.tails):
            coming = fitted.scaled(i, Series(np.zeros((0, D)), pasts[i], futures[i]))
            known = tail.followed_by(coming)
            forecasts.append(fitted.ahead(i, known, np.array([len(tail)]), h, hold_past=held)[0])
        return forecasts

    def _horizon(self, horizon: int | None) -> int:
        """The number of steps to forecast."""
        cutter = self._fitted.cutter
        fitted = cutter.horizon
        h = check_size(self._owner, "horizon", fitted if horizon is None else horizon)
        if h > fitted and cutter.direct:
            raise ValueError(
                f"{self._owner}: horizon is {h}, expected at most {fitted}, the one "
                "fitted; strategy='recursive' goes further"
            )
        return h

    def _learn(self, many: list[Series], form: Form, seed: int) -> None:
        """Learns from series that have been read."""
        self.seed_ = seed
        self.fit_params_: dict[str, Any] = self.get_params(deep=False)  # set_params may follow
        self._fitted: Fitted = learn(self, many, form, seed)

    def _tune(self, many: list[Series], epochs: int, seed: int) -> None:
        """Trains the network on the windows of scaled series."""
        fitted, cutter = self._fitted, self._fitted.cutter
        for i, series in enumerate(many):
            if len(series) < cutter.least:
                new = len(series) - cutter.lookback
                raise ValueError(
                    f"{self._owner}: {fitted.form.name('y', i)} has {new} steps, expected at least "
                    f"{cutter.steps} to train on"
                )
        fitted.train(self, cutter.training(many), None, epochs, seed)

    @property
    def network_(self) -> Sequential:
        """The network; only of a fitted forecaster."""
        return self._fitted.network

    @property
    def history_(self) -> History:
        """The losses of the last training; only of a fitted forecaster."""
        return self._fitted.history

    @property
    def _owner(self) -> str:
        """How messages begin."""
        return type(self).__name__

    def _read(
        self, y: Any, past: Any, future: Any, *, like_fit: bool
    ) -> tuple[list[Series], Form, list[Rows]]:
        """Series and covariates of the user, and their labels; with `like_fit`, those of the
        fit."""
        form = form_of(self._owner, y)
        if not like_fit:
            many = read_series(self._owner, y, past, future, form)
            return many, form, read_labels(self._owner, form, y=y, past=past, future=future)
        fitted = self._fitted.form
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
        many = read_series(self._owner, y, past, future, form, widths=self._fitted.widths)
        labels = read_labels(self._owner, form, y=y, past=past, future=future)
        for i, (known, own) in enumerate(zip(self._fitted.labels, labels, strict=True)):
            for argument in own:
                name = f"{self._owner}: {form.name(argument, i)}"
                own[argument].check_columns(name, known[argument], "in fit")
        return many, form, labels


def _axes(form: Form) -> str:
    """The shape of a series, for a message."""
    return "(steps,)" if form.flat else "(steps, columns)"
