"""Windows: what a forecasting network reads and predicts, cut out of series.

At step t the network reads y_t, past_t and the known future_{t+1} ... future_{t+steps}, and
predicts y_{t+1} ... y_{t+steps}, at every step of a window (Wen et al. 2017, forking sequences).
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..._base.checks import Array
from .._scaling import as_float32
from .series import Series

MANY = 2048  # windows of an epoch, beyond which they overlap less


@dataclass(frozen=True)
class Cutter:
    """Cuts windows of `lookback` steps. At each of them the whole horizon is predicted if `direct`,
    else one step. With `relative`, y is read as the difference from the first value of the window,
    and predicted as that from the present one: a level never seen looks like all others."""

    lookback: int
    horizon: int
    direct: bool
    relative: bool

    @property
    def steps(self) -> int:
        """How many steps are predicted at once."""
        return self.horizon if self.direct else 1

    @property
    def least(self) -> int:
        """The fewest steps of a series that make one window."""
        return self.lookback + self.steps

    def inputs(self, series: Series) -> Array:
        """(T', F) for each step whose known future is there: all T without such covariates."""
        known = series.future.shape[1]
        T = min(len(series), len(series.future) - self.steps) if known else len(series)
        ahead = _following(series.future, self.steps, T) if known else np.zeros((T, 0))
        joined = np.concatenate([series.y[:T], series.past[:T], ahead], axis=1)
        return as_float32("Forecaster", "y or a covariate", joined)

    def targets(self, series: Series) -> Array:
        """(T - steps, steps*D): the steps that follow each step."""
        T = len(series) - self.steps
        ahead = _following(series.y, self.steps, T)
        if self.relative:
            ahead = ahead - np.tile(series.y[:T], self.steps)
        return as_float32("Forecaster", "y", ahead)

    def training(self, many: list[Series], lookback: int | None = None) -> tuple[Array, Array]:
        """x (N, L, F) and target (N, L, steps*D), overlapping windows of all series."""
        L = self.lookback if lookback is None else lookback
        total = sum(len(series) - self.steps - L + 1 for series in many)
        stride = int(np.clip(total // MANY, 1, max(1, L // 2)))
        xs, targets = [], []
        for series in many:
            target = self.targets(series)
            starts = np.arange(len(target) - L, -1, -stride)[::-1]
            xs.append(self._read(series, self.inputs(series)[: len(target)], L, starts))
            targets.append(_windows(target, L, starts))
        return np.concatenate(xs), np.concatenate(targets)

    def before(self, series: Series, origins: Array) -> Array:
        """The windows (N, L, F) whose last step is the one before each origin."""
        starts = origins - self.lookback
        return self._read(series, self.inputs(series), self.lookback, starts)

    def _read(self, series: Series, inputs: Array, length: int, starts: Array) -> Array:
        """The windows (N, length, F) from each start, as the network reads them."""
        x, D = _windows(inputs, length, starts), series.y.shape[1]
        if self.relative:
            x[..., :D] -= x[:, :1, :D].copy()
        return x


def _windows(rows: Array, length: int, starts: Array) -> Array:
    """(N, length, F): consecutive rows from each start."""
    cut: Array = sliding_window_view(rows, length, axis=0)[starts].transpose(0, 2, 1)
    return np.ascontiguousarray(cut)


def _following(rows: Array, steps: int, T: int) -> Array:
    """(T, steps*F): the rows t+1 ... t+steps after each row t < T."""
    F = rows.shape[1]
    if T <= 0:
        return np.zeros((0, steps * F))
    ahead = sliding_window_view(rows[1 : T + steps], steps, axis=0)
    return np.ascontiguousarray(ahead.transpose(0, 2, 1)).reshape(T, steps * F)
