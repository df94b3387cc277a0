"""LastStep: from all outputs of a recurrent layer to the last one."""

from typing import Any

import numpy as np

from .._base.checks import Array, check_flag
from .._base.module import storable
from ._over_time import Back, OverTime


@storable
class LastStep(OverTime):
    """The final output of each direction: y (B, F) of x (T, B, F), (F,) of x (T, F).

    A row's forward direction ends at its step length - 1 (T - 1 without lengths), its reverse
    direction at step 0. With `bidirectional` the first half of the features is the forward, the
    second the reverse direction, as RNN, LSTM and GRU lay them out; Sequential checks that this
    fits the layer in front, whose merge has to be "concat". A row without steps gives zeros.
    `batch_first` takes x (B, T, F).

    `dx = pullback(dy)` puts dy back at those steps, zeros elsewhere. In a stream it passes each
    step on. TypeError or ValueError for what does not fit.
    """

    def __init__(self, *, bidirectional: bool = False, batch_first: bool = False) -> None:
        super().__init__(batch_first=batch_first)
        self.bidirectional = check_flag("LastStep", "bidirectional", bidirectional)

    def check_front(self, owner: str, layer: Any) -> None:
        """ValueError if this does not fit the recurrent layer in front."""
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

    def step_part(self, batch_size: int) -> None:
        """None: a step of a stream is the last one so far."""

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        shape, features, rows = x.shape, x.shape[2], np.flatnonzero(ends)
        if self.bidirectional and features % 2:
            raise ValueError(
                f"LastStep: x has {features} features, expected an even number: two directions"
            )
        forward = features // 2 if self.bidirectional else features
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


def _time_first(x: Array, batch_first: bool) -> Array:
    """A view (T, B, F)."""
    return x.swapaxes(0, 1) if batch_first else x
