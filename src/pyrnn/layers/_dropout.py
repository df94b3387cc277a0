"""Dropout with masks that depend on a seed and a count, not on threads or layout."""

import math
from collections.abc import Mapping
from typing import Any

from .. import _core
from .._base.checks import (
    Array,
    as_contiguous,
    check_flag,
    check_probability,
    check_shape,
    read_floats,
)
from .._base.draws import Draws, MaskKey
from .._base.layout import turned
from .._base.module import Module, storable
from .._base.pullback import Additions, Pullback
from .._base.runtime import num_threads
from .._base.seeding import generator


@storable
class Dropout(Module):
    """Training: y = x * m / (1 - p), with m = 0 at probability p, else 1. Inference: y = x.

    Srivastava et al. 2014; as torch.nn.Dropout. A call returns x itself; vjp drops.

    The mask comes from Philox (Salmon et al. 2011), keyed by (seed, draw, t, row, unit) for x (N,
    T, F), or (T, N, F) with batch_first=False. A matrix is taken as (T, F), one row; a vector as
    one step of it; axes after the third count as units. `draw` is `rng=` of the vjp, or a counter
    that each vjp advances and a checkpoint keeps. ValueError unless 0 <= p <= 1.

    Examples
    --------
    >>> dropout, x = pyrnn.Dropout(0.5, seed=0), np.ones((1, 2, 4), np.float32)
    >>> dropout(x) is x
    True
    >>> y, pullback = dropout.vjp(x)
    >>> y[0]
    array([[2., 0., 0., 2.],
           [0., 2., 2., 0.]], dtype=float32)
    """

    stepwise = True
    random = True
    training_options = frozenset({"p"})
    keeps_features = True

    def __init__(
        self, p: float = 0.5, *, batch_first: bool | None = None, seed: int | None = None
    ) -> None:
        self.p = check_probability("Dropout", "p", p)
        self.batch_first = batch_first
        self._draws = Draws(int(generator("Dropout", seed).integers(2**63)))

    def __call__(self, x: Any) -> Array:
        """x: nothing is dropped in inference."""
        return read_floats("Dropout", "x", x, None)

    def vjp(
        self, x: Any, *, need_dx: bool = True, rng: int | None = None
    ) -> tuple[Array, Pullback]:
        """y, and a pullback: `dx = pullback(dy)` has the same mask; None if not `need_dx`."""
        need_dx = check_flag("Dropout", "need_dx", need_dx)
        x = read_floats("Dropout", "x", x, None)
        shape, dtype = x.shape, x.dtype
        key = self._draws.key(self, rng)

        def backward(dy: Any) -> tuple[Array | None, Additions]:
            dy = read_floats("Dropout", "dy", dy, dtype)
            check_shape("Dropout", "dy", dy, shape, "the shape of x")
            return (self._drop(dy, key) if need_dx else None), []

        return self._drop(x, key), Pullback(self, backward)

    def step_part(self, batch_size: int) -> None:
        """None: nothing is dropped in inference."""

    def extra_state(self) -> dict[str, Any]:
        """The seed and the count of draws."""
        return self._draws.state()

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Takes back the seed and the count of draws."""
        super().load_extra_state(state)
        self._draws.load(self, state)

    def _drop(self, values: Array, key: MaskKey) -> Array:
        """values * mask / (1 - p), in their own layout."""
        by_time = as_contiguous(turned(values, self.batch_first))
        steps = by_time.reshape(_time_batch_units(by_time.shape))
        dropped = _core.dropout(
            steps, self.p, key.seed, key.draw, 0, num_threads(), first_row=key.first_row
        )
        return turned(dropped.reshape(by_time.shape), self.batch_first)


def _time_batch_units(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(T, B, F) of any shape: (T, F) is one row, (F,) one step, further axes are units."""
    if len(shape) < 3:
        return math.prod(shape[:-1]), 1, math.prod(shape[-1:])
    return shape[0], shape[1], math.prod(shape[2:])
