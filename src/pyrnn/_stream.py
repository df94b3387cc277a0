"""Streams: inference one step at a time, on a snapshot of the weights."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _core
from ._checks import Array, as_contiguous, as_floats, check_shape, check_size
from ._inputs import Sizes, read_state
from ._runtime import num_threads


class Stream:
    """What a recurrent layer computes, step by step or chunk by chunk, with the same bits.

    Made by `layer.stream(batch_size=1)`: starts from the zero state, and keeps the weights that
    the layer had then. One stream belongs to one thread at a time: a second step during a step is
    a RuntimeError.
    """

    __slots__ = ("_core", "_core_step", "_layer", "_owner", "batch_size")

    def __init__(
        self, layer: Sizes, stack: _core.Stack, packed: _core.Packed, batch_size: int
    ) -> None:
        self._owner = f"{type(layer).__name__}.stream"
        self.batch_size = check_size(self._owner, "batch_size", batch_size)
        self._layer = layer
        self._core = _core.Stream(stack, packed, self.batch_size)
        self._core_step = self._core.step

    def step(self, x_t: Any, out: Array | None = None) -> Array:
        """y (B, H) of one step x_t (B, I); for batch_size 1 also x_t (I,), then y is (H,).

        `out`, a C-contiguous array of y's shape and dtype, receives y and is returned; nothing is
        allocated. TypeError or ValueError for what does not fit; then the state is as it was.
        """
        try:
            return self._core_step(x_t, out)
        except (TypeError, ValueError):
            pass  # not as the core wants it: convert, or say what is wrong
        return self._converted_step(x_t, out)

    def run(self, x: Any) -> Array:
        """y (T, B, H) of a chunk x (T, B, I), or in the layer's batch_first layout.

        For batch_size 1 also x (T, I), then y is (T, H). Chunks may have any length, 0 included.
        """
        layer, owner = self._layer, self._owner
        x = as_floats(owner, "x", x, layer.dtype)
        single = x.ndim == 2 and self.batch_size == 1
        swapped = layer.batch_first and not single
        x = x[:, None] if single else x
        if swapped:
            expected = (self.batch_size, *x.shape[1:2], layer.input_size)
            check_shape(owner, "x", x, expected, "(batch, time, input_size)")
            x = as_contiguous(x.swapaxes(0, 1))
        else:
            expected = (*x.shape[:1], self.batch_size, layer.input_size)
            check_shape(owner, "x", x, expected, "(time, batch, input_size)")
        y = self._core.run(x, num_threads())
        if single:
            return y[:, 0]
        return as_contiguous(y.swapaxes(0, 1)) if swapped else y

    @property
    def state(self) -> Any:
        """The state after the last step: a copy, h (L, B, H), or (h, c) of an LSTM."""
        h, c = self._core.get_state()
        return h if c is None else (h, c)

    @state.setter
    def state(self, state: Any) -> None:
        h, c = read_state(self._layer, state, self.batch_size)
        if h is None:
            self._core.reset()
        else:
            self._core.set_state(h, c)

    def reset(self) -> None:
        """Back to the zero state."""
        self._core.reset()

    def _converted_step(self, x_t: Any, out: Array | None) -> Array:
        """A step whose arrays are checked in words, and copied where the core cannot read them."""
        layer, owner = self._layer, self._owner
        x = as_floats(owner, "x", x_t, layer.dtype)
        single = x.ndim == 1 and self.batch_size == 1
        x = x[None] if single else x
        check_shape(owner, "x", x, (self.batch_size, layer.input_size), "(batch, input_size)")
        y_shape = (layer.output_size,) if single else (self.batch_size, layer.output_size)
        if out is not None:
            check_out(owner, out, y_shape, layer.dtype)
        y = self._core_step(x)
        return deliver(y[0] if single else y, out)


class SequentialStream:
    """What a Sequential computes, step by step; made by `model.stream(batch_size=1)`.

    Recurrent layers carry their state. Other modules work on each step by itself, as copies with
    the weights of that time. Dropout and LastStep pass on what they get: a step's y is the output
    of the sequence that ended there.
    """

    def __init__(self, parts: Sequence[Any], batch_size: int, batch_first: bool) -> None:
        self.batch_size = batch_size
        self._batch_first = batch_first
        self._streams = [p for p in parts if isinstance(p, Stream | SequentialStream)]
        stateful = [isinstance(p, Stream | SequentialStream) for p in parts]
        both = list(zip(parts, stateful, strict=True))
        self._steps: list[Callable[[Any], Any]] = [p.step if s else p for p, s in both]
        self._runs: list[Callable[[Any], Any]] = [p.run if s else p for p, s in both]

    def step(self, x_t: Any, out: Array | None = None) -> Array:
        """y (B, F) of x_t (B, I), or of integer x_t (B,) in front of an Embedding.

        For batch_size 1 the batch axis may be left out; then y has none. `out` as in Stream.
        """
        x, single = self._with_batch(x_t, steps=0, axis=0)
        for step in self._steps:
            x = step(x)
        y: Array = x[0] if single else x
        if out is not None:
            check_out("Sequential.stream", out, y.shape, y.dtype)
        return deliver(y, out)

    def run(self, x: Any) -> Array:
        """y (T, B, F) of a chunk x (T, B, I) or (T, B) of ids; batch first if the model is."""
        axis = 0 if self._batch_first else 1
        x, single = self._with_batch(x, steps=1, axis=axis)
        for run in self._runs:
            x = run(x)
        y: Array = x
        return y.squeeze(axis) if single else y

    @property
    def state(self) -> tuple[Any, ...]:
        """A tuple with the state of every recurrent layer, copies."""
        states: list[Any] = []
        for stream in self._streams:
            states += stream.state if isinstance(stream, SequentialStream) else [stream.state]
        return tuple(states)

    @state.setter
    def state(self, state: Any) -> None:
        count = len(self.state)
        rest = [None] * count if state is None else state
        if not isinstance(rest, tuple | list) or len(rest) != count:
            raise ValueError(f"Sequential.stream: state is {state!r}, expected a tuple of {count}")
        rest = list(rest)
        for stream in self._streams:
            if isinstance(stream, SequentialStream):
                n = len(stream.state)
                stream.state, rest = tuple(rest[:n]), rest[n:]
            else:
                stream.state = rest.pop(0)

    def reset(self) -> None:
        """Every recurrent layer back to the zero state."""
        for stream in self._streams:
            stream.reset()

    def _with_batch(self, x: Any, steps: int, axis: int) -> tuple[Any, bool]:
        """x with its batch axis, and whether it had none; integers have no feature axis."""
        array = np.asarray(x)
        features = 0 if array.dtype.kind in "iu" else 1
        if self.batch_size != 1 or array.ndim != steps + features:
            return x, False
        if isinstance(x, np.ndarray):
            return np.expand_dims(x, axis), True
        return ([x] if axis == 0 else [[row] for row in x]), True


def check_out(owner: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """An array that can receive y."""
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        came = (
            f"has dtype {out.dtype}" if isinstance(out, np.ndarray) else f"is {type(out).__name__}"
        )
        raise TypeError(f"{owner}: out {came}, expected an array of {dtype}")
    check_shape(owner, "out", out, shape, "the shape of y")
    if not (out.flags.writeable and out.flags.c_contiguous and out.flags.aligned):
        came = "misaligned or not contiguous" if out.flags.writeable else "read-only"
        raise ValueError(f"{owner}: out is {came}, expected an array that the core can write")


def deliver(y: Array, out: Array | None) -> Array:
    """y itself, or out with y in it."""
    if out is None:
        return y
    out[...] = y
    return out
