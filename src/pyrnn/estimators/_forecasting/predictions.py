"""Predictions: forecasts, quantiles and intervals of a fitted forecaster."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import Array
from .base import ForecasterBase


class Predictions(ForecasterBase):
    """Forecasts of the steps that follow those known."""

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
        return fitted.form.pack([ahead[..., wanted] for ahead in forecasts], last=fitted.asked)

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
        return fitted.form.pack(ends, last=("lower", "upper"))

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
        forecasts = []
        coming = self._coming(fitted.form, past, future, past_steps=h, future_steps=reach)
        for i, (tail, ahead) in enumerate(zip(fitted.tails, coming, strict=True)):
            known, origins = tail.followed_by(fitted.scaled(i, ahead)), np.array([len(tail)])
            forecasts.append(fitted.ahead(i, known, origins, h, hold_past=past is None)[0])
        return forecasts
