"""Masks of any pattern: each row's real steps moved to its front, and back."""

from typing import Any

import numpy as np

from .checks import Array, as_lengths, as_plain_array, check_shape


class Mask:
    """Where the real steps of a batch are.

    `mask` is bool, True = real, of `shape`: (T, B), (B, T) with batch_first, or (T,) for one
    sequence, which is `single`. `lengths` (B,) counts each row's real steps of `steps` ones;
    `is_prefix` says that all are at the front already.
    """

    def __init__(self, owner: str, mask: Any, shape: tuple[int, ...], batch_first: bool) -> None:
        array = as_plain_array(owner, "mask", mask, "of bools")
        if array.dtype != np.bool_:
            raise TypeError(f"{owner}: mask has dtype {array.dtype}, expected bool")
        single = len(shape) == 1
        swapped = batch_first and not single
        meaning = "(batch, time)" if swapped else "(time, batch)"
        check_shape(owner, "mask", array, shape, "(time,)" if single else meaning)
        array = np.array(array)  # another thread may write the caller's
        real = array[:, None] if single else array.T if swapped else array  # (T, B)
        self.lengths: Array = real.sum(axis=0, dtype=np.int64)
        t, b = np.nonzero(real)
        k = np.cumsum(real, axis=0)[t, b] - 1  # the step's place among its row's real steps
        self.is_prefix = bool((k == t).all())
        self.steps, self.single = len(real), single
        self._swapped = swapped
        self._given = (t,) if single else (t, b)
        self._front = (k,) if single else (k, b)

    def gather(self, sequence: Array) -> Array:
        """Real steps to the front of each row, zeros after them: what `lengths` describes."""
        return self._moved(sequence, self._given, self._front)

    def scatter(self, sequence: Array) -> Array:
        """The inverse; zeros where the mask is False."""
        return self._moved(sequence, self._front, self._given)

    def _moved(self, sequence: Array, source: tuple[Array, ...], to: tuple[Array, ...]) -> Array:
        """A new array in the layout of the mask; its memory is time-major."""
        by_time = sequence.swapaxes(0, 1) if self._swapped else sequence
        moved = np.zeros(by_time.shape, sequence.dtype)
        moved[to] = by_time[source]
        return moved.swapaxes(0, 1) if self._swapped else moved


def read_mask(
    owner: str, mask: Any, lengths: Any, shape: tuple[int, ...], batch_first: bool
) -> Mask | None:
    """The mask of a call, if there is one; ValueError if there are lengths too."""
    if mask is None:
        return None
    if lengths is not None:
        raise ValueError(f"{owner}: lengths and mask are both given, expected one of them")
    return Mask(owner, mask, shape, batch_first)


def mask_of_lengths(owner: str, lengths: Any, shape: tuple[int, ...], batch_first: bool) -> Array:
    """True where a step is real: (T, B), (B, T) with batch_first, or (T,) for one sequence."""
    single = len(shape) == 1
    B, T = (1, *shape) if single else shape if batch_first else shape[::-1]
    real = np.arange(T) < as_lengths(owner, lengths, B, T)[:, None]
    return real[0] if single else real if batch_first else real.T
