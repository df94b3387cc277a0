"""LastStep: from all outputs of a recurrent layer to the last one."""

from typing import Any, ClassVar

import numpy as np

from ._checks import Array, as_floats, as_lengths, check_flag, check_shape
from ._module import Additions, Module, Pullback

Place = tuple[slice, Array, Array]  # features, steps (N,), rows (N,)


class LastStep(Module):
    """The final output of each direction: y (B, F) of x (T, B, F), (F,) of x (T, F).

    A row's forward direction ends at its step length - 1 (T - 1 without lengths), its reverse
    direction at step 0. With `bidirectional` the first half of the features is the forward, the
    second the reverse direction, as RNN, LSTM and GRU lay them out; Sequential checks that this
    fits the layer in front. A row without steps gives zeros. `batch_first` takes x (B, T, F).

    `dx = pullback(dy)` puts dy back at those steps, zeros elsewhere. In a stream it passes each
    step on. TypeError or ValueError for what does not fit.
    """

    time_aware: ClassVar[bool] = True

    def __init__(self, *, bidirectional: bool = False, batch_first: bool = False) -> None:
        self.bidirectional = check_flag("LastStep", "bidirectional", bidirectional)
        self.batch_first = check_flag("LastStep", "batch_first", batch_first)

    def __call__(self, x: Any, lengths: Any = None) -> Array:
        """The final outputs."""
        x = self._check(as_floats("LastStep", "x", x, None))
        return self._take(x, self._places(x, lengths))

    def vjp(self, x: Any, lengths: Any = None, *, need_dx: bool = True) -> tuple[Array, Pullback]:
        """y, and a pullback: `dx = pullback(dy)`, None if not `need_dx`."""
        x = self._check(as_floats("LastStep", "x", x, None))
        shape, dtype = x.shape, x.dtype
        places = self._places(x, lengths)
        y = self._take(x, places)
        y_shape = y.shape

        def backward(dy: Any) -> tuple[Array | None, Additions]:
            dy = as_floats("LastStep", "dy", dy, dtype)
            check_shape("LastStep", "dy", dy, y_shape, "the shape of y")
            if not need_dx:
                return None, []
            dy = dy[None] if len(shape) == 2 else dy
            dx = np.zeros(shape, dtype)
            sequence = self._time_first(dx)
            for half, index, rows in places:
                sequence[index, rows, half] = dy[rows, half]
            return dx, []

        return y, Pullback(self, backward)

    def _check(self, x: Array) -> Array:
        """x with two or three axes, and an even number of features for two directions."""
        if x.ndim not in (2, 3):
            layout = "(B, T, F)" if self.batch_first else "(T, B, F)"
            raise ValueError(f"LastStep: x has shape {x.shape}, expected {layout} or (T, F)")
        if self.bidirectional and x.shape[-1] % 2:
            raise ValueError(
                f"LastStep: x has {x.shape[-1]} features, expected an even number: two directions"
            )
        return x

    def _time_first(self, x: Array) -> Array:
        """A view (T, B, F)."""
        if x.ndim == 2:
            return x[:, None]
        return x.swapaxes(0, 1) if self.batch_first else x

    def _take(self, x: Array, places: list[Place]) -> Array:
        """The outputs at those places, zeros in the other rows."""
        sequence = self._time_first(x)
        y = np.zeros(sequence.shape[1:], x.dtype)
        for half, index, rows in places:
            y[rows, half] = sequence[index, rows, half]
        return y[0] if x.ndim == 2 else y

    def _places(self, x: Array, lengths: Any) -> list[Place]:
        """Where each direction ends, for the rows that have steps."""
        T, B, features = self._time_first(x).shape
        ends = np.full(B, T) if lengths is None else as_lengths("LastStep", lengths, B, T)
        rows = np.flatnonzero(ends)
        last = ends[rows] - 1
        if not self.bidirectional:
            return [(slice(features), last, rows)]
        return [
            (slice(features // 2), last, rows),
            (slice(features // 2, features), np.zeros_like(last), rows),
        ]
