"""Tensors whose values lie in another file: inside the model's folder, and nowhere else."""

import math
import os
import re
import stat
from typing import Any

import numpy as np
import onnx

from .._base.checks import Array, describe, describe_all

KEYS = ("location", "offset", "length")
WHOLE = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "BOOL")  # besides integers of 8 to 64 bits
READS = 4  # how often the bytes of a file may be read, on average: a few tensors share some


class Folder:
    """The folder of a model, from which its tensors are read.

    No part of a path there may be a link, nor may the file have a second name outside: each is
    opened from the folder that it is in.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._sizes: dict[str, int] = {}  # of the files by their paths from there
        self._read: dict[str, int] = {}  # the bytes that were read of each

    @property
    def size(self) -> int:
        """The bytes of the files that tensors were read from."""
        return sum(self._sizes.values())

    def read(self, what: str, tensor: onnx.TensorProto) -> Array:
        """The values of a tensor; ValueError for all that is not in the folder, or too short."""
        entries = _entries(what, tensor)
        dtype = _dtype(what, tensor.data_type)
        size = math.prod(tensor.dims) * dtype.itemsize
        offset, length = _number(what, entries, "offset", 0), _number(what, entries, "length", size)
        if length != size:
            raise ValueError(f"{what} has length {length}, expected {size} for its shape")
        location = entries.get("location", "")
        try:
            fd = self._open(what, location)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise ValueError(f"{what} lies in {describe(location)}: {reason}") from None
        try:
            self._check(what, location, os.fstat(fd), offset, size)
            file = os.fdopen(os.dup(fd), "rb")
        finally:
            os.close(fd)
        with file:
            file.seek(offset)
            data = file.read(size)
        return np.frombuffer(data, dtype).reshape(tuple(tensor.dims))

    def _open(self, what: str, location: str) -> int:
        """A descriptor of a file below the folder; OSError for a link on the way."""
        parts = location.split("/")
        if not all(parts) or ".." in parts or "\0" in location:
            raise ValueError(
                f"{what} lies in {describe(location)}, expected a path inside the model's folder"
            )
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for i, part in enumerate(parts, 1):
            folder = os.O_DIRECTORY if i < len(parts) else 0
            try:
                inner = os.open(part, flags | folder, dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
        return fd

    def _check(
        self, what: str, location: str, found: os.stat_result, offset: int, size: int
    ) -> None:
        """ValueError for what is no file of its own, or too short, or read again and again."""
        where = f"{what} lies in {describe(location)}"
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise ValueError(f"{where}, expected a regular file without another name")
        if offset + size > found.st_size:
            raise ValueError(f"{where} up to byte {offset + size}, which has {found.st_size} bytes")
        self._sizes[location] = found.st_size
        self._read[location] = self._read.get(location, 0) + size
        if self._read[location] > READS * found.st_size:
            raise ValueError(f"{where}, of which other tensors have the same bytes")


def _entries(what: str, tensor: onnx.TensorProto) -> dict[str, str]:
    """What the file says of the place, each key once."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    unknown = [key for key in entries if key not in KEYS]
    if unknown or len(entries) < len(tensor.external_data):
        came = describe_all(unknown) or "a key twice"
        raise ValueError(f"{what}: its external data have {came}, expected {describe_all(KEYS)}")
    return entries


def _number(what: str, entries: dict[str, str], key: str, default: int) -> int:
    """A number of bytes."""
    text = entries.get(key, str(default))
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(f"{what}: its {key} is {describe(text)}, expected a number of bytes")
    return int(text)


def _dtype(what: str, number: int) -> "np.dtype[Any]":
    """A dtype whose elements are whole bytes."""
    name = next((name for name, n in onnx.TensorProto.DataType.items() if n == number), str(number))
    if name not in WHOLE and not re.fullmatch(r"U?INT(8|16|32|64)", name):
        raise ValueError(f"{what} is {name}, expected floats or integers of whole bytes")
    dtype: np.dtype[Any] = onnx.helper.tensor_dtype_to_np_dtype(number)
    return dtype
