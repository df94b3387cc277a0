"""Refitting: the linear part on all steps, and the errors that such a part makes."""

import numpy as np

from ..._base.checks import Array
from .fitted import Fitted
from .series import Series
from .skip import Skip
from .windows import Cutter

FOLD = 0.1  # of all steps, about as many as are left out together
NOTHING = slice(0, 0)


def refitted(fitted: Fitted, skip: Skip, many: list[Series], origins: list[Array]) -> list[Array]:
    """Sets the linear part to least squares on all steps of scaled series; (N, horizon, D) for each
    series: the errors from its origins.

    No fit knows what its errors are of: the origins are parted, and the errors of each part are
    made by a fit without the steps that it forecasts (cross-conformal prediction, Vovk 2015).
    """
    cutter = fitted.cutter
    windows = cutter.training(many, once=True)
    sums = skip.moments(windows)
    share = sum(map(len, origins)) / sum(map(len, many))
    count = max(1, round(share / FOLD))
    folds = [np.array_split(some, count) for some in origins]
    errors: list[list[Array]] = [[] for _ in many]
    for fold in zip(*folds, strict=True):
        spans = [_forecast_from(some, cutter.horizon) for some in fold]
        pairs = list(zip(many, spans, strict=True))
        around = [_around(cutter, *pair) for pair in pairs if pair[1] != NOTHING]
        if around:
            out = skip.moments(cutter.training(around, once=True))
            rest = [own.without(some) for own, some in zip(sums, out, strict=True)]
            rows = cutter.training(many, once=True, hidden=spans) if skip.has_levels else windows
            skip.refit(rest, rows)
        for own, some in zip(errors, fitted.errors_of(many, list(fold)), strict=True):
            own.append(some)
    skip.refit(sums, windows)
    return [np.concatenate(own) for own in errors]


def _forecast_from(origins: Array, horizon: int) -> slice:
    """The steps that are forecast from some origins."""
    return slice(int(origins[0]), int(origins[-1]) + horizon) if len(origins) else NOTHING


def _around(cutter: Cutter, series: Series, span: slice) -> Series:
    """The part of a series from which a fit learns anything about the steps of a span."""
    first = span.start - cutter.steps - (cutter.lookback - 1)
    return series.rows(max(first, 0), min(span.stop - 1 + cutter.steps, len(series)))
