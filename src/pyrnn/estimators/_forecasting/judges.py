"""Judges: the forecasts of a fitted forecaster and of its baselines, beside what came."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..._base.checks import Array
from .baselines import BASELINES, Baseline
from .conformal import Scores
from .errors import Errors
from .fitted import Fitted, actual
from .least_squares import LeastSquares, learn_least_squares
from .measures import Judged
from .rolling import Rolling
from .series import Series
from .transform import Transform

Learn = Callable[[list[Series]], Fitted]
LEAST_SQUARES = "seasonal least squares"


def judge_fitted(rolling: Rolling, fitted: Fitted) -> Judged:
    """The forecasts of a fitted forecaster from all origins."""
    middle, far, quantiles = _forecasts(rolling, fitted, rolling.origins)
    return rolling.judge(middle, far, quantiles, fitted.outcome.results)


def judge_learnt(rolling: Rolling, learn: Learn) -> Judged:
    """The same, learnt anew at each origin of all series."""
    results = []
    for origin in rolling.origins[0]:
        fresh = learn([series.rows(0, origin) for series in rolling.many])
        one = [np.array([origin])] * len(rolling.many)
        results.append(_forecasts(rolling, fresh, one))
    middle, far, quantiles = (
        None if every[0] is None else [np.concatenate(own) for own in zip(*every, strict=True)]
        for every in zip(*results, strict=True)
    )
    return rolling.judge(middle or [], far, quantiles, fresh.outcome.results)


def _forecasts(rolling: Rolling, fitted: Fitted, origins: list[Array]) -> Any:
    """For each series forecasts (N, horizon, D), how far intervals reach, (1, horizon, D) or of
    each origin, and quantiles (N, horizon, D, Q); None for what is not wanted."""
    middle, far, quantiles = [], [], []
    many = (fitted.scaled(i, series) for i, series in enumerate(rolling.many))
    errors = Errors(fitted)
    for i, ahead in enumerate(fitted.ahead_of(many, origins, rolling.horizon)):
        middle.append(np.ascontiguousarray(fitted.middle_of(ahead)))
        if rolling.quantiles:
            quantiles.append(fitted.quantiles_of(ahead, rolling.quantiles))
        if rolling.level is not None:
            reach = errors.reach(i, rolling.level, rolling.horizon)
            far.append(reach[None] * fitted.outcome.spread(ahead))
    return middle, far or None, quantiles or None


def judge_baselines(rolling: Rolling) -> Iterator[tuple[str, Judged]]:
    """The same of each baseline, one after the other."""
    for name, baseline in BASELINES.items():

        def ahead(i: int, origins: Array, baseline: Baseline = baseline) -> Array:
            return baseline(rolling.many[i].y, origins, rolling.horizon, rolling.season)

        errors = [_known_errors(rolling, i, ahead, rolling.season) for i in _range(rolling)]
        middle = [ahead(i, origins) for i, origins in enumerate(rolling.origins)]
        yield name, _judge(rolling, middle, errors)
    yield LEAST_SQUARES, _judge_least_squares(rolling)


def _judge_least_squares(rolling: Rolling) -> Judged:
    """Of least squares learnt from what is known at the first origin, or at each."""

    def learnt(origin: int) -> LeastSquares:
        return learn_least_squares(rolling.many, origin, rolling.horizon, rolling.season)

    first = learnt(rolling.start)

    def ahead(i: int, origins: Array) -> Array:
        return first.ahead(i, rolling.many[i], origins)

    errors = [
        first.inflation * _known_errors(rolling, i, ahead, first.first) for i in _range(rolling)
    ]
    if not rolling.refit:
        middle = [ahead(i, origins) for i, origins in enumerate(rolling.origins)]
        return _judge(rolling, middle, errors)
    anew = [(learnt(origin), np.array([origin])) for origin in rolling.origins[0]]
    middle = [
        np.concatenate([model.ahead(i, series, one) for model, one in anew])
        for i, series in enumerate(rolling.many)
    ]
    return _judge(rolling, middle, errors)


def _known_errors(
    rolling: Rolling, i: int, ahead: Callable[[int, Array], Array], first: int
) -> Array:
    """(N, horizon, D): the sizes of the errors of series i within the steps before the start; NaN
    where what came is missing."""
    origins = np.arange(first, rolling.start - rolling.horizon + 1)
    if not len(origins):
        return np.zeros((0, rolling.horizon, rolling.many[i].y.shape[1]))
    errors = np.abs(ahead(i, origins) - actual(rolling.many[i], origins, rolling.horizon))
    known: Array = errors[np.isfinite(errors).any(axis=(1, 2))]
    return known


def _judge(rolling: Rolling, middle: list[Array], errors: list[Array]) -> Judged:
    """Forecasts, with intervals and quantiles as far apart as the known errors reach."""
    scores, far, quantiles = Scores(errors), [], []
    for i, forecasts in enumerate(middle):
        if rolling.level is not None:
            far.append(_reach(scores, i, rolling.level))
        aside = [_aside(scores, i, level) for level in rolling.quantiles]
        if aside:
            quantiles.append(np.stack([forecasts + far for far in aside], axis=-1))
    return rolling.judge(middle, far or None, quantiles or None, Transform())


def _aside(scores: Scores, i: int, quantile: float) -> Any:
    """(horizon, D): how far a quantile is from the forecast."""
    level = abs(2 * quantile - 1)
    return np.sign(quantile - 0.5) * _reach(scores, i, level) if level > 0 else 0.0


def _reach(scores: Scores, i: int, level: float) -> Any:
    """(horizon, D): how far the intervals reach; NaN if too little is known to say."""
    try:
        return scores.margins("Forecaster: y", i, level)
    except ValueError:
        return np.nan


def _range(rolling: Rolling) -> range:
    """The numbers of the series."""
    return range(len(rolling.many))
