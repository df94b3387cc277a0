"""Seasonal least squares: a linear autoregression of all series together, the baseline to beat.

For each step k of the horizon, with z the series in units of its own mean and deviation,

    z_{t+k} - z_t = a_k + b_k z_t + sum_{j=1}^{p-1} c_kj (z_{t-j} - z_t)
                  + sum_{s=0}^{1} d_ks (z_{t+k-m(s+ceil(k/m))} - z_t) + e_k . f_{t+k},

m the season, f what is known of the future. That is any linear function of the last p values, of
those of the same phase in the last two seasons and of the future; written as changes, the
coefficients of least size leave the last value where data decide nothing.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..._base.checks import Array
from .._scaling import Scaling, standard
from .baselines import filled
from .series import Series

LAGS = 24  # the last values read, of long series
MANY = 20_000  # rows to learn from, beyond which some are left out


@dataclass(frozen=True)
class LeastSquares:
    """Coefficients for each step of the horizon, learnt from what is known of many series."""

    lags: int
    terms: int  # seasons that are read
    season: int
    scales: list[Scaling]  # of each series
    weights: tuple[Array, ...] = ()  # (features,) of each step of the horizon
    inflation: float = np.nan  # of residuals: sqrt(n / (n - features)), those of what is to come

    @property
    def first(self) -> int:
        """The first origin that has all lags."""
        return max(self.lags, self.terms * self.season)

    def ahead(self, i: int, series: Series, origins: Array) -> Array:
        """(N, horizon, D): forecasts of series i from origins of at least `first`."""
        z, future = filled(self.scales[i].apply(series.y)), filled(series.future)
        present = z[origins - 1]
        steps = [
            present + self.features(z, future, origins, k) @ weights
            for k, weights in enumerate(self.weights, start=1)
        ]
        return self.scales[i].undo(np.stack(steps, axis=1))

    def features(self, z: Array, future: Array, origins: Array, k: int) -> Array:
        """(N, D, features): what is read from each origin, to forecast k steps ahead."""
        N, D = len(origins), z.shape[1]
        now = origins[:, None] - 1
        seasons = np.arange(self.terms) + -(-k // self.season)
        back = np.concatenate([np.arange(1, self.lags), self.season * seasons - k])
        changes = (z[now - back] - z[now]).transpose(0, 2, 1)
        ahead = future[origins - 1 + k] if future.shape[1] else np.zeros((N, 0))
        known = np.broadcast_to(ahead[:, None], (N, D, ahead.shape[1]))
        return np.concatenate([np.ones((N, D, 1)), z[origins - 1][..., None], changes, known], 2)


def learn_least_squares(many: list[Series], start: int, horizon: int, season: int) -> LeastSquares:
    """Learns from the first `start` steps of each series."""
    many = [series.rows(0, start) for series in many]
    lags = int(np.clip(min(LAGS, start // 3, len(many) * start // 10), 1, None))
    terms = 0 if season == 1 else 2 if start >= 3 * season else 1
    scales = [standard("Forecaster: y", series.y) for series in many]
    blank, weights = LeastSquares(lags, terms, season, scales), []
    for k in range(1, horizon + 1):
        x, target = _data(blank, many, k)
        weights.append(np.linalg.lstsq(x, target)[0])
    n, features = x.shape
    inflation = np.sqrt(n / (n - features)) if n > features else np.nan
    return replace(blank, weights=tuple(weights), inflation=float(inflation))


def _data(model: LeastSquares, many: list[Series], k: int) -> tuple[Array, Array]:
    """x (n, features) and target (n,): what comes k steps after each origin of all series."""
    count = sum(max(len(series) - k - model.first + 1, 0) for series in many)
    stride = max(1, count * many[0].y.shape[1] // MANY)
    xs, targets = [], []
    for series, scale in zip(many, model.scales, strict=True):
        raw = scale.apply(series.y)
        z, future = filled(raw), filled(series.future)
        origins = np.arange(len(series) - k, model.first - 1, -stride)
        x = model.features(z, future, origins, k)
        xs.append(x.reshape(-1, x.shape[2]))
        targets.append((raw[origins + k - 1] - z[origins - 1]).ravel())
    x, target = np.concatenate(xs), np.concatenate(targets)
    there = np.isfinite(target) & np.isfinite(x).all(axis=1)
    return x[there], target[there]
