"""Tanh, ReLU, Sigmoid, Softmax and Identity as modules."""

from typing import Any, ClassVar

from .. import _core
from .._base.checks import Array, as_contiguous, check_flag, check_shape, read_floats
from .._base.layout import stored, turned
from .._base.module import Module, storable
from .._base.pullback import Additions, Pullback
from .._base.runtime import num_threads
from .._base.steps import CoreStep


class _Activation(Module):
    """What the activations share: x of float32 or float64, y and dx of the same shape.

    `y = module(x)`; `y, pullback = module.vjp(x)`; `dx = pullback(dy)`. y is kept until the
    pullback has run and must not be written before.
    """

    stepwise = True
    keeps_features = True

    def __call__(self, x: Any) -> Array:
        """f(x)."""
        x, swapped = stored(read_floats(type(self).__name__, "x", x, None))
        return turned(self._forward(x), swapped)

    def vjp(self, x: Any, *, need_dx: bool = True) -> tuple[Array, Pullback]:
        """f(x), and a pullback: `dx = pullback(dy)`, None if not `need_dx`."""
        owner = type(self).__name__
        need_dx = check_flag(owner, "need_dx", need_dx)
        x, swapped = stored(read_floats(owner, "x", x, None))
        y = self._forward(x)
        given = turned(y, swapped)
        y_shape = given.shape

        def backward(dy: Any) -> tuple[Array | None, Additions]:
            dy = read_floats(owner, "dy", dy, y.dtype)
            check_shape(owner, "dy", dy, y_shape, "the shape of y")
            dy = as_contiguous(turned(dy, swapped))
            return (turned(self._backward(y, dy), swapped) if need_dx else None), []

        return given, Pullback(self, backward)

    def _forward(self, x: Array) -> Array:
        raise NotImplementedError

    def _backward(self, y: Array, dy: Array) -> Array:
        raise NotImplementedError


class _Elementwise(_Activation):
    """An activation that the core knows by name."""

    core_name: ClassVar[str]

    def _forward(self, x: Array) -> Array:
        return _core.activation_forward(self.core_name, x, num_threads())

    def core_step(self) -> CoreStep:
        """The core's own, by its name."""
        return CoreStep("activation", (self.core_name,))

    def _backward(self, y: Array, dy: Array) -> Array:
        return _core.activation_backward(self.core_name, y, dy, num_threads())


@storable
class Tanh(_Elementwise):
    """y = tanh(x), dx = (1 - y^2) dy, for x of any shape.

    Examples
    --------
    >>> pyrnn.Tanh()(np.array([-1.0, 0.0, 1.0])).round(3)
    array([-0.762,  0.   ,  0.762])
    """

    core_name = "tanh"


@storable
class ReLU(_Elementwise):
    """y = max(x, 0), dx = dy where y > 0 and else 0, for x of any shape.

    Examples
    --------
    >>> y, pullback = pyrnn.ReLU().vjp(np.array([-1.0, 0.0, 2.0]))
    >>> y, pullback(np.ones(3))
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """

    core_name = "relu"


@storable
class Sigmoid(_Elementwise):
    """y = 1 / (1 + exp(-x)), dx = y (1 - y) dy, for x of any shape.

    In float32 by way of tanh, off by up to 1.74e-7 absolutely: no digit is right below x = -17,
    where y is less than that. In float64 every y is right to 2.3 units in its last place.

    Examples
    --------
    >>> pyrnn.Sigmoid()(np.array([-1.0, 0.0, 1.0])).round(3)
    array([0.269, 0.5  , 0.731])
    """

    core_name = "sigmoid"
    makes_probabilities = True


@storable
class Identity(_Activation):
    """y = x and dx = dy, for x of any shape: as torch.nn.Identity.

    For x itself beside what other modules make of it, or in the place of a module that is left out.

    Examples
    --------
    >>> x = np.ones((2, 5, 3), np.float32)
    >>> pyrnn.Concat(pyrnn.Identity(), pyrnn.GRU(3, 4, seed=0))(x).shape
    (2, 5, 7)
    """

    def step_part(self, batch_size: int) -> None:
        """None: a step passes as it is."""

    def _forward(self, x: Array) -> Array:
        return x

    def _backward(self, y: Array, dy: Array) -> Array:
        return dy


@storable
class Softmax(_Activation):
    """y = exp(x - max x) / sum exp(x - max x) over the last axis, for x (..., C).

    dx = y (dy - sum(dy y)). For training a classifier leave it out: CrossEntropy takes logits.
    ValueError for x without axes.

    Examples
    --------
    >>> pyrnn.Softmax()(np.log([[1.0, 1.0, 2.0]])).round(3)
    array([[0.25, 0.25, 0.5 ]])
    """

    makes_probabilities = True

    def _forward(self, x: Array) -> Array:
        if x.ndim == 0:
            raise ValueError("Softmax: x has shape (), expected (..., C)")
        return _core.softmax_forward(_rows(x), num_threads()).reshape(x.shape)

    def core_step(self) -> CoreStep:
        """Of each row."""
        return CoreStep("softmax")

    def _backward(self, y: Array, dy: Array) -> Array:
        return _core.softmax_backward(_rows(y), _rows(dy), num_threads()).reshape(y.shape)


def _rows(array: Array) -> Array:
    """(..., C) as (N, C)."""
    return array.reshape(array.size // max(array.shape[-1], 1), array.shape[-1])
