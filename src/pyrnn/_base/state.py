"""States of recurrent layers: h (L, B, H), of an LSTM (h, c)."""

from collections.abc import Callable
from typing import Any

from .checks import Array


def as_state(h: Array | None, c: Array | None) -> Any:
    """A state as a layer takes it: of an LSTM both, of others h."""
    return h if c is None else (h, c)


def parts_of(state: Any) -> tuple[Array | None, Array | None]:
    """(h, c) of a state; c is None but for an LSTM."""
    h, c = state if isinstance(state, tuple) else (state, None)
    return h, c


def map_state(change: Callable[..., Array], *states: Any) -> Any:
    """The state of `change` of the states' h, and of their c."""
    if isinstance(states[0], tuple):
        return tuple(map(change, *states))
    return change(*states)
