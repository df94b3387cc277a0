"""Samples, checked once and cut into batches in the layout that a model takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._checks import Array, as_contiguous, as_integers, as_lengths


@dataclass(frozen=True)
class Layout:
    """What the model and the loss take."""

    dtype: np.dtype[Any]
    batch_first: bool
    integer_x: bool
    integer_target: bool


@dataclass(frozen=True)
class Batch:
    """Samples in the model's layout, the padding of x zeroed; `steps` counts real time steps."""

    x: Array
    target: Array | None
    lengths: Array | None
    steps: int


class Samples:
    """x (N, ...), perhaps with target (N, ...) and lengths (N,): arrays with the sample first.

    Each sample of x has a time axis, (T,) of ids or (T, F) of numbers, or none, (F,). x is cast
    batch by batch, so a memory-mapped array is never read whole.
    """

    def __init__(self, name: str, x: Any, target: Any, lengths: Any, layout: Layout) -> None:
        self.layout = layout
        self.x = _samples(f"{name} x", x)
        N = len(self.x)
        ids = layout.integer_x and self.x.dtype.kind in "iu"
        self._x_dtype = np.dtype(np.int64) if ids else layout.dtype
        self.has_time = self.x.ndim >= (2 if ids else 3)
        self.target = None if target is None else self._as_target(f"{name} target", target)
        if self.target is not None and len(self.target) != N:
            raise ValueError(
                f"Trainer: {name} target has shape {self.target.shape}, expected ({N}, ...), "
                "one for each sample of x"
            )
        if lengths is not None and not self.has_time:
            raise ValueError(
                f"Trainer: {name} has lengths, but x of shape {self.x.shape} has no time axis"
            )
        self.lengths = (
            None if lengths is None else as_lengths(f"Trainer: {name}", lengths, N, self.x.shape[1])
        )

    def __len__(self) -> int:
        """N, the number of samples."""
        return len(self.x)

    def batches(self, batch_size: int, order: Array | None = None) -> Iterator[Batch]:
        """All samples, in `order` (a permutation) if given; the last batch may be smaller."""
        for start in range(0, len(self), batch_size):
            stop = min(start + batch_size, len(self))
            yield self.batch(slice(start, stop) if order is None else order[start:stop])

    def batch(self, rows: slice | Array) -> Batch:
        """Some samples as one batch."""
        x = np.array(self.x[rows], self._x_dtype)
        lengths = None if self.lengths is None else as_contiguous(self.lengths[rows])
        if lengths is not None:
            x[np.arange(x.shape[1]) >= lengths[:, None]] = 0
            steps = int(lengths.sum())
        else:
            steps = len(x) * (x.shape[1] if self.has_time else 1)
        target = None if self.target is None else self.target[rows]
        return Batch(self.to_layout(x), target, lengths, steps)

    def to_layout(self, array: Array) -> Array:
        """(B, T, ...) as the model's layout has it, or back; unchanged if x has no time axis."""
        if self.has_time and not self.layout.batch_first:
            return as_contiguous(array.swapaxes(0, 1))
        return as_contiguous(array)

    def _as_target(self, name: str, value: Any) -> Array:
        """Class numbers as int64, everything else in the model's dtype."""
        if self.layout.integer_target:
            return as_integers("Trainer", name, value)
        return _samples(name, value).astype(self.layout.dtype, copy=False)


def _samples(name: str, value: Any) -> Array:
    """An array of numbers with at least one sample."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"Trainer: {name} has dtype {array.dtype}, expected real numbers")
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"Trainer: {name} has shape {array.shape}, expected (N, ...) with N >= 1")
    return array
