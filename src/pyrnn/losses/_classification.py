"""Losses of classifiers: CrossEntropy and BCEWithLogits."""

from typing import Any

import numpy as np

from .. import _core
from .._base.checks import (
    Array,
    as_floats,
    as_plain_array,
    check_number,
    check_probability,
)
from .._base.runtime import num_threads
from .._base.targets import (
    Bools,
    check_classes,
    check_finite,
    check_ignore_index,
    class_target,
    sum_in_order,
)
from ._loss import ElementLoss, Loss


class CrossEntropy(Loss):
    """-log softmax(y)[target], for logits y (..., C) and class numbers target (...).

    With class weights w (C,), label smoothing s and n_c = -log softmax(y)[c], the mean is the sum
    of (1 - s) w_target n_target + s/C * (sum over c of w_c n_c), divided by the sum of w_target,
    both over the targets that are not `ignore_index`; w = 1 without `weight`. As
    torch.nn.CrossEntropyLoss; label smoothing is that of Szegedy et al. 2016.

    Float targets of y's shape (..., C) are probabilities p of the classes: the loss of an element
    is the sum over c of w_c ((1 - s) p_c + s/C) n_c, and the mean is over the number of elements,
    as torch's. p need not sum to 1; metrics see the most probable class.

    The classes are on the last axis. TypeError unless targets are integers or probabilities,
    ValueError for a class outside [0, C), for a p outside [0, 1], for weights that are negative,
    not finite or not C, unless 0 <= s <= 1.

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
    takes_probabilities = True

    def __init__(
        self,
        *,
        weight: Any = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = check_ignore_index("CrossEntropy", ignore_index)
        self.label_smoothing = check_probability("CrossEntropy", "label_smoothing", label_smoothing)
        self.weight = None if weight is None else _weights("CrossEntropy", "weight", weight)
        if self.weight is not None and self.weight.ndim != 1:
            raise ValueError(
                f"CrossEntropy: weight has shape {self.weight.shape}, "
                "expected (C,), one number for each class"
            )

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        given = target
        if not isinstance(given, np.ndarray):
            given = as_plain_array("CrossEntropy", "target", given, "of integers or probabilities")
        if given.dtype.kind in "iu" and given.shape == y_shape:
            raise ValueError(
                f"CrossEntropy: target has shape {given.shape} and dtype {given.dtype}, expected "
                f"{y_shape[:-1]} for class numbers; probabilities, one-hot too, are floats: "
                "target.astype(np.float32)"
            )
        read = _probabilities if given.dtype.kind == "f" else class_target
        classes = read("CrossEntropy", y_shape, target)
        if self.weight is not None and self.weight.shape != y_shape[-1:]:
            raise ValueError(
                f"CrossEntropy: weight has shape {self.weight.shape}, expected "
                f"{y_shape[-1:]} for logits of shape {y_shape}"
            )
        return classes

    def elements(self, y_shape: tuple[int, ...], target: Array) -> tuple[int, ...]:
        return y_shape[:-1]

    def metric_target(self, y_shape: tuple[int, ...], target: Any) -> Any:
        """Class numbers; of probabilities the class of the largest, the first of equals."""
        given = as_plain_array("CrossEntropy", "target", target, "of numbers")
        return given.argmax(axis=-1) if given.dtype.kind == "f" else target

    def losses_shape(
        self, y_shape: tuple[int, ...], target_shape: tuple[int, ...], losses: Array
    ) -> tuple[int, ...]:
        return y_shape[:-1]

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        if target.dtype.kind == "f":
            check_finite("CrossEntropy", target, real[..., None], 0.0, 1.0)
            return real
        return check_classes("CrossEntropy", target, real, y_shape[-1], self.ignore_index)

    def total_weight(self, target: Array, real: Bools, weight: Array | None = None) -> float:
        if self.weight is None or target.dtype.kind == "f":
            return super().total_weight(target, real, weight)
        weights = self.weight[target[real]]
        return sum_in_order(weights if weight is None else weights * weight[real])

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        if target.dtype.kind == "f":
            return self._terms_of_probabilities(y, target, real, scale)
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

    def _terms_of_probabilities(
        self, y: Array, target: Array, real: Bools, scale: float
    ) -> tuple[Array, Array]:
        """With q_c = w_c ((1 - s) p_c + s/C): the sum over c of q_c n_c, and softmax(y) times the
        sum of q, less q. n_c is that of the largest logit, from the core, and the rest."""
        C, counts = y.shape[-1], real.reshape(-1)
        logits = y.reshape(-1, C)
        places = np.arange(len(logits)), logits.argmax(axis=-1)
        classes, ones = np.where(counts, places[1], -1), np.ones(len(logits), y.dtype)
        least, softmax = _core.cross_entropy(logits, classes, ones, None, num_threads())
        softmax[places] += counts
        probabilities = np.where(counts[:, None], target.reshape(-1, C), 0).astype(np.float64)
        q = (1.0 - self.label_smoothing) * probabilities + self.label_smoothing / C
        q *= scale * counts[:, None] * (1.0 if self.weight is None else self.weight)
        above = np.subtract(logits[places][:, None], logits, dtype=np.float64) + least[:, None]
        losses = np.cumsum(np.where(q > 0, q * above, 0), axis=-1)[:, -1]  # in the classes' order
        total = np.cumsum(q, axis=-1)[:, -1:]
        return losses, (softmax * total - q).astype(y.dtype)


class BCEWithLogits(ElementLoss):
    """-w * target * log s(y) - (1 - target) * log(1 - s(y)), s the logistic function, y a logit.

    `pos_weight` w weights the positive targets, `weight` all: a number, or one for each place on
    y's last axis; 1 if it is not given. As torch.nn.BCEWithLogitsLoss, the mean is over the number
    of elements, whatever these two are (and by `sample_weight` as every loss's). With
    `label_smoothing` s the target is (1 - s) * target + s/2, as that of Keras' BinaryCrossentropy.
    Computed as max(y, 0) - y*target + log(1 + exp(-|y|)), which overflows nowhere. ValueError
    unless 0 <= target <= 1 and 0 <= s <= 1, and for weights that are negative, not finite, or do
    not fit y.

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

    def __init__(
        self,
        *,
        weight: Any = None,
        pos_weight: Any = None,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.weight = _of_places("weight", weight)
        self.pos_weight = _of_places("pos_weight", pos_weight)
        owner = "BCEWithLogits"
        self.label_smoothing = check_probability(owner, "label_smoothing", label_smoothing)

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        for name, weights in (("weight", self.weight), ("pos_weight", self.pos_weight)):
            shape = () if weights is None else weights.shape
            if shape and shape != y_shape[-1:]:
                raise ValueError(
                    f"BCEWithLogits: {name} has shape {shape}, expected {y_shape[-1:]} for y of "
                    f"shape {y_shape}"
                )
        return super().check_target(y_shape, dtype, target)

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        check_finite("BCEWithLogits", target, real, 0.0, 1.0)
        return real

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        zero, one = y.dtype.type(0), y.dtype.type(1)
        y, target = np.where(real, y, zero), np.where(real, target, zero)
        if smoothing := self.label_smoothing:
            target = y.dtype.type(1.0 - smoothing) * target + y.dtype.type(smoothing / 2)
        small = _core.activation_forward("exp", np.asarray(-np.abs(y)), num_threads())
        log = np.log1p(small)
        losses = np.maximum(y, zero) - y * target + log
        dy = np.where(y < 0, small, one) / (one + small) - target
        if self.pos_weight is not None:
            extra = target * (self.pos_weight - 1).astype(y.dtype)
            losses += extra * (np.maximum(-y, zero) + log)
            dy -= extra * (np.where(y < 0, one, small) / (one + small))
        if self.weight is not None:
            losses, dy = losses * self.weight, dy * self.weight.astype(y.dtype)
        weights = np.where(real, y.dtype.type(scale), zero)
        return losses * (real * scale), dy * weights


def _of_places(name: str, value: Any) -> Array | None:
    """A weight, or one for each place on the last axis."""
    weights = None if value is None else _weights("BCEWithLogits", name, value)
    if weights is not None and weights.ndim > 1:
        raise ValueError(
            f"BCEWithLogits: {name} has shape {weights.shape}, expected a number or one for each "
            "place on the last axis"
        )
    return weights


def _probabilities(owner: str, y_shape: tuple[int, ...], target: Any) -> Array:
    """Probabilities of the classes, of y's shape."""
    values = as_floats(owner, "target", target, None)
    if values.shape != y_shape:
        raise TypeError(
            f"{owner}: target has dtype {values.dtype} and shape {values.shape}, expected "
            f"integers, the classes, or probabilities of shape {y_shape}, that of y"
        )
    if not y_shape or y_shape[-1] == 0:
        raise ValueError(f"{owner}: y has shape {y_shape}, expected (..., C) with C >= 1")
    return values


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
