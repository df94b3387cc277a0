"""Files of named arrays: safetensors, with a JSON object of pyrnn's own in the metadata."""

import errno
import os
import stat
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .. import _core
from .atomic_write import atomic_write, check_target
from .bfloat16 import widened
from .checks import MESSAGE, Array, check_fits, check_path, describe, printable

FORMAT = 1
KEY = "pyrnn"  # of the metadata
MAX_HEADER = 100_000_000  # bytes, as the safetensors package has it
BF16 = np.dtype([("bfloat16", "<u2")])  # the upper half of a float32, of which numpy knows nothing
DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "BF16": BF16,
}
INT8 = np.dtype(np.int8)  # as "I8", with a scale for each row
SCALE = ".scale"  # after the name of a tensor of int8: that of its rows' scales
OTHERS = {
    name: np.dtype(f"<{name[0].lower()}{int(name[1:]) // 8}")
    for name in ("F16", "I8", "I16", "I32", "U8", "U16", "U32", "U64")
} | {"BOOL": np.dtype(bool)}  # what other writers' files hold, too
FOREIGN = {
    b"PK\x03\x04": "a zip archive (.pt, .npz, .keras)",
    b"\x89HDF": "an HDF5 file",
    b"\x80": "a pickle",
}


OTHER_FORMATS = {
    **dict.fromkeys((".pt", ".pth"), "torch"),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), "Keras"),
    **dict.fromkeys((".npy", ".npz"), "numpy"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), "pickle"),
    **dict.fromkeys((".pb", ".tflite"), "TensorFlow"),
    ".onnx": "ONNX",
    ".json": "JSON",
}
READERS = {**dict.fromkeys((".h5", ".hdf5", ".keras"), "keras"), ".onnx": "onnx"}

# The line that makes a file of safetensors of a pickle. Its writer takes no tensors that share
# memory, as those of tied layers do, nor any of other strides.
BY_PICKLE = (
    "safetensors.torch.save_file({{name: tensor.contiguous().clone() for name, tensor in "
    "torch.load({path}, weights_only=True){part}.items()}}, 'weights.safetensors')"
)


class OtherFormatError(ValueError):
    """A file of another format than safetensors."""


def with_remedy(path: str, error: Exception) -> str:
    """An error's text, and for a file of another format the line that converts one of torch."""
    text = printable(str(error), MESSAGE)
    suffix = os.path.splitext(path)[1].lower()
    if suffix in READERS:
        return f"{text}; pyrnn.{READERS[suffix]}.load reads a file of {OTHER_FORMATS[suffix]}"
    if not isinstance(error, OtherFormatError):
        return text
    part = "['state_dict']" if path.endswith(".ckpt") else ""  # Lightning's checkpoints
    line = BY_PICKLE.format(path=repr(path), part=part)  # whole, so that it can be run
    return f"{text}; a pickle of torch, .pt, .ckpt or .bin, is made one of weights by {line}"


def check_suffix(owner: str, path: Any) -> None:
    """ValueError for a name that says that a file has another format than safetensors."""
    suffix = os.path.splitext(check_path(owner, path))[1].lower()
    if suffix in OTHER_FORMATS:
        raise ValueError(
            f"{owner}: path ends in {suffix!r}, the suffix of {OTHER_FORMATS[suffix]} files; the "
            "file is safetensors: expected '.safetensors', or no suffix of another format"
        )


def check_place(owner: str, path: str) -> None:
    """OSError or ValueError now for a path that `write_tensors` could not write to later."""
    check_suffix(owner, path)
    check_target(path)


class Int8Rows(NamedTuple):
    """Numbers of -127 to 127, of which each row has a scale: float32 of 17 bits, so that
    number * scale is exact."""

    numbers: Array
    scales: Array

    @classmethod
    def checked(cls, name: str, numbers: Array, scales: Any) -> "Int8Rows":
        """Those of a file; ValueError if no model in int8 has such."""
        fit = isinstance(scales, np.ndarray) and scales.dtype == np.float32
        if not fit or numbers.ndim != 2 or scales.shape != numbers.shape[:1]:
            raise ValueError(f"tensor {describe(name)} is I8, expected F32 {name + SCALE!r} by row")
        if not (np.isfinite(scales) & (scales >= 0)).all() or (numbers == -128).any():
            raise ValueError(
                f"tensor {describe(name)} has numbers of -128 or scales that are negative or not "
                "finite, expected -127 to 127 times scales"
            )
        used = scales > 0  # the core finds a scale as the largest magnitude of its row over 127
        full = np.abs(numbers).max(axis=1, initial=0) == 127
        if not full[used].all() or (scales.view(np.uint32) & np.uint32(0x7F)).any():
            raise ValueError(
                f"tensor {describe(name)} has rows without a number of -127 or 127, or scales of "
                "more than 17 bits, expected what quantize gives"
            )
        return cls(numbers, scales)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numbers.shape

    @property
    def size(self) -> int:
        return self.numbers.size

    def widened(self) -> Array:
        """The products, float32."""
        return self.numbers * self.scales[:, None]


Stored: TypeAlias = "Array | Int8Rows"


def write_tensors(path: Any, tensors: Mapping[str, Stored], description: Mapping[str, Any]) -> None:
    """Writes arrays (in C order, as safetensors' writer needs them) and a description as JSON.

    The path holds the whole old file or the whole new one, whatever happens. OSError with the path
    if it cannot be written; TypeError for an array of a dtype that could not be read again.
    """
    import json

    arrays: dict[str, Array] = {}
    for name, array in tensors.items():
        if isinstance(array, Int8Rows):
            arrays |= {name: array.numbers, name + SCALE: array.scales}
        elif array.dtype not in DTYPES.values():
            raise TypeError(f"{name!r} is {array.dtype}, expected float32, float64, int64 or bf16")
        else:
            arrays[name] = array
    head = {"format": FORMAT, "version": _core.build_info()["version"]}
    metadata = {KEY: json.dumps({**head, **description})}
    atomic_write(path, _to_bytes(arrays, metadata))


def _to_bytes(tensors: Mapping[str, Array], metadata: dict[str, str]) -> bytes:
    """The file. Its writer for numpy has no bfloat16, which is written as integers of two bytes,
    and named in the header afterwards."""
    import json

    from safetensors.numpy import save

    halves = [name for name, array in tensors.items() if array.dtype == BF16]
    plain = {n: a.view("<u2") if a.dtype == BF16 else a for n, a in tensors.items()}
    data = save(plain, metadata=metadata)
    if not halves:
        return data
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    for name in halves:
        header[name]["dtype"] = "BF16"
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[end:]


def read_tensors(
    path: str, kinds: Mapping[str, np.dtype[Any]] = DTYPES
) -> tuple[dict[str, Array], dict[str, Any]]:
    """What write_tensors wrote. OSError if the file cannot be read; ValueError if it is no such
    file, damaged, or from a newer pyrnn; MemoryError if it is larger than the machine's memory.
    Nothing in it is executed. The header is looked at before anything else is read."""
    stored, description = _read(path, _description)
    arrays = {}
    for name, content in stored:
        if content["dtype"] not in kinds:
            raise ValueError(
                f"tensor {describe(name)} is {content['dtype']}, expected one of {', '.join(kinds)}"
            )
        arrays[name] = _as_array(content, kinds[content["dtype"]])
    return arrays, description


def read_model(path: str) -> tuple[dict[str, Stored], dict[str, Any]]:
    """The same of a model, of which some tensors may be rows of int8 with scales."""
    arrays, description = read_tensors(path, DTYPES | {"I8": INT8})
    return _with_scales(arrays), description


def read_weights(path: str) -> dict[str, Array]:
    """The arrays of any file of safetensors, whoever wrote it; bfloat16, and rows of int8 with
    scales, as float32, which is exact. Errors as `read_tensors`."""
    stored, _ = _read(path, lambda header: None)
    arrays: dict[str, Array] = {}
    for name, content in stored:
        if content["dtype"] == "BF16":
            arrays[name] = widened(_as_array(content, np.dtype("<u2")))
        elif (dtype := (DTYPES | OTHERS).get(content["dtype"])) is not None:
            arrays[name] = _as_array(content, dtype)
        else:
            raise ValueError(
                f"tensor {describe(name)} is {content['dtype']}, expected floats of 16, 32 or 64 "
                "bits, or integers"
            )
    joined = _with_scales(arrays, alone=True)
    return {n: a.widened() if isinstance(a, Int8Rows) else a for n, a in joined.items()}


def _with_scales(arrays: dict[str, Array], alone: bool = False) -> dict[str, Stored]:
    """Numbers of int8 with the scales of their rows; `alone`: there may be some without."""
    joined: dict[str, Stored] = {**arrays}
    for name, array in arrays.items():
        if array.dtype == INT8 and not (alone and name + SCALE not in arrays):
            scales = joined.pop(name + SCALE, None)
            joined[name] = Int8Rows.checked(name, array, scales)
    return joined


def _read(path: str, describes: Any) -> tuple[list[tuple[str, dict[str, Any]]], Any]:
    """(names and contents, what `describes` makes of the header) of a file."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        header = _read_header(file, size)
        description = describes(header)
        check_fits("the file", size)
        file.seek(0)
        data = file.read(size)
    return _unpack(data), description


def open_regular(path: str) -> Any:
    """A regular file, opened for reading."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for its writer
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return os.fdopen(fd, "rb")


def _read_header(file: Any, size: int) -> dict[str, Any]:
    """The header of a safetensors file; ValueError unless it describes a file of this size."""
    start = file.read(9)
    for magic, description in FOREIGN.items():
        if start.startswith(magic) and start[8:] != b"{":
            raise OtherFormatError(f"this looks like {description}, expected a file of safetensors")
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or not 2 <= length <= min(MAX_HEADER, size - 8):
        raise ValueError(f"no safetensors file, or a damaged one: its header has {length} bytes")
    header = _parse(start[8:] + file.read(length - 1))
    ends = [_end(name, entry) for name, entry in header.items() if name != "__metadata__"]
    if (end := 8 + length + max(ends, default=0)) != size:
        raise ValueError(
            f"no safetensors file, or a damaged one: it has {size} bytes, its header tells of {end}"
        )
    return header


def _end(name: str, entry: Any) -> int:
    """Where a tensor's bytes end after the header."""
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(offsets, list) or len(offsets) != 2 or type(offsets[1]) is not int:
        raise ValueError(f"tensor {describe(name)} has no data_offsets of two numbers")
    return offsets[1]


def _unpack(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Names and contents; the safetensors package checks header, offsets and sizes."""
    from safetensors import SafetensorError, deserialize

    try:
        stored: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"no safetensors file, or a damaged one: {error}") from error
    return stored


def _as_array(content: dict[str, Any], dtype: np.dtype[Any]) -> Array:
    """A tensor's bytes as an array."""
    return np.frombuffer(content["data"], dtype).reshape(content["shape"])


def _description(header: dict[str, Any]) -> dict[str, Any]:
    """The object in the metadata; ValueError if there is none that this version reads."""
    metadata = header.get("__metadata__") or {}
    if not isinstance(metadata, dict) or KEY not in metadata:
        raise ValueError(
            "holds weights, but no configuration of pyrnn; make the module yourself and call "
            "module.load_state_dict(path)"
        )
    description = _parse(metadata[KEY])
    found = description.get("format")
    if type(found) is not int or found < 1:
        raise ValueError(
            f"format is {describe(found)}, expected a number of this or an older format"
        )
    if found > FORMAT:
        raise ValueError(
            f"format {found} was written by pyrnn {describe(description.get('version'))}, "
            f"this pyrnn reads up to format {FORMAT}: upgrade with pip install --upgrade pyrnn-cpu"
        )
    return description


def _parse(text: str | bytes) -> dict[str, Any]:
    """A JSON object; names that come twice are refused."""
    import json

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a name comes twice in the header")
        return result

    value = json.loads(text, object_pairs_hook=unique)
    if not isinstance(value, dict):
        raise ValueError(f"the header holds a {type(value).__name__}, expected an object")
    return value


def mapping(description: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An entry that has to be a JSON object."""
    value = description.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"entry {name!r} is {describe(value)}, expected an object")
    return value
