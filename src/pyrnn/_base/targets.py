"""Targets of losses and metrics: which elements are real, and the checks of their values.

A target holds class numbers or floats. What does not count is never read.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .checks import (
    MAX_INT64,
    Array,
    as_floats,
    as_integers,
    as_lengths,
    as_plain_array,
    check_size,
)

Bools = NDArray[np.bool_]


def real_elements(
    owner: str, shape: tuple[int, ...], lengths: Any = None, mask: Any = None
) -> Bools:
    """True where an element of a target (N, T, ...) counts: neither `lengths` (N,) leaves it out
    nor `mask`, bools of the target's shape or of its first axes."""
    real = np.ones(shape, bool)
    if lengths is not None:
        if len(shape) < 2:
            raise ValueError(f"{owner}: lengths need a target of (batch, time, ...), got {shape}")
        B, T = shape[:2]
        real &= _over_rest(np.arange(T) < as_lengths(owner, lengths, B, T)[:, None], shape)
    if mask is not None:
        counted = as_plain_array(owner, "mask", mask, "of bools")
        if counted.dtype != np.bool_:
            raise TypeError(f"{owner}: mask has dtype {counted.dtype}, expected bool")
        if counted.shape != shape[: counted.ndim]:
            raise ValueError(
                f"{owner}: mask has shape {counted.shape}, expected {shape} as the target, or its "
                "first axes"
            )
        real &= _over_rest(counted, shape)
    return real


def read_weights(owner: str, shape: tuple[int, ...], real: Bools, value: Any) -> Array:
    """`sample_weight` of elements of this shape, (N, ...): float64 of it or of its first axes,
    which count for the rest. What is not real is never read."""
    given = as_plain_array(owner, "sample_weight", value, "of numbers")
    if given.dtype.kind not in "iuf":
        raise TypeError(f"{owner}: sample_weight has dtype {given.dtype}, expected numbers")
    if given.ndim == 0 or given.shape != shape[: given.ndim]:
        raise ValueError(
            f"{owner}: sample_weight has shape {given.shape}, expected {shape} or its first axes: "
            "one weight for each sample (N,), or step (N, T)"
        )
    weight = np.broadcast_to(_over_rest(given, shape), shape).astype(np.float64)
    wrong = real & ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        raise ValueError(
            f"{owner}: {first_wrong(weight, wrong, 'sample_weight')}, expected a finite number >= 0"
        )
    return weight


def _over_rest(mask: Array, shape: tuple[int, ...]) -> Array:
    """Bools or weights of the first axes of a shape, which broadcasts over the others."""
    return mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim))


def class_target(owner: str, y_shape: tuple[int, ...], target: Any) -> Array:
    """Class numbers (...) for y (..., C), as int64."""
    classes = as_integers(owner, "target", target)
    if not y_shape or y_shape[-1] == 0:
        raise ValueError(f"{owner}: y has shape {y_shape}, expected (..., C) with C >= 1")
    if classes.shape != y_shape[:-1]:
        raise ValueError(
            f"{owner}: target has shape {classes.shape}, expected {y_shape[:-1]} for "
            f"logits of shape {y_shape}"
        )
    return classes


def check_ignore_index(owner: str, value: Any) -> int:
    """An int64, which need not be a class."""
    return check_size(owner, "ignore_index", value, minimum=-(2**63), maximum=MAX_INT64)


def check_classes(owner: str, target: Array, real: Bools, C: int, ignore_index: int) -> Bools:
    """`real` without what is `ignore_index`; ValueError for a class that there is not."""
    real = real & (target != ignore_index)
    wrong = real & ((target < 0) | (target >= C))
    if wrong.any():
        raise ValueError(
            f"{owner}: {first_wrong(target, wrong)}, expected 0 <= target < {C} "
            f"classes, or ignore_index {ignore_index}"
        )
    return real


def float_target(owner: str, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
    """A target of y's shape and dtype; it may lack y's last axis when that has size 1."""
    values = as_floats(owner, "target", target, dtype)
    if values.shape != y_shape and (*values.shape, 1) != y_shape:
        raise ValueError(
            f"{owner}: target has shape {values.shape}, expected {y_shape}, the shape of y"
        )
    return values.reshape(y_shape)


def check_finite(
    owner: str, target: Array, real: Bools, low: float = -math.inf, high: float = math.inf
) -> None:
    """ValueError for a real target that is not finite, or not in low..high."""
    if low == -math.inf and high == math.inf and np.isfinite(target).all():
        return
    wrong = real & ~((target >= low) & (target <= high) & np.isfinite(target))
    if wrong.any():
        expected = "a finite number" if low == -math.inf else f"a finite number >= {low:g}"
        expected = expected if high == math.inf else f"{low:g} <= target <= {high:g}"
        raise ValueError(f"{owner}: {first_wrong(target, wrong)}, expected {expected}")


def first_wrong(array: Array, wrong: Bools, name: str = "target") -> str:
    """'target[3, 0] is 12' for the first wrong element."""
    index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    return f"{name}[{', '.join(str(int(i)) for i in index)}] is {array[index]!s}"


def check_ids(owner: str, name: str, ids: Array, size: int, meaning: str) -> None:
    """ValueError that names the first id outside 0 <= id < size; `meaning` is what the size is."""
    wrong = (ids < 0) | (ids >= size)
    if wrong.any():
        raise ValueError(
            f"{owner}: {first_wrong(ids, wrong, name)}, expected 0 <= id < {size} = {meaning}"
        )


def sum_in_order(terms: Array, start: float = 0.0) -> float:
    """start + the terms in float64, one after the other in C order.

    More zeros between them change no bit, and neither does a cut into several sums.
    """
    return _core.sum_in_order(np.ascontiguousarray(terms, np.float64), start)
