"""Functions of values: in a module's `forward` they are recorded, on arrays they just compute."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from . import operations
from .checks import Array, as_plain_array, check_number, check_size, describe, read_floats
from .value import Operand, Value, apply, implements, numbers

Plain = Array | Sequence[Any] | float  # as checkers are to see what no forward computes


@overload
def concat(arrays: Sequence[Plain], axis: int = 0) -> Array: ...  # type: ignore[overload-overlap]
@overload
def concat(arrays: Sequence[Plain | Operand], axis: int = 0) -> Value: ...
@implements(np.concatenate)
def concat(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Joins arrays along an axis that they have; the others are of equal size.

    As numpy.concat; in a module's `forward` the arrays are values, parameters or constants, and
    each gets its piece of the gradient. ValueError for shapes that do not fit.

    Examples
    --------
    >>> pyrnn.concat([np.zeros((2, 1)), np.ones((2, 2))], axis=-1)
    array([[0., 1., 1.],
           [0., 1., 1.]])
    """
    read = _read_all("concat", arrays)
    return _joined("concat", operations.concat, read, axis, np.ndim(read[0]))


@overload
def stack(arrays: Sequence[Plain], axis: int = 0) -> Array: ...  # type: ignore[overload-overlap]
@overload
def stack(arrays: Sequence[Plain | Operand], axis: int = 0) -> Value: ...
@implements(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Joins arrays of one shape along a new axis; as numpy.stack, and as `concat` in `forward`.

    Examples
    --------
    >>> pyrnn.stack([np.zeros(2), np.ones(2)], axis=1)
    array([[0., 1.],
           [0., 1.]])
    """
    read = _read_all("stack", arrays)
    return _joined("stack", operations.stack, read, axis, np.ndim(read[0]) + 1)


@overload
def where(condition: Any, x1: Operand, x2: Any) -> Value: ...
@overload
def where(condition: Any, x1: Any, x2: Operand) -> Value: ...
@overload
def where(condition: Any, x1: Any, x2: Any) -> Array: ...
@implements(np.where)
def where(condition: Any, x1: Any, x2: Any) -> Any:
    """x1 where the condition is true, else x2, with broadcasting; as numpy.where.

    dx1 = dy where the condition is true, else 0; dx2 the other way round. The condition, an array
    of bools such as `x > 0`, gets no gradient.

    Examples
    --------
    >>> x = np.array([-1.0, 2.0])
    >>> pyrnn.where(x > 0, x, 0.1 * x)
    array([-0.1,  2. ])
    """
    x1, x2 = _read_real("where", "x1", x1), _read_real("where", "x2", x2)
    chosen = as_plain_array("where", "condition", numbers(condition), "of bools")
    if chosen.dtype != np.bool_:
        raise TypeError(f"where: condition has dtype {chosen.dtype}, expected bool, as of x > 0")
    try:
        return apply(operations.where, x1, x2, condition=chosen)
    except ValueError:
        shapes = chosen.shape, np.shape(x1), np.shape(x2)
        raise ValueError(
            "where: condition, x1 and x2 have the shapes {}, {} and {}, expected ones that "
            "broadcast".format(*shapes)
        ) from None


@overload
def broadcast_to(x: Operand, shape: Any) -> Value: ...
@overload
def broadcast_to(x: Any, shape: Any) -> Array: ...
@implements(np.broadcast_to)
def broadcast_to(x: Any, shape: Any) -> Any:
    """x repeated along the axes that it lacks or has of size 1; as numpy.broadcast_to.

    dx is the sum of dy over the copies.

    Examples
    --------
    >>> static = np.array([[1.0], [2.0]])  # (N, F), at each of three steps: (N, T, F)
    >>> pyrnn.broadcast_to(static[:, None], (2, 3, 1))[..., 0]
    array([[1., 1., 1.],
           [2., 2., 2.]])
    """
    x = _read("broadcast_to", "x", x)
    if not isinstance(shape, tuple | list):
        raise TypeError(f"broadcast_to: shape is {describe(shape)}, expected a tuple of integers")
    wanted = tuple(check_size("broadcast_to", "shape", size, minimum=0) for size in shape)
    try:
        return apply(operations.broadcast_to, x, shape=wanted)
    except ValueError:
        raise ValueError(f"broadcast_to: shape is {wanted}, expected one for x {x.shape}") from None


@overload
def exp(x: Operand) -> Value: ...
@overload
def exp(x: Any) -> Array: ...
def exp(x: Any) -> Any:
    """y = e^x element by element, dx = y dy: the exponential of all of pyrnn.

    Examples
    --------
    >>> pyrnn.exp(np.array([0.0, 1.0])).round(3)
    array([1.   , 2.718])
    """
    return apply(operations.exp, _read("exp", "x", x))


@overload
def log(x: Operand) -> Value: ...
@overload
def log(x: Any) -> Array: ...
def log(x: Any) -> Any:
    """y = the natural logarithm of x element by element, dx = dy / x.

    Examples
    --------
    >>> pyrnn.log(np.array([1.0, 10.0])).round(3)
    array([0.   , 2.303])
    """
    return apply(operations.log, _read("log", "x", x))


@overload
def tanh(x: Operand) -> Value: ...
@overload
def tanh(x: Any) -> Array: ...
def tanh(x: Any) -> Any:
    """y = tanh(x) element by element, dx = (1 - y^2) dy; the same bits as `Tanh` gives.

    Examples
    --------
    >>> pyrnn.tanh(np.array([-1.0, 0.0, 1.0])).round(3)
    array([-0.762,  0.   ,  0.762])
    """
    return apply(operations.tanh, _read("tanh", "x", x))


@overload
def sigmoid(x: Operand) -> Value: ...
@overload
def sigmoid(x: Any) -> Array: ...
def sigmoid(x: Any) -> Any:
    """y = 1 / (1 + exp(-x)) element by element, dx = y (1 - y) dy; the same bits as `Sigmoid`.

    Examples
    --------
    >>> pyrnn.sigmoid(np.array([-1.0, 0.0, 1.0])).round(3)
    array([0.269, 0.5  , 0.731])
    """
    return apply(operations.sigmoid, _read("sigmoid", "x", x))


def stop_gradient(x: Any) -> Array:
    """The numbers of a value or parameter as a plain, read-only array: no gradient comes back.

    What `forward` computes from it with numpy counts as a constant.

    Examples
    --------
    >>> class Centred(pyrnn.Module):
    ...     def forward(self, x):
    ...         return x - np.median(pyrnn.stop_gradient(x))
    >>> y, pullback = Centred().vjp(np.array([1.0, 2.0, 6.0]))
    >>> y, pullback(np.ones(3))
    (array([-1.,  0.,  4.]), array([1., 1., 1.]))
    """
    array = (
        x._numbers()
        if isinstance(x, Operand)
        else as_plain_array("stop_gradient", "x", x, "or a value")
    )
    view = array.view()
    view.flags.writeable = False
    return view


@implements(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    return apply(operations.reshape, a, shape=np.expand_dims(_hollow(a), axis).shape)


@implements(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    return apply(operations.reshape, a, shape=np.squeeze(_hollow(a), axis).shape)


def _read(owner: str, name: str, x: Any) -> Any:
    """A value or parameter itself, what else there is as an array of floats."""
    return x if isinstance(x, Operand) else read_floats(owner, name, x, None)


def _read_all(owner: str, arrays: Any) -> list[Any]:
    """What is joined."""
    if not isinstance(arrays, list | tuple) or not arrays:
        raise TypeError(f"{owner}: arrays is {describe(arrays)}, expected a list of arrays")
    return [_read_real(owner, f"arrays[{i}]", x) for i, x in enumerate(arrays)]


def _read_real(owner: str, name: str, x: Any) -> Any:
    """The same of any real numbers, which take the dtype of values beside them."""
    if isinstance(x, int | float | np.integer | np.floating):
        return check_number(owner, name, x)
    if isinstance(x, Operand):
        return x
    array = as_plain_array(owner, name, x, "of real numbers")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{owner}: {name} has dtype {array.dtype}, expected real numbers")
    return array


def _joined(owner: str, operation: Any, arrays: list[Any], axis: Any, axes: int) -> Any:
    """The arrays along an axis of the result, which has so many."""
    axis = check_size(owner, "axis", axis, minimum=-axes, maximum=axes - 1)
    try:
        return apply(operation, *arrays, axis=axis)
    except ValueError:
        shapes = [np.shape(x) for x in arrays]
        raise ValueError(
            f"{owner}: arrays have the shapes {shapes}, expected ones that fit along axis {axis}"
        ) from None


def _hollow(a: Any) -> Array:
    """An array of that shape that takes no memory."""
    return np.broadcast_to(0, a.shape)
