"""Forecasts of many windows at once, all steps together or one after the other."""

import numpy as np

from ..._base.checks import Array
from ...layers._sequential import Sequential
from .series import Series
from .windows import Cutter

TOGETHER = 1024  # windows that go through the network at a time


def forecast(
    network: Sequential,
    cutter: Cutter,
    series: Series,
    origins: Array,
    horizon: int,
    levels: int,
    hold_past: bool,
) -> Array:
    """(N, horizon, D, levels): forecasts of a scaled series, y known up to each origin.

    The known future must be there up to the horizon's end. Where a step is predicted from the one
    before, past covariates keep their last values with `hold_past`, else they must be there too.
    """
    D, results = series.y.shape[1], []
    for start in range(0, len(origins), TOGETHER):
        some = origins[start : start + TOGETHER]
        windows = cutter.before(series, some)
        if horizon <= cutter.steps:
            outputs = network(windows)[:, -1]
            ahead = outputs.reshape(len(some), levels, cutter.steps, D)[:, :, :horizon]
            ahead = ahead + series.y[some - 1][:, None, None] * cutter.relative
            results.append(ahead.transpose(0, 2, 3, 1))
        else:
            known = np.tile(some[:, None] - 1, horizon) if hold_past else _steps(some, horizon)
            exogenous = (series.past[known], series.future[_steps(some, horizon)])
            present, first = series.y[some - 1], series.y[some - cutter.lookback]
            base = first * cutter.relative
            ahead = _step_by_step(network, cutter, windows, present - base, exogenous, horizon)
            results.append((ahead + base[:, None])[..., None])
    return np.concatenate(results).astype(np.float64)


def _steps(origins: Array, horizon: int) -> Array:
    """(N, horizon): the steps from each origin on."""
    steps: Array = origins[:, None] + np.arange(horizon)
    return steps


def _step_by_step(
    network: Sequential,
    cutter: Cutter,
    windows: Array,
    present: Array,
    exogenous: tuple[Array, Array],
    horizon: int,
) -> Array:
    """(N, horizon, D): each step predicted from the one before, through one stream of all; y as the
    network reads it."""
    stream = network.stream(batch_size=len(present))
    outputs = stream.run(windows)[:, -1]
    past, future = exogenous
    ahead = []
    for k in range(horizon):
        present = outputs + present * cutter.relative
        ahead.append(present)
        if k + 1 < horizon:  # the network reads y_t, past_t and what is known of t + 1
            parts = [present, past[:, k], future[:, k + 1]]
            outputs = stream.step(np.concatenate(parts, axis=1).astype(np.float32))
    return np.stack(ahead, axis=1)
