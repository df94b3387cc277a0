"""Scaling: numbers brought to mean 0 and spread 1, and back."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._base.checks import Array
from ._file import learnt

TO_DEVIATION = 1.349  # how many deviations the quartiles of a normal distribution are apart


@learnt
@dataclass(frozen=True)
class Scaling:
    """scaled = (x - center) / scale, for each feature on the last axis."""

    center: Array
    scale: Array

    def apply(self, x: Array) -> Array:
        """The scaled numbers."""
        scaled: Array = (x - self.center) / self.scale
        return scaled

    def undo(self, scaled: Array) -> Array:
        """The numbers that `apply` scaled."""
        x: Array = scaled * self.scale + self.center
        return x


def as_float32(owner: str, name: str, scaled: Array) -> Array:
    """What the network takes; NaN, what is missing, stays. ValueError for numbers beyond its
    range."""
    with np.errstate(over="ignore"):
        numbers = scaled.astype(np.float32)
    if np.isinf(numbers).any():
        raise ValueError(
            f"{owner}: {name} is {np.nanmax(np.abs(scaled)):g} when scaled, expected numbers that "
            "float32 can hold"
        )
    return numbers


def identity(features: int) -> Scaling:
    """Leaves all as it is."""
    return Scaling(np.zeros(features), np.ones(features))


def standard(name: str, rows: Array, weight: Array | None = None) -> Scaling:
    """By mean and standard deviation of rows (N, F), of those that are not NaN; a constant feature
    is only centred. With weights (N,), rows of finite numbers count as often as these say. Errors
    begin with `name`."""
    rows = rows.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        if weight is None or (weight == weight[0]).all():
            return _scaling(name, rows, _observed(np.mean, rows), _observed(np.std, rows))
        rows, weight = rows[weight > 0], weight[weight > 0]
        center = np.average(rows, axis=0, weights=weight)
        variance = np.average((rows - center) ** 2, axis=0, weights=weight)
        return _scaling(name, rows, center, np.sqrt(variance))


def robust(name: str, rows: Array) -> Scaling:
    """By median and quartiles of rows (N, F), of those that are not NaN, which a few outliers do
    not move."""
    rows = rows.astype(np.float64, copy=False)
    low, middle, high = _observed(_quartiles, rows)
    with np.errstate(over="ignore", invalid="ignore"):
        spread = (high - low) / TO_DEVIATION
        # Where half of the rows are equal, the quartiles say nothing.
        deviation = _observed(np.std, rows)
        return _scaling(name, rows, middle, np.where(spread > 0, spread, deviation))


def _quartiles(rows: Array, axis: int) -> Array:
    """Of each feature, with the median between them: (3, F)."""
    quartiles: Array = np.quantile(rows, (0.25, 0.5, 0.75), axis=axis)
    return quartiles


def _observed(statistic: Callable[..., Array], rows: Array) -> Array:
    """A statistic of each feature's rows that are not NaN."""
    missing = np.isnan(rows)
    if not missing.any():
        return statistic(rows, axis=0)
    columns = zip(rows.T, missing.T, strict=True)
    return np.stack([statistic(row[~gone], axis=0) for row, gone in columns], axis=-1)


def _scaling(name: str, rows: Array, center: Array, scale: Array) -> Scaling:
    """Rounding errors of a constant are no spread. ValueError where squares overflow."""
    sizes = np.abs(rows)
    if not np.isfinite([center, scale]).all():
        raise ValueError(
            f"{name} holds numbers as large as {np.nanmax(sizes):g}, "
            "which have no mean and deviation in float64"
        )
    noise = 10 * np.finfo(np.float64).eps * np.fmax.reduce(sizes, axis=0, initial=0.0)
    return Scaling(center, np.where(scale > noise, scale, 1.0))
