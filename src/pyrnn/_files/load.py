"""Models in files: one safetensors file with the weights, and the configuration in its metadata."""

import os
from collections.abc import Mapping
from typing import Any

from .._base.module import Module
from .._base.tensor_file import read_tensors
from .rebuild import Rebuild, mapping


def load(path: Any) -> Module:
    """The module that `module.save(path)` wrote, with its weights and dropout counters.

    Only pyrnn's own classes are made, from plain numbers; nothing in a file is executed, and
    memory is bounded by the file's size. OSError if the file cannot be read; ValueError that says
    what is wrong if it is no such file, damaged, or from a newer pyrnn. A safetensors file of
    weights alone is for `module.load_state_dict(safetensors.numpy.load_file(path))`.
    """
    path = os.fsdecode(path)
    try:
        tensors, description = read_tensors(path)
        if "training" in description:
            raise ValueError(
                "is a checkpoint of training, which Trainer.fit(..., checkpoint=path, "
                "resume=True) carries on from; expected a file that module.save(path) wrote"
            )
        rebuild = Rebuild(tensors, mapping(description, "ties"))
        module = rebuild.module(description.get("model"), "")
        rebuild.check_complete()
        load_extra_state(module, mapping(description, "extra_state"))
    except RecursionError:
        raise ValueError(f"{path}: its configuration is nested too deeply") from None
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{path}: {error}") from error
    return module


def extra_state(module: Module) -> dict[str, Any]:
    """What the modules keep beside their parameters, such as dropout counters, by module name."""
    return {name: m.extra_state() for name, m in module.named_modules() if m.extra_state()}


def load_extra_state(module: Module, states: Mapping[str, Any]) -> None:
    """Gives every module what it kept beside its parameters."""
    modules = {name: m for name, m in module.named_modules() if m.extra_state()}
    if set(states) != set(modules):
        raise ValueError(f"extra_state is of {sorted(states)}, expected {sorted(modules)}")
    for name, part in modules.items():
        part.load_extra_state(mapping(states, name))
