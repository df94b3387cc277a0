"""Loss, the base of all losses, and what its vjp returns."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import _core
from .._base.checks import Array, as_contiguous, check_number, describe, read_floats
from .._base.layout import BATCHED, turned
from .._base.runtime import num_threads
from .._base.settings import Settings
from .._base.targets import Bools, check_finite, float_target, real_elements, sum_in_order


class LossPullback:
    """dy of one loss, handed out once; with `swapped` as a view whose first axes are swapped.

    Examples
    --------
    >>> value, pullback = pyrnn.losses.MSE().vjp(np.array([3.0]), np.array([1.0]))
    >>> pullback(dloss=0.5)
    array([2.])
    """

    __slots__ = ("_dy", "_owner", "_swapped")

    def __init__(self, owner: str, dy: Array, swapped: bool) -> None:
        self._owner, self._swapped = owner, swapped
        self._dy: Array | None = dy

    def __call__(self, dloss: float = 1.0) -> Array:
        """dloss * d loss / d y. RuntimeError the second time; TypeError for a dloss that is no
        number, after which the pullback may be called again."""
        factor = check_number(self._owner, "dloss", dloss)
        dy, self._dy = self._dy, None
        if dy is None:
            raise RuntimeError(f"{self._owner}: this pullback was called before; call vjp again")
        scale_gradients([dy], factor)
        return turned(dy, self._swapped)


def scale_gradients(gradients: Sequence[Array], factor: float) -> None:
    """Multiplies the gradients of a loss by the gradient of its value, in place."""
    if factor != 1.0:
        for gradient in gradients:
            _core.scale_in_place(gradient, factor, num_threads())


class Loss(Settings):
    """Base of the losses: checks, what is real, the mean.

    y has dtype float32 or float64; it is (N, T, ...) when `lengths` (N,) is given, and of any shape
    otherwise. `mask` has bools of the target's shape, or of its first axes, True where an element
    is real; losses of whole sequences (CRF, CTC) take lengths alone. TypeError or ValueError for
    what does not fit. A subclass writes `check_target`, `check_values` and `terms`, which gets y
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

    integer_target = False  # whether targets are class numbers; else they have y's dtype
    ragged_target: ClassVar[bool] = False  # whether targets have lengths of their own, not x's
    takes_logits: ClassVar[bool] = False  # whether y, before sigmoid or softmax, is any number
    whole_sequences: ClassVar[bool] = False  # whether no sequence may be cut into pieces

    def __call__(self, y: Any, target: Any, lengths: Any = None, *, mask: Any = None) -> float:
        """The mean over the real elements."""
        return self._evaluate(y, target, lengths, mask)[0]

    def vjp(
        self, y: Any, target: Any, lengths: Any = None, *, mask: Any = None
    ) -> tuple[float, LossPullback]:
        """The mean, and a pullback: `dy = pullback(dloss=1.0)`."""
        value, dy = self._evaluate(y, target, lengths, mask)
        return value, LossPullback(type(self).__name__, dy, swapped=True)

    def counted(self, y_shape: tuple[int, ...], target: Any, lengths: Any = None) -> Bools:
        """True where an element of the target is real, in the target's own shape: metrics count
        the same.

        Checks `target` and `lengths` against the shape of y, with the errors of a call.
        """
        real = turned(self._check_alone(y_shape, target, lengths)[1], len(y_shape) >= BATCHED, 2)
        return np.asarray(real.any(axis=tuple(range(np.ndim(target), real.ndim))))

    def count(self, y_shape: tuple[int, ...], target: Any, lengths: Any = None) -> int:
        """The number of real elements. Checks as `counted`."""
        return int(np.count_nonzero(self._check_alone(y_shape, target, lengths)[1]))

    def batch_weight(self, y_shape: tuple[int, ...], target: Any, lengths: Any = None) -> float:
        """What the loss is divided by: this batch's weight in a mean over batches.

        The number of real elements, or with class weights the sum of theirs. Checks as
        `counted`.
        """
        return float(self.total_weight(*self._check_alone(y_shape, target, lengths)))

    def metric_input(self, y: Any, lengths: Any = None) -> Any:
        """What metrics are given for the model's output y: y itself, unless the loss decodes it."""
        return y

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        """The target as the core takes it, its shape checked against y's."""
        raise NotImplementedError

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        """Checks the real targets' values; returns `real` less the elements to be ignored."""
        raise NotImplementedError

    def total_weight(self, target: Array, real: Bools) -> float:
        """What the sum over the real elements is divided by."""
        return float(np.count_nonzero(real))

    def terms(self, y: Array, target: Array, real: Bools, scale: float) -> tuple[Array, Array]:
        """(scale * the loss of each element, scale * its derivative), 0 where not real."""
        raise NotImplementedError

    def _evaluate(self, y: Any, target: Any, lengths: Any, mask: Any) -> tuple[float, Array]:
        """The mean and its gradient, time-major."""
        y = read_floats(type(self).__name__, "y", y, None)
        target, real = self._check(y.shape, y.dtype, target, lengths, mask)
        y = as_contiguous(turned(y, True))
        total = self.total_weight(target, real)
        with np.errstate(over="ignore", invalid="ignore"):  # infinite y: NaN is the answer
            losses, dy = self.terms(y, target, real, 1.0 / total if total else 0.0)
        return sum_in_order(losses), dy.reshape(y.shape)

    def _check_alone(
        self, y_shape: tuple[int, ...], target: Any, lengths: Any
    ) -> tuple[Array, Bools]:
        """`_check` where there is no y yet."""
        if not isinstance(y_shape, tuple):
            owner = type(self).__name__
            raise TypeError(f"{owner}: y_shape is {describe(y_shape)}, expected a tuple")
        return self._check(y_shape, None, target, lengths)

    def _check(
        self, y_shape: tuple[int, ...], dtype: Any, target: Any, lengths: Any, mask: Any = None
    ) -> tuple[Array, Bools]:
        """The target and which of its elements are real, everything checked; time-major."""
        target = self.check_target(y_shape, dtype, target)
        real = real_elements(type(self).__name__, target.shape, lengths, mask)
        real = self.check_values(y_shape, target, real)
        swapped = len(y_shape) >= BATCHED
        return (
            as_contiguous(turned(target, swapped, 2)),
            np.ascontiguousarray(turned(real, swapped, 2)),
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
