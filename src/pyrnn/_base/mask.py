"""Masks of any pattern: each row's real steps moved to its front, and back; where rows reset."""

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
        real = read_steps(owner, "mask", mask, shape, batch_first)
        single = len(shape) == 1
        self.lengths: Array = real.sum(axis=0, dtype=np.int64)
        t, b = np.nonzero(real)
        k = np.cumsum(real, axis=0)[t, b] - 1  # the step's place among its row's real steps
        self.is_prefix = bool((k == t).all())
        self.steps, self.single = len(real), single
        self._real = real
        self._swapped = batch_first and not single
        self._given = (t,) if single else (t, b)
        self._front = (k,) if single else (k, b)

    def gather(self, sequence: Array) -> Array:
        """Real steps to the front of each row, zeros after them: what `lengths` describes."""
        return self._moved(sequence, self._given, self._front)

    def scatter(self, sequence: Array) -> Array:
        """The inverse; zeros where the mask is False."""
        return self._moved(sequence, self._front, self._given)

    def gather_resets(self, resets: Array) -> Array:
        """Resets (T, B), each moved to the next real step of its row, for gathered sequences."""
        t, b = np.nonzero(resets)
        k = (np.cumsum(self._real, axis=0) - self._real)[t, b]  # real steps before it
        before_a_step = k < self.lengths[b]
        moved = np.zeros_like(resets)
        moved[k[before_a_step], b[before_a_step]] = True
        return moved

    def _moved(self, sequence: Array, source: tuple[Array, ...], to: tuple[Array, ...]) -> Array:
        """A new array in the layout of the mask; its memory is time-major."""
        by_time = sequence.swapaxes(0, 1) if self._swapped else sequence
        moved = np.zeros(by_time.shape, sequence.dtype)
        moved[to] = by_time[source]
        return moved.swapaxes(0, 1) if self._swapped else moved


def read_flags(owner: str, name: str, value: Any, shape: tuple[int, ...], meaning: str) -> Array:
    """A copy of bools of that shape: another thread may write the caller's."""
    array = as_plain_array(owner, name, value, "of bools")
    if array.dtype != np.bool_:
        raise TypeError(f"{owner}: {name} has dtype {array.dtype}, expected bool")
    check_shape(owner, name, array, shape, meaning)
    return np.array(array)


def read_steps(
    owner: str, name: str, value: Any, shape: tuple[int, ...], batch_first: bool
) -> Array:
    """One bool per step, (T, B), of an array in the caller's layout."""
    single = len(shape) == 1
    meaning = "(time,)" if single else "(batch, time)" if batch_first else "(time, batch)"
    array = read_flags(owner, name, value, shape, meaning)
    return array[:, None] if single else array.T if batch_first else array


def read_resets(
    owner: str,
    resets: Any,
    shape: tuple[int, ...],
    batch_first: bool,
    mask: Mask | None = None,
) -> Array | None:
    """Resets (T, B), C-contiguous, of the steps that the mask has gathered, or None."""
    if resets is None:
        return None
    before = read_steps(owner, "resets", resets, shape, batch_first)
    return np.ascontiguousarray(mask.gather_resets(before) if mask else before)


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
