"""SumPool, MeanPool and MaxPool: a whole sequence as one vector."""

import numpy as np

from ._checks import Array
from ._over_time import OverTime, PutBack


class SumPool(OverTime):
    """y = sum over a row's steps, added in their order: (B, F) of x (T, B, F), (F,) of x (T, F).

    `y = pool(x, lengths=None)`, `y, pullback = pool.vjp(x, lengths)`; `dx = pullback(dy)` is dy at
    every real step. `batch_first` takes x (B, T, F). Steps behind `lengths` are never looked at; a
    row without steps gives zeros. TypeError or ValueError for what does not fit.
    """

    def take(self, sequence: Array, ends: Array) -> tuple[Array, PutBack]:
        rows = np.flatnonzero(ends)
        y = np.zeros(sequence.shape[1:], sequence.dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # padding may be anything
            sums = np.cumsum(sequence, axis=0)  # in order, whatever the layout; np.sum is not
        y[rows] = sums[ends[rows] - 1, rows]
        real = _real(sequence, ends)

        def put_back(dx: Array, dy: Array) -> None:
            np.copyto(dx, dy, where=real)

        return y, put_back


class MeanPool(SumPool):
    """y = (sum over a row's steps) / (their number): (B, F) of x (T, B, F), (F,) of x (T, F).

    As SumPool, with dx = dy / (number of steps).
    """

    def take(self, sequence: Array, ends: Array) -> tuple[Array, PutBack]:
        counts = np.maximum(ends, 1)[:, None].astype(sequence.dtype)
        y, put_sum_back = super().take(sequence, ends)
        return y / counts, lambda dx, dy: put_sum_back(dx, dy / counts)


class MaxPool(OverTime):
    """y = the largest of a row's steps, for each feature: (B, F) of x (T, B, F), (F,) of x (T, F).

    As SumPool, with dx = dy at the first step that has the largest value, else 0. NaN counts as the
    largest.
    """

    def take(self, sequence: Array, ends: Array) -> tuple[Array, PutBack]:
        some = ends[:, None] > 0
        if not some.any():
            return np.zeros(sequence.shape[1:], sequence.dtype), lambda dx, dy: None
        seen = np.where(_real(sequence, ends), sequence, sequence.dtype.type(-np.inf))
        where = seen.argmax(axis=0)[None]
        y = np.take_along_axis(seen, where, axis=0)[0]

        def put_back(dx: Array, dy: Array) -> None:
            np.put_along_axis(dx, where, np.where(some, dy, dy.dtype.type(0))[None], axis=0)

        return np.where(some, y, y.dtype.type(0)), put_back


def _real(sequence: Array, ends: Array) -> Array:
    """(T, B, 1): whether a row has this step."""
    return (np.arange(len(sequence))[:, None] < ends)[..., None]
