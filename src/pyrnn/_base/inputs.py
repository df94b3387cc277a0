"""The inputs and states of recurrent layers, checked, in the one form that the core takes.

A state is h (L, B, H), or (h, c) of layers that have c.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from .checks import Array, as_floats, as_lengths, check_choice, check_shape, read_floats
from .layout import steps_first, with_whole_rows
from .mask import Mask, read_mask, read_resets

RESET_TO = ("zero", "state")


class Sizes(Protocol):
    """What has to be known of a layer."""

    input_size: int
    hidden_size: int
    proj_size: int
    num_layers: int
    dtype: np.dtype[Any]

    @property
    def batch_first(self) -> bool: ...
    @property
    def num_directions(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    @property
    def state_names(self) -> tuple[str, ...]: ...


class Inputs(NamedTuple):
    """One call's x, initial state and lengths; always batched."""

    x: Array  # (T, B, I), of any strides but that of the last axis
    h0: Array | None  # (L*D, B, H), or P for H with a projection
    c0: Array | None  # (L*D, B, H)
    lengths: Array | None
    batch_first: bool  # x came as (B, T, I)
    unbatched: bool  # x came as (T, I)
    mask: Mask | None  # only if there are steps to move
    resets: Array | None = None  # (T, B), of the steps as x has them
    reset_to: str = "zero"

    @property
    def batch(self) -> int:
        """The number of rows."""
        rows: int = self.x.shape[1]
        return rows

    @property
    def resetting(self) -> dict[str, Any]:
        """The resets as the core takes them."""
        return {"resets": self.resets, "reset_to_given": self.reset_to == "state"}

    @property
    def steps(self) -> int:
        """T of the arrays."""
        return len(self.x)

    def to_core(self, sequence: Array) -> Array:
        """A sequence in the caller's layout, as the core takes it."""
        sequence = self.mask.gather(sequence) if self.mask else sequence
        return with_whole_rows(steps_first(sequence, self.batch_first, self.unbatched))

    def from_core(self, sequence: Array) -> Array:
        """What the core made with these inputs' `batch_first`, as the caller sees it."""
        sequence = sequence[:, 0] if self.unbatched else sequence
        return self.mask.scatter(sequence) if self.mask else sequence

    def state_from_core(self, h: Array, c: Array | None) -> Any:
        """A state as the caller sees it: h, or (h, c)."""
        if self.unbatched:
            h, c = h[:, 0], None if c is None else c[:, 0]
        return as_state(h, c)


def read_inputs(
    layer: Sizes,
    x: Any,
    state: Any,
    lengths: Any,
    mask: Any,
    resets: Any = None,
    reset_to: Any = "zero",
) -> Inputs:
    """Checks the arguments of a call; TypeError or ValueError for what does not fit."""
    owner = type(layer).__name__
    x, layout = read_floats(owner, "x", x, layer.dtype), layer.batch_first
    if x.ndim not in (2, 3) or x.shape[-1] != layer.input_size:
        size = layer.input_size
        axes = ("N, T", "batch, time") if layout else ("T, N", "time, batch")
        raise ValueError(
            f"{owner}: x has shape {x.shape}, expected ({axes[0]}, {size}) = "
            f"({axes[1]}, input_size), or (T, {size}) for one sequence"
        )
    unbatched = x.ndim == 2
    batch_first = layout and not unbatched
    shape = x.shape[:-1]
    plan = read_mask(owner, mask, lengths, shape, layout)
    if plan is not None:
        lengths = plan.lengths
        plan = None if plan.is_prefix else plan
        x = plan.gather(x) if plan else x
    resets = read_resets(owner, resets, shape, batch_first, plan)
    reset_to = check_reset_to(owner, reset_to, resets)
    x = with_whole_rows(steps_first(x, batch_first, unbatched))
    steps, batch, _ = x.shape
    if mask is None and lengths is not None:
        lengths = as_lengths(owner, lengths, batch, steps)
    h0, c0 = read_state(layer, state, batch, unbatched=unbatched)
    return Inputs(x, h0, c0, lengths, batch_first, unbatched, plan, resets, reset_to)


def check_reset_to(owner: str, reset_to: Any, resets: Any) -> str:
    """What a state becomes at a reset: "zero", or with resets "state"."""
    word = check_choice(owner, "reset_to", reset_to, RESET_TO)
    if resets is None and word != "zero":
        raise ValueError(f"{owner}: reset_to is {word!r}, expected resets with it")
    return word


def read_gradient(
    layer: Sizes, inputs: Inputs, name: str, gradient: Any, shape: tuple[int, ...]
) -> Array | None:
    """The gradient of an output of that name and shape, for the core: "dy" of y."""
    if gradient is None:
        return None
    owner = type(layer).__name__
    gradient = read_floats(owner, name, gradient, layer.dtype)
    check_shape(owner, name, gradient, shape, f"the shape of {name.removeprefix('d')}")
    return inputs.to_core(gradient)


def read_state(
    layer: Sizes, state: Any, batch: int, *, unbatched: bool = False, gradient: bool = False
) -> tuple[Array | None, Array | None]:
    """(h, c) of a state, or of its gradient, of which parts may be None (zero)."""
    if state is None:
        return None, None
    owner = type(layer).__name__
    name = "dstate" if gradient else "state"
    if layer.state_names == ("h0",):
        return _read_state_array(
            layer, "dstate" if gradient else "h0", state, batch, unbatched
        ), None
    if not isinstance(state, tuple):
        raise TypeError(
            f"{owner}: {name} is of type {type(state).__name__}, expected a tuple (h, c)"
        )
    if len(state) != 2:
        raise ValueError(f"{owner}: {name} has {len(state)} entries, expected the two of (h, c)")
    names = ("dstate[0]", "dstate[1]") if gradient else layer.state_names
    h, c = (
        None
        if gradient and array is None
        else _read_state_array(layer, part, array, batch, unbatched)
        for part, array in zip(names, state, strict=True)
    )
    return h, c


def _read_state_array(layer: Sizes, name: str, value: Any, batch: int, unbatched: bool) -> Array:
    """One array of a state, (L*D, B, width) or, for one sequence, (L*D, width)."""
    owner = type(layer).__name__
    array = as_floats(owner, name, value, layer.dtype)
    is_c = name in ("c0", "dstate[1]")
    width = layer.hidden_size if is_c else layer.output_size
    meaning = "hidden_size" if is_c or not layer.proj_size else "proj_size"
    rows = layer.num_layers * layer.num_directions
    if unbatched:
        shape: tuple[int, ...] = (rows, width)
        check_shape(owner, name, array, shape, f"(num_layers*num_directions, {meaning})")
        return array[:, None]
    shape = (rows, batch, width)
    check_shape(owner, name, array, shape, f"(num_layers*num_directions, batch, {meaning})")
    return array


def has_c(layer: Any) -> bool:
    """Whether the state of a recurrent layer, or class of them, is (h, c)."""
    return "c0" in layer.state_names


def as_state(h: Array | None, c: Array | None) -> Any:
    """A state as a layer takes it: h, or (h, c) where there is c."""
    return h if c is None else (h, c)


def parts_of(state: Any) -> tuple[Array | None, Array | None]:
    """(h, c) of a state; c is None where there is none."""
    h, c = state if isinstance(state, tuple) else (state, None)
    return h, c


def map_state(change: Callable[..., Array], *states: Any) -> Any:
    """The state of `change` of the states' h, and of their c."""
    if isinstance(states[0], tuple):
        return tuple(map(change, *states))
    return change(*states)
