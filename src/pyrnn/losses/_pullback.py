"""What the vjp of a loss returns: the gradient of y, and a loss for each element."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._base.checks import Array, check_number, check_shape, read_floats
from .._base.layout import BATCHED, turned
from .._base.runtime import num_threads


class PerElement(NamedTuple):
    """Where the losses of elements are found again in the gradient of y."""

    shape: tuple[int, ...]  # of the losses, the sample first
    terms: tuple[int, ...]  # of the losses as `Loss.terms` gives them
    gradients: tuple[int, ...]  # of dy as `Loss.terms` gives it


class LossPullback:
    """dy of one loss, handed out once; with `swapped` as a view whose first axes are swapped.

    Examples
    --------
    >>> value, pullback = pyrnn.losses.MSE().vjp(np.array([3.0]), np.array([1.0]))
    >>> pullback(dloss=0.5)
    array([2.])
    """

    __slots__ = ("_dy", "_owner", "_per_element", "_swapped", "_weight")

    def __init__(
        self, owner: str, dy: Array, swapped: bool, per_element: PerElement | None = None
    ) -> None:
        self._owner, self._swapped, self._per_element = owner, swapped, per_element
        self._dy: Array | None = dy
        self._weight: float | None = None  # the `batch_weight`, if the loss has computed it

    def __call__(self, dloss: Any = 1.0) -> Array:
        """dloss * d loss / d y; with reduction "none", dloss may have a number for each loss.
        RuntimeError the second time; TypeError or ValueError for a dloss that does not fit, after
        which the pullback may be called again."""
        elements, factors = self._per_element, None
        if elements is None or isinstance(dloss, int | float | np.number):
            factor = check_number(self._owner, "dloss", dloss)
        else:
            factors = read_floats(self._owner, "dloss", dloss, None)
            check_shape(self._owner, "dloss", factors, elements.shape, "the shape of the losses")
        dy, self._dy = self._dy, None
        if dy is None:
            raise RuntimeError(f"{self._owner}: this pullback was called before; call vjp again")
        if elements is None or factors is None:
            scale_gradients([dy], factor)
        else:
            swapped = self._swapped and dy.ndim >= BATCHED
            by_time = turned(factors, swapped, 2).reshape(elements.terms)
            spread = over_gradients(by_time, len(elements.gradients)).astype(dy.dtype)
            dy = (dy.reshape(elements.gradients) * spread).reshape(dy.shape)
        return turned(dy, self._swapped)


def over_gradients(values: Array, axes: int) -> Array:
    """A number for each loss, with more axes of size 1, as many as its gradients have."""
    return values.reshape(values.shape + (1,) * (axes - values.ndim))


def scale_gradients(gradients: Sequence[Array], factor: float) -> None:
    """Multiplies the gradients of a loss by the gradient of its value, in place."""
    if factor != 1.0:
        for gradient in gradients:
            _core.scale_in_place(gradient, factor, num_threads())
