"""Pullback: the backward half of every vjp."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np

from .. import _core
from .checks import Array
from .parameter import Parameter

Additions = list[Callable[[], object]]


class Pullback(_core.Pullback):
    """The backward pass that belongs to one forward pass of `module`; called once.

    `backward(*cotangents)` returns the result and the additions to .grad: calls without arguments
    that only add, best C functions (`partial(gradients.add_into, grads)`). They run last, in one C
    call that no other thread's additions mix with: an error or an interrupt before, or a .grad of
    `parameters` that cannot be added to (ValueError), leaves every .grad as it was, and after bad
    arguments the pullback may be called again. A call after one of `parameters` was written, and a
    second call, are RuntimeErrors.

    Examples
    --------
    >>> linear = pyrnn.Linear(3, 2, seed=0)
    >>> y, pullback = linear.vjp(np.ones((4, 3), np.float32))
    >>> dx = pullback(np.ones_like(y))
    >>> dx.shape, linear.bias.grad
    ((4, 3), array([4., 4.], dtype=float32))
    """

    __slots__ = ("__weakref__",)

    def __init__(
        self,
        module: Any,
        backward: Callable[..., tuple[Any, Additions]],
        parameters: Sequence[Parameter] = (),
    ) -> None:
        self._module = module
        self._parameters = parameters
        self._versions = [parameter._version for parameter in parameters]
        self._backward = backward

    @property
    def module(self) -> Any:
        """Whose backward pass it is."""
        return self._module

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Those that must not be written before the call."""
        return self._parameters

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Sends a gradient back, and adds to the parameters' .grad."""
        values = tuple([parameter.data for parameter in self._parameters])
        self._refuse(_core.unfit_gradient(self._grads(), values))
        result, additions = self.compute(*args, **kwargs)
        self._refuse(_core.add_gradients(tuple(additions), self._grads(), values))
        return result

    def _grads(self) -> tuple[Array, ...]:
        return tuple([parameter.grad for parameter in self._parameters])

    def _refuse(self, unfit: int) -> None:
        """ValueError for a gradient that cannot be added to, by its number."""
        if unfit < 0:
            return
        parameter = self._parameters[unfit]
        grad, named = parameter.grad, self._module.named_parameters()
        name = next((name for name, known in named if known is parameter), f"parameter {unfit}")
        raise ValueError(
            f"{type(self._module).__name__}: {name}.grad is {grad.dtype} of shape {grad.shape}"
            f"{'' if grad.flags.writeable else ', read-only'}, "
            f"expected a writeable contiguous array, {parameter.dtype} of shape {parameter.shape}"
        )

    def _refuse_used(self) -> NoReturn:
        name = type(self._module).__name__
        raise RuntimeError(f"{name}: this pullback has been used; a new one comes from vjp")

    def _refuse_stale(self) -> NoReturn:
        name = type(self._module).__name__
        raise RuntimeError(f"{name}: a parameter was written after the vjp of this pullback")


def compute(pullback: Any, *cotangents: Any) -> tuple[Any, Additions]:
    """A part's backward pass, nothing added yet; a pullback of another kind adds by itself."""
    if isinstance(pullback, Pullback):
        return pullback.compute(*cotangents)
    return pullback(*cotangents), []


def add_arrays(parameters: Sequence[Parameter], arrays: Sequence[Array]) -> Additions:
    """The additions `p.grad += array`, for a backward function; none to frozen parameters."""
    pairs = zip(parameters, arrays, strict=True)
    return [partial(np.add, p.grad, a, p.grad) for p, a in pairs if p.requires_grad]
