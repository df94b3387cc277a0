"""Baselines: what a forecaster has to beat.

Each forecasts rows (N, horizon, D) from N origins of a series y (T, D); an origin is the number of
steps known. A missing value is the last one known.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..._base.checks import Array, check_size
from .form import Options
from .reading import Reader
from .roles import read_roles

Baseline = Callable[[Array, Array, int, int], Array]


def naive_forecast(
    y: Any,
    horizon: int,
    season: int = 1,
    *,
    freq: Any = None,
    id: Any = None,
    time: Any = None,
    target: Any = None,
) -> Any:
    """Repeats the last `season` steps of each series: the forecast that others have to beat.

    season=1 repeats the last value. y is a series (T,) or (T, D), a list or dict of them, or a
    table, in which `id`, `time` and `target` name columns, as in Forecaster.fit; the forecasts
    (horizon,) or (horizon, D) come in the same form, after the last date. `freq` is the step
    between dates, None: what all fit. ValueError for a series of fewer than `season` steps, and for
    a table whose dates are out of order or have gaps.

    Examples
    --------
    >>> from pyrnn.estimators import naive_forecast
    >>> naive_forecast([3, 1, 2, 4, 2, 3], horizon=4, season=3)
    array([4., 2., 3., 4.])
    """
    owner = "naive_forecast"
    horizon = check_size(owner, "horizon", horizon)
    season = check_size(owner, "season", season)
    roles, _ = read_roles(owner, {"id": id, "time": time, "target": target}, {})
    many, form = Reader(owner, Options(freq=freq)).read(y, roles=roles)
    forecasts = []
    for i, rows in enumerate(series.y for series in many):
        if len(rows) < season:
            raise ValueError(
                f"{owner}: {form.name('y', i)} has {len(rows)} steps, "
                f"expected at least {season} = season"
            )
        forecasts.append(seasonal_naive(rows, np.array([len(rows)]), horizon, season)[0])
    return form.pack(forecasts)


def seasonal_naive(y: Array, origins: Array, horizon: int, season: int) -> Array:
    """The value of a whole number of seasons ago: y_{t+k} = y_{t+k-m*ceil(k/m)}, m the season."""
    steps = np.arange(horizon) % season - season
    forecasts: Array = filled(y)[origins[:, None] + steps]
    return forecasts


def naive(y: Array, origins: Array, horizon: int, season: int) -> Array:
    """The last value known: y_{t+k} = y_t."""
    return seasonal_naive(y, origins, horizon, 1)


def drift(y: Array, origins: Array, horizon: int, season: int) -> Array:
    """The line through the first and the last value: y_{t+k} = y_t + k (y_t - y_1) / (t - 1)."""
    y = filled(y)
    first = np.isfinite(y).argmax(axis=0)
    last, steps = y[origins - 1], np.arange(1, horizon + 1)[:, None]
    rise = (last - y[first, np.arange(y.shape[1])]) / np.maximum(origins[:, None] - 1 - first, 1)
    line: Array = last[:, None] + steps * rise[:, None]
    return line


def filled(y: Array) -> Array:
    """y (T, D), each missing value replaced by the last one known; NaN before the first."""
    known = np.where(np.isnan(y), 0, np.arange(len(y))[:, None])
    rows: Array = np.take_along_axis(y, np.maximum.accumulate(known, axis=0), axis=0)
    return rows


BASELINES: dict[str, Baseline] = {
    "naive": naive,
    "seasonal naive": seasonal_naive,
    "drift": drift,
}
