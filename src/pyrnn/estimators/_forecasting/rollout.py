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
    results = np.zeros((len(origins), horizon, series.y.shape[1], levels))
    lengths = np.minimum(origins, cutter.lookback)  # a series that begins later has fewer steps
    for length in np.unique(lengths):
        (rows,) = np.nonzero(lengths == length)
        for start in range(0, len(rows), TOGETHER):
            some = rows[start : start + TOGETHER]
            results[some] = _ahead(network, cutter, series, origins[some], horizon, hold_past)
    return results


def _ahead(
    network: Sequential,
    cutter: Cutter,
    series: Series,
    origins: Array,
    horizon: int,
    hold_past: bool,
) -> Array:
    """The same, of windows of one length."""
    N, D = len(origins), series.y.shape[1]
    windows, present = cutter.before(series, origins), cutter.present(series, origins)
    if horizon <= cutter.steps:
        outputs = network(windows)[:, -1]
        ahead = outputs.reshape(N, -1, cutter.steps, D)[:, :, :horizon]
        together: Array = ahead + present[:, None, None] * cutter.relative
        return together.transpose(0, 2, 3, 1)
    known = np.tile(origins[:, None] - 1, horizon) if hold_past else _steps(origins, horizon)
    y, past, future = cutter.read(series)
    observed = np.zeros((N, y.shape[1] - D))  # what is predicted is not flagged as missing
    exogenous = (past[known], future[_steps(origins, horizon)], observed)
    base = cutter.base(series, origins - windows.shape[1])
    steps = _step_by_step(network, cutter, windows, present - base, exogenous, horizon)
    return (steps + base[:, None])[..., None]


def _steps(origins: Array, horizon: int) -> Array:
    """(N, horizon): the steps from each origin on."""
    steps: Array = origins[:, None] + np.arange(horizon)
    return steps


def _step_by_step(
    network: Sequential,
    cutter: Cutter,
    windows: Array,
    present: Array,
    exogenous: tuple[Array, Array, Array],
    horizon: int,
) -> Array:
    """(N, horizon, D): each step predicted from the one before, through one stream of all; y as the
    network reads it."""
    stream = network.stream(batch_size=len(present))
    outputs = stream.run(windows)[:, -1]
    past, future, flags = exogenous
    ahead = []
    for k in range(horizon):
        present = outputs + present * cutter.relative
        ahead.append(present)
        if k + 1 < horizon:  # the network reads y_t, past_t and what is known of t + 1
            parts = [present, flags, past[:, k], future[:, k + 1]]
            outputs = stream.step(np.concatenate(parts, axis=1).astype(np.float32))
    return np.stack(ahead, axis=1)
