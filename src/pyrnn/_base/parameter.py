"""Parameter: an array that is trained, and its gradient."""

import itertools
import math
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from .checks import (
    Array,
    as_contiguous,
    as_floats,
    as_plain_array,
    check_dtype,
    check_flag,
    describe,
    is_filled_from_file,
)
from .operations import index
from .value import Operand, active, apply

_versions = itertools.count(1)  # one count for all: no two contents share a version


class Parameter(Operand):
    """A trained array of float32 or float64, and the gradient that pullbacks add into.

    `array` is copied. `p[...] = value` is how to write it: `data` is read-only. Every write
    raises `version` (for reading only), on which packed weights are cached and by which a pullback
    notices that its weights have changed. In a module's `forward` it is computed with as Values
    are. pickle and deepcopy keep the values and `requires_grad`, not the gradient.

    Examples
    --------
    >>> p = pyrnn.Parameter(np.array([1.0, 2.0]))
    >>> p[0] = 5.0
    >>> p.data, p.grad
    (array([5., 2.]), array([0., 0.]))
    """

    __slots__ = (
        "__weakref__",
        "_array",
        "_grad",
        "_grad_kept_whole",
        "_kept_whole",
        "_requires_grad",
        "_version",
        "_view",
    )

    _requires_grad: bool

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        parameter = super().__new__(cls)
        parameter._requires_grad = True
        return parameter

    def __init__(self, array: Any) -> None:
        self._take(np.array(as_floats("Parameter", "array", array, None), order="C"))

    @classmethod
    def zeros(cls, shape: tuple[int, ...], dtype: Any) -> "Parameter":
        """A parameter of zeros: what modules make, after `check_memory`."""
        parameter, dtype = cls.__new__(cls), check_dtype("Parameter", dtype)
        if is_filled_from_file(math.prod(shape)):
            parameter._take(np.broadcast_to(dtype.type(0), shape))
        else:
            parameter._take(np.zeros(shape, dtype))
        return parameter

    @property
    def hollow(self) -> bool:
        """Whether this is a place for weights from a file, without memory; writes are ignored."""
        return not self._array.flags.writeable

    def fill(self, array: Array) -> None:
        """Takes over a copy of weights from a file, of this shape and dtype."""
        self._take(np.array(array, order="C"))

    def _take(self, array: Array) -> None:
        """Makes `array` (C order, not shared) the content."""
        self._array = array
        self._view = array.view()
        self._view.flags.writeable = False
        # numpy refuses to resize in place what has a weak reference: the core points into it.
        self._kept_whole = weakref.ref(array)
        self._set_grad(self._no_gradient())
        self._version = next(_versions)

    @property
    def data(self) -> Array:
        """The values, as a read-only view that later writes show through."""
        return self._view

    @data.setter
    def data(self, value: Any) -> None:
        raise AttributeError("Parameter: data cannot be set: p[...] = value writes the values")

    @property
    def requires_grad(self) -> bool:
        """Whether it is trained; True unless it is set to False, which freezes the parameter.

        `grad` of a frozen one is zero, whatever pullbacks add to it; optimizers leave it and what
        they remember of it as they are, weight decay included, and clipping does not count it. It
        can be set between any two calls: a pullback goes by what holds when it is called. A
        recurrent layer of frozen parameters alone computes no gradients of weights; elsewhere they
        are forgotten.
        TypeError unless it is set to a bool, RuntimeError in a module's `forward`.
        """
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        flag = check_flag("Parameter", "requires_grad", value)
        if active.get() is not None:
            raise RuntimeError("Parameter: requires_grad set in forward, expected between calls")
        if flag != self._requires_grad:
            self._requires_grad = flag
            self._set_grad(self._no_gradient())

    @property
    def version(self) -> int:
        """A number that no other content of any parameter has."""
        return self._version

    @property
    def grad(self) -> Array:
        """The gradient, an array of the same shape and dtype; zeros at first, and in a frozen
        parameter, where what is written to it is lost."""
        return self._grad if self._requires_grad else self._no_gradient()

    @grad.setter
    def grad(self, value: Any) -> None:
        if not self._requires_grad:
            raise ValueError("Parameter: grad cannot be set: requires_grad is False")
        array = as_floats("Parameter", "grad", value, self.dtype)
        if array.shape != self.shape:
            raise ValueError(f"Parameter: grad has shape {array.shape}, expected {self.shape}")
        self._set_grad(array if array.flags.writeable else array.copy())

    def take_grad(self, array: Array) -> None:
        """`array`, of this shape and dtype, is the gradient from here on; nothing is checked."""
        self._set_grad(array)

    def _no_gradient(self) -> Array:
        """Zeros, which take memory when they are first written."""
        return self._view if self.hollow else np.zeros(self.shape, self.dtype)

    def _set_grad(self, array: Array) -> None:
        self._grad, self._grad_kept_whole = array, weakref.ref(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, as numpy's."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._array.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._array.size

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    @property
    def nbytes(self) -> int:
        """The bytes that the values take."""
        return self._array.nbytes

    @property
    def kept(self) -> Array:
        """The values as they are kept in memory: `data`, unless they are quantized."""
        return self.data

    def stored(self) -> Array:
        """A copy of the values as files hold them."""
        return np.array(self.data, order="C")

    @contextmanager
    def writing(self) -> Iterator[Array]:
        """`with p.writing() as array:` gives the array itself to write in place."""
        if active.get() is not None:
            raise RuntimeError("Parameter: written in forward, expected a write between calls")
        try:
            yield self._array
        finally:
            self._version = next(_versions)

    def zero_grad(self) -> None:
        """grad = 0."""
        if self._requires_grad:
            self._grad[...] = 0

    def __getitem__(self, key: Any) -> Any:
        """A copy of some of the values, as numpy's indexing selects them; a Value in `forward`."""
        return self._array[key].copy() if active.get() is None else apply(index, self, key=key)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Writes all or some values: `p[...] = value`, `p[H:2 * H] = 1.0`.

        Shapes broadcast as numpy's. TypeError unless the values are real numbers, ValueError if
        the shape does not fit.
        """
        if isinstance(value, int | float):
            value = np.asarray(value)
        array = as_plain_array("Parameter", "value", value, f"of real numbers for {self.dtype}")
        if not np.can_cast(array.dtype, self.dtype, casting="same_kind"):
            came = f"has dtype {array.dtype}" if array.ndim else f"is {describe(value)}"
            raise TypeError(f"Parameter: value {came}, expected real numbers for {self.dtype}")
        if self.hollow:
            return
        with self.writing() as target:
            try:
                target[key] = array
            except ValueError as error:
                raise ValueError(f"Parameter of shape {self.shape}: {error}") from None

    def _on(self, tape: Any) -> tuple[Array, int]:
        return self._view, tape.place_of(self)

    def _outside(self) -> Array:
        return self._view

    _numbers = _outside

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if active.get() is not None:
            raise TypeError(
                "Parameter: numpy would lose its gradient in forward, expected operators, "
                "pyrnn.exp and so on; pyrnn.stop_gradient(parameter) gives the numbers"
            )
        if copy:
            return np.array(self._view, dtype=dtype, copy=True)
        return np.asarray(self._view, dtype=dtype) if copy is None else self._without_copy(dtype)

    def _without_copy(self, dtype: Any) -> Array:
        """The view, for np.asarray(p, dtype, copy=False)."""
        if dtype is not None and np.dtype(dtype) != self.dtype:
            raise ValueError(f"Parameter: {self.dtype} becomes {np.dtype(dtype)} only by a copy")
        return self._view

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        frozen = "" if self._requires_grad else ", requires_grad=False"
        numbers = np.array2string(self._array, separator=", ", prefix="Parameter(")
        return f"Parameter({numbers}{frozen})"

    def __getstate__(self) -> Any:
        return self._array if self._requires_grad else (self._array, False)

    def __setstate__(self, state: Any) -> None:
        array, self._requires_grad = state if isinstance(state, tuple) else (state, True)
        self._take(as_contiguous(np.array(array, order="C")))
