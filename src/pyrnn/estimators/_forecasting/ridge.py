"""Where the linear part of a forecasting network starts: at least squares, in closed form."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np

from ..._base.checks import Array

STRENGTHS = 10.0 ** np.arange(-8, 3)  # of the penalty, in units of the mean square of what is read
LITTLE = 1e-10  # of a sum of squares, beside it: rounding errors


@dataclass
class Moments:
    """Sums over rows x (N, Q) and what follows them, y (N, O): all that least squares needs."""

    count: float
    x: Array
    y: Array
    xx: Array
    xy: Array
    yy: Array  # (O,)

    @classmethod
    def of(cls, pairs: Iterable[tuple[Array, Array]], Q: int, O: int) -> "Moments":
        """Those of rows (x, y) that come in pieces; rows with NaN are left out."""
        sums = cls(0.0, np.zeros(Q), np.zeros(O), np.zeros((Q, Q)), np.zeros((Q, O)), np.zeros(O))
        for x, y in pairs:
            there = ~(np.isnan(x).any(axis=1) | np.isnan(y).any(axis=1))
            x, y = x[there], y[there].astype(np.float64)
            sums.count += len(x)
            sums.x += x.sum(axis=0)
            sums.y += y.sum(axis=0)
            sums.xx += x.T @ x
            sums.xy += x.T @ y
            sums.yy += np.square(y).sum(axis=0)
        return sums

    def without(self, others: "Moments") -> "Moments":
        """Those of all rows but some of them."""
        pairs = zip(astuple(self), astuple(others), strict=True)
        return Moments(*(own - other for own, other in pairs))

    def variance(self, weight: Array, bias: Array) -> Array:
        """(O,): the mean squared errors of x W + b; 1 without rows."""
        if not self.count:
            return np.ones_like(bias)
        missed = (weight * (self.xx @ weight - 2 * self.xy)).sum(axis=0)
        shift = bias * (2 * (self.x @ weight - self.y) + self.count * bias)
        variance: Array = np.maximum(self.yy + missed + shift, 0.0) / self.count
        return variance

    def fitted(self, prior: Array, strengths: Array) -> list[tuple[Array, Array]]:
        """(W, b) for each strength of a penalty on W - prior; b has none. The prior, and 0, without
        rows."""
        if not self.count:
            return [(prior, np.zeros(prior.shape[1]))] * len(strengths)
        mean_x, mean_y = self.x / self.count, self.y / self.count
        xx = self.xx - self.count * np.outer(mean_x, mean_x)
        xy = self.xy - self.count * np.outer(mean_x, mean_y)
        values, vectors = np.linalg.eigh(xx)
        values = np.maximum(values, 0.0)
        unit = max(float(values.mean()), LITTLE * float(np.trace(self.xx)), np.finfo(float).tiny)
        missing = vectors.T @ (xy - xx @ prior)
        solutions = []
        for strength in strengths:
            weight = prior + vectors @ (missing / (values + strength * unit)[:, None])
            solutions.append((weight, mean_y - mean_x @ weight))
        return solutions


def best_strength(trained: Moments, held: Moments, prior: Array) -> float:
    """The strength whose weights, of what is trained on, err least on what is held out; 1 if that
    is nothing."""
    if not held.count:
        return 1.0
    solutions = trained.fitted(prior, STRENGTHS)
    errors = [held.variance(*solution).mean() for solution in solutions]
    return float(STRENGTHS[int(np.argmin(errors))])
