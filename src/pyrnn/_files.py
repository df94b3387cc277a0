"""Models in files: one safetensors file with the weights, and the configuration in its metadata."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _core
from ._activations import ReLU, Sigmoid, Softmax, Tanh
from ._atomic_write import atomic_write
from ._checks import Array, allowance
from ._dropout import Dropout
from ._embedding import Embedding
from ._gru import GRU
from ._last_step import LastStep
from ._linear import Linear
from ._lstm import LSTM
from ._module import Module
from ._parameter import Parameter
from ._rnn import RNN
from ._sequential import Sequential

FORMAT = 1
KEY = "pyrnn"  # of the metadata: JSON with format, version, model, ties and extra_state

# The only classes that a file can name.
CLASSES: dict[str, type[Module]] = {
    cls.__name__: cls
    for cls in (
        *(RNN, LSTM, GRU, Linear, Embedding, Dropout, LastStep),
        *(Tanh, ReLU, Sigmoid, Softmax, Sequential),
    )
}
DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
FOREIGN = {
    b"PK\x03\x04": "a zip archive (.pt, .npz, .keras)",
    b"\x89HDF": "an HDF5 file",
    b"\x80": "a pickle",
}


def save(module: Module, path: Any) -> None:
    """Writes a module for `load`; see Module.save."""
    from safetensors.numpy import save as to_bytes

    names: dict[int, str] = {}
    ties = {}
    tensors = {}
    model = _describe(module)
    for name, parameter in _all_parameters(module):
        if id(parameter) in names:
            ties[name] = names[id(parameter)]
        else:
            names[id(parameter)] = name
            tensors[name] = np.array(parameter.data, order="C")  # the writer needs C order
    extra = {name: m.extra_state() for name, m in module.named_modules() if m.extra_state()}
    description = {
        "format": FORMAT,
        "version": _core.build_info()["version"],
        "model": model,
        "ties": ties,
        "extra_state": extra,
    }
    atomic_write(path, to_bytes(tensors, metadata={KEY: json.dumps(description)}))


def load(path: Any) -> Module:
    """The module that `module.save(path)` wrote, with its weights and dropout counters.

    Only pyrnn's own classes are made, from plain numbers; nothing in a file is executed, and
    memory is bounded by the file's size. OSError if the file cannot be read; ValueError that says
    what is wrong if it is no such file, damaged, or from a newer pyrnn. A safetensors file of
    weights alone is for `module.load_state_dict(safetensors.numpy.load_file(path))`.
    """
    data = _read(path)
    try:
        tensors = _tensors(data)
        description = _description(data)
        rebuild = _Rebuild(tensors, _mapping(description, "ties"))
        module = rebuild.module(description.get("model"), "")
        rebuild.check_complete()
        _load_extra_state(module, _mapping(description, "extra_state"))
    except RecursionError:
        raise ValueError(f"{os.fsdecode(path)}: its configuration is nested too deeply") from None
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{os.fsdecode(path)}: {error}") from error
    return module


def _describe(module: Module) -> dict[str, Any]:
    """A module's class and configuration as JSON values."""
    name = type(module).__name__
    if isinstance(module, Sequential) and type(module) is Sequential:
        return {"class": name, "parts": [_describe(part) for part in module]}
    if CLASSES.get(name) is not type(module) or any(
        isinstance(value, Module) for value in vars(module).values()
    ):
        raise TypeError(
            f"save: {name} is not a module of pyrnn alone, which is all that a file can describe; "
            "write state_dict() with safetensors.numpy.save_file instead"
        )
    return {"class": name, "config": module.config()}


def _all_parameters(module: Module, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    """(name, parameter) of all; a shared one under each of its names."""
    for name, value in vars(module).items():
        if isinstance(value, Parameter):
            yield prefix + name, value
        elif isinstance(value, Module):
            yield from _all_parameters(value, f"{prefix}{name}.")


def _read(path: Any) -> bytes:
    """The content of a regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError(f"{os.fsdecode(path)}: not a regular file")
        return file.read()


def _tensors(data: bytes) -> dict[str, Array]:
    """The tensors by name; the safetensors package checks header, offsets and sizes."""
    from safetensors import SafetensorError, deserialize

    for magic, description in FOREIGN.items():
        if data.startswith(magic) and data[8:9] != b"{":
            raise ValueError(f"expected a file that pyrnn saved; this looks like {description}")
    try:
        stored: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"no safetensors file, or a damaged one: {error}") from error
    tensors = {}
    for name, content in stored:
        if content["dtype"] not in DTYPES:
            raise ValueError(f"tensor {name!r} is {content['dtype']}, expected F32 or F64")
        array = np.frombuffer(content["data"], DTYPES[content["dtype"]])
        tensors[name] = array.reshape(content["shape"])
    return tensors


def _description(data: bytes) -> dict[str, Any]:
    """The configuration in the metadata; ValueError if there is none that this version reads."""
    header = _parse(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__") or {}
    if KEY not in metadata:
        raise ValueError(
            "holds weights, but no configuration of pyrnn; make the module yourself and call "
            "module.load_state_dict(safetensors.numpy.load_file(path))"
        )
    description = _parse(metadata[KEY])
    found = description.get("format")
    if type(found) is not int or found < 1:
        raise ValueError(f"format is {found!r}, expected a number of this or an older format")
    if found > FORMAT:
        raise ValueError(
            f"format {found} was written by pyrnn {description.get('version')}, this pyrnn "
            f"reads up to format {FORMAT}: upgrade with pip install --upgrade pyrnn-cpu"
        )
    return description


def _parse(text: str | bytes) -> dict[str, Any]:
    """A JSON object; names that come twice are refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a name comes twice in the header")
        return result

    value = json.loads(text, object_pairs_hook=unique)
    if not isinstance(value, dict):
        raise ValueError(f"the header holds a {type(value).__name__}, expected an object")
    return value


def _mapping(description: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An entry that has to be a JSON object."""
    value = description.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{name} is of type {type(value).__name__}, expected an object")
    return value


def _load_extra_state(module: Module, states: Mapping[str, Any]) -> None:
    """Gives every module what it kept beside its parameters."""
    modules = {name: m for name, m in module.named_modules() if m.extra_state()}
    if set(states) != set(modules):
        raise ValueError(f"extra_state is of {sorted(states)}, expected {sorted(modules)}")
    for name, part in modules.items():
        part.load_extra_state(_mapping(states, name))


@dataclass
class _Rebuild:
    """Makes the described modules one by one, each no larger than what is stored for it."""

    tensors: dict[str, Array]
    ties: dict[str, str]  # name of a shared parameter -> the name it is stored under
    made: dict[str, Parameter] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)  # stored elements by module name

    def __post_init__(self) -> None:
        names = {name: name for name in self.tensors} | self.ties
        for name, stored in names.items():
            owner = name.rpartition(".")[0]
            self.sizes[owner] = self.sizes.get(owner, 0) + self.tensors[stored].size

    def module(self, tree: Any, name: str) -> Module:
        """The module of that name, with its weights."""
        if not isinstance(tree, dict) or CLASSES.get(str(tree.get("class"))) is None:
            raise ValueError(f"module {name!r} is no known class; known are {sorted(CLASSES)}")
        cls = CLASSES[tree["class"]]
        if cls is Sequential:
            parts = enumerate(tree["parts"])
            return Sequential(
                *(self.module(p, f"{name}.{i}" if name else str(i)) for i, p in parts)
            )
        with allowance(self.sizes.get(name, 0)):
            module = cls(**_mapping(tree, "config"))
        for own, parameter in module.named_parameters():
            full = f"{name}.{own}" if name else own
            stored = self.made[self.ties[full]] if full in self.ties else self.tensors[full]
            if stored.shape != parameter.shape or stored.dtype != parameter.dtype:
                raise ValueError(
                    f"{full!r} is stored as {stored.dtype} of shape {stored.shape}, its "
                    f"configuration says {parameter.dtype} of shape {parameter.shape}"
                )
            if isinstance(stored, Parameter):
                setattr(module, own, stored)
            else:
                parameter[...] = stored
            self.made[full] = getattr(module, own)
        return module

    def check_complete(self) -> None:
        """ValueError for what was stored and not asked for."""
        unused = sorted((set(self.tensors) | set(self.ties)) - set(self.made))
        if unused:
            raise ValueError(f"its configuration has no place for {', '.join(unused[:5])}")
