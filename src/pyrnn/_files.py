"""Models in files: one safetensors file with the weights, and the configuration in its metadata."""

import errno
import json
import os
import stat
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _core
from ._atomic_write import atomic_write
from ._checks import Array
from ._description import Rebuild, describe, join, mapping
from ._module import Module
from ._parameter import Parameter

FORMAT = 1
KEY = "pyrnn"  # of the metadata: JSON with format, version, model, ties and extra_state
DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
FOREIGN = {
    b"PK\x03\x04": "a zip archive (.pt, .npz, .keras)",
    b"\x89HDF": "an HDF5 file",
    b"\x80": "a pickle",
}


def save(module: Module, path: Any) -> None:
    """Writes a module for `load`; see Module.save."""
    from safetensors.numpy import save as to_bytes

    names: dict[int, str] = {}  # of the parameters
    ties: dict[str, str] = {}
    tensors: dict[str, Array] = {}
    model = describe(module, "", {})
    for prefix, part in module.named_modules():
        for own, parameter in vars(part).items():
            if isinstance(parameter, Parameter):
                name = join(prefix, own)
                stored = names.setdefault(id(parameter), name)
                if stored == name:
                    tensors[name] = np.array(parameter.data, order="C")  # as the writer needs it
                else:
                    ties[name] = stored
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
    path = os.fsdecode(path)
    data = _read(path)
    try:
        stored = _unpack(data)
        description = _description(data)
        rebuild = Rebuild(_arrays(stored), mapping(description, "ties"))
        module = rebuild.module(description.get("model"), "")
        rebuild.check_complete()
        _load_extra_state(module, mapping(description, "extra_state"))
    except RecursionError:
        raise ValueError(f"{path}: its configuration is nested too deeply") from None
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(f"{path}: {error}") from error
    return module


def _read(path: str) -> bytes:
    """The content of a regular file."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would wait for a writer
        raise OSError(errno.EINVAL, "not a regular file", path)
    with open(path, "rb") as file:
        return file.read()


def _unpack(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Names and contents; the safetensors package checks header, offsets and sizes."""
    from safetensors import SafetensorError, deserialize

    for magic, description in FOREIGN.items():
        if data.startswith(magic) and data[8:9] != b"{":
            raise ValueError(f"expected a file that pyrnn saved; this looks like {description}")
    try:
        stored: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"no safetensors file, or a damaged one: {error}") from error
    return stored


def _arrays(stored: list[tuple[str, dict[str, Any]]]) -> dict[str, Array]:
    """The tensors as arrays by name."""
    arrays = {}
    for name, content in stored:
        if content["dtype"] not in DTYPES:
            raise ValueError(f"tensor {name!r} is {content['dtype']}, expected F32 or F64")
        array = np.frombuffer(content["data"], DTYPES[content["dtype"]])
        arrays[name] = array.reshape(content["shape"])
    return arrays


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


def _load_extra_state(module: Module, states: Mapping[str, Any]) -> None:
    """Gives every module what it kept beside its parameters."""
    modules = {name: m for name, m in module.named_modules() if m.extra_state()}
    if set(states) != set(modules):
        raise ValueError(f"extra_state is of {sorted(states)}, expected {sorted(modules)}")
    for name, part in modules.items():
        part.load_extra_state(mapping(states, name))
