"""Losses of regressions and forecasts: MSE, MAE, Huber, SmoothL1 and Quantile."""

import math
from typing import Any

import numpy as np

from .._base.checks import Array, check_number
from .._base.settings import missing
from .._base.targets import Bools
from ._loss import ElementLoss
from ._several import SeveralPerTarget, check_positive


class DifferenceLoss(ElementLoss):
    """A loss of d = y - target alone."""

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        if real.all():
            difference = y - target
        else:
            difference = np.zeros_like(y)
            np.subtract(y, target, out=difference, where=real)
        losses, slope = self.of_difference(difference)
        return losses * scale, slope * y.dtype.type(scale)

    def of_difference(self, difference: Array) -> tuple[Array, Array]:
        """(the loss in float64, its derivative in d's dtype) of each element."""
        raise missing(self, "of_difference")


class MSE(DifferenceLoss):
    """(y - target)^2, as torch.nn.MSELoss. ValueError for a target that is not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.MSE()
    >>> y, target = np.array([1.0, 2.0]), np.array([1.0, 4.0])
    >>> value, pullback = loss.vjp(y, target)
    >>> value
    2.0
    >>> pullback()
    array([ 0., -2.])
    """

    def of_difference(self, difference: Array) -> tuple[Array, Array]:
        return np.square(difference, dtype=np.float64), difference + difference


class MAE(DifferenceLoss):
    """|y - target|, as torch.nn.L1Loss; the derivative where they are equal is 0.

    ValueError for a target that is not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.MAE()
    >>> value, pullback = loss.vjp(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> value
    1.0
    >>> pullback()
    array([ 0. , -0.5])
    """

    def of_difference(self, difference: Array) -> tuple[Array, Array]:
        return np.abs(difference).astype(np.float64), np.sign(difference)


class Huber(DifferenceLoss):
    """d^2 / 2 where |d| <= delta, else delta * (|d| - delta/2), for d = y - target.

    Huber 1964; torch.nn.HuberLoss. ValueError unless delta is finite and > 0, and for a target
    that is not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.Huber(delta=1.0)
    >>> loss(np.array([0.5]), np.array([0.0]))  # the parabola
    0.125
    >>> loss(np.array([3.0]), np.array([0.0]))  # the line
    2.5
    """

    def __init__(self, delta: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.delta = check_positive("Huber", "delta", delta)

    def of_difference(self, difference: Array) -> tuple[Array, Array]:
        size = np.abs(difference).astype(np.float64)
        inner = np.minimum(size, self.delta)
        return inner * (size - inner / 2), np.clip(difference, -self.delta, self.delta)


class SmoothL1(DifferenceLoss):
    """d^2 / (2 beta) where |d| < beta, else |d| - beta/2, for d = y - target.

    Girshick 2015; torch.nn.SmoothL1Loss: Huber's over its delta. beta = 0 gives |d|. ValueError
    unless beta is finite and >= 0, and for a target that is not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.SmoothL1(beta=0.5)
    >>> loss(np.array([0.25]), np.array([0.0]))  # the parabola
    0.0625
    >>> loss(np.array([3.0]), np.array([0.0]))  # the line
    2.75
    """

    def __init__(self, beta: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.beta = check_number("SmoothL1", "beta", beta)
        if not 0 <= self.beta < math.inf:
            raise ValueError(f"SmoothL1: beta is {self.beta}, expected a finite number >= 0")

    def of_difference(self, difference: Array) -> tuple[Array, Array]:
        size = np.abs(difference).astype(np.float64)
        if self.beta == 0:
            return size, np.sign(difference)
        inner = np.minimum(size, self.beta)
        slope = np.clip(difference / difference.dtype.type(self.beta), -1, 1)
        return inner / self.beta * (size - inner / 2), slope


class Quantile(SeveralPerTarget):
    """max(q*e, (q-1)*e), e = target - y, for each level q: the pinball loss.

    Koenker & Bassett 1978; its minimum over y is the q-quantile of the target. `levels` are
    numbers in (0, 1); y holds one number per level for each target: (..., Q) for a target (...),
    or (..., Q*F) for (..., F), the first F those of the first level. The mean is over y's
    elements. The derivative where e = 0 is 0. ValueError for a level outside (0, 1) or none, a y
    that does not fit, and a target that is not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.Quantile([0.1, 0.5, 0.9])
    >>> y, target = np.array([[1.0, 2.0, 3.0]]), np.array([2.0])  # three numbers for one target
    >>> round(loss(y, target), 4)  # (0.1 * 1 + 0.5 * 0 + 0.1 * 1) / 3
    0.0667
    """

    def __init__(self, levels: Any = (0.1, 0.5, 0.9), *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        given = levels if isinstance(levels, list | tuple | np.ndarray) else [levels]
        self.levels = tuple(check_number("Quantile", "levels", level) for level in given)
        if not self.levels or not all(0 < level < 1 for level in self.levels):
            raise ValueError(
                f"Quantile: levels are {self.levels}, expected numbers q with 0 < q < 1"
            )

    @property
    def per_target(self) -> int:
        return len(self.levels)

    def mean_of(self, value: float, weight: float) -> float:
        return super().mean_of(value, weight * len(self.levels))  # a sum over y, not the target

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        y, target, real = self.split(y, target, real)
        levels = np.array(self.levels, y.dtype)[:, None]
        error = target - y
        losses = np.maximum(levels * error, (levels - 1) * error).astype(np.float64)
        side = np.sign(error)  # -level where the error is positive, 1 - level where negative
        slope = (y.dtype.type(0.5) - levels) * np.abs(side) - y.dtype.type(0.5) * side
        if self.reduction == "mean":
            scale /= len(self.levels)
        return losses * scale, slope * y.dtype.type(scale)
