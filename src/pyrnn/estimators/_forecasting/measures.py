"""Measures: how far forecasts were from what came, by series, step of the horizon and origin."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._base.checks import Array


def naive_scale(y: Array, season: int) -> Array:
    """(D,): the mean change of y (T, D) over a season; NaN where none is known."""
    changes = np.abs(y[season:] - y[:-season])
    known = np.isfinite(changes)
    scale: Array = _ratio(np.where(known, changes, 0.0).sum(axis=0), known.sum(axis=0))
    return scale


def pinball(quantiles: Array, levels: Array, came: Array) -> Array:
    """(...): the mean over levels q of max(q * e, (q - 1) * e), e = came - quantile, of quantiles
    (..., Q) (Koenker & Bassett 1978)."""
    e = came[..., None] - quantiles
    loss: Array = np.maximum(levels * e, (levels - 1) * e).mean(axis=-1)
    return loss


@dataclass(frozen=True)
class Judged:
    """Forecasts of many series, one array for each, beside what came (N, horizon, D); NaN there
    counts nowhere."""

    middle: list[Array]  # (N, horizon, D)
    ends: list[Array] | None  # (N, horizon, D, 2): of the intervals, if a level was given
    quantiles: list[Array]  # (N, horizon, D, Q)
    levels: tuple[float, ...]  # those of the Q quantiles
    came: list[Array]
    scales: list[Array]  # (D,): what MASE divides by

    def measures(self, groups: list[Array], count: int) -> dict[str, Array]:
        """Each measure (count,) by name: means over the values of each group. `groups` has the
        number of the group of each value, arrays that broadcast to (N, horizon, D)."""
        keys = np.concatenate([np.broadcast_to(g, c.shape).ravel() for g, c in self._with(groups)])
        errors = [middle - came for middle, came in self._with(self.middle)]
        levels = np.array(self.levels)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = [np.abs(e) / s for e, s in zip(errors, self.scales, strict=True)]
        values = {
            "mae": [np.abs(error) for error in errors],
            "rmse": [np.square(error) for error in errors],
            "mase": relative,
            "pinball": [pinball(q, levels, came) for q, came in self._with(self.quantiles)],
            **self._of_intervals(),
        }
        means = {name: _means(every, keys, count) for name, every in values.items()}
        return means | {"rmse": np.sqrt(means["rmse"])}

    def _with(self, arrays: list[Array]) -> Any:
        """Arrays, each beside what came."""
        return zip(arrays, self.came, strict=True)

    def _of_intervals(self) -> dict[str, list[Array]]:
        """Whether each value was inside its interval, and the width of that; nothing if a value or
        the interval is not known."""
        if self.ends is None:
            return {}
        inside, width = [], []
        for ends, came in self._with(self.ends):
            low, high = ends[..., 0], ends[..., 1]
            known = np.isfinite(came) & ~np.isnan(low) & ~np.isnan(high)
            inside.append(np.where(known, (low <= came) & (came <= high), np.nan))
            width.append(np.where(known, high - low, np.nan))
        return {"coverage": inside, "width": width}


def _means(values: list[Array], keys: Array, count: int) -> Array:
    """(count,): the mean of the values of each group that are known."""
    flat = np.concatenate([value.ravel() for value in values])
    known = ~np.isnan(flat)
    total = np.bincount(keys[known], flat[known], minlength=count)
    return _ratio(total, np.bincount(keys[known], minlength=count))


def _ratio(total: Array, count: Array) -> Array:
    """The mean; NaN of none."""
    with np.errstate(invalid="ignore"):
        ratio: Array = total / count
    return ratio
