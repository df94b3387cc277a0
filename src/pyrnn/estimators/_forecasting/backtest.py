"""Backtest: what forecasts from many origins would have been worth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._base.checks import Array
from .fitted import Fitted, actual
from .form import Form
from .series import Series

Learn = Callable[[list[Series]], Fitted]


@dataclass(frozen=True)
class Backtest:
    """Forecasts from a rolling origin, and their errors for each step of the horizon.

    `mae`, `rmse` and `mase` are arrays (horizon,), means over all origins, series and columns;
    MASE divides each series' errors by the mean |y_t - y_{t-season}| of what was known at the
    first origin (Hyndman & Koehler 2006; infinite if that is 0). `origins` has the numbers of steps
    known, `forecasts` for each series the forecasts (N, horizon, D), and `actual` what came, in
    the form of y, (N, horizon) where it is 1-D. `coverage` (horizon,) is the share of values that
    were inside the conformal interval, if a level was given.
    """

    origins: Any
    forecasts: Any
    actual: Any
    mae: Array
    rmse: Array
    mase: Array
    coverage: Array | None

    def __repr__(self) -> str:
        means = (f"{name}={getattr(self, name).mean():.4g}" for name in ("mae", "rmse", "mase"))
        return f"Backtest({len(self.mae)} steps, means over them: {', '.join(means)})"


def naive_scale(y: Array, season: int) -> Array:
    """(D,): the mean change of y (T, D) over a season."""
    scale: Array = np.abs(y[season:] - y[:-season]).mean(axis=0)
    return scale


def measures(errors: list[Array], scales: list[Array]) -> dict[str, Array]:
    """MAE, RMSE and MASE (horizon,) of errors (N, horizon, D), one array per series."""
    every = by_step(errors)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = by_step([np.abs(e) / scale for e, scale in zip(errors, scales, strict=True)])
    return {
        "mae": np.abs(every).mean(axis=1),
        "rmse": np.sqrt(np.square(every).mean(axis=1)),
        "mase": relative.mean(axis=1),
    }


def by_step(arrays: list[Array]) -> Array:
    """(horizon, all): arrays (N, horizon, D) of several series together."""
    return np.concatenate(
        [np.moveaxis(array, 1, 0).reshape(array.shape[1], -1) for array in arrays], axis=1
    )


def rolling(
    fitted: Fitted,
    many: list[Series],
    form: Form,
    *,
    horizon: int,
    start: int,
    stride: int,
    season: int,
    refit: Learn | None,
    level: float | None,
) -> Backtest:
    """The backtest of a fitted forecaster on series that have been read, or with `refit` of one
    that learns anew at each origin."""
    owner = fitted.owner
    ends = [len(series) for series in many]
    ends = [min(ends)] * len(ends) if refit else ends  # all are refitted together
    reach = max(horizon, fitted.cutter.steps)
    origins = [np.arange(start, end - reach + 1, stride) for end in ends]
    for i, (series, some) in enumerate(zip(many, origins, strict=True)):
        if len(some) == 0 or start <= season:
            added = "horizon" if reach == horizon else "the fitted horizon"
            raise ValueError(
                f"{owner}: {form.name('y', i)} has {len(series)} steps, expected at least "
                f"{start + reach} = start + {added}, and start > {season} = season"
            )
    if refit:
        forecasts, reaches = _refitted(refit, many, origins[0], horizon, level)
    else:
        forecasts, reaches = _forecasts(fitted, many, origins, horizon, level)
    came = [actual(series, some, horizon) for series, some in zip(many, origins, strict=True)]
    errors = [ahead - real for ahead, real in zip(forecasts, came, strict=True)]
    inside = [np.abs(error) <= far for error, far in zip(errors, reaches, strict=True)]
    return Backtest(
        origins=origins[0] if form.kind == "array" else origins,
        forecasts=form.pack_origins(forecasts, origins),
        actual=form.pack_origins(came, origins),
        **measures(errors, [naive_scale(series.y[:start], season) for series in many]),
        coverage=None if level is None else by_step(inside).mean(axis=1),
    )


def _forecasts(
    fitted: Fitted,
    many: list[Series],
    origins: list[Array],
    horizon: int,
    level: float | None,
) -> tuple[list[Array], list[Array]]:
    """Forecasts (N, horizon, D) of each series, and how far the intervals reach, likewise."""
    forecasts, reaches = [], []
    for i, (series, some) in enumerate(zip(many, origins, strict=True)):
        ahead = fitted.ahead(i, fitted.scaled(i, series), some, horizon)
        forecasts.append(fitted.middle_of(ahead))
        far = 0.0 if level is None else fitted.reach(i, level, horizon)
        reaches.append(np.broadcast_to(far, forecasts[-1].shape))
    return forecasts, reaches


def _refitted(
    learn: Learn,
    many: list[Series],
    origins: Array,
    horizon: int,
    level: float | None,
) -> tuple[list[Array], list[Array]]:
    """The same, learnt anew at each origin of all series."""
    results = []
    for origin in origins:
        fresh = learn([series.rows(0, origin) for series in many])
        one = [np.array([origin])] * len(many)
        results.append(_forecasts(fresh, many, one, horizon, level))
    forecasts, reaches = zip(*results, strict=True)
    return (
        [np.concatenate(parts) for parts in zip(*forecasts, strict=True)],
        [np.concatenate(parts) for parts in zip(*reaches, strict=True)],
    )
