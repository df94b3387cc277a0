"""Streams: inference one step at a time, on a snapshot of the weights."""

from typing import Any

import numpy as np

from .. import _core
from .._base.checks import (
    Array,
    as_floats,
    check_shape,
    check_size,
    describe,
    read_floats,
)
from .._base.inputs import Sizes, read_state
from .._base.layout import steps_as_given, turned, with_whole_rows
from .._base.mask import read_flags, read_resets
from .._base.runtime import num_threads
from .._base.settings import Settings
from .._base.steps import CoreStep


class Stream(_core.Stream, Settings):
    """What a recurrent layer computes, step by step or chunk by chunk, with the same bits.

    Made by `layer.stream(batch_size=1)`: starts from the zero state, and keeps the weights that
    the layer had then. Long steps (at batch_size 1 of 500,000 weights and more, or of 250,000 where
    they outgrow a core's second-level cache) are shared among as many threads as were set then. One
    stream belongs to one thread at a time: a second call during a call is a RuntimeError. `step` is
    one C call, which leaves to `_checked_step` what it cannot read.

    Examples
    --------
    >>> gru, x = pyrnn.GRU(3, 4, seed=0), np.ones((1, 5, 3), np.float32)
    >>> stream = gru.stream()
    >>> y = [stream.step(x_t) for x_t in x[0]]  # step by step
    >>> np.array_equal(y, gru(x)[0][0]), np.array_equal(stream.state, gru(x)[1])
    (True, True)
    """

    __slots__ = ("_batch_size", "_layer", "_owner")
    rows_apart = True  # each can be idle or begin again by itself

    def __init__(
        self, layer: Sizes, stack: _core.Stack, packed: _core.Packed, batch_size: int
    ) -> None:
        self._owner = f"{type(layer).__name__}.stream"
        self._batch_size = check_size(self._owner, "batch_size", batch_size)
        self._layer = layer
        super().__init__(stack, packed, self.batch_size, num_threads())

    @property
    def batch_size(self) -> int:
        """The number of rows of a step."""
        return self._batch_size

    def _options(self) -> dict[str, Any]:
        return {"layer": self._layer, "batch_size": self._batch_size}

    def run(self, x: Any, resets: Any = None) -> Array:
        """y (N, T, H) of a chunk x (N, T, I), or (T, N, ...) if the layer has batch_first=False.

        For batch_size 1 also x (T, I), then y is (T, H). Chunks may have any length, 0 included.
        `resets`, bool as x without its last axis: before which steps the state becomes zero.
        """
        layer, owner = self._layer, self._owner
        x = read_floats(owner, "x", x, layer.dtype)
        single = x.ndim == 2 and self.batch_size == 1
        batch_first = layer.batch_first and not single
        shape = x.shape[:-1]
        x = x[:, None] if single else x
        if batch_first:
            expected = (self.batch_size, *x.shape[1:2], layer.input_size)
            check_shape(owner, "x", x, expected, "(batch, time, input_size)")
        else:
            expected = (*x.shape[:1], self.batch_size, layer.input_size)
            check_shape(owner, "x", x, expected, "(time, batch, input_size)")
        before = read_resets(owner, resets, shape, batch_first)
        y = self._run(with_whole_rows(turned(x, batch_first)), before, num_threads())
        return steps_as_given(y, batch_first, single)

    @property
    def state(self) -> Any:
        """The state after the last step: a copy, h (L, N, H), or (h, c) of an LSTM."""
        h, c = self._get_state()
        return h if c is None else (h, c)

    @state.setter
    def state(self, state: Any) -> None:
        h, c = read_state(self._layer, state, self.batch_size)
        if h is None:
            self.reset()
        else:
            self._set_state(h, c)

    @property
    def states(self) -> tuple[Any, ...]:
        """A tuple with the state alone, as a Sequential joins them."""
        return (self.state,)

    @states.setter
    def states(self, states: tuple[Any, ...]) -> None:
        (self.state,) = states

    def core_steps(self) -> list[CoreStep] | None:
        """This stream as a part of a model's; None of a subclass, which may step otherwise."""
        if type(self) is not Stream:
            return None
        layer = self._layer
        return [CoreStep("recurrent", (self,), layer.input_size, layer.output_size, layer.dtype)]

    def _checked_step(self, x_t: Any, out: Array | None, resets: Any, active: Any) -> Array:
        """A step whose arrays are checked in words, and copied where the core cannot read them."""
        layer, owner = self._layer, self._owner
        x = as_floats(owner, "x", x_t, layer.dtype)
        single = x.ndim == 1 and self.batch_size == 1
        x = x[None] if single else x
        meaning = f"(batch, input_size) of stream(batch_size={self.batch_size})"
        check_shape(owner, "x", x, (self.batch_size, layer.input_size), meaning)
        y_shape = (layer.output_size,) if single else (self.batch_size, layer.output_size)
        if out is not None:
            check_out(owner, out, y_shape, layer.dtype)
        flags = [
            None if given is None else read_step_flags(owner, name, given, self.batch_size, single)
            for name, given in (("resets", resets), ("active", active))
        ]
        y = super()._checked_step(x, None, *flags)
        return deliver(y[0] if single else y, out)


def read_step_flags(owner: str, name: str, value: Any, batch_size: int, single: bool) -> Array:
    """(batch,) of what a step is given: of a single row one bool, of Python or numpy."""
    if isinstance(value, bool | np.bool_):
        value = np.array(value)
    if single:
        return read_flags(owner, name, value, (), "one bool")[None]
    return read_flags(owner, name, value, (batch_size,), "(batch,)")


def check_out(owner: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """An array that can receive y."""
    check_writeable(owner, out)
    if out.dtype != dtype:
        raise TypeError(f"{owner}: out has dtype {out.dtype}, expected {dtype}")
    check_shape(owner, "out", out, shape, "the shape of y")


def check_writeable(owner: str, out: Any) -> None:
    """An array that can receive something."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{owner}: out is {describe(out)}, expected an array")
    if not (out.flags.writeable and out.flags.c_contiguous and out.flags.aligned):
        came = "misaligned or not contiguous" if out.flags.writeable else "read-only"
        raise ValueError(f"{owner}: out is {came}, expected an array that the core can write")


def deliver(y: Array, out: Array | None) -> Array:
    """y itself, or out with y in it."""
    if out is None:
        return y
    out[...] = y
    return out
