"""bfloat16, of which numpy knows nothing: the upper half of a float32, as uint16."""

import numpy as np

from .checks import Array


def narrowed(values: Array) -> Array:
    """The nearest bfloat16 of each number, to even; NaN and infinities stay such."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    special = np.isnan(values)
    if special.any():  # rounding up could make an infinity of it
        rounded[special] = (bits[special] >> 16) | 0x40
    narrow: Array = rounded.astype(np.uint16)
    return narrow


def widened(bits: Array) -> Array:
    """The numbers again, as float32."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
