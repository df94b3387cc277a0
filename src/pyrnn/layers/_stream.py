"""Streams: inference one step at a time, on a snapshot of the weights."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._base.checks import (
    Array,
    as_floats,
    as_plain_array,
    check_shape,
    check_size,
    describe,
    read_floats,
)
from .._base.inputs import Sizes, read_state
from .._base.layout import is_ids, steps_as_given, turned, with_whole_rows
from .._base.mask import read_flags, read_resets
from .._base.runtime import num_threads
from .._base.settings import Settings


class Stream(_core.Stream, Settings):
    """What a recurrent layer computes, step by step or chunk by chunk, with the same bits.

    Made by `layer.stream(batch_size=1)`: starts from the zero state, and keeps the weights that
    the layer had then. Long steps (500,000 weights and more at batch_size 1: an LSTM of
    256 units, an RNN of 512) are shared among as many threads as were set then. One stream belongs
    to one thread at a time: a second call during a call is a RuntimeError. `step` is one C call,
    which leaves to `_checked_step` what it cannot read.

    Examples
    --------
    >>> gru, x = pyrnn.GRU(3, 4, seed=0), np.ones((1, 5, 3), np.float32)
    >>> stream = gru.stream()
    >>> y = [stream.step(x_t) for x_t in x[0]]  # step by step
    >>> np.array_equal(y, gru(x)[0][0]), np.array_equal(stream.state, gru(x)[1])
    (True, True)
    """

    __slots__ = ("_batch_size", "_layer", "_owner")

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

    def _checked_step(self, x_t: Any, out: Array | None, resets: Any) -> Array:
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
        if resets is not None:
            resets = self._read_step_resets(resets, single)
        y = super()._checked_step(x, None, resets)
        return deliver(y[0] if single else y, out)

    def _read_step_resets(self, resets: Any, single: bool) -> Array:
        """(batch,) of what a step is given: of a single row one bool, of Python or numpy."""
        if isinstance(resets, bool | np.bool_):
            resets = np.array(resets)
        if single:
            return read_flags(self._owner, "resets", resets, (), "one bool")[None]
        return read_flags(self._owner, "resets", resets, (self.batch_size,), "(batch,)")


class SequentialStream(Settings):
    """What a Sequential computes, step by step; made by `model.stream(batch_size=1)`.

    Recurrent layers carry their state. Other modules work on each step by itself, as copies with
    the weights of that time. Dropout and LastStep pass on what they get: a step's y is the output
    of the sequence that ended there.

    Examples
    --------
    >>> model = pyrnn.Sequential(pyrnn.LSTM(3, 4, seed=0), pyrnn.Linear(4, 2, seed=1))
    >>> stream, x = model.stream(), np.ones((1, 5, 3), np.float32)
    >>> y_0 = stream.step(x[:, 0])
    >>> rest = stream.run(x[:, 1:])
    >>> np.array_equal(y_0, model(x)[:, 0]), np.array_equal(rest, model(x)[:, 1:])
    (True, True)
    """

    def __init__(
        self, owner: str, parts: Sequence[Any], batch_size: int, batch_first: bool
    ) -> None:
        self._owner = owner
        self.batch_size = batch_size
        self._batch_first = batch_first
        self._calls = _core.OneAtATime(
            f"{self._owner}: another thread is in a call on this stream, "
            "expected one call at a time"
        )
        self._parts = parts
        self._streams = [part for part in parts if part.states]
        self._steps: list[Callable[[Any], Any]] = [part.step for part in parts]
        self._runs: list[Callable[[Any], Any]] = [part.run for part in parts]

    def _phrases(self) -> Iterator[str]:
        yield from map(repr, self._parts)
        yield f"batch_size={self.batch_size}"

    def step(self, x_t: Any, out: Array | None = None) -> Array:
        """y (N, F) of x_t (N, I), or of integer x_t (N,) in front of an Embedding.

        For batch_size 1 the batch axis may be left out; then y has none. `out` as in Stream. After
        an error, in any part, every state is as it was.
        """
        y: Array = self._call(self._step, x_t, out)
        return y

    def run(self, x: Any) -> Array:
        """y (N, T, F) of a chunk x (N, T, I) or (N, T) of ids, in the model's layout."""
        y: Array = self._call(self._run, x)
        return y

    @property
    def state(self) -> tuple[Any, ...]:
        """A tuple with a copy of every recurrent layer's state."""
        states: tuple[Any, ...] = self._call(self._get_states)
        return states

    @state.setter
    def state(self, state: Any) -> None:
        self._call(self._set_states, state)

    states = state  # all of its entries are a Sequential's

    def reset(self) -> None:
        """Sets the state of every recurrent layer to zero."""
        self.state = None

    def _call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """work(*arguments), one call at a time and all or nothing."""
        return self._calls.run(self._restoring, work, *arguments)

    def _restoring(self, work: Callable[..., Any], *arguments: Any) -> Any:
        before = self._get_states()
        try:
            return work(*arguments)
        except BaseException:
            self._set_states(before)
            raise

    def _step(self, x_t: Any, out: Array | None) -> Array:
        if out is not None:  # a wrong kind before the step; a wrong shape when y's is known
            check_writeable(self._owner, out)
        x, single = self._with_batch(x_t, steps=0, axis=0)
        for step in self._steps:
            x = step(x)
        y: Array = x[0] if single else x
        if out is not None:
            check_out(self._owner, out, y.shape, y.dtype)
        return deliver(y, out)

    def _run(self, x: Any) -> Array:
        axis = 0 if self._batch_first else 1
        x, single = self._with_batch(x, steps=1, axis=axis)
        for run in self._runs:
            x = run(x)
        y: Array = x
        return y.squeeze(axis) if single else y

    def _get_states(self) -> tuple[Any, ...]:
        return joined_states(self._streams)

    def _set_states(self, state: Any) -> None:
        count = len(self._get_states())
        rest = (None,) * count if state is None else state
        if not isinstance(rest, tuple):
            raise TypeError(f"{self._owner}: state is {describe(state)}, expected a tuple")
        if len(rest) != count:
            raise ValueError(
                f"{self._owner}: state has {len(rest)} entries, expected {count}, one per "
                "recurrent layer"
            )
        give_states(self._streams, rest)

    def _with_batch(self, x: Any, steps: int, axis: int) -> tuple[Any, bool]:
        """x with its batch axis, and whether it had none; integers have no feature axis."""
        array = as_plain_array(self._owner, "x", x, "of numbers")
        features = 0 if is_ids(array) else 1
        if self.batch_size != 1 or array.ndim != steps + features:
            return x, False
        if isinstance(x, np.ndarray):
            return (x[None] if axis == 0 else x[:, None]), True
        return ([x] if axis == 0 else [[row] for row in x]), True


class BranchStream:
    """In a stream of a Sequential, modules that get the same input, whose outputs are joined.

    A part that is None passes its input on.
    """

    def __init__(
        self, owner: str, parts: Sequence[Any], joined: Callable[[Any, list[Any]], Any]
    ) -> None:
        self._owner, self._parts, self._joined = owner, parts, joined
        self._streams = [part for part in parts if part is not None and part.states]

    def __repr__(self) -> str:
        shown = ("..." if part is None else repr(part) for part in self._parts)
        return f"{self._owner}({', '.join(shown)})"

    def step(self, x: Any) -> Any:
        return self._joined(x, [x if part is None else part.step(x) for part in self._parts])

    def run(self, x: Any) -> Any:
        return self._joined(x, [x if part is None else part.run(x) for part in self._parts])

    @property
    def states(self) -> tuple[Any, ...]:
        return joined_states(self._streams)

    @states.setter
    def states(self, states: tuple[Any, ...]) -> None:
        give_states(self._streams, states)


def joined_states(streams: Sequence[Any]) -> tuple[Any, ...]:
    """The states of several streams as one tuple."""
    return tuple(state for stream in streams for state in stream.states)


def give_states(streams: Sequence[Any], states: tuple[Any, ...]) -> None:
    """The inverse."""
    for stream in streams:
        n = len(stream.states)
        stream.states, states = states[:n], states[n:]


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
