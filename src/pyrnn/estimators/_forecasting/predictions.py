"""Predictions: forecasts, quantiles and intervals of a fitted forecaster."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..._base.checks import Array
from .base import ForecasterBase
from .conformal import check_level, read_levels, source_of


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
        level: Any = 0.9,
        horizon: int | None = None,
        *,
        past: Any = None,
        future: Any = None,
    ) -> Any:
        """Lower and upper end (horizon, 2), or (horizon, D, 2), of intervals that hold what comes
        with probability `level`, for each step by itself; of L levels (horizon, L, 2), or
        (horizon, D, L, 2).

        Split conformal prediction: as far on both sides of the forecast as that share of the
        series' errors in its calibration reached, at the same step ahead. A series with too few
        for the level takes the errors of all, each in units of the largest of its own series;
        `interval_source` says which. ValueError if these are too few, too, or the series has fewer
        than two windows of its own, and for a horizon beyond the fitted one.
        """
        forecasts, fitted = self._forecasts(horizon, past, future), self._fitted
        levels, one_level, ends = read_levels(self._owner, level), np.ndim(level) == 0, []
        for i, ahead in enumerate(forecasts):
            middle = fitted.middle_of(ahead)
            every = np.stack([fitted.ends_of(i, middle, one) for one in levels], axis=-2)
            ends.append(every[..., 0, :] if one_level else every)
        sides = ("lower", "upper")
        pairs = [(one, side) for one in levels for side in sides]
        return fitted.form.pack(ends, last=sides if one_level else pairs)

    def interval_source(self, level: float = 0.9) -> Any:
        """Whose errors make the intervals of a level, for each series: "own" where its calibration
        has enough, else "pooled", those of all series."""
        check_is_fitted(self, "network_")
        number = check_level(self._owner, level)
        sources = [source_of(own, number) for own in self._fitted.scores]
        return self._fitted.form.pack_each(sources)

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
