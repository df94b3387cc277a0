"""The streams of modules made of modules: in one call of the core, or part by part."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._base.checks import SEQUENCES, Array, as_contiguous, as_plain_array, describe
from .._base.layout import is_ids, turned, with_whole_rows
from .._base.mask import read_resets
from .._base.runtime import num_threads
from .._base.settings import Settings
from .._base.steps import CoreStep
from ._core_chain import Chain, chain_of, core_steps_of, joined_core_steps
from ._stream import check_out, check_writeable, deliver, read_step_flags


class SequentialStream(_core.ModelStream, Settings):
    """What a Sequential computes, step by step; made by `model.stream(batch_size=1)`.

    Recurrent layers carry their state. Other modules work on each step by itself, as copies with
    the weights of that time. Dropout and LastStep pass on what they get: a step's y is the output
    of the sequence that ended there. Of a stream of many rows, `step(x_t, active=...)` moves some
    on alone, and `resets=` begins some anew, as in Stream.

    A step is one call of the core where all parts are recurrent layers, Linear, LayerNorm (of one
    axis), activations, Softmax or an Embedding in front, also in inner Sequentials. Otherwise, and
    for arrays that the core cannot read in place, the parts step one after the other in Python,
    with the same bits. `python_parts` tells them.

    Examples
    --------
    >>> model = pyrnn.Sequential(pyrnn.LSTM(3, 4, seed=0), pyrnn.Linear(4, 2, seed=1))
    >>> stream, x = model.stream(), np.ones((1, 5, 3), np.float32)
    >>> y_0 = stream.step(x[:, 0])
    >>> rest = stream.run(x[:, 1:])
    >>> np.array_equal(y_0, model(x)[:, 0]), np.array_equal(rest, model(x)[:, 1:])
    (True, True)
    >>> stream.python_parts
    ()
    """

    def __init__(
        self, owner: str, parts: Sequence[Any], batch_size: int, batch_first: bool
    ) -> None:
        self._owner = owner
        self.batch_size = batch_size
        self._batch_first = batch_first
        self._parts = parts
        self._streams = [part for part in parts if part.states]
        self._core_steps = joined_core_steps(parts)
        self._chain = chain = chain_of(self._core_steps)
        words, dtype = (None, "float32") if chain is None else (chain.words, chain.dtype.name)
        super().__init__(owner, words, dtype, batch_size, num_threads())

    def _phrases(self) -> Iterator[str]:
        yield from map(repr, self._parts)
        yield f"batch_size={self.batch_size}"

    @property
    def python_parts(self) -> tuple[str, ...]:
        """The parts for which a step is more than one call of the core; () where there are none.

        All parts, where the core knows each of them but not their sizes or dtype together.
        """
        if self._chain is not None:
            return ()
        unknown = [part for part in self._parts if core_steps_of(part) is None]
        return tuple(map(repr, unknown or self._parts))

    def core_steps(self) -> list[CoreStep] | None:
        """This stream as a part of another one; None of a subclass, which may step otherwise."""
        return self._core_steps if type(self) is SequentialStream else None

    def run(self, x: Any, resets: Any = None) -> Array:
        """y (N, T, F) of a chunk x (N, T, I) or (N, T) of ids, in the model's layout.

        `resets`, bool as the steps of x: before which of them the states become zero.
        """
        y = None if self._chain is None else self._core_run(self._chain, x, resets)
        return self._call(self._run, x, resets) if y is None else y

    @property
    def state(self) -> tuple[Any, ...]:
        """A tuple with a copy of every recurrent layer's state."""
        states: tuple[Any, ...] = self._alone(self._get_states)
        return states

    @state.setter
    def state(self, state: Any) -> None:
        self._call(self._set_states, state)

    states = state  # all of its entries are a Sequential's

    def reset(self) -> None:
        """Sets the state of every recurrent layer to zero."""
        self.state = None

    @property
    def rows_apart(self) -> bool:
        """Whether rows can be idle or begin again by themselves."""
        return all(map(rows_apart, self._streams))

    def _checked_step(self, x_t: Any, out: Array | None, resets: Any, active: Any) -> Array:
        """A step part by part: the core does not read these arrays, or does not know the parts."""
        y: Array = self._call(self._step, x_t, out, resets, active)
        return y

    def _core_run(self, chain: Chain, x: Any, resets: Any) -> Array | None:
        """The core's run of a chunk; None if it cannot read that."""
        axis = 0 if self._batch_first else 1
        array, single = self._with_batch(x, steps=1, axis=axis)
        if type(array) is not np.ndarray or not chain.fits(array, axis, self.batch_size):
            return None
        ids = chain.inputs is None
        before = read_resets(
            self._owner, resets, x.shape if ids else x.shape[:-1], self._batch_first
        )
        chunk = turned(array, self._batch_first, array.ndim)
        chunk = as_contiguous(chunk) if ids else with_whole_rows(chunk)
        try:
            y = turned(self._run_chunk(chunk, before, num_threads()), self._batch_first)
        except IndexError:  # the Embedding's words for an id are better
            return None
        return y.squeeze(axis) if single else y

    def _call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """work(*arguments), one call at a time and all or nothing."""
        return self._alone(self._restoring, work, *arguments)

    def _restoring(self, work: Callable[..., Any], *arguments: Any) -> Any:
        before = self._get_states()
        try:
            return work(*arguments)
        except BaseException:
            self._set_states(before)
            raise

    def _step(self, x_t: Any, out: Array | None, resets: Any, active: Any) -> Array:
        if out is not None:  # a wrong kind before the step; a wrong shape when y's is known
            check_writeable(self._owner, out)
        x, single = self._with_batch(x_t, steps=0, axis=0)
        given = {"resets": resets, "active": active}
        flags = {
            name: read_step_flags(self._owner, name, value, self.batch_size, single)
            for name, value in given.items()
            if value is not None
        }
        self._check_rows_apart(*flags)
        idle = None if active is None else np.logical_not(flags["active"])
        x = x if idle is None else self._without(x, idle)
        for part in self._parts:
            x = _called(part, part.step, self._streams, x, flags)
        y: Array = x if idle is None else self._without(x, idle)
        y = y[0] if single else y
        if out is not None:
            check_out(self._owner, out, y.shape, y.dtype)
        return deliver(y, out)

    def _run(self, x: Any, resets: Any) -> Array:
        axis = 0 if self._batch_first else 1
        x, single = self._with_batch(x, steps=1, axis=axis)
        flags = {}
        if resets is not None:
            self._check_rows_apart("resets")
            shape = as_plain_array(self._owner, "x", x, "of numbers").shape[:2]
            shape = shape[1 - axis : 2 - axis] if single else shape
            before = read_resets(self._owner, resets, shape, self._batch_first)
            assert before is not None
            flags["resets"] = before.T if self._batch_first else before
        for part in self._parts:
            x = _called(part, part.run, self._streams, x, flags)
        y: Array = x
        return y.squeeze(axis) if single else y

    def _without(self, x: Any, idle: Array) -> Any:
        """x with zeros in the rows that are idle."""
        array = np.array(as_plain_array(self._owner, "x", x, "of numbers"))
        if array.shape[:1] != idle.shape:
            return x  # for the part that refuses it
        array[idle] = 0
        return array.tolist() if isinstance(x, SEQUENCES) else array

    def _check_rows_apart(self, *names: str) -> None:
        """TypeError for flags of rows where a part has a state of another kind."""
        mixed = [part for part in self._streams if not rows_apart(part)] if names else []
        if mixed:
            raise TypeError(
                f"{self._owner}: {names[0]} came, expected None: only the part itself knows "
                f"the rows of the state of {mixed[0]!r}"
            )

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


def _called(part: Any, call: Any, streams: Sequence[Any], x: Any, flags: dict[str, Any]) -> Any:
    """What a part gives for x; the flags of rows are for those that carry a state."""
    return call(x, **flags) if any(part is stream for stream in streams) else call(x)


def rows_apart(part: Any) -> bool:
    """Whether each row of a part can be idle or begin again by itself."""
    return bool(getattr(part, "rows_apart", not part.states))


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

    def step(self, x: Any, **flags: Any) -> Any:
        return self._joined(x, [self._of(part, "step", x, flags) for part in self._parts])

    def run(self, x: Any, **flags: Any) -> Any:
        return self._joined(x, [self._of(part, "run", x, flags) for part in self._parts])

    def _of(self, part: Any, call: str, x: Any, flags: dict[str, Any]) -> Any:
        if part is None:
            return x
        return _called(part, getattr(part, call), self._streams, x, flags)

    @property
    def rows_apart(self) -> bool:
        """Whether rows can be idle or begin again by themselves."""
        return all(map(rows_apart, self._streams))

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
