"""LastStep: from all outputs of a recurrent layer to the last one."""

import numpy as np

from ._checks import Array, check_flag
from ._over_time import OverTime, PutBack


class LastStep(OverTime):
    """The final output of each direction: y (B, F) of x (T, B, F), (F,) of x (T, F).

    A row's forward direction ends at its step length - 1 (T - 1 without lengths), its reverse
    direction at step 0. With `bidirectional` the first half of the features is the forward, the
    second the reverse direction, as RNN, LSTM and GRU lay them out; Sequential checks that this
    fits the layer in front. A row without steps gives zeros. `batch_first` takes x (B, T, F).

    `dx = pullback(dy)` puts dy back at those steps, zeros elsewhere. In a stream it passes each
    step on. TypeError or ValueError for what does not fit.
    """

    def __init__(self, *, bidirectional: bool = False, batch_first: bool = False) -> None:
        super().__init__(batch_first=batch_first)
        self.bidirectional = check_flag("LastStep", "bidirectional", bidirectional)

    def take(self, sequence: Array, ends: Array) -> tuple[Array, PutBack]:
        features, rows = sequence.shape[2], np.flatnonzero(ends)
        if self.bidirectional and features % 2:
            raise ValueError(
                f"LastStep: x has {features} features, expected an even number: two directions"
            )
        forward = features // 2 if self.bidirectional else features
        last = ends[rows] - 1
        places = [(slice(forward), last), (slice(forward, features), np.zeros_like(last))]
        y = np.zeros(sequence.shape[1:], sequence.dtype)
        for half, steps in places:
            y[rows, half] = sequence[steps, rows, half]

        def put_back(dx: Array, dy: Array) -> None:
            for half, steps in places:
                dx[steps, rows, half] = dy[rows, half]

        return y, put_back
