"""Predictions: forecasts, quantiles and intervals of a fitted forecaster."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import Array
from .base import ForecasterBase
from .labels import read_labels
from .series import Series, read_covariates


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
