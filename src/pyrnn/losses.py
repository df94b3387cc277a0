"""Losses: the mean over the real elements, and its gradient.

    value = loss(y, target, lengths)
    value, pullback = loss.vjp(y, target, lengths)
    dy = pullback()            # d value / d y; pullback(dloss) multiplies it by dloss

Real is what `lengths` does not call padding (and no CrossEntropy target is `ignore_index`). What is
not real is never read and has gradient 0. With nothing real the loss is 0.0 and the gradient zero,
where torch has NaN. The terms are added in float64, one after the other in memory order, so that
more or less padding gives the same bits.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._checks import Array, as_floats, as_integers, as_lengths, check_flag, check_size
from ._runtime import num_threads

__all__ = ["MSE", "BCEWithLogits", "CrossEntropy", "Loss"]

Bools = NDArray[np.bool_]


class LossPullback:
    """dy of one loss, handed out once."""

    def __init__(self, owner: str, dy: Array) -> None:
        self._owner = owner
        self._dy: Array | None = dy

    def __call__(self, dloss: float = 1.0) -> Array:
        """dloss * d loss / d y. RuntimeError the second time."""
        dy, self._dy = self._dy, None
        if dy is None:
            raise RuntimeError(f"{self._owner}: this pullback was called before; call vjp again")
        if dloss != 1.0:
            _core.scale_in_place(dy, float(dloss), num_threads())
        return dy


class Loss:
    """Base of the losses: checks, what is real, the mean.

    y has dtype float32 or float64; it is (T, B, ...), or (B, T, ...) with `batch_first`, when
    `lengths` (B,) is given, and of any shape otherwise. TypeError or ValueError for what does not
    fit. A subclass writes `check_target`, `check_values` and `terms`.
    """

    integer_target = False  # whether targets are class numbers; else they have y's dtype

    def __init__(self, *, batch_first: bool = False) -> None:
        self.batch_first = check_flag(type(self).__name__, "batch_first", batch_first)

    def __call__(self, y: Any, target: Any, lengths: Any = None) -> float:
        """The mean over the real elements."""
        return self._evaluate(y, target, lengths)[0]

    def vjp(self, y: Any, target: Any, lengths: Any = None) -> tuple[float, LossPullback]:
        """The mean, and a pullback: `dy = pullback(dloss=1.0)`."""
        value, dy = self._evaluate(y, target, lengths)
        return value, LossPullback(type(self).__name__, dy)

    def count(self, y_shape: tuple[int, ...], target: Any, lengths: Any = None) -> int:
        """The number of real elements: the weight of this batch's loss in a mean over batches.

        Checks `target` and `lengths` against the shape of y, with the errors of a call.
        """
        dtype = None if self.integer_target else np.asarray(target).dtype
        return int(np.count_nonzero(self._check(y_shape, dtype, target, lengths)[1]))

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        """The target as the core takes it, its shape checked against y's."""
        raise NotImplementedError

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        """Checks the real targets' values; returns `real` less the elements to be ignored."""
        raise NotImplementedError

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        """(scale * the loss of each element, scale * its derivative), 0 where not real."""
        raise NotImplementedError

    def _evaluate(self, y: Any, target: Any, lengths: Any) -> tuple[float, Array]:
        """The mean and its gradient."""
        y = as_floats(type(self).__name__, "y", y, None)
        target, real = self._check(y.shape, y.dtype, target, lengths)
        count = np.count_nonzero(real)
        with np.errstate(over="ignore", invalid="ignore"):  # infinite y: NaN is the answer
            losses, dy = self.terms(y, target, real, 1.0 / count if count else 0.0)
        sums = np.cumsum(losses, dtype=np.float64)
        return float(sums[-1]) if sums.size else 0.0, dy.reshape(y.shape)

    def _check(
        self, y_shape: tuple[int, ...], dtype: Any, target: Any, lengths: Any
    ) -> tuple[Array, Bools]:
        """The target and which of its elements are real, everything checked."""
        target = self.check_target(y_shape, dtype, target)
        real = np.ones(target.shape, bool)
        if lengths is not None:
            real &= self._within_lengths(target.shape, lengths)
        return target, self.check_values(y_shape, target, real)

    def _within_lengths(self, shape: tuple[int, ...], lengths: Any) -> Bools:
        """True where the time step is below the row's length; broadcasts to `shape`."""
        owner = type(self).__name__
        if len(shape) < 2:
            raise ValueError(f"{owner}: lengths need a target of (time, batch, ...), got {shape}")
        B, T = shape[:2] if self.batch_first else shape[1::-1]
        real: Bools = np.arange(T)[:, None] < as_lengths(owner, lengths, B, T)
        real = real.T if self.batch_first else real
        return real.reshape(real.shape + (1,) * (len(shape) - 2))

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"


class CrossEntropy(Loss):
    """-log softmax(y)[target], for logits y (..., C) and class numbers target (...).

    As torch.nn.CrossEntropyLoss, mean over the targets that are not `ignore_index`. The classes
    are on the last axis. TypeError unless targets are integers, ValueError for one outside [0, C).
    """

    integer_target = True

    def __init__(self, *, ignore_index: int = -100, batch_first: bool = False) -> None:
        super().__init__(batch_first=batch_first)
        self.ignore_index = check_size(
            "CrossEntropy", "ignore_index", ignore_index, minimum=-(2**63), maximum=2**63 - 1
        )

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        classes = as_integers("CrossEntropy", "target", target)
        if not y_shape or y_shape[-1] == 0:
            raise ValueError(f"CrossEntropy: y has shape {y_shape}, expected (..., C) with C >= 1")
        if classes.shape != y_shape[:-1]:
            raise ValueError(
                f"CrossEntropy: target has shape {classes.shape}, expected {y_shape[:-1]} for "
                f"logits of shape {y_shape}"
            )
        return classes

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        real &= target != self.ignore_index
        wrong = real & ((target < 0) | (target >= y_shape[-1]))
        if wrong.any():
            raise ValueError(
                f"CrossEntropy: {_first(target, wrong)}, expected 0 <= target < {y_shape[-1]} "
                f"classes, or ignore_index {self.ignore_index}"
            )
        return real

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        scales = np.where(real.reshape(-1), y.dtype.type(scale), y.dtype.type(0))
        rows = y.reshape(-1, y.shape[-1])
        losses, dy = _core.cross_entropy(rows, target.reshape(-1), scales, num_threads())
        return losses, dy


class _ElementLoss(Loss):
    """A loss that compares y with a target of the same shape and dtype, element by element.

    The target may lack y's last axis when that has size 1.
    """

    target_range = (-math.inf, math.inf)

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        owner = type(self).__name__
        values = as_floats(owner, "target", target, dtype)
        if values.shape != y_shape and (*values.shape, 1) != y_shape:
            raise ValueError(
                f"{owner}: target has shape {values.shape}, expected {y_shape}, the shape of y"
            )
        return values.reshape(y_shape)

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        low, high = self.target_range
        wrong = real & ~((target >= low) & (target <= high) & np.isfinite(target))
        if wrong.any():
            expected = "a finite number" if low == -math.inf else f"{low:g} <= target <= {high:g}"
            raise ValueError(f"{type(self).__name__}: {_first(target, wrong)}, expected {expected}")
        return real


class MSE(_ElementLoss):
    """(y - target)^2, as torch.nn.MSELoss. ValueError for a target that is not finite."""

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        difference = np.zeros_like(y)
        np.subtract(y, target, out=difference, where=real)
        losses = scale * np.square(difference, dtype=np.float64)
        return losses, difference * y.dtype.type(2.0 * scale)


class BCEWithLogits(_ElementLoss):
    """-target * log s(y) - (1 - target) * log(1 - s(y)), s the logistic function, y a logit.

    As torch.nn.BCEWithLogitsLoss. Computed as max(y, 0) - y*target + log(1 + exp(-|y|)), which
    overflows nowhere. ValueError unless 0 <= target <= 1.
    """

    target_range = (0.0, 1.0)

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        y, target = np.where(real, y, y.dtype.type(0)), np.where(real, target, y.dtype.type(0))
        small = _core.activation_forward("exp", -np.abs(y), num_threads())
        losses = np.maximum(y, 0) - y * target + np.log1p(small)
        sigmoid = np.where(y < 0, small, y.dtype.type(1)) / (1 + small)
        weights = np.where(real, y.dtype.type(scale), y.dtype.type(0))
        return losses * (real * scale), (sigmoid - target) * weights


def _first(target: Array, wrong: Bools) -> str:
    """'target[3, 0] is 12' for the first wrong element."""
    index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    return f"target[{', '.join(str(int(i)) for i in index)}] is {target[index]}"
