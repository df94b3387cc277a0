"""Losses of classifiers: CrossEntropy and BCEWithLogits."""

from typing import Any

import numpy as np

from .. import _core
from .._base.checks import Array, as_floats, check_number, check_probability, check_size
from .._base.runtime import num_threads
from .._base.targets import Bools, check_classes, check_finite, class_target, sum_in_order
from ._loss import ElementLoss, Loss


class CrossEntropy(Loss):
    """-log softmax(y)[target], for logits y (..., C) and class numbers target (...).

    With class weights w (C,), label smoothing s and n_c = -log softmax(y)[c], the mean is the sum
    of (1 - s) w_target n_target + s/C * (sum over c of w_c n_c), divided by the sum of w_target,
    both over the targets that are not `ignore_index`; w = 1 without `weight`. As
    torch.nn.CrossEntropyLoss; label smoothing is that of Szegedy et al. 2016.

    The classes are on the last axis. TypeError unless targets are integers, ValueError for one
    outside [0, C), for weights that are negative, not finite or not C, unless 0 <= s <= 1.

    Examples
    --------
    >>> loss = pyrnn.losses.CrossEntropy()
    >>> logits, target = np.zeros((2, 4)), np.array([0, 3])  # 2 samples, 4 classes
    >>> value, pullback = loss.vjp(logits, target)
    >>> round(value, 4)  # log 4
    1.3863
    >>> pullback()[0]
    array([-0.375,  0.125,  0.125,  0.125])
    """

    integer_target = True
    takes_logits = True

    def __init__(
        self,
        *,
        weight: Any = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
    ) -> None:
        self.ignore_index = check_size(
            "CrossEntropy", "ignore_index", ignore_index, minimum=-(2**63), maximum=2**63 - 1
        )
        self.label_smoothing = check_probability("CrossEntropy", "label_smoothing", label_smoothing)
        self.weight = None if weight is None else _weights("CrossEntropy", "weight", weight)
        if self.weight is not None and self.weight.ndim != 1:
            raise ValueError(
                f"CrossEntropy: weight has shape {self.weight.shape}, "
                "expected (C,), one number for each class"
            )

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        classes = class_target("CrossEntropy", y_shape, target)
        if self.weight is not None and self.weight.shape != y_shape[-1:]:
            raise ValueError(
                f"CrossEntropy: weight has shape {self.weight.shape}, expected "
                f"{y_shape[-1:]} for logits of shape {y_shape}"
            )
        return classes

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        return check_classes("CrossEntropy", target, real, y_shape[-1], self.ignore_index)

    def total_weight(self, target: Array, real: Bools) -> float:
        if self.weight is None:
            return super().total_weight(target, real)
        return sum_in_order(self.weight[target[real]])

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        classes, C = np.where(real, target, -1).reshape(-1), y.shape[-1]
        weights = np.ones(C) if self.weight is None else self.weight
        at_target = (weights * (scale * (1.0 - self.label_smoothing))).astype(y.dtype)
        spread = (weights * (scale * self.label_smoothing / C)).astype(y.dtype)
        return _core.cross_entropy(
            y.reshape(-1, C),
            classes,
            at_target[classes],
            spread if self.label_smoothing else None,
            num_threads(),
        )


class BCEWithLogits(ElementLoss):
    """-w * target * log s(y) - (1 - target) * log(1 - s(y)), s the logistic function, y a logit.

    `pos_weight` w weights the positive targets: a number, or one for each place on y's last axis;
    1 if it is not given. As torch.nn.BCEWithLogitsLoss, the mean is over the number of elements.
    Computed as max(y, 0) - y*target + log(1 + exp(-|y|)), which overflows nowhere. ValueError
    unless 0 <= target <= 1, and for a `pos_weight` that is negative, not finite, or does not fit y.

    Examples
    --------
    >>> loss = pyrnn.losses.BCEWithLogits()
    >>> round(loss(np.array([0.0, 0.0]), np.array([1.0, 0.0])), 4)  # log 2
    0.6931
    >>> weighted = pyrnn.losses.BCEWithLogits(pos_weight=3.0)
    >>> round(weighted(np.array([0.0, 0.0]), np.array([1.0, 0.0])), 4)  # (3 + 1) / 2 * log 2
    1.3863
    """

    takes_logits = True

    def __init__(self, *, pos_weight: Any = None) -> None:
        given = pos_weight is not None
        self.pos_weight = _weights("BCEWithLogits", "pos_weight", pos_weight) if given else None
        if self.pos_weight is not None and self.pos_weight.ndim > 1:
            raise ValueError(
                f"BCEWithLogits: pos_weight has shape {self.pos_weight.shape}, expected a number "
                "or one for each place on the last axis"
            )

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        shape = () if self.pos_weight is None else self.pos_weight.shape
        if shape and shape != y_shape[-1:]:
            raise ValueError(
                f"BCEWithLogits: pos_weight has shape {shape}, expected {y_shape[-1:]} for y of "
                f"shape {y_shape}"
            )
        return super().check_target(y_shape, dtype, target)

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        check_finite("BCEWithLogits", target, real, 0.0, 1.0)
        return real

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        zero, one = y.dtype.type(0), y.dtype.type(1)
        y, target = np.where(real, y, zero), np.where(real, target, zero)
        small = _core.activation_forward("exp", np.asarray(-np.abs(y)), num_threads())
        log = np.log1p(small)
        losses = np.maximum(y, zero) - y * target + log
        dy = np.where(y < 0, small, one) / (one + small) - target
        if self.pos_weight is not None:
            extra = target * (self.pos_weight - 1).astype(y.dtype)
            losses += extra * (np.maximum(-y, zero) + log)
            dy -= extra * (np.where(y < 0, one, small) / (one + small))
        weights = np.where(real, y.dtype.type(scale), zero)
        return losses * (real * scale), dy * weights


def _weights(owner: str, name: str, value: Any) -> Array:
    """A number or an array of numbers, finite and >= 0, as float64."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        value = np.asarray(check_number(owner, name, value), np.float64)
    elif isinstance(value, list | tuple):
        value = [check_number(owner, name, v) if type(v) is int else v for v in value]
    weights = np.array(as_floats(owner, name, value, None), np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise ValueError(
            f"{owner}: {name} holds {weights[wrong].flat[0]}, expected finite numbers >= 0"
        )
    return weights
