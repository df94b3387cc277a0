"""Layouts: a batch of sequences as its caller sees it, and as memory holds it.

The caller's array is (N, T, ...), sample first, or (T, N, ...). Memory is time-major: what pyrnn
makes is C-contiguous as (T, N, ...), and (N, T, ...) is a view of it with the axes swapped. Such a
view goes from part to part without a copy, and sums over (t, row) have one order in both layouts.
"""

from typing import Any

from .. import _core
from .checks import Array, as_contiguous

BATCHED = 3  # axes of a batch of sequences of features; of ids, and of class numbers, one less


def turned(array: Array, batch_first: bool, axes: int = BATCHED) -> Array:
    """A view: the caller's layout as (T, N, ...), or the way back.

    What has fewer than `axes` axes is no batch of sequences and stays as it is.
    """
    return array.swapaxes(0, 1) if batch_first and array.ndim >= axes else array


def steps_first(array: Array, batch_first: bool, single: bool) -> Array:
    """A view (T, N, ...) of a batch in the caller's layout, or of a single sequence (T, ...)."""
    return array[:, None] if single else array.swapaxes(0, 1) if batch_first else array


def steps_as_given(array: Array, batch_first: bool, single: bool) -> Array:
    """The way back: a view in the caller's layout."""
    return array[:, 0] if single else array.swapaxes(0, 1) if batch_first else array


def time_major(array: Array, batch_first: bool, axes: int = BATCHED) -> Array:
    """The same array in the caller's layout, its memory time-major; copied where it is not."""
    return turned(as_contiguous(turned(array, batch_first, axes)), batch_first, axes)


def stored(array: Array, axes: int = BATCHED) -> tuple[Array, bool]:
    """(the array as memory holds it, C-contiguous; whether its first two axes were swapped).

    For what works row by row and knows no time: rows come in the order of memory. An array that is
    contiguous neither as it is nor with these axes swapped is copied as it is.
    """
    if array.ndim >= axes and not array.flags.c_contiguous:
        swapped = array.swapaxes(0, 1)
        if swapped.flags.c_contiguous:
            return as_contiguous(swapped), True
    return as_contiguous(array), False


def with_whole_rows(array: Array) -> Array:
    """The array (T, N, F) itself if each row's features lie side by side, or a copy."""
    return array if _core.has_whole_rows(array) else as_contiguous(array)


def is_ids(value: Any) -> bool:
    """Whether an array holds integers, of which each is a step by itself."""
    return bool(value.dtype.kind in "iu")
