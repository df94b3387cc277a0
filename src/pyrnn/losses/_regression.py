"""Losses of regressions and forecasts: MSE, MAE, Huber, SmoothL1, Quantile and GaussianNLL."""

import math
from typing import Any

import numpy as np

from .. import _core
from .._base.checks import Array, as_floats, check_flag, check_number
from .._base.runtime import num_threads
from .._base.settings import missing
from .._base.targets import Bools, check_finite
from ._loss import ElementLoss, Loss


class DifferenceLoss(ElementLoss):
    """A loss of d = y - target alone."""

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
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
        self.delta = _positive("Huber", "delta", delta)

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


class _SeveralPerTarget(Loss):
    """A loss that takes K numbers of y for each target.

    y is (..., K) for a target (...), or (..., K*F) for a target (..., F): the first F numbers are
    those of k = 0.
    """

    @property
    def per_target(self) -> int:
        """K."""
        raise missing(self, "per_target")

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        owner, K = type(self).__name__, self.per_target
        values = as_floats(owner, "target", target, dtype)
        if y_shape != (*values.shape, K):
            if not values.ndim or y_shape != (*values.shape[:-1], K * values.shape[-1]):
                raise ValueError(
                    f"{owner}: y has shape {y_shape} for a target of shape {values.shape}, expected"
                    f" {K} numbers for each target: (..., {K}) for (...), or (..., {K}*F) for "
                    "(..., F)"
                )
            return values
        return values[..., None]

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        check_finite(type(self).__name__, target, real)
        return real

    def weights_of_losses(self, weight: Array, losses: Array) -> Array:
        spread: Array = weight[..., None, :]
        return spread

    def split(self, y: Array, target: Array, real: Bools) -> tuple[Array, Array, Bools]:
        """y (..., K, F), target and real (..., 1, F), zeros where not real."""
        shape = (*target.shape[:-1], self.per_target, target.shape[-1])
        real, zero = real[..., None, :], y.dtype.type(0)
        y, target = y.reshape(shape), target[..., None, :]
        return np.where(real, y, zero), np.where(real, target, zero), real


class Quantile(_SeveralPerTarget):
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


class GaussianNLL(_SeveralPerTarget):
    """(log v + (mean - target)^2 / v) / 2, v the variance: -log of a normal density.

    y holds the mean and s = log variance of each target: (..., 2) for a target (...), or
    (..., 2*F) for (..., F), the F means first. v = max(exp(s), eps); where eps counts, the
    derivative by the variance is that at eps, so that s can leave. `full` adds the density's
    constant, log(2 pi) / 2. Nix & Weigend 1994; torch.nn.GaussianNLLLoss with var = exp(s).
    ValueError unless eps is finite and > 0, for a y that does not fit, and for a target that is
    not finite.

    Examples
    --------
    >>> loss = pyrnn.losses.GaussianNLL()
    >>> y, target = np.array([[1.0, 0.0]]), np.array([3.0])  # mean 1, variance exp(0)
    >>> loss(y, target)
    2.0
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = check_flag("GaussianNLL", "full", full)
        self.eps = _positive("GaussianNLL", "eps", eps)

    @property
    def per_target(self) -> int:
        return 2

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        y, target, real = self.split(y, target, real)
        mean, given = y[..., :1, :], y[..., 1:, :]
        log_variance = np.maximum(given, y.dtype.type(math.log(self.eps)))
        precision, below = (
            _core.activation_forward("exp", np.ascontiguousarray(a), num_threads())
            for a in (-log_variance, given - log_variance)
        )
        error = mean - target
        ratio = error * error * precision
        constant = math.log(2 * math.pi) if self.full else 0.0
        losses = (log_variance + ratio + constant).astype(np.float64) * 0.5 * (real * scale)
        half = y.dtype.type(0.5)
        slopes = np.concatenate([error * precision, half * (1 - ratio) * below], axis=-2)
        return losses, np.where(real, slopes * y.dtype.type(scale), y.dtype.type(0))


def _positive(owner: str, name: str, value: Any) -> float:
    """A finite number > 0."""
    number = check_number(owner, name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{owner}: {name} is {number}, expected a finite number > 0")
    return number
