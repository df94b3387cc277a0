"""ONNX' operators that work element by element."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import operations
from .._base.checks import Array
from .._base.operations import Result
from .._base.value import numbers
from ..layers import ReLU
from ._nodes import Node, operator
from ._values import Operation, check_alike, check_floats, computed, dtype_of, is_float


def _binary(operation: Operation, of_integers: Callable[..., Any]) -> Callable[..., Any]:
    """Arithmetic of two arrays of one dtype."""

    def compute(node: Node, a: Any, b: Any) -> Any:
        check_alike(a, b)
        return computed(operation, a, b) if is_float(a) else np.asarray(of_integers(a, b))

    return compute


def _quotient(a: Array, b: Array) -> Array:
    """Of integers, rounded towards zero."""
    if not np.all(b):
        raise ZeroDivisionError("it divides integers by zero")
    quotient, rest = np.divmod(a, b)  # rounded down
    towards_zero: Array = quotient + ((rest != 0) & ((a < 0) != (b < 0)))
    return towards_zero


operator("Add", steps="each")(_binary(operations.add, np.add))
operator("Sub", steps="each")(_binary(operations.subtract, np.subtract))
operator("Mul", steps="each")(_binary(operations.multiply, np.multiply))
operator("Div", steps="each")(_binary(operations.divide, _quotient))


def _furthest(beyond: Callable[[Array, Array], Array], of_integers: Callable[..., Any]) -> Any:
    """The largest, or smallest, of several arrays, element by element; NaN if one is."""

    def compute(node: Node, *arrays: Any) -> Any:
        check_alike(*arrays)
        y = arrays[0]
        for x in arrays[1:]:
            if is_float(y):
                a, b = numbers(y), numbers(x)
                y = computed(operations.where, y, x, condition=beyond(a, b) | (a != a))
            else:
                y = np.asarray(of_integers(y, x))
        return y

    return compute


operator("Max", steps="each")(_furthest(np.greater_equal, np.maximum))
operator("Min", steps="each")(_furthest(np.less_equal, np.minimum))


def _unary(operation: Operation, of_integers: Callable[..., Any] | None = None) -> Any:
    """A function of each element."""

    def compute(node: Node, x: Any) -> Any:
        if of_integers is not None and not is_float(x):
            return np.asarray(of_integers(x))
        check_floats(x)
        return computed(operation, x)

    return compute


operator("Neg", steps="each")(_unary(operations.negative, np.negative))
operator("Abs", steps="each")(_unary(operations.absolute, np.absolute))
operator("Sqrt", steps="each")(_unary(operations.square_root))
operator("Exp", steps="each")(_unary(operations.exp))
operator("Log", steps="each")(_unary(operations.log))
operator("Tanh", steps="each")(_unary(operations.tanh))
operator("Sigmoid", steps="each")(_unary(operations.sigmoid))


@operator("Relu", steps="each")
def _relu(node: Node, x: Any) -> Any:
    check_floats(x)
    return ReLU()(x)


@operator("Pow", steps="each")
def _power(node: Node, x: Any, exponent: Any) -> Any:
    check_floats(x)
    n = numbers(exponent)
    if n.size != 1 or n.ndim > x.ndim:
        raise ValueError(f"its exponent has shape {n.shape}, expected one number")
    return computed(operations.power, x, exponent=n.item())


def _compared(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that gives bools."""
    return lambda node, *arrays: np.asarray(function(*map(numbers, arrays)))


operator("Equal", steps="each")(_compared(np.equal))
operator("Less", steps="each")(_compared(np.less))
operator("LessOrEqual", steps="each")(_compared(np.less_equal))
operator("Greater", steps="each")(_compared(np.greater))
operator("GreaterOrEqual", steps="each")(_compared(np.greater_equal))
operator("Not", steps="each")(_compared(np.logical_not))
operator("And", steps="each")(_compared(np.logical_and))
operator("Or", steps="each")(_compared(np.logical_or))


@operator("Where", steps="each")
def _where(node: Node, condition: Any, a: Any, b: Any) -> Any:
    check_alike(a, b)
    return computed(operations.where, a, b, condition=numbers(condition))


def _check_cast(node: Node) -> None:
    dtype_of(f"{node.title}: what it casts to", node.attributes["to"])


def _cast_floats(x: Array, dtype: "np.dtype[Any]") -> Result:
    return x.astype(dtype), (lambda g: g.astype(x.dtype),)


def _as_dtype(x: Any, dtype: "np.dtype[Any]") -> Any:
    if x.dtype == dtype:
        return x
    if is_float(x) and dtype.kind == "f":
        return computed(_cast_floats, x, dtype=dtype)
    with np.errstate(invalid="ignore"):  # NaN becomes some integer
        return numbers(x).astype(dtype)


@operator("Cast", check=_check_cast, steps="each")
def _cast(node: Node, x: Any) -> Any:
    return _as_dtype(x, dtype_of("to", node.attributes["to"]))


@operator("CastLike", steps="each")
def _cast_like(node: Node, x: Any, like: Any) -> Any:
    return _as_dtype(x, like.dtype)


@operator("Scaler", domain="ai.onnx.ml", steps="each")
def _scaler(node: Node, x: Any) -> Any:
    offset, scale = (np.asarray(node.attributes[k], np.float32) for k in ("offset", "scale"))
    x = x if is_float(x) else numbers(x).astype(np.float32)
    return computed(operations.multiply, computed(operations.subtract, x, offset), scale)
