"""Measures: how far forecasts were from what came, by series, step of the horizon and origin."""

from dataclasses import dataclass

import numpy as np

from ..._base.checks import Array
from .transform import Transform


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
    counts nowhere. What follows from these is made of one series at a time, as all of it together
    is many times as large."""

    middle: list[Array]  # (N, horizon, D)
    far: list[Array] | None  # how far intervals reach, such as (horizon, D); None: there are none
    quantiles: list[Array] | None  # (N, horizon, D, Q); None: the ends of intervals, and `middle`
    levels: tuple[float, ...]  # those of the Q quantiles
    came: list[Array]
    scales: list[Array]  # (D,): what MASE divides by
    transform: Transform  # what intervals reach in its units

    def ends(self, i: int) -> Array:
        """(N, horizon, D, 2): lower and upper end of the intervals of series i."""
        assert self.far is not None
        return ends_around(self.transform, self.transform.forth(self.middle[i]), self.far[i])

    def measures(self, groups: list[Array], count: int) -> dict[str, Array]:
        """Each measure (count,) by name: means over the values of each group. `groups` has the
        number of the group of each value, arrays that broadcast to (N, horizon, D)."""
        means: dict[str, Mean] = {}
        for i, (group, came) in enumerate(zip(groups, self.came, strict=True)):
            keys = np.broadcast_to(group, came.shape).ravel()
            for name, values in self._values(i, came).items():
                means.setdefault(name, Mean(count)).add(keys, values.ravel())
        found = {name: mean.value for name, mean in means.items()}
        return found | {"rmse": np.sqrt(found["rmse"])}

    def _values(self, i: int, came: Array) -> dict[str, Array]:
        """What each measure of series i is the mean of, arrays (N, horizon, D)."""
        middle, spans = self.middle[i], {}
        error = middle - came
        quantiles = middle[..., None] if self.quantiles is None else self.quantiles[i]
        if self.far is not None:
            ends = self.ends(i)
            low, high = ends[..., 0], ends[..., 1]
            known = np.isfinite(came) & ~np.isnan(low) & ~np.isnan(high)
            inside = np.where(known, (low <= came) & (came <= high), np.nan)
            spans = {"coverage": inside, "width": np.where(known, high - low, np.nan)}
            if self.quantiles is None:
                quantiles = np.stack([low, middle, high], axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.abs(error) / self.scales[i]
        return {
            "mae": np.abs(error),
            "rmse": np.square(error),
            "mase": relative,
            "pinball": pinball(quantiles, np.array(self.levels), came),
            **spans,
        }


class Mean:
    """Means of groups of values that come in pieces; NaN counts nowhere."""

    def __init__(self, count: int) -> None:
        self._total, self._count = np.zeros(count), np.zeros(count, np.int64)

    def add(self, keys: Array, values: Array) -> None:
        """Values, and the number of the group of each. They are added one after the other, so that
        no bit depends on the pieces."""
        known = ~np.isnan(values)
        np.add.at(self._total, keys[known], values[known])
        np.add.at(self._count, keys[known], 1)

    @property
    def value(self) -> Array:
        """(count,): the means."""
        return _ratio(self._total, self._count)


def ends_around(transform: Transform, center: Array, far: Array) -> Array:
    """(..., 2): lower and upper end of intervals, around a center in the units of the transform."""
    return transform.back(np.stack([center - far, center + far], axis=-1))


def _ratio(total: Array, count: Array) -> Array:
    """The mean; NaN of none."""
    with np.errstate(invalid="ignore"):
        ratio: Array = total / count
    return ratio
