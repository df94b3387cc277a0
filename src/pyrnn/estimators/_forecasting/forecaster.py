"""Forecaster: its parameters, and what it learns from series."""

from dataclasses import dataclass
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from ..._base.checks import check_size
from .._file import storable
from .division import tell_left_out
from .fitted import Fitted
from .form import Form
from .learning import learn
from .selection import Selection
from .series import Series


@storable
@dataclass(kw_only=True, eq=False, repr=False)
class Forecaster(Selection):
    """A recurrent network that forecasts time series, one or many together.

    y is a series (T,), or (T, D) of several columns, or a list or dict of such series, of any
    lengths: one network learns from all. Or it is a table, of pandas, or with narwhals of polars
    and others: a Series, a frame with a series in each column, a long frame with a column of names
    of series, or a list or dict of frames. Forecasts and all else come in the form of y: of
    tables, as tables with the dates that follow.

    Covariates come in the same form: `past` (T, P) are known up to the present, `future` (T, K)
    also as far ahead as is forecast, such as prices or holidays; `static` are the same at all steps
    of a series. Arrays go by place, tables by date and by name, and one of them may be of all
    series. Dates must rise by equal steps, without gaps. ValueError if not.

    `search` compares parameters by forecasts of many series; GridSearchCV and cross_val_score do so
    of one, or of a table whose columns are series, if `cv` is a RollingOrigins.

    Parameters
    ----------
    horizon : int
        Steps ahead.
    lookback : int or None
        Steps that a forecast is made from; None: a tenth of those trained on of the median
        series, at most 192, but at least 8 and a season and one, as far as there are as many.
    strategy : "direct" or "recursive"
        All steps at once, or each from the one before, which reaches any horizon; past covariates
        then keep their last values, unless `predict` gets them.
    quantiles : sequence of floats or None
        Levels for `predict_quantiles`, learnt with the pinball loss; the forecast is the median.
        With a likelihood they are its own.
    likelihood : "normal", "student_t", "poisson", "negative_binomial" or None
        A distribution, learnt by its likelihood, that `sample` and `predict_quantiles` draw from;
        the last two are of counts. The forecast is its mean, after a transform its median.
    transform : "log1p" or None
        log(1 + y) is scaled and learnt; what is forecast comes back and is never below 0.
    positive : bool
        No forecast, interval or path goes below 0, where none of y may be.
    calibration : float
        The share of each series, its end, that is not trained on but gives the errors from which
        `interval` is made; 0: there are no intervals, and all is trained on but what decides when
        to stop, see `early_stopping`.
    scale : "standard", "robust" or None
        Each series is scaled by mean and deviation, or median and quartiles, of what is trained on.
    relative : bool or None
        True: the network reads changes from the first value of a window and predicts changes from
        the present one, which copes with trends and shifts of the level. False: it sees the level.
        This suits series that keep to one level, and recursion far ahead, which then drifts less.
        None: True with `skip`; without, False if the second half of the series keeps to the range
        of the first and its mean so far is a better forecast there than the last value.
    season : int or None
        After how many steps the series repeat themselves, 1 if they do not. None: of series with
        dates, what these suggest, if most series show it: 12 months, 4 quarters, 52 weeks, 7 days
        or 5 business days, 24 hours or their week, and so on. Otherwise the first high peak of the
        autocorrelation. It has to pass the F test of stable seasonality at 0.1 %, a level that
        all lags share which are searched.
    skip : bool
        A linear autoregression of the lookback is added to what the recurrent layers give (Lai et
        al. 2018). It begins at the least squares, drawn to the seasonal naive forecast as far as
        that helps on held-out steps, and the rest at 0; both are trained together.
    refit : bool
        What was held out is learnt in the end. With `skip`, the autoregression is fitted anew, by
        least squares on all steps; intervals are made from the errors of such fits, each without a
        part of the calibration. Without `skip`, or with a likelihood, the network is trained anew,
        for as many epochs as were best. Intervals then have the errors of the network before,
        which are right only if little is held out.
    cell, hidden_size, num_layers, dropout
        The recurrent layers: "gru", "lstm" or "rnn". A hidden size None is a power of two, about a
        quarter of the root of the number of all steps, 16 to 64.
    missing : "flag" or function
        NaN is a missing value: nothing is learnt from it as a target, and the network reads the
        last value before it and a flag. A function `filled = missing(column)` of a column (steps,)
        has a value of its own for NaN, such as 0; it must look back only, and in `update` sees no
        more of the past than a window.
    loss : "mse", "mae" or "huber"
        What is minimised, if there are neither quantiles nor a likelihood.
    epochs, batch_size, learning_rate, optimizer, clip_norm
        The training; epochs None: as many as make 1000 updates, 3 to 100. `optimizer` is "adam",
        "adamw", "nadam", "rmsprop", "adagrad" or "sgd".
    early_stopping, validation_fraction, patience
        Training ends when the loss on what is held out has not fallen for `patience` epochs, and
        the best weights are kept, with `skip` those of least squares too. Held out is the
        calibration (without it a tenth of each series), or a share before it.
    calendar : sequence of names or None
        Parts of the dates that the network reads: "quarter", "month", "week", "dayofyear", "day",
        "weekday", "hour", "minute"; as the known future, but nobody has to give them.
    freq : str or None
        The step between dates, such as "D", "B", "h", "15min", "W-MON", "MS" or "QE"; None: what
        all dates fit.
    fill_gaps : bool
        Steps of which there is no row are missing values; False refuses them.
    joint : bool
        The columns of a table are one series of several columns, as those of an array, instead of
        a series each.
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
    missing_ : dict
        The shares of missing values in the fit: of "y", and of "past" and "future" if there were
        such, for each series, in the form of y.

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
    likelihood: str | None = None
    transform: str | None = None
    positive: bool = False
    calibration: float = 0.2
    scale: str | None = "standard"
    relative: bool | None = None
    season: int | None = None
    skip: bool = True
    refit: bool = True
    cell: str = "gru"
    hidden_size: int | None = None
    num_layers: int = 1
    dropout: float = 0.0
    missing: Any = "flag"
    loss: str = "mse"
    epochs: int | None = None
    batch_size: int = 32
    learning_rate: float = 5e-3
    optimizer: str = "adam"
    clip_norm: float | None = 1.0
    early_stopping: bool = True
    validation_fraction: float | None = None
    patience: int = 5
    calendar: Any = None
    freq: Any = None
    fill_gaps: bool = False
    joint: bool = False
    random_state: Any = None
    verbose: bool = False

    def fit(
        self,
        y: Any,
        past: Any = None,
        future: Any = None,
        *,
        static: Any = None,
        id: Any = None,
        time: Any = None,
        target: Any = None,
    ) -> Self:
        """Learns from series and their covariates, each with as many steps as y, or with dates.

        In a table, `time` names the column of its dates, `id` that of the names of series, `target`
        one column that is forecast, or a list of several; `past`, `future` and `static` may be
        lists of columns of it, too. By itself, `static` is a table with a row for each series,
        named by its index or the column `id`, or {series: {name: value}}, or an array (series,
        numbers); what is no number is a group. A table `future` with dates may go on after y: what
        it knows is kept for `predict` and `update`. TypeError or ValueError for what does not fit,
        such as a series too short for a window and what is predicted from it; after any error the
        forecaster is as before.
        """
        fresh = self._begin(keep=False)
        columns = {"id": id, "time": time, "target": target}
        many, form = fresh._read_first(y, past, future, static, **columns)
        fresh._learn(many, form, self._seed())
        return self._finish(fresh)

    def update(
        self,
        y: Any,
        past: Any = None,
        future: Any = None,
        *,
        static: Any = None,
        epochs: int = 0,
    ) -> Self:
        """Goes on to the steps y that have come since, with their covariates.

        Forecasts start after them. The network stays as it is, or with `epochs` is trained on
        windows that end in them; scales and intervals stay. A dict or a table may have new series
        beside those of the fit: each has its own scale, its own `static` values where the fit had
        such, and intervals as an unknown one. Errors as fit's.
        """
        check_is_fitted(self, "network_")
        fresh = self._begin(keep=True)
        check_size(self._owner, "epochs", epochs, minimum=0)
        known = fresh._fitted.form
        fitted, joined, form = fresh._continued(y, past, future, static)
        fresh._fitted = fitted
        if epochs:
            fresh._tune(joined, epochs, self._seed())
        fitted.tails = [series.last(fitted.cutter.lookback) for series in joined]
        fitted.form = known.followed_by(form)
        return self._finish(fresh)

    def _learn(self, many: list[Series], form: Form, seed: int) -> None:
        """Learns from series that have been read."""
        self.seed_ = seed
        self.fit_params_: dict[str, Any] = self.get_params(deep=False)  # set_params may follow
        self._fitted: Fitted = learn(self, many, form, seed)

    def _tune(self, many: list[Series], epochs: int, seed: int) -> None:
        """Trains the network on the windows of scaled series."""
        fitted, cutter = self._fitted, self._fitted.cutter
        steps = [len(s) - len(tail) for s, tail in zip(many, fitted.tails, strict=True)]
        for i, (new, tail) in enumerate(zip(steps, fitted.tails, strict=True)):
            if len(tail) and new < cutter.steps:
                raise ValueError(
                    f"{self._owner}: {fitted.form.name('y', i)} has {new} steps, expected at least "
                    f"{cutter.steps} to train on"
                )
        trained = [len(s) * (len(s) >= cutter.least) for s in many]
        tell_left_out(self._owner, cutter, fitted.form, steps, trained)
        fitted.train(self, cutter.training(many), None, epochs, seed)
