"""Reading a model file and the tensors in it."""

import os
from typing import Any, NamedTuple

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import uses_external_data

from .._base.checks import MESSAGE, Array, check_flag, check_path, describe, printable
from .._base.tensor_file import open_regular
from ._external import Folder

SHARES = 4  # how often the bytes of a file may stand in layers, on average
SPARE = 2**20  # bytes, and besides


class ModelFile(NamedTuple):
    """A model as its file has it, and where its external data may lie."""

    model: onnx.ModelProto
    folder: Folder | None = None  # None: external data are refused

    def check_layers(self, owner: str, nbytes: int) -> None:
        """ValueError for layers with far more bytes of weights than the file has, and those beside
        it: many nodes may have the same."""
        stored = self.model.ByteSize() + (self.folder.size if self.folder else 0)
        if nbytes > SHARES * stored + SPARE:
            raise ValueError(f"{owner} repeats weights of other nodes, which have too many copies")


def read_model(owner: str, path: Any, external_data: Any) -> ModelFile:
    """The model in a file; ValueError if it is none, OSError if it cannot be read."""
    path = check_path(owner, path)
    external_data = check_flag(owner, "external_data", external_data)
    model = onnx.ModelProto()
    with open_regular(path) as file:
        data = file.read(os.fstat(file.fileno()).st_size)
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise ValueError(f"{owner}: {shown(path)} is not a file of ONNX") from None
    if not (model.HasField("graph") and model.opset_import):
        raise ValueError(f"{owner}: {shown(path)} is not a file of ONNX: it has no graph")
    folder = os.path.dirname(os.path.abspath(path))
    return ModelFile(model, Folder(folder) if external_data else None)


def shown(path: str) -> str:
    """A path for a message."""
    return printable(repr(path), MESSAGE)


def tensor_array(owner: str, tensor: onnx.TensorProto, folder: Folder | None) -> Array:
    """The values of a tensor; those in another file only if a folder is given, and from there."""
    what = f"{owner}: tensor {describe(tensor.name)}"
    if any(size < 0 for size in tensor.dims):
        raise ValueError(f"{what} has the shape {tuple(tensor.dims)}")
    if uses_external_data(tensor):
        if folder is None:
            raise ValueError(f"{what} is in another file, which external_data=True would read")
        return folder.read(what, tensor)
    stored = [field.name for field, _ in tensor.ListFields() if field.name.endswith("_data")]
    if len(stored) > 1:
        raise ValueError(f"{what} has its values in {' and '.join(stored)}, expected one of them")
    try:
        array: Array = onnx.numpy_helper.to_array(tensor)
    except (onnx.checker.ValidationError, KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"{what}: {printable(str(error), MESSAGE)}") from None
    return array
