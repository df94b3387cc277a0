"""Trees: nested dicts and lists as JSON, with the arrays in them as tensors of a file."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .checks import Array, describe
from .tensor_file import DTYPES

TENSOR = "$tensor"  # {TENSOR: name} is an array in the JSON

# What a wing adds: a value that JSON lacks as a tree of values that it has, None for no such value;
# and the value that such a tree, whose name begins with "$", stands for.
Encode = Callable[[Any], dict[str, Any] | None]
Decode = Callable[[dict[str, Any]], Any]


def to_tree(
    value: Any, name: str, tensors: dict[str, Array], owner: str, encode: Encode | None = None
) -> Any:
    """A value as JSON holds it, the arrays in it put into `tensors` by the names of their places.

    TypeError, which says that `owner` cannot hold it, for what neither JSON nor `encode` knows.
    """
    if encode is not None and (coded := encode(value)) is not None:
        return {key: to_tree(v, name, tensors, owner, encode) for key, v in coded.items()}
    if isinstance(value, np.ndarray):
        if value.dtype not in DTYPES.values():
            raise TypeError(
                f"{owner} cannot hold {name}, an array of {value.dtype}, expected float32, float64 "
                "or int64"
            )
        if name in tensors:  # of a key with a slash in it
            raise TypeError(f"{owner} cannot hold two arrays named {name!r}")
        tensors[name] = np.array(value, order="C")
        return {TENSOR: name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key[:1] == "$":
                raise TypeError(f"{owner} cannot hold the key {key!r} of {name or 'a state'}")
        return {
            k: to_tree(v, f"{name}/{k}" if name else k, tensors, owner, encode)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [to_tree(v, f"{name}/{i}", tensors, owner, encode) for i, v in enumerate(value)]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{owner} cannot hold {name}, which is {describe(value)}")


def from_tree(value: Any, tensors: Mapping[str, Array], decode: Decode | None = None) -> Any:
    """The inverse; tuples have become lists. Arrays are copied: the file's bytes are let go.

    ValueError or LookupError for a tree that `to_tree` did not make."""
    if isinstance(value, list):
        return [from_tree(v, tensors, decode) for v in value]
    if not isinstance(value, dict):
        return value
    if TENSOR in value:
        return np.array(tensors[value[TENSOR]])
    read = {k: from_tree(v, tensors, decode) for k, v in value.items()}
    return decode(read) if decode is not None and any(k[:1] == "$" for k in read) else read
