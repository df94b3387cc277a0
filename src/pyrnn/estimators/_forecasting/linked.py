"""Linked: the loss of counts whose logarithm of the mean is a network's number in other units."""

from typing import Any

import numpy as np

from ..._base.checks import Array, as_floats
from ..._base.targets import Bools
from ...losses import Loss

PARTS = 3  # of a target: counts, bases, units


class Linked(Loss):
    """The loss of counts of y, with base + unit * y in the place of its first numbers, the
    logarithms of means.

    The target is (..., 3*F): F counts, then for each its base and its unit, those of its series and
    of the step from which it is predicted.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__(reduction=loss.reduction)
        self.loss = loss

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        return as_floats(type(self).__name__, "target", target, dtype)

    def elements(self, y_shape: tuple[int, ...], target: Array) -> tuple[int, ...]:
        return (*target.shape[:-1], target.shape[-1] // PARTS)

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        return self.loss.check_values(y_shape, target[..., : real.shape[-1]], real)

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        counts, base, unit = np.split(target, PARTS, axis=-1)
        F = counts.shape[-1]
        linked = y.copy()
        linked[..., :F] = np.where(real, base + unit * y[..., :F], y.dtype.type(0))
        losses, dy = self.loss.terms(linked, counts, real, scale)
        dy.reshape(y.shape)[..., :F] *= np.where(real, unit, y.dtype.type(0))
        return losses, dy

    def weights_of_losses(self, weight: Array, losses: Array) -> Array:
        return self.loss.weights_of_losses(weight, losses)
