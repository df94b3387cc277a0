"""Operations on arrays with their derivatives: what a module's `forward` may do with values.

An operation is a function of arrays that returns (y, one pull for each of them): pull(dy) is the
gradient of that array.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .checks import Array, as_contiguous, check_number, describe
from .layout import stored, turned
from .runtime import num_threads

Pull = Callable[[Array], Any]
Result = tuple[Array, tuple[Pull, ...]]


class At(NamedTuple):
    """The gradient of a part `array[key]`, zero elsewhere."""

    array: Array
    key: Any
    gradient: Array

    def add_into(self, whole: Any) -> None:
        """whole[key] += gradient; an entry may be meant more than once by numbers in the key."""
        keys = self.key if isinstance(self.key, tuple) else (self.key,)
        if any(isinstance(k, list | np.ndarray) and np.asarray(k).dtype != bool for k in keys):
            np.add.at(whole, self.key, self.gradient)
        else:
            whole[self.key] += self.gradient


# Arithmetic


def add(a: Any, b: Any) -> Result:
    return a + b, (lambda g: _fit(g, a), lambda g: _fit(g, b))


def subtract(a: Any, b: Any) -> Result:
    return a - b, (lambda g: _fit(g, a), lambda g: _fit(-g, b))


def multiply(a: Any, b: Any) -> Result:
    return a * b, (lambda g: _fit(g * b, a), lambda g: _fit(g * a, b))


def divide(a: Any, b: Any) -> Result:
    y = a / b
    return y, (lambda g: _fit(g / b, a), lambda g: _fit(-g * y / b, b))


def negative(a: Array) -> Result:
    return -a, (lambda g: -g,)


def absolute(a: Array) -> Result:
    return abs(a), (lambda g: g * np.sign(a),)


def square_root(a: Array) -> Result:
    y = np.sqrt(a)
    return y, (lambda g: g / (y + y),)


def power(a: Array, exponent: Any) -> Result:
    """Products and roots, which are the same bits everywhere; numpy's power is not."""
    others = "pyrnn.exp(exponent * pyrnn.log(x)) takes other numbers, and values"
    try:
        n = check_number("forward", "the exponent of **", exponent)
    except TypeError as error:
        raise TypeError(f"{error}: {others}") from None
    if n == 0.5:
        return square_root(a)
    if n != round(n) or abs(n) > 64:
        raise ValueError(
            f"forward: the exponent of ** is {exponent}, expected 0.5 or a whole number up to 64: "
            f"{others}"
        )
    n = int(n)
    return _whole_power(a, n), (lambda g: g * (n * _whole_power(a, n - 1) if n else 0),)


def _whole_power(a: Array, n: int) -> Array:
    if n < 0:
        inverse: Array = 1 / _whole_power(a, -n)
        return inverse
    y = np.ones_like(a)
    for _ in range(n):
        y = y * a
    return y


def matmul(a: Any, b: Any, packed: Any = None) -> Result:
    """numpy's rules for axes; each element is one chain of multiply-adds over the inner axis.

    `packed` is what `pack_matrix` made of a b of two axes, where that is kept from call to call.
    """
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        raise ValueError("forward: @ with a number, expected arrays with axes")
    left, right = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(
            f"forward: @ of the shapes {a.shape} and {b.shape}, expected as many columns as rows"
        )
    if right.ndim == 2:
        y, pulls = _matrix_product(left, right, packed)
    else:
        y, pulls = _batched_product(left, right)
    dropped = [axis for axis, x in ((-2, a), (-1, b)) if x.ndim == 1]
    if not dropped:
        return y, pulls
    whole = y.shape
    return y.squeeze(tuple(dropped)), (
        lambda g: pulls[0](g.reshape(whole)).reshape(a.shape),
        lambda g: pulls[1](g.reshape(whole)).reshape(b.shape),
    )


def pack_matrix(b: Array) -> _core.PackedLinear:
    """A matrix as the kernels take it on the right of a product."""
    return _core.linear_pack(as_contiguous(b.T), None, num_threads())


def _matrix_product(a: Array, b: Array, packed: Any) -> Result:
    """Rows (..., K) times one matrix (K, M): what a Linear of weight b^T computes."""
    x, swapped = stored(a)
    K, M = b.shape
    rows = x.reshape(-1, K)

    def times(packed: _core.PackedLinear, rows: Array, columns: int) -> Array:
        y = _core.linear_forward(packed, rows, num_threads())
        return turned(y.reshape(*x.shape[:-1], columns), swapped)

    def rows_of(g: Array) -> Array:
        return as_contiguous(turned(g, swapped)).reshape(-1, M)

    def d_matrix(g: Array) -> Array:
        weight = as_contiguous(b.T)
        return _core.linear_backward(rows, weight, rows_of(g), False, False, num_threads())[1].T

    y = times(pack_matrix(b) if packed is None else packed, rows, M)
    return y, (lambda g: times(pack_matrix(b.T), rows_of(g), K), d_matrix)


def _batched_product(a: Array, b: Array) -> Result:
    """A product for each entry of the leading axes, which broadcast."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])

    def times(a: Array, b: Array) -> Array:
        a, b = (_as_batch(x, batch) for x in (a, b))
        y = _core.batched_product(a, b, num_threads())
        return y.reshape(*batch, *y.shape[1:])

    return times(a, b), (
        lambda g: _fit(times(g, b.swapaxes(-1, -2)), a),
        lambda g: _fit(times(a.swapaxes(-1, -2), g), b),
    )


def _as_batch(x: Array, batch: tuple[int, ...]) -> Array:
    """Matrices, one for each entry of the batch, as the core takes them."""
    whole = np.broadcast_to(x, (*batch, *x.shape[-2:]))
    return as_contiguous(whole).reshape(math.prod(batch), *x.shape[-2:])


def exp(a: Array) -> Result:
    y = _by_core("exp", a)
    return y, (lambda g: g * y,)


def log(a: Array) -> Result:
    return _by_core("log", a), (lambda g: g / a,)


def tanh(a: Array) -> Result:
    return _activation("tanh", a)


def sigmoid(a: Array) -> Result:
    return _activation("sigmoid", a)


def _by_core(name: str, a: Array) -> Array:
    """An element-wise function that the core knows by name."""
    x, swapped = stored(a)
    return turned(_core.activation_forward(name, x, num_threads()), swapped)


def _activation(name: str, a: Array) -> Result:
    """The same with the core's derivative."""
    x, swapped = stored(a)
    y = _core.activation_forward(name, x, num_threads())

    def pull(g: Array) -> Array:
        dy = as_contiguous(turned(g, swapped))
        return turned(_core.activation_backward(name, y, dy, num_threads()), swapped)

    return turned(y, swapped), (pull,)


# Sums


def total(a: Array, axis: Any = None, keepdims: bool = False) -> Result:
    axes = _axes(axis, a.ndim)
    kept = tuple(1 if i in axes else size for i, size in enumerate(a.shape))
    y = sum_over(a, axes)
    pull: Pull = lambda g: np.broadcast_to(g.reshape(kept), a.shape)  # noqa: E731
    return (y.reshape(kept) if keepdims else y), (pull,)


def mean(a: Array, axis: Any = None, keepdims: bool = False) -> Result:
    count = max(1, math.prod(a.shape[i] for i in _axes(axis, a.ndim)))
    y, (pull,) = total(a, axis, keepdims)
    return y / count, (lambda g: pull(g / count),)


def largest(a: Array, axis: Any = None, keepdims: bool = False) -> Result:
    axes = _axes(axis, a.ndim)
    others = tuple(i for i in range(a.ndim) if i not in axes)
    shape = tuple(a.shape[i] for i in others)
    if not math.prod(a.shape[i] for i in axes):
        raise ValueError(f"forward: max over no elements of an array of shape {a.shape}")
    rows = a.transpose(others + axes).reshape(*shape, -1)  # what is compared in one last axis
    first = rows.argmax(axis=-1)[..., None]
    y = np.take_along_axis(rows, first, -1)[..., 0]
    kept = tuple(1 if i in axes else size for i, size in enumerate(a.shape))

    def pull(g: Array) -> Array:
        d_rows = np.zeros(rows.shape, a.dtype)
        np.put_along_axis(d_rows, first, g.reshape(*shape, 1), -1)
        parts = d_rows.reshape(*shape, *(a.shape[i] for i in axes))
        return parts.transpose(np.argsort(others + axes))

    return (y.reshape(kept) if keepdims else y), (pull,)


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that a reduction is over, in order."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple) else (axis,)
    if any(isinstance(i, bool) or not isinstance(i, int | np.integer) for i in given):
        raise TypeError(f"forward: axis is {describe(axis)}, expected an integer, a tuple or None")
    axes = {int(i) + ndim * (i < 0) for i in given}
    if len(axes) != len(given) or not all(0 <= i < ndim for i in axes):
        raise ValueError(f"forward: axis is {axis}, expected different axes of {ndim}")
    return tuple(sorted(axes))


def sum_over(a: Array, axes: tuple[int, ...]) -> Array:
    """The sum over axes, added step after step or, where the last axis is one, by rows: in the
    order of memory, where (N, T, ...) may be a view of (T, N, ...)."""
    kept = [i for i in range(a.ndim) if i not in axes]
    shape = [a.shape[i] for i in kept]
    if not axes or a.size == 0:
        return a if not axes else np.zeros(shape, a.dtype)
    x, swapped = stored(a)
    if swapped:
        places = [1, 0, *range(2, a.ndim)]
        kept, axes = [places[i] for i in kept], tuple(sorted(places[i] for i in axes))
    if a.ndim - 1 in axes:
        rows = as_contiguous(x.transpose(*kept, *axes))
        sums = _core.row_sums(rows.reshape(math.prod(shape), -1), num_threads())
        return sums.reshape(shape)
    time_first = axes == (0,) and x.ndim == 3
    if not time_first:
        x = as_contiguous(x.transpose(*kept[:-1], *axes, kept[-1]))
        x = x.reshape(math.prod(shape[:-1]), -1, shape[-1])
    B, T = x.shape[1::-1] if time_first else x.shape[:2]
    return _core.time_sum(x, np.full(B, T), not time_first, num_threads()).reshape(shape)


def _fit(g: Array, operand: Any) -> Array:
    """The gradient of an operand that was broadcast: the sum over its copies."""
    shape = operand.shape if isinstance(operand, np.ndarray) else ()
    if g.shape == shape:
        return g
    first = g.ndim - len(shape)
    copied = (i + first for i, size in enumerate(shape) if size == 1 != g.shape[i + first])
    return sum_over(g, (*range(first), *copied)).reshape(shape)


# Shapes


def reshape(a: Array, shape: Any) -> Result:
    return a.reshape(shape), (lambda g: g.reshape(a.shape),)


def transpose(a: Array, axes: Any = None) -> Result:
    order = tuple(range(a.ndim))[::-1] if axes is None else axes
    y = a.transpose(order)
    return y, (lambda g: g.transpose(np.argsort([axis % a.ndim for axis in order])),)


def concat(*arrays: Any, axis: int) -> Result:
    y = np.concatenate(arrays, axis=axis)
    along = axis % y.ndim
    ends = np.cumsum([array.shape[along] for array in arrays]).tolist()
    before = (slice(None),) * along
    pieces = [(*before, slice(a, b)) for a, b in zip([0, *ends], ends, strict=False)]
    return y, tuple(lambda g, piece=piece: g[piece] for piece in pieces)


def stack(*arrays: Any, axis: int) -> Result:
    y = np.stack(arrays, axis=axis)
    before = (slice(None),) * (axis % y.ndim)
    return y, tuple(lambda g, i=i: g[(*before, i)] for i in range(len(arrays)))


def where(a: Any, b: Any, condition: Any) -> Result:
    y = np.where(condition, a, b)
    return y, (
        lambda g: _fit(np.where(condition, g, 0), a),
        lambda g: _fit(np.where(condition, 0, g), b),
    )


def broadcast_to(a: Array, shape: Any) -> Result:
    return np.broadcast_to(a, shape), (lambda g: _fit(g, a),)


def index(a: Array, key: Any) -> Result:
    return a[key], (lambda g: At(a, key, g),)
