"""Evaluation: what the forecasts of a fitted forecaster are worth."""

from typing import Any

from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import check_flag, check_size
from .backtest import Backtest, make_backtest
from .conformal import check_level
from .fitted import Fitted
from .judges import judge_fitted, judge_learnt
from .learning import learn
from .predictions import Predictions
from .rolling import Rolling
from .series import Series


class Evaluation(Predictions):
    """Backtests of a fitted forecaster."""

    def backtest(
        self,
        y: Any,
        past: Any = None,
        future: Any = None,
        *,
        static: Any = None,
        start: int | None = None,
        stride: int = 1,
        refit: bool = False,
        horizon: int | None = None,
        season: int = 1,
        level: float | None = None,
    ) -> Backtest:
        """Forecasts from every `stride`-th origin of y, and their errors per step of the horizon.

        y has the series of the fit, or others in the same form, which then take its scales; series
        of other names, or in another form, have scales of their own, from the steps before `start`,
        and if the fit had them `static` values.
        `start` is the number of steps known at the first origin, lookback if None. The network is
        the fitted one, which may have been trained on the same steps; with `refit`, a new one
        learns what is known at each origin, with the parameters of the fit. `season` is that of
        MASE; with `level`, the coverage of the intervals is counted.
        """
        check_is_fitted(self, "network_")
        many, form = self._read(y, past, future, static)
        lookback, check = self._fitted.cutter.lookback, check_size
        start = check(self._owner, "start", lookback if start is None else start, minimum=lookback)
        stride, season = check(self._owner, "stride", stride), check(self._owner, "season", season)
        horizon, refit = self._horizon(horizon), check_flag(self._owner, "refit", refit)
        rolling = Rolling(
            many,
            form,
            horizon=horizon,
            reach=max(horizon, self._fitted.cutter.steps),
            start=start,
            stride=stride,
            season=season,
            level=None if level is None else check_level(self._owner, level),
            quantiles=self._fitted.asked,
            refit=refit,
        )
        rolling.check(self._owner)
        if not refit:
            first = [series.rows(0, start) for series in many]
            fitted = self._fitted.on(form, first, form.positions_in(self._fitted.form))
            return make_backtest(rolling, judge_fitted(rolling, fitted))

        def learn_anew(known: list[Series]) -> Fitted:
            spec = clone(self).set_params(**self.fit_params_)
            return learn(spec, known, form, self.seed_)

        return make_backtest(rolling, judge_learnt(rolling, learn_anew))
