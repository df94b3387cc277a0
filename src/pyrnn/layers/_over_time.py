"""OverTime: the base of what makes one vector of a sequence."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .._base.checks import Array, as_floats, as_lengths, check_flag, check_shape
from .._base.module import Additions, Module, Pullback

Back = Callable[[Array], Array]  # dy (B, F) -> dx in x's layout


class OverTime(Module):
    """y (B, F) of x (T, B, F), (F,) of x (T, F); `batch_first` takes x (B, T, F).

    A row of `lengths` steps is as if it had no others: what stands behind them is never looked at.
    A row without steps gives zeros. A subclass writes `take`.
    """

    time_aware: ClassVar[bool] = True
    drops_time = True

    def __init__(self, *, batch_first: bool = False) -> None:
        self.batch_first = check_flag(type(self).__name__, "batch_first", batch_first)

    def __call__(self, x: Any, lengths: Any = None) -> Array:
        """One vector for each row."""
        return self._run(self._check(x), lengths)[0]

    def vjp(self, x: Any, lengths: Any = None, *, need_dx: bool = True) -> tuple[Array, Pullback]:
        """y, and a pullback: `dx = pullback(dy)`, None if not `need_dx`."""
        owner, x = type(self).__name__, self._check(x)
        shape, dtype = x.shape, x.dtype
        y, back = self._run(x, lengths)
        y_shape = y.shape

        def backward(dy: Any) -> tuple[Array | None, Additions]:
            dy = as_floats(owner, "dy", dy, dtype)
            check_shape(owner, "dy", dy, y_shape, "the shape of y")
            if not need_dx:
                return None, []
            return back(dy[None] if len(shape) == 2 else dy).reshape(shape), []

        return y, Pullback(self, backward)

    def take(self, x: Array, ends: Array, batch_first: bool) -> tuple[Array, Back]:
        """y (B, F) of x (T, B, F), or (B, T, F), whose rows have `ends` (B,) steps; and the way
        back."""
        raise NotImplementedError

    def _check(self, x: Any) -> Array:
        """x as floats, with two or three axes."""
        owner = type(self).__name__
        array = as_floats(owner, "x", x, None)
        if array.ndim not in (2, 3):
            layout = "(B, T, F)" if self.batch_first else "(T, B, F)"
            raise ValueError(f"{owner}: x has shape {array.shape}, expected {layout} or (T, F)")
        return array

    def _run(self, x: Array, lengths: Any) -> tuple[Array, Back]:
        """y in x's layout, and the way back."""
        unbatched = x.ndim == 2
        batch_first = self.batch_first and not unbatched
        x = x[:, None] if unbatched else x
        B, T = x.shape[:2] if batch_first else x.shape[1::-1]
        known = lengths is not None
        ends = as_lengths(type(self).__name__, lengths, B, T) if known else np.full(B, T)
        y, back = self.take(x, ends, batch_first)
        return (y[0] if unbatched else y), back
