"""Evaluation: what the forecasts of a fitted forecaster are worth."""

from typing import Any

from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import check_flag, check_size
from .backtest import Backtest, rolling
from .fitted import Fitted
from .learning import learn
from .predictions import Predictions
from .series import Series


class Evaluation(Predictions):
    """Backtests of a fitted forecaster."""

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
