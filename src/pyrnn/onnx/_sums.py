"""ONNX' operators that combine elements along axes: products, softmax, norms, reductions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import operations
from .._base.checks import Array
from .._base.parameter import Parameter
from .._base.value import numbers
from ..layers import LayerNorm, Softmax
from ._nodes import Node, operator
from ._values import Operation, axis_of, check_floats, computed, integers, is_float


def _from_axis(node: Node, x: Any, *others: Any) -> range:
    """The axes that a softmax or a normalisation combines."""
    axis = axis_of(node.attributes["axis"], x.ndim)
    alone = node.operator.name != "LayerNormalization" and node.version >= 13
    return range(axis, axis + 1 if alone else x.ndim)


def _softmax_axis(node: Node, x: Any, apply_to_last: Callable[[Any], Any]) -> Any:
    """A function of the last axis for another one; before version 13 of all from `axis` on."""
    check_floats(x)
    axis = axis_of(node.attributes["axis"], x.ndim)
    if node.version < 13:
        rows = math.prod(x.shape[:axis]), math.prod(x.shape[axis:])
        return computed(
            operations.reshape,
            apply_to_last(computed(operations.reshape, x, shape=rows)),
            shape=x.shape,
        )
    if axis == x.ndim - 1:
        return apply_to_last(x)
    order = [i for i in range(x.ndim) if i != axis] + [axis]
    y = apply_to_last(computed(operations.transpose, x, axes=order))
    return computed(operations.transpose, y, axes=np.argsort(order).tolist())


@operator("Softmax", steps=_from_axis)
def _softmax(node: Node, x: Any) -> Any:
    return _softmax_axis(node, x, Softmax())


@operator("LogSoftmax", steps=_from_axis)
def _log_softmax(node: Node, x: Any) -> Any:
    def logarithm(x: Any) -> Any:
        z = computed(operations.subtract, x, numbers(x).max(axis=-1, keepdims=True))
        sums = computed(operations.total, computed(operations.exp, z), axis=-1, keepdims=True)
        return computed(operations.subtract, z, computed(operations.log, sums))

    return _softmax_axis(node, x, logarithm)


@operator("LayerNormalization", steps=_from_axis)
def _layer_norm(node: Node, x: Any, scale: Any, bias: Any = None) -> Any:
    check_floats(x)
    sizes = x.shape[axis_of(node.attributes["axis"], x.ndim) :]
    norm = LayerNorm(sizes, eps=node.attributes["epsilon"], elementwise_affine=False, dtype=x.dtype)
    y = computed(operations.multiply, norm(x), scale)
    return y if bias is None else computed(operations.add, y, bias)


@operator("MatMul", steps=lambda node, a, b: [a.ndim - 1])
def _matmul(node: Node, a: Any, b: Any) -> Any:
    check_floats(a, b)
    return _product(node, a, b)


@operator("Gemm", steps=lambda node, a, *others: [0 if node.attributes["transA"] else 1])
def _gemm(node: Node, a: Any, b: Any, c: Any = None) -> Any:
    check_floats(a, b)
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"its inputs have the shapes {a.shape} and {b.shape}, expected matrices")
    a = computed(operations.transpose, a) if node.attributes["transA"] else a
    y = _scaled(_product(node, a, b, node.attributes["transB"]), node.attributes["alpha"])
    if c is None:
        return y
    return computed(operations.add, y, _scaled(c, node.attributes["beta"]))


def _product(node: Node, a: Any, b: Any, transposed: bool = False) -> Any:
    """a @ b, or a @ b^T; a weight stays packed from call to call."""
    packed = None
    if isinstance(b, Parameter) and b.ndim == 2 and node.packed is not None:
        matrix = b.data.T if transposed else b.data
        packed = node.packed.get([b], lambda: operations.pack_matrix(matrix))
    b = computed(operations.transpose, b) if transposed else b
    return computed(operations.matmul, a, b, packed=packed)


def _scaled(x: Any, factor: float) -> Any:
    return x if factor == 1 else computed(operations.multiply, x, factor)


def _axes(node: Node, x: Any, axes: Any = None) -> list[int]:
    """The axes of a reduction."""
    chosen = node.attributes.get("axes") if axes is None else integers("axes", axes)
    if not chosen:
        return [] if node.attributes.get("noop_with_empty_axes") else list(range(x.ndim))
    return [axis_of(axis, x.ndim) for axis in chosen]


def _reduction(operation: Operation, of_integers: Callable[..., Any] | None) -> Any:
    """Over some axes or all: an attribute, from some version on an input."""

    def compute(node: Node, x: Any, axes: Any = None) -> Any:
        axis = tuple(_axes(node, x, axes))
        if not axis:
            return x
        options = {"axis": axis, "keepdims": bool(node.attributes["keepdims"])}
        if of_integers is not None and not is_float(x):
            return np.asarray(of_integers(x, **options), x.dtype)
        check_floats(x)
        return computed(operation, x, **options)

    return compute


operator("ReduceSum", steps=_axes)(_reduction(operations.total, np.sum))
operator("ReduceMean", steps=_axes)(_reduction(operations.mean, None))
operator("ReduceMax", steps=_axes)(_reduction(operations.largest, np.max))


@operator("ArgMax", steps=lambda node, x: [axis_of(node.attributes["axis"], x.ndim)])
def _argmax(node: Node, x: Any) -> Array:
    axis, last = node.attributes["axis"], node.attributes.get("select_last_index", 0)
    array = numbers(x)
    y = np.argmax(np.flip(array, axis) if last else array, axis)
    y = array.shape[axis] - 1 - y if last else y
    return np.asarray(np.expand_dims(y, axis) if node.attributes["keepdims"] else y, np.int64)
