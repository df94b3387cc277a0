"""One vector of a sequence: OverTime, the base, LastStep and the pools."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import _core
from .._base.checks import Array, as_floats, as_lengths, check_flag, check_shape, read_floats
from .._base.front import Front
from .._base.layout import steps_as_given, steps_first, stored, turned
from .._base.mask import read_mask
from .._base.module import Module, storable
from .._base.pullback import Additions, Pullback
from .._base.runtime import num_threads
from ._options import check_direction

Back = Callable[[Array], Array]  # dy (B, F) -> dx in x's layout


class OverTime(Module):
    """y (N, F) of x (N, T, F), or (T, N, F) with batch_first=False; (F,) of x (T, F).

    `lengths` (N,) or `mask`, bools (N, T) in x's layout, True = real, say which steps a row has: it
    is as if there were no others, which are never read. A row without steps gives zeros. A
    subclass writes `take`.
    """

    time_aware: ClassVar[bool] = True
    drops_time = True

    def __init__(self, *, batch_first: bool | None = None) -> None:
        self.batch_first = batch_first

    def __call__(self, x: Any, lengths: Any = None, mask: Any = None) -> Array:
        """One vector for each row."""
        return self._run(self._check(x), lengths, mask)[0]

    def vjp(
        self, x: Any, lengths: Any = None, mask: Any = None, *, need_dx: bool = True
    ) -> tuple[Array, Pullback]:
        """y, and a pullback: `dx = pullback(dy)`, None if not `need_dx`."""
        owner, x = type(self).__name__, self._check(x)
        need_dx = check_flag(owner, "need_dx", need_dx)
        unbatched, dtype = x.ndim == 2, x.dtype
        y, back = self._run(x, lengths, mask)
        y_shape = y.shape

        def backward(dy: Any) -> tuple[Array | None, Additions]:
            dy = as_floats(owner, "dy", dy, dtype)
            check_shape(owner, "dy", dy, y_shape, "the shape of y")
            if not need_dx:
                return None, []
            return back(dy[None] if unbatched else dy), []

        return y, Pullback(self, backward)

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        """y (B, F) of x (T, B, F), or (B, T, F), whose rows have `ends` (B,) steps; and dx of dy,
        in x's layout."""
        raise NotImplementedError

    def _check(self, x: Any) -> Array:
        """x as floats, with two or three axes."""
        owner = type(self).__name__
        array = read_floats(owner, "x", x, None)
        if array.ndim not in (2, 3):
            layout = "(N, T, F)" if self.batch_first else "(T, N, F)"
            raise ValueError(f"{owner}: x has shape {array.shape}, expected {layout} or (T, F)")
        return array

    def _run(self, x: Array, lengths: Any, mask: Any) -> tuple[Array, Back]:
        """y, and the way back to x's layout; both work on memory as it is."""
        unbatched, batch_first = x.ndim == 2, self.batch_first
        moved = read_mask(type(self).__name__, mask, lengths, x.shape[:-1], batch_first)
        if moved:
            x, lengths = moved.gather(x), moved.lengths
        x = steps_first(x, batch_first, unbatched)
        T, B = x.shape[:2]
        known = lengths is not None
        ends = as_lengths(type(self).__name__, lengths, B, T) if known else np.full(B, T)
        x, by_row = stored(x)
        y, back = self.take(x, ends, by_row)

        def to_caller(dy: Array) -> Array:
            dx = steps_as_given(turned(back(dy), by_row), batch_first, unbatched)
            return moved.scatter(dx) if moved else dx

        return (y[0] if unbatched else y), to_caller


@storable
class LastStep(OverTime):
    """The final output of each direction: y (N, F) of x (N, T, F), (F,) of x (T, F).

    A row's forward direction ends at its step length - 1 (T - 1 without lengths), its reverse
    direction at step 0; under `mask`, at its last and its first real step. With `bidirectional` the
    first half of the features is the forward, the second the reverse direction, as RNN, LSTM and
    GRU lay them out; Sequential checks that this fits the layer in front, whose merge has to be
    "concat". `direction="reverse"` takes all features at step 0, as such a layer ends there. A row
    without steps gives zeros. `batch_first=False` takes x (T, N, F).

    `dx = pullback(dy)` puts dy back at those steps, zeros elsewhere. In a stream it passes each
    step on. TypeError or ValueError for what does not fit.

    Examples
    --------
    >>> x = np.arange(6, dtype=np.float32).reshape(2, 3, 1)  # two rows: 0, 1, 2 and 3, 4, 5
    >>> pyrnn.LastStep()(x, lengths=[3, 1])
    array([[2.],
           [3.]], dtype=float32)
    """

    direction = "forward"  # of what was pickled before there was another

    def __init__(
        self,
        *,
        bidirectional: bool = False,
        direction: str = "forward",
        batch_first: bool | None = None,
    ) -> None:
        super().__init__(batch_first=batch_first)
        self.bidirectional = check_flag("LastStep", "bidirectional", bidirectional)
        self.direction = check_direction("LastStep", direction, self.bidirectional)

    def check_front(self, owner: str, front: Front) -> None:
        """ValueError if this does not fit the recurrent layers in front."""
        for layer in front.layers:
            self._check_layer(owner, layer)
        if self.bidirectional and front.layers and front.joined:
            raise ValueError(
                f"{owner} cannot tell the directions in front apart, as a Concat puts other "
                "features beside them: put a LastStep into each part of the Concat"
            )

    def _check_layer(self, owner: str, layer: Any) -> None:
        """ValueError if this does not fit one of them."""
        name, both = type(layer).__name__, getattr(layer, "bidirectional", self.bidirectional)
        if getattr(layer, "merge", "concat") != "concat":
            raise ValueError(
                f"{owner} cannot tell the directions of the {name} in front apart: "
                f"merge={layer.merge!r}, expected 'concat'; its state holds both final outputs"
            )
        if self.bidirectional != both:
            raise ValueError(
                f"{owner} has bidirectional={self.bidirectional}, "
                f"expected {both} as the {name} in front"
            )
        if (way := getattr(layer, "direction", self.direction)) != self.direction:
            raise ValueError(
                f"{owner} has direction={self.direction!r}, expected {way!r} as the {name} in front"
            )

    def step_part(self, batch_size: int) -> None:
        """None: a step of a stream is the last one so far."""

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        shape, features, rows = x.shape, x.shape[2], np.flatnonzero(ends)
        if self.bidirectional and features % 2:
            raise ValueError(
                f"LastStep: x has {features} features, expected an even number: two directions"
            )
        forward = features // 2 if self.bidirectional else features
        forward = 0 if self.direction == "reverse" else forward
        last = ends[rows] - 1
        places = [(slice(forward), last), (slice(forward, features), np.zeros_like(last))]
        y = np.zeros((len(ends), features), x.dtype)
        for half, steps in places:
            y[rows, half] = _time_first(x, batch_first)[steps, rows, half]

        def back(dy: Array) -> Array:
            dx = np.zeros(shape, dy.dtype)
            for half, steps in places:
                _time_first(dx, batch_first)[steps, rows, half] = dy[rows, half]
            return dx

        return y, back


@storable
class SumPool(OverTime):
    """y = sum over a row's steps, added in their order: (N, F) of x (N, T, F), (F,) of x (T, F).

    `y = pool(x, lengths=None, mask=None)`, `y, pullback = pool.vjp(x, lengths, mask)`;
    `dx = pullback(dy)` is dy at every real step. `batch_first=False` takes x (T, N, F). Steps after
    `lengths`, or where `mask` (N, T) is False, are never read; a row without steps gives zeros.
    TypeError or ValueError for what does not fit.

    Examples
    --------
    >>> x = np.arange(6, dtype=np.float32).reshape(2, 3, 1)  # two rows: 0, 1, 2 and 3, 4, 5
    >>> pyrnn.SumPool()(x, lengths=[3, 2])
    array([[3.],
           [7.]], dtype=float32)
    """

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        steps = x.shape[1 if batch_first else 0]

        def back(dy: Array) -> Array:
            return _core.time_spread(dy, ends, steps, batch_first, num_threads())

        return _core.time_sum(x, ends, batch_first, num_threads()), back


@storable
class MeanPool(SumPool):
    """y = (sum over a row's steps) / (their number): (N, F) of x (N, T, F), (F,) of x (T, F).

    As SumPool, with dx = dy / (number of steps).

    Examples
    --------
    >>> x = np.arange(6, dtype=np.float32).reshape(2, 3, 1)  # two rows: 0, 1, 2 and 3, 4, 5
    >>> pyrnn.MeanPool()(x, lengths=[3, 2])
    array([[1. ],
           [3.5]], dtype=float32)
    """

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        counts = np.maximum(ends, 1)[:, None].astype(x.dtype)
        y, sum_back = super().take(x, ends, batch_first)
        return y / counts, lambda dy: sum_back(dy / counts)


@storable
class MaxPool(OverTime):
    """y = the largest of a row's steps, for each feature: (N, F) of x (N, T, F), (F,) of x (T, F).

    As SumPool, with dx = dy at the first step that has the largest value, else 0. NaN counts as the
    largest.

    Examples
    --------
    >>> x = np.arange(6, dtype=np.float32).reshape(2, 3, 1)  # two rows: 0, 1, 2 and 3, 4, 5
    >>> pyrnn.MaxPool()(x, lengths=[3, 2])
    array([[2.],
           [4.]], dtype=float32)
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


def _time_first(x: Array, batch_first: bool) -> Array:
    """A view (T, B, F)."""
    return x.swapaxes(0, 1) if batch_first else x
