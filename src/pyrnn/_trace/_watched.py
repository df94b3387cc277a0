"""A model that is watched: what its layers got and gave, and the gradients of their states."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from .._base.checks import Array, as_plain_array
from .._base.module import Module
from .._base.pullback import Pullback
from .._base.quantized import check_trainable
from .._base.value import Operand, numbers, observer


class Call(NamedTuple):
    """A part's name, what it is, what it gave, and the inside of a recurrent layer, else None."""

    name: str
    part: Module
    y: Any
    inside: Any


def watch(model: Module, x: Any, state: Any) -> tuple[Any, Any, list[Call]]:
    """(y, state, calls) of a model's call: each call of a part, in order."""
    names = {id(part): name for name, part in model.named_modules()}
    noted: list[Any] = []

    def note(part: Any, *call: Any) -> None:
        noted.append((part, *map(plain, call)))

    y, state = _core.with_value(observer, note, model.run_part, x, state)
    calls: list[Call] = []
    for part, given, args, options in noted:
        name, inside = names.get(id(part), type(part).__name__), None
        if part._inside is not None:
            inside = look_into(name, part, *args, **options)
        calls.append(Call(name, part, given, inside))
    return y, state, calls


def look_into(
    name: str,
    part: Any,
    x: Any,
    state: Any = None,
    lengths: Any = None,
    mask: Any = None,
    **options: Any,
) -> Any:
    """The inside of a recurrent layer's call on one whole sequence; ValueError for another call."""
    who = f"trace: {type(part).__name__} {name!r}" if name else f"trace: {type(part).__name__}"
    unusual = [key for key, value in options.items() if key == "resets" and value is not None]
    if mask is not None or unusual:
        raise ValueError(f"{who} is called with {'resets' if unusual else 'mask'}, expected None")
    check_trainable("trace", part.weights())
    sequence = as_one(who, np.asarray(x), part.batch_first)
    if lengths is not None and np.any(np.asarray(lengths) != len(sequence)):
        raise ValueError(
            f"{who} is called with lengths {lengths}, expected all {len(sequence)} steps"
        )
    return part._inside(part, sequence, states_of(state))


def as_one(who: str, x: Array, batch_first: bool) -> Array:
    """x (T, F) of a batch of one."""
    if x.ndim == 2:
        return x
    rows = x.shape[0 if batch_first else 1]
    if rows != 1:
        raise ValueError(f"{who} gets a batch of {rows} sequences, expected one: x[:1]")
    return x[0] if batch_first else x[:, 0]


def states_of(state: Any) -> tuple[Array | None, ...]:
    """The arrays (L*D, H) of a state of one row, None where it is zero."""
    if state is None:
        return ()
    entries = state if isinstance(state, tuple) else (state,)
    arrays = (
        None if s is None else as_plain_array("trace", "state", s, "of numbers") for s in entries
    )
    return tuple(None if a is None else a.reshape(len(a), -1) for a in arrays)


def plain(values: Any) -> Any:
    """Arrays for the Values of a forward, nested as they are."""
    if isinstance(values, tuple | list):
        return tuple(map(plain, values))
    if isinstance(values, dict):
        return {name: plain(value) for name, value in values.items()}
    return numbers(values) if isinstance(values, Operand) else values


class Gradients(NamedTuple):
    """What came back to a layer's states: dL/dh_t and dL/dc_t (T, H) of each of its directions."""

    name: str
    of_states: list[tuple[Array, Array | None]]


def gradients(
    model: Module, x: Any, state: Any, of_y: Callable[[Any], Any]
) -> tuple[Any, list[Gradients]]:
    """(dx, the gradients of each recurrent layer's call), in the order of the calls.

    `of_y` gives dL/dy of y. A copy of the model goes back, so that no .grad changes; in it nothing
    is dropped, and the recurrent layers go back step by step.
    """
    copied, own = copy.deepcopy(model), dict(model.named_modules())
    found: list[Any] = []
    for name, part in list(copied.named_modules()):
        if part._inside is None:
            for option in part.training_options:
                object.__setattr__(part, option, 0.0)
        else:
            cls = type(part)
            watched = type(cls.__name__, (cls,), {"vjp": _watched_vjp(name, own[name], found)})
            object.__setattr__(part, "__class__", watched)
    (y, _), pullback = copied.vjp_part(x, state)
    dy = of_y(y)
    back = pullback(dy, None) if copied.stateful else pullback(dy)
    dx = back[0] if copied.stateful else back
    return dx, found


def _watched_vjp(name: str, own: Module, found: list[Any]) -> Any:
    """The vjp of a recurrent layer that notes what comes back to its states."""

    def vjp(self: Any, x: Any, state: Any = None, *args: Any, **options: Any) -> Any:
        number = len(found)
        found.append(None)  # until it comes
        kept = {key: options[key] for key in ("lengths", "mask", "resets") if key in options}
        inside = look_into(name, own, x, state, *args[:2], **kept)
        time, single = 1 if self.batch_first else 0, np.ndim(x) == 2

        def outwards(values: Array) -> Array:
            return values if single else np.expand_dims(values, 1 - time)

        def state_out(states: Any) -> Any:
            moved = tuple(s if single else s[:, None] for s in states)
            return moved if len(moved) > 1 else moved[0]

        def backward(dy: Any = None, dstate: Any = None) -> tuple[Any, list[Any]]:
            flat = np.zeros_like(inside.y) if dy is None else as_one(name, dy, self.batch_first)
            dx, dstart, of_states = inside.backward(flat, states_of(dstate))
            found[number] = Gradients(name, of_states)
            return (outwards(dx), state_out(dstart)), []

        return (outwards(inside.y), state_out(inside.state)), Pullback(self, backward)

    return vjp
