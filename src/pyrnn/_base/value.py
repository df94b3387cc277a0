"""Values: the floats inside a module's `forward`, and the functions that take them.

Where no forward runs, the same functions work on plain arrays.
"""

import inspect
import math
import operator
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, NoReturn, Self

import numpy as np

from .. import _core
from . import operations
from .checks import Array, as_plain_array
from .operations import Result

# The Tape of the forward that runs.
active: ContextVar[Any] = ContextVar("pyrnn_tape", default=None)
# What sees each module that was called, its outputs and its arguments.
observer: ContextVar[Any] = ContextVar("pyrnn_observer", default=None)


# under(tape, function, *args, **options) calls a function while a tape runs, or none.
under = partial(_core.with_value, active)

WAY_OUT = (
    "a module with a vjp of its own computes anything, and pyrnn.stop_gradient(value) gives the "
    "numbers, through which no gradient comes back"
)


Method = Callable[[Any, Any], "Value"]  # of an operator; where no forward runs, it gives an array


def _binary(operation: Callable[..., Result]) -> tuple[Method, Method]:
    """An operator's method, and that of the operand on the right."""
    return (
        lambda self, other: apply(operation, self, other),
        lambda self, other: apply(operation, other, self),
    )


def _of_numpy(ufunc: Any) -> tuple[Method, Method]:
    """The same of an operator that forward does not record: numpy's function, or its refusal."""
    return lambda self, other: ufunc(self, other), lambda self, other: ufunc(other, self)


def _compared(comparison: Callable[[Any, Any], Any]) -> Any:
    """A comparison's method, which gives an array of bools."""
    return lambda self, other: comparison(numbers(self), numbers(other))


class Operand:
    """What is computed with inside `forward`: a Value or a Parameter."""

    __slots__ = ()
    shape: Any
    ndim: Any
    dtype: Any

    def _on(self, tape: Any) -> tuple[Array, int]:
        """The numbers, and the number on the tape, negative where no gradient is wanted."""
        raise NotImplementedError

    def _outside(self) -> Array:
        """The numbers, where no forward runs."""
        raise NotImplementedError

    def _numbers(self) -> Array:
        """The numbers."""
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return by_ufunc(ufunc, method, inputs, options)

    __add__, __radd__ = _binary(operations.add)
    __sub__, __rsub__ = _binary(operations.subtract)
    __mul__, __rmul__ = _binary(operations.multiply)
    __truediv__, __rtruediv__ = _binary(operations.divide)
    __matmul__, __rmatmul__ = _binary(operations.matmul)

    def __pow__(self, exponent: Any) -> "Value":
        return _recorded(operations.power, self, exponent=exponent)

    __rpow__ = _of_numpy(np.power)[1]
    __floordiv__, __rfloordiv__ = _of_numpy(np.floor_divide)
    __mod__, __rmod__ = _of_numpy(np.remainder)
    __divmod__, __rdivmod__ = _of_numpy(np.divmod)

    def __neg__(self) -> "Value":
        return _recorded(operations.negative, self)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> "Value":
        return _recorded(operations.absolute, self)

    @property
    def T(self) -> "Value":
        """The axes in reverse order."""
        return self.transpose()

    def sum(self, axis: Any = None, keepdims: bool = False) -> "Value":
        """The sum over some axes, or all: in an order that their sizes fix."""
        return _recorded(operations.total, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> "Value":
        """The sum over some axes, or all, divided by the number of elements; 0 of none."""
        return _recorded(operations.mean, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> "Value":
        """The largest over some axes, or all; the gradient goes to the first that is it."""
        return _recorded(operations.largest, self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> "Value":
        """The same elements in another shape."""
        return _recorded(operations.reshape, self, shape=shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> "Value":
        """The axes in another order; reversed if none is given."""
        return _recorded(
            operations.transpose, self, axes=axes[0] if len(axes) == 1 else axes or None
        )

    def swapaxes(self, axis1: int, axis2: int) -> "Value":
        """Two axes in each other's place."""
        order = list(range(self.ndim))
        order[axis1], order[axis2] = order[axis2], order[axis1]
        return _recorded(operations.transpose, self, axes=order)


def apply(operation: Callable[..., Result], *operands: Any, **options: Any) -> Any:
    """The result of an operation: a value on the tape of the forward that runs, else an array."""
    tape = active.get()
    if tape is not None:
        return tape.apply(operation, operands, options)
    return operation(*map(outside, operands), **options)[0]


def _recorded(operation: Callable[..., Result], *operands: Any, **options: Any) -> "Value":
    """The same as a checker is to see it: inside `forward`."""
    made: Value = apply(operation, *operands, **options)
    return made


def outside(operand: Any) -> Any:
    """An operand where no forward runs: a number, or an array."""
    if isinstance(operand, Operand):
        return operand._outside()
    plain = isinstance(operand, np.ndarray | int | float)
    return operand if plain else as_plain_array("pyrnn", "operand", operand, "of floats")


def numbers(operand: Any) -> Any:
    """The numbers of an operand, wherever it stands."""
    if not isinstance(operand, Operand):
        return operand
    tape = active.get()
    return operand._outside() if tape is None else operand._on(tape)[0]


def constant(name: str, operand: Any, dtype: Any) -> Any:
    """A number or array that a value of `dtype` is computed with."""
    if type(operand) is np.ndarray and operand.dtype == dtype:
        return operand
    operand = operand.item() if isinstance(operand, np.generic) else operand
    if isinstance(operand, int | float):
        return operand  # takes the dtype of the other operand
    array = as_plain_array("forward", f"an operand of {name}", operand, "or a number")
    if array.dtype.kind in "biu" or (isinstance(operand, list | tuple) and array.dtype.kind == "f"):
        return array.astype(dtype or np.float64)
    if array.dtype.kind != "f" or (dtype is not None and array.dtype != dtype):
        raise TypeError(
            f"forward: an operand of {name} has dtype {array.dtype}, expected {dtype or 'floats'}: "
            f"convert it with .astype(np.{dtype or 'float32'})"
        )
    return array


def refuse(what: str) -> NoReturn:
    """TypeError for what is not recorded."""
    raise TypeError(
        f"{what} is not recorded in forward, expected arithmetic, indexing, sum, mean, max, "
        "reshape, transpose, swapaxes, pyrnn.concat, stack, where, broadcast_to, exp, log, tanh or "
        f"sigmoid; {WAY_OUT}"
    )


class Value(Operand, _core.Value):
    """A float array inside a module's `forward`: what is computed with it is recorded.

    It has an array's arithmetic (+ - * / @, ** with a number, abs, comparisons), indexing, `sum`,
    `mean`, `max`, `reshape`, `transpose`, `swapaxes`, `T`, `shape`, `ndim`, `size`, `dtype`, and
    goes into `pyrnn.concat`, `stack`, `where`, `broadcast_to`, `exp`, `log`, `tanh`, `sigmoid`, or
    numpy's functions of these names. Numbers, arrays and Parameters may be the other operand. `@`,
    sums and functions are the core's: a row alone has the bits that it has in any batch.

    TypeError for all that is not recorded, for writing, and for float(), bool() and np.asarray,
    of which `pyrnn.stop_gradient(value)` gives the numbers; RuntimeError after `forward`'s end.

    Examples
    --------
    >>> class Scaled(pyrnn.Module):
    ...     def forward(self, x: pyrnn.Value) -> pyrnn.Value:
    ...         return x / (1e-6 + (x * x).mean(axis=-1, keepdims=True)) ** 0.5
    >>> Scaled()(np.array([[3.0, 4.0]])).round(3)
    array([[0.849, 1.131]])
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise TypeError("Value: values are what a forward is given, expected a call of its module")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, as numpy's."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._array.dtype

    def _on(self, tape: Any) -> tuple[Array, int]:
        if self._tape is not tape:
            self._outside()
        return self._array, self._place[0]

    def _outside(self) -> NoReturn:
        raise RuntimeError(
            "forward: this value is of a forward pass that is over, or of another one; "
            "pyrnn.stop_gradient(value) gives its numbers"
        )

    def _numbers(self) -> Array:
        return self._array

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator["Value"]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> "Value":
        return _recorded(operations.index, self, key=key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(
            "forward: values are read-only; pyrnn.where(condition, new, old) and pyrnn.concat make "
            "a new one"
        )

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        return by_function(function, args, options)

    __lt__, __le__ = _compared(operator.lt), _compared(operator.le)
    __gt__, __ge__ = _compared(operator.gt), _compared(operator.ge)
    __eq__, __ne__ = _compared(operator.eq), _compared(operator.ne)
    __hash__ = None  # type: ignore[assignment]

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "forward: a value does not become a number, a bool or an array of numpy's: "
            "pyrnn.stop_gradient(value) gives its numbers, through which no gradient comes back"
        )

    __array__ = __bool__ = __float__ = __int__ = __complex__ = __index__ = _refuse

    def __round__(self, digits: int | None = None) -> NoReturn:
        refuse("round")

    def __format__(self, form: str) -> str:
        if form:
            refuse(f"a value's text in the format {form!r}")
        return str(self)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"forward: a value has no {name!r}; {WAY_OUT}")

    def __repr__(self) -> str:
        return f"Value({np.array2string(self._array, separator=', ', prefix='Value(')})"


# What numpy's own functions come to on values

UFUNCS: dict[Any, Callable[..., Result]] = {
    np.add: operations.add,
    np.subtract: operations.subtract,
    np.multiply: operations.multiply,
    np.divide: operations.divide,
    np.negative: operations.negative,
    np.absolute: operations.absolute,
    np.sqrt: operations.square_root,
    np.matmul: operations.matmul,
    np.exp: operations.exp,
    np.log: operations.log,
    np.tanh: operations.tanh,
}
COMPARISONS: set[Any] = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal}
COMPARISONS |= {np.not_equal, np.isnan, np.isfinite, np.isinf}  # bools, which have no gradient


def by_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What one of numpy's element-wise functions gives of values and parameters."""
    if active.get() is None:
        given = (x._outside() if isinstance(x, Operand) else x for x in inputs)
        if any(isinstance(x, Operand) for x in options.get("out", ())):
            raise TypeError("Parameter: numpy does not write it, expected p[...] = value")
        return getattr(ufunc, method)(*given, **options)
    if method == "__call__" and not options:
        if ufunc in UFUNCS:
            return apply(UFUNCS[ufunc], *inputs)
        if ufunc in COMPARISONS:
            return ufunc(*map(numbers, inputs))
        if ufunc in (np.power, np.square):
            return apply(operations.power, inputs[0], exponent=inputs[1] if len(inputs) > 1 else 2)
    if options.get("out"):
        refuse(f"np.{ufunc.__name__} into an array that there is")
    refuse(f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else ""))


def _over_axes(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """A method under numpy's name, where what follows axis by position is something else."""
    return lambda a, axis=None, *, keepdims=False: reduce(a, axis, keepdims)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _over_axes(Operand.sum),
    np.mean: _over_axes(Operand.mean),
    np.max: _over_axes(Operand.max),
    np.amax: _over_axes(Operand.max),
    np.reshape: lambda a, shape: a.reshape(shape),
    np.transpose: lambda a, axes=None: apply(operations.transpose, a, axes=axes),
    np.swapaxes: Operand.swapaxes,
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: math.prod(a.shape),
    np.zeros_like: lambda a: np.zeros(a.shape, a.dtype),
    np.ones_like: lambda a: np.ones(a.shape, a.dtype),
}


def implements(function: Any) -> Callable[[Any], Any]:
    """What a function of numpy's comes to on values."""

    def keep(own: Any) -> Any:
        FUNCTIONS[function] = own
        return own

    return keep


def by_function(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What another of numpy's functions gives of values."""
    name = f"{function.__module__}.{function.__name__}".replace("numpy", "np")
    if (own := FUNCTIONS.get(function)) is None:
        refuse(name)
    try:
        return own(*args, **options)
    except TypeError:
        taken = inspect.signature(own)
        try:
            taken.bind(*args, **options)
        except TypeError:
            others = [option for option in options if option not in taken.parameters]
            refuse(f"{name} with {', '.join(others) or f'{len(args)} arguments'}")
        raise
