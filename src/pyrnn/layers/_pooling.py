"""SumPool, MeanPool and MaxPool: a whole sequence as one vector."""

import numpy as np

from .. import _core
from .._base.checks import Array
from .._base.module import storable
from .._base.runtime import num_threads
from ._over_time import Back, OverTime


@storable
class SumPool(OverTime):
    """y = sum over a row's steps, added in their order: (B, F) of x (T, B, F), (F,) of x (T, F).

    `y = pool(x, lengths=None)`, `y, pullback = pool.vjp(x, lengths)`; `dx = pullback(dy)` is dy at
    every real step. `batch_first` takes x (B, T, F). Steps behind `lengths` are never looked at; a
    row without steps gives zeros. TypeError or ValueError for what does not fit.
    """

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        steps = x.shape[1 if batch_first else 0]

        def back(dy: Array) -> Array:
            return _core.time_spread(dy, ends, steps, batch_first, num_threads())

        return _core.time_sum(x, ends, batch_first, num_threads()), back


@storable
class MeanPool(SumPool):
    """y = (sum over a row's steps) / (their number): (B, F) of x (T, B, F), (F,) of x (T, F).

    As SumPool, with dx = dy / (number of steps).
    """

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        counts = np.maximum(ends, 1)[:, None].astype(x.dtype)
        y, sum_back = super().take(x, ends, batch_first)
        return y / counts, lambda dy: sum_back(dy / counts)


@storable
class MaxPool(OverTime):
    """y = the largest of a row's steps, for each feature: (B, F) of x (T, B, F), (F,) of x (T, F).

    As SumPool, with dx = dy at the first step that has the largest value, else 0. NaN counts as the
    largest.
    """

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        y, steps = _core.time_max(x, ends, batch_first, num_threads())
        time, shape, some = int(batch_first), x.shape, ends[:, None] > 0

        def back(dy: Array) -> Array:
            dx = np.zeros(shape, dy.dtype)
            if dx.size:
                sent = np.expand_dims(np.where(some, dy, dy.dtype.type(0)), time)
                np.put_along_axis(dx, np.expand_dims(steps, time), sent, axis=time)
            return dx

        return y, back
