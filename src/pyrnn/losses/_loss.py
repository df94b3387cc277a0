"""Loss, the base of all losses."""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._base.checks import (
    Array,
    as_contiguous,
    as_plain_array,
    check_choice,
    describe,
    read_floats,
)
from .._base.layout import BATCHED, turned
from .._base.settings import Settings, missing
from .._base.targets import (
    Bools,
    check_finite,
    float_target,
    read_weights,
    real_elements,
    sum_in_order,
)
from ._pullback import LossPullback, PerElement, over_gradients


class Evaluated(NamedTuple):
    """The value of a loss, or its array of losses; its gradient, time-major; what a mean is divided
    by; where the losses of elements are in the gradient, if they are the value."""

    value: Any
    dy: Array
    weight: float
    elements: PerElement | None = None


class Loss(Settings):
    """Base of the losses: checks, what is real, weights, the mean.

    y has dtype float32 or float64; it is (N, T, ...) when `lengths` (N,) is given, and of any shape
    otherwise. `mask` has bools of the target's shape, or of its first axes, True where an element
    is real; losses of whole sequences (CRF, CTC) take lengths alone. TypeError or ValueError for
    what does not fit.

    `sample_weight` w has numbers >= 0: one for each sample (N,), for each step (N, T), or of the
    target's shape. The mean is sum(w * loss) / sum(w), as for class weights: a weight of 2 counts
    as two equal samples, 0 as none, and 2 for all changes nothing. (Keras, and torch by hand,
    divide by the number of elements instead: sum(w * loss) / N.) `reduction` is "mean", "sum",
    sum(w * loss), or "none": a call then gives w * loss of each element in an array, sample
    first, 0 where it is not real.

    A subclass writes `check_target`, `check_values` and `terms`, which gets y
    (N, T, ...) and its target time-major, (T, N, ...): the order in which terms are added, whatever
    the strides are.

    Examples
    --------
    >>> class Cube(pyrnn.losses.MAE):  # |y - target|^3
    ...     def of_difference(self, difference):
    ...         size = np.abs(difference)
    ...         return size.astype(np.float64) ** 3, 3 * size * difference
    >>> value, pullback = Cube().vjp(np.array([2.0]), np.array([0.0]))
    >>> value, pullback()
    (8.0, array([12.]))
    """

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")
    reduction: str = "mean"
    takes_probabilities: ClassVar[bool] = False  # whether float targets may be class probabilities
    integer_target = False  # whether targets are class numbers; else they have y's dtype
    ragged_target: ClassVar[bool] = False  # whether targets have lengths of their own, not x's
    takes_logits: ClassVar[bool] = False  # whether y, before sigmoid or softmax, is any number
    whole_sequences: ClassVar[bool] = False  # whether no sequence may be cut into pieces

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = check_choice(type(self).__name__, "reduction", reduction, self.reductions)

    def __call__(
        self,
        y: Any,
        target: Any,
        lengths: Any = None,
        *,
        mask: Any = None,
        sample_weight: Any = None,
    ) -> Any:
        """The mean over the real elements, or what `reduction` says."""
        return self._evaluate(y, target, lengths, mask, sample_weight).value

    def vjp(
        self,
        y: Any,
        target: Any,
        lengths: Any = None,
        *,
        mask: Any = None,
        sample_weight: Any = None,
    ) -> tuple[Any, LossPullback]:
        """The value of a call, and a pullback: `dy = pullback(dloss=1.0)`."""
        value, dy, weight, elements = self._evaluate(y, target, lengths, mask, sample_weight)
        pullback = LossPullback(type(self).__name__, dy, True, elements)
        if mask is None and type(self).batch_weight is Loss.batch_weight:
            pullback._weight = weight
        return value, pullback

    def counted(
        self,
        y_shape: tuple[int, ...],
        target: Any,
        lengths: Any = None,
        *,
        sample_weight: Any = None,
    ) -> Bools:
        """True where an element of the target counts, in the target's own shape or of its first
        axes: metrics count the same. What has weight 0 does not.

        Checks `target`, `lengths` and weights against the shape of y, with the errors of a call.
        """
        checked = self._check_alone(y_shape, target, lengths, sample_weight)
        real = turned(checked[1], len(y_shape) >= BATCHED, 2)
        axes = as_plain_array(type(self).__name__, "target", target, "of numbers").ndim
        return np.asarray(real.any(axis=tuple(range(axes, real.ndim))))

    def count(self, y_shape: tuple[int, ...], target: Any, lengths: Any = None) -> int:
        """The number of real elements. Checks as `counted`."""
        return int(np.count_nonzero(self._check_alone(y_shape, target, lengths)[1]))

    def batch_weight(
        self,
        y_shape: tuple[int, ...],
        target: Any,
        lengths: Any = None,
        *,
        sample_weight: Any = None,
    ) -> float:
        """What the mean is divided by: this batch's weight in a mean over batches.

        The number of real elements, or with weights of samples or classes the sum of theirs.
        Checks as `counted`.
        """
        return self._total(*self._check_alone(y_shape, target, lengths, sample_weight))

    def mean_of(self, value: float, weight: float) -> float:
        """The mean over a batch: what a call gave for it, with "sum" divided by its `batch_weight`.
        0.0 where nothing counts."""
        if self.reduction != "sum":
            return value
        return value / weight if weight else 0.0

    def metric_input(self, y: Any, lengths: Any = None) -> Any:
        """What metrics are given for the model's output y: y itself, unless the loss decodes it."""
        return y

    def metric_target(self, y_shape: tuple[int, ...], target: Any) -> Any:
        """What metrics are given for the target: the target itself, unless it is probabilities."""
        return target

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        """The target as the core takes it, its shape checked against y's."""
        raise missing(self, "check_target")

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        """Checks the real targets' values; returns `real` less the elements to be ignored."""
        raise missing(self, "check_values")

    def elements(self, y_shape: tuple[int, ...], target: Array) -> tuple[int, ...]:
        """The shape of what is real or not, and has a weight: that of the target."""
        return target.shape

    def total_weight(self, target: Array, real: Bools, weight: Array | None = None) -> float:
        """What the sum over the real elements is divided by; `weight` has the elements' shape."""
        return float(np.count_nonzero(real)) if weight is None else sum_in_order(weight[real])

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        """(scale * the loss of each element, scale * its derivative), 0 where not real."""
        raise missing(self, "terms")

    def _evaluate(
        self, y: Any, target: Any, lengths: Any, mask: Any, sample_weight: Any
    ) -> "Evaluated":
        """The value and its gradient, time-major; of the losses of elements where they are."""
        y = read_floats(type(self).__name__, "y", y, None)
        given = target
        target, real, weight = self._check(y.shape, y.dtype, target, lengths, mask, sample_weight)
        shape, y, scale = y.shape, as_contiguous(turned(y, True)), 1.0
        total = self._total(target, real, weight)
        if self.reduction == "mean":
            scale = 1.0 / total if total else 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # infinite y: NaN is the answer
            losses, dy = self.terms(y, target, real, scale)
            if weight is not None:
                weight = np.where(real, weight, 0.0)
                losses = losses * (of_losses := self.weights_of_losses(weight, losses))
                dy = dy * over_gradients(of_losses, dy.ndim).astype(dy.dtype)
        if self.reduction != "none":
            return Evaluated(sum_in_order(losses), dy.reshape(y.shape), total)
        given = as_plain_array(type(self).__name__, "target", given, "of numbers")
        shape = self.losses_shape(shape, given.shape, losses)
        elements = PerElement(shape, losses.shape, dy.shape)
        swapped = len(y.shape) >= BATCHED
        by_time = (*shape[1::-1], *shape[2:]) if swapped else shape
        value = turned(losses.reshape(by_time), swapped, 2)
        value = np.array(value, np.float64, order="C")
        return Evaluated(value, dy.reshape(y.shape), total, elements)

    def losses_shape(
        self, y_shape: tuple[int, ...], target_shape: tuple[int, ...], losses: Array
    ) -> tuple[int, ...]:
        """The shape of the losses that `reduction="none"` gives: the target's, or else y's."""
        return target_shape if np.prod(target_shape) == losses.size else y_shape

    def weights_of_losses(self, weight: Array, losses: Array) -> Array:
        """The weights of elements in the shape of what `terms` gives, or with axes of size 1."""
        return weight.reshape(losses.shape)

    def _total(self, target: Array, real: Bools, weight: Array | None) -> float:
        """`total_weight`; a subclass without weights in mind may define it without them."""
        given = () if weight is None else (weight,)
        return float(self.total_weight(target, real, *given))

    def _check_alone(
        self, y_shape: tuple[int, ...], target: Any, lengths: Any, sample_weight: Any = None
    ) -> tuple[Array, Bools, Array | None]:
        """`_check` where there is no y yet."""
        if not isinstance(y_shape, tuple):
            owner = type(self).__name__
            raise TypeError(f"{owner}: y_shape is {describe(y_shape)}, expected a tuple")
        return self._check(y_shape, None, target, lengths, None, sample_weight)

    def _check(
        self,
        y_shape: tuple[int, ...],
        dtype: Any,
        target: Any,
        lengths: Any,
        mask: Any = None,
        sample_weight: Any = None,
    ) -> tuple[Array, Bools, Array | None]:
        """The target, which of its elements are real, their weights; all checked, time-major."""
        owner, swapped = type(self).__name__, len(y_shape) >= BATCHED
        target = self.check_target(y_shape, dtype, target)
        elements = self.elements(y_shape, target)
        real = real_elements(owner, elements, lengths, mask)
        weight = None
        if sample_weight is not None:
            weight = read_weights(owner, elements, real, sample_weight)
            real = real & (weight > 0)
            weight = np.ascontiguousarray(turned(weight, swapped, 2))
        real = self.check_values(y_shape, target, real)
        return (
            as_contiguous(turned(target, swapped, 2)),
            np.ascontiguousarray(turned(real, swapped, 2)),
            weight,
        )


class ElementLoss(Loss):
    """A loss that compares y with a target of the same shape and dtype, element by element.

    The target may lack y's last axis when that has size 1.
    """

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        return float_target(type(self).__name__, y_shape, dtype, target)

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        check_finite(type(self).__name__, target, real)
        return real

    def losses_shape(
        self, y_shape: tuple[int, ...], target_shape: tuple[int, ...], losses: Array
    ) -> tuple[int, ...]:
        return y_shape
