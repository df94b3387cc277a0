"""bfloat16 on the wire: the upper half of a float32."""

from typing import Any

import numpy as np

from .._base.checks import Array


def as_bfloat16(values: Array) -> Array:
    """The nearest bfloat16 of each number, to even; NaN and infinities stay such."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    special = np.isnan(values)
    if special.any():  # rounding up could make an infinity of it
        rounded[special] = (bits[special] >> 16) | 0x40
    narrow: Array = rounded.astype(np.uint16)
    return narrow


def as_floats(narrow: Array, dtype: Any) -> Array:
    """The numbers again."""
    return (narrow.astype(np.uint32) << 16).view(np.float32).astype(dtype, copy=False)
