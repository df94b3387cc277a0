"""What the operators of a graph compute with: Values and Parameters of floats, and plain arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from .._base.operations import Result
from .._base.value import Operand, apply, numbers

Operation = Callable[..., Result]
INTEGERS = (f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
NAMES = {"FLOAT", "DOUBLE", "BOOL", *INTEGERS}  # of the dtypes that arrays here have


def dtype_of(what: str, number: int) -> "np.dtype[Any]":
    """The dtype that ONNX has under a number; ValueError for one that no array here has."""
    name = next((name for name, n in onnx.TensorProto.DataType.items() if n == number), number)
    if name not in NAMES:
        raise ValueError(f"{what} is {name}, expected FLOAT, DOUBLE, integers or BOOL")
    dtype: np.dtype[Any] = onnx.helper.tensor_dtype_to_np_dtype(number)
    return dtype


def computed(operation: Operation, *operands: Any, **options: Any) -> Any:
    """The result of an operation: recorded if a value takes part, else an array."""
    if any(isinstance(x, Operand) for x in operands):
        return apply(operation, *operands, **options)
    return np.asarray(operation(*operands, **options)[0])


def is_float(x: Any) -> bool:
    """Whether it has floats, which may get a gradient."""
    return bool(x.dtype.kind == "f")


def integers(what: str, x: Any) -> list[int]:
    """A list of integers, which an axis or a shape is made of."""
    array = np.asarray(numbers(x))
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise ValueError(
            f"{what} is {array.dtype} of shape {array.shape}, expected a list of integers"
        )
    return [int(i) for i in array.reshape(-1)]


def axis_of(axis: int, ndim: int) -> int:
    """An axis counted from the front; ValueError if there is none."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis is {axis}, expected one of {ndim}")
    return axis % ndim


def check_alike(*arrays: Any) -> None:
    """TypeError for different dtypes, which ONNX does not mix."""
    if len({x.dtype for x in arrays}) > 1:
        dtypes = ", ".join(str(x.dtype) for x in arrays)
        raise TypeError(f"its inputs have the dtypes {dtypes}, expected one")


def check_floats(*arrays: Any) -> None:
    """TypeError for what has no floats."""
    for x in arrays:
        if not is_float(x):
            raise TypeError(f"an input has dtype {x.dtype}, expected floats")
