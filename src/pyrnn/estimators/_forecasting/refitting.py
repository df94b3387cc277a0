"""Refitting: the linear part on all steps, and the errors that such a part makes."""

import numpy as np

from ..._base.checks import Array
from .fitted import Fitted
from .series import Series
from .skip import Skip

FOLD = 0.1  # of all steps, about as many as are left out together


def refitted(fitted: Fitted, skip: Skip, many: list[Series], origins: list[Array]) -> list[Array]:
    """Sets the linear part to least squares on all steps of scaled series; (N, horizon, D) for each
    series: the errors from its origins.

    No fit knows what its errors are of: the origins are parted, and the errors of each part are
    made by a fit without the steps that it forecasts (cross-conformal prediction, Vovk 2015).
    """
    windows = fitted.cutter.training(many, once=True)
    sums = skip.moments(windows)
    share = sum(map(len, origins)) / sum(map(len, many))
    count = max(1, round(share / FOLD))
    folds = [np.array_split(some, count) for some in origins]
    errors: list[list[Array]] = [[] for _ in many]
    for fold in zip(*folds, strict=True):
        pairs = list(zip(many, fold, strict=True))
        around = [_around(fitted, *pair) for pair in pairs if len(pair[1])]
        if around:
            out = skip.moments(fitted.cutter.training(around, once=True))
            skip.refit([own.without(some) for own, some in zip(sums, out, strict=True)], windows)
        for own, some in zip(errors, fitted.errors_of(many, list(fold)), strict=True):
            own.append(some)
    skip.refit(sums, windows)
    return [np.concatenate(own) for own in errors]


def _around(fitted: Fitted, series: Series, origins: Array) -> Series:
    """The steps of a series from which anything is learnt of what is forecast from origins."""
    cutter = fitted.cutter
    first = int(origins[0]) - cutter.steps - (cutter.lookback - 1)
    last = int(origins[-1]) + cutter.horizon - 1 + cutter.steps
    return series.rows(max(first, 0), min(last, len(series)))
