"""Checkpoints: everything that training needs to continue, in one file."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._base.checks import MESSAGE, Array, check_number, describe, printable
from .._base.description import extra_states, load_extra_states
from .._base.freezing import freeze_only, frozen_names, read_frozen
from .._base.module import Module
from .._base.parameter import Parameter
from .._base.runtime import kernels_in_use
from .._base.tensor_file import mapping, read_tensors, write_tensors
from .._base.tree import from_tree, to_tree
from ..optim._optimizer import Optimizer
from ._callbacks import Callback
from ._description import Options, first_difference

ALWAYS_FINITE = ("model", "optimizer", "ema")  # the parts whose arrays are

# By name: what has state_dict() and load_state_dict(mapping). A part of pyrnn's own has the latter
# in two steps, read_state(mapping), which checks and changes nothing, and take_state(what it gave).
Parts = Mapping[str, Any]
# Weights, extra states, and what is frozen.
ModelRead = tuple[dict[str, Array], dict[str, Any], list[str] | None]
Check = Callable[[Mapping[str, Any]], object]  # looks at what all the parts have read


class ModelState:
    """A model as a part of training: weights, and what modules keep besides them, to the bit."""

    def __init__(self, model: Module) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        """Weights by name, dropout counters by module, and what is frozen."""
        frozen = frozen_names(self.model.named_parameters())
        state = {"weights": self.model.state_dict(), "extra_state": extra_states(self.model)}
        return {**state, "frozen": frozen}

    def read_state(self, state: Mapping[str, Any]) -> ModelRead:
        """ValueError unless names, shapes and dtypes are the model's, and all is finite."""
        named = self.model.named_parameters()
        weights = read_arrays("weights", state.get("weights"), named)
        frozen = read_frozen(state.get("frozen"), named)
        return weights, mapping(state, "extra_state"), frozen

    def take_state(self, state: ModelRead) -> None:
        """Takes over what `read_state` returned."""
        weights, extra, frozen = state
        load_extra_states(self.model, extra)
        self.model.load_state_dict(weights)
        freeze_only(frozen, self.model.named_parameters())


class OptimizerState:
    """An optimizer as a part of training: its arrays are those of the model's parameters."""

    def __init__(self, optimizer: Optimizer, model: Module) -> None:
        self.optimizer, self.model = optimizer, model
        self.kind = type(optimizer).__name__
        self.state_dict, self.take_state = optimizer.state_dict, optimizer.take_state

    def read_state(self, state: Mapping[str, Any]) -> Any:
        """ValueError unless it is of this optimizer and these parameters, and all is finite."""
        read = self.optimizer.read_state(state)
        named = dict(self.model.named_parameters())
        for name, arrays in read["state"].items():
            if name not in named:
                raise ValueError(f"{self.kind}: {describe(name)} is no parameter of the model")
            fresh = (self.optimizer.init_one(named[name], o) for o in read["groups"])
            like = next(one for one in fresh if set(one) == set(arrays))  # read_state saw to it
            for key, array in arrays.items():
                check_like(f"the {describe(key)} of {describe(name)}", array, like[key])
        return read


def parts_of(updates: Any, progress: Any, history: Any, callbacks: Sequence[Callback]) -> Parts:
    """All that a checkpoint of a training holds, by name."""
    parts: dict[str, Any] = {
        "model": ModelState(updates.model),
        "optimizer": OptimizerState(updates.optimizer, updates.model),
        "updates": updates,
        "progress": progress,
        "history": history,
    }
    for i, schedule in enumerate(updates.schedules):
        parts[f"schedule {i}"] = schedule
    if updates.ema is not None:
        parts["ema"] = updates.ema
    for i, callback in enumerate(callbacks):
        if type(callback).state_dict is not Callback.state_dict:
            parts[f"callback {i}"] = callback
    return parts


def read_arrays(what: str, arrays: Any, named: list[tuple[str, Parameter]]) -> dict[str, Array]:
    """Arrays of the parameters' names, shapes and dtypes, all finite; ValueError for others."""
    if not isinstance(arrays, Mapping):
        raise ValueError(f"{what} is {describe(arrays)}, expected arrays by name")
    wrong = sorted(set(arrays) ^ {name for name, _ in named})
    if wrong:
        raise ValueError(f"{what} has or lacks {wrong[:5]}, expected the model's parameters")
    for name, parameter in named:
        check_like(f"{describe(name)} of {what}", arrays[name], parameter)
    return dict(arrays)


def check_like(what: str, array: Any, like: Parameter | Array) -> None:
    """ValueError unless an array has the shape and dtype of another, and is finite."""
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{what} is {describe(array)}, expected an array")
    if array.shape != like.shape or array.dtype != like.dtype:
        raise ValueError(
            f"{what} is {array.dtype} of shape {array.shape}, "
            f"expected {like.dtype} of shape {like.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{what} holds a number that is not finite")


def check_finite_number(owner: str, name: str, value: Any, least: float = 0.0) -> float:
    """A finite number >= `least`."""
    number = check_number(owner, name, value)
    if not least <= number < math.inf or number == -math.inf:
        raise ValueError(f"{owner}: {name} is {number}, expected a finite number >= {least}")
    return number


def write_checkpoint(
    path: str, parts: Parts, settings: Mapping[str, Any], description: Mapping[str, Any]
) -> None:
    """Writes the states of all parts, and the settings and the description of the training that
    they hold for, as one new version; FloatingPointError if weights or the like are not finite."""
    tensors: dict[str, Array] = {}
    tree = to_tree(states_of(parts), "", tensors, "a checkpoint")
    for name, array in tensors.items():
        if name.startswith(ALWAYS_FINITE) and not np.isfinite(array).all():
            raise FloatingPointError(
                f"Trainer: {name!r} is not finite; the checkpoint keeps its last version (try a "
                "smaller learning rate, or clip_norm)"
            )
    training = {"settings": dict(settings), "description": description, "parts": tree}
    write_tensors(path, tensors, {"training": training | {"isa": kernels_in_use()}})


def read_checkpoint(
    path: str,
    parts: Parts,
    settings: Options,
    description: Mapping[str, Any],
    check: Check,
) -> None:
    """Gives all parts the states that write_checkpoint wrote; `check` looks at them together.

    OSError if the file cannot be read. ValueError, with all parts as before, if it is damaged, or
    of another model, optimizer, loss, data or setting. Warns if another version or instruction set
    wrote it. An old file without a description is not compared with one.
    """
    try:
        tensors, head = read_tensors(path)
        if "training" not in head:
            raise ValueError("holds a model, expected a checkpoint of training")
        training = mapping(head, "training")
        _check_equal(mapping(training, "settings"), settings)
        if "description" in training:
            _check_same(mapping(training, "description"), description)
        states = from_tree(mapping(training, "parts"), tensors)
    except RecursionError:
        raise ValueError(f"{path}: its states are nested too deeply") from None
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{path}: {printable(str(error), MESSAGE)}") from None
    try:
        load_states(parts, states, check)
    except Exception as error:
        text = printable(str(error), MESSAGE)
        raise ValueError(f"{path}: is of another training: {text}") from None
    _warn_of_origin(path, head.get("version"), training.get("isa"))


def states_of(parts: Parts) -> dict[str, Any]:
    """Class and state of every part."""
    return {
        name: {"class": _kind(part), "state": part.state_dict()} for name, part in parts.items()
    }


def load_states(parts: Parts, states: Mapping[str, Any], check: Check) -> None:
    """Gives every part the state that `states_of` found, or leaves all as they were: ValueError for
    those of other parts; `check` looks at them together."""
    _check_names(states, parts)
    before = {name: part.state_dict() for name, part in parts.items()}
    try:
        _load(parts, {name: mapping(state, "state") for name, state in states.items()}, check)
    except BaseException:
        _load(parts, before, lambda read: None)
        raise


def _kind(part: Any) -> str:
    """The class of a part, or what it says instead."""
    kind: str = part.kind if isinstance(part, OptimizerState) else type(part).__name__
    return kind


def _load(parts: Parts, states: Mapping[str, Any], check: Check) -> None:
    """Gives every part its state; all of pyrnn's own are checked before the first is taken."""
    own = {name: part for name, part in parts.items() if hasattr(part, "read_state")}
    read = {name: part.read_state(states[name]) for name, part in own.items()}
    check(read)
    for name, part in parts.items():
        if name in own:
            part.take_state(read[name])
        else:
            part.load_state_dict(states[name])


def _warn_of_origin(path: str, version: Any, isa: Any) -> None:
    """Says that another version or instruction set computes other bits."""
    here = f"pyrnn {_core.build_info()['version']} on the instruction set {kernels_in_use()}"
    shown = printable(str(isa)) if isa else "(not named)"
    there = f"pyrnn {printable(str(version))} on the instruction set {shown}"
    if there != here:
        warnings.warn(
            f"{path} was written by {there}, this is {here}: the training goes on, but not with "
            "the bits of one that was never interrupted",
            stacklevel=9,
        )


def _check_equal(stored: Mapping[str, Any], settings: Options) -> None:
    """ValueError that names the first setting in which the two differ."""
    for name, value in settings.items():
        was = settings.value_in(stored, name)
        if was != value:
            raise ValueError(
                f"was written with {name} = {describe(was)}, expected {value!r}: "
                "training resumes only with the settings and data that it began with"
            )


def _check_same(stored: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """ValueError that names the first place in which two descriptions differ."""
    difference = first_difference(stored, own)
    if difference:
        raise ValueError(
            f"was written with {difference}: training resumes only with the model, the settings "
            "and the data that it began with"
        )


def _check_names(states: Mapping[str, Any], parts: Parts) -> None:
    """ValueError unless the file holds the same parts, each of the same class."""
    stored = {name: mapping(states, name).get("class") for name in states}
    expected = {name: _kind(part) for name, part in parts.items()}
    for name in sorted(set(stored) | set(expected)):
        if stored.get(name) != expected.get(name):
            raise ValueError(
                f"holds {stored.get(name) or 'nothing'} as {name}, "
                f"this training has {expected.get(name) or 'none'}"
            )
