"""Checkpoints: everything that training goes on from, in one file."""

import errno
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.module import Module, extra_states, load_extra_states
from .._base.tensor_file import mapping, read_tensors, write_tensors

TENSOR = "$tensor"  # {TENSOR: name} stands for an array in the JSON of a checkpoint
Parts = Mapping[str, Any]  # by name: what has state_dict() and load_state_dict(mapping)


class ModelState:
    """A model as a part of training: weights, and what modules keep beside, to the bit."""

    def __init__(self, model: Module) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        """Weights by name, dropout counters by module."""
        return {"weights": self.model.state_dict(), "extra_state": extra_states(self.model)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """ValueError, with no weight changed, unless names, shapes and dtypes are the model's."""
        weights, extra = mapping(state, "weights"), mapping(state, "extra_state")
        for name, parameter in self.model.named_parameters():
            if name in weights and weights[name].dtype != parameter.dtype:
                raise ValueError(
                    f"{name!r} is stored as {weights[name].dtype}, the model's is {parameter.dtype}"
                )
        self.model.load_state_dict(weights)
        load_extra_states(self.model, extra)


def check_place(path: str) -> None:
    """OSError now for a path that no checkpoint could be written to behind the first epoch."""
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder for the checkpoint", folder)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)


def write_checkpoint(path: str, parts: Parts, settings: Mapping[str, Any]) -> None:
    """Writes the states of all parts, and the settings they hold for, as one new version."""
    tensors: dict[str, Array] = {}
    tree = _to_json(_states(parts), "", tensors)
    write_tensors(path, tensors, {"training": {"settings": dict(settings), "parts": tree}})


def read_checkpoint(path: str, parts: Parts, settings: Mapping[str, Any]) -> None:
    """Gives all parts the states that write_checkpoint wrote.

    OSError if the file cannot be read. ValueError, with all parts as before, if it is damaged, or
    of another model, optimizer or setting.
    """
    before = _states(parts)
    try:
        tensors, description = read_tensors(path)
        if "training" not in description:
            raise ValueError("holds a model, expected a checkpoint of training")
        training = mapping(description, "training")
        _check_equal(mapping(training, "settings"), settings)
        states = _from_json(mapping(training, "parts"), tensors)
        _check_names(states, parts)
    except RecursionError:
        raise ValueError(f"{path}: its states are nested too deeply") from None
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{path}: {error}") from error
    try:
        _load(parts, states)
    except BaseException as error:
        _load(parts, before)
        if isinstance(error, Exception):
            raise ValueError(f"{path}: is of another training: {error}") from error
        raise


def _states(parts: Parts) -> dict[str, Any]:
    """Class and state of every part."""
    return {
        name: {"class": type(part).__name__, "state": part.state_dict()}
        for name, part in parts.items()
    }


def _load(parts: Parts, states: Mapping[str, Any]) -> None:
    """Gives every part its state."""
    for name, part in parts.items():
        part.load_state_dict(mapping(states[name], "state"))


def _check_equal(stored: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """ValueError that names the first setting in which the two differ."""
    for name, value in settings.items():
        if name not in stored or stored[name] != value:
            raise ValueError(
                f"was written with {name} = {stored.get(name)!r}, expected {value!r}: "
                "training resumes only with the settings and data that it began with"
            )


def _check_names(states: Mapping[str, Any], parts: Parts) -> None:
    """ValueError unless the file holds the same parts, each of the same class."""
    stored = {name: mapping(states, name).get("class") for name in states}
    expected = {name: type(part).__name__ for name, part in parts.items()}
    for name in sorted(set(stored) | set(expected)):
        if stored.get(name) != expected.get(name):
            raise ValueError(
                f"holds {stored.get(name) or 'nothing'} as {name}, "
                f"this training has {expected.get(name) or 'none'}"
            )


def _to_json(value: Any, name: str, tensors: dict[str, Array]) -> Any:
    """Nested dicts and lists as JSON, the arrays in them put into `tensors`."""
    if isinstance(value, np.ndarray):
        if name in tensors:  # of a key with a slash in it
            raise TypeError(f"a checkpoint cannot hold two arrays named {name!r}")
        tensors[name] = np.array(value, order="C")
        return {TENSOR: name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key == TENSOR:
                raise TypeError(f"a checkpoint cannot hold the key {key!r} of {name or 'a state'}")
        return {k: _to_json(v, f"{name}/{k}" if name else k, tensors) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"a checkpoint cannot hold {name}, which is of type {type(value).__name__}")


def _from_json(value: Any, tensors: Mapping[str, Array]) -> Any:
    """The way back; tuples have become lists. Arrays are copied: the file's bytes are let go."""
    if isinstance(value, dict):
        if TENSOR in value:
            return np.array(tensors[value[TENSOR]])
        return {k: _from_json(v, tensors) for k, v in value.items()}
    return [_from_json(v, tensors) for v in value] if isinstance(value, list) else value
