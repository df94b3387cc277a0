"""Estimators in files: one safetensors file with all that was learnt, which runs no code."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from .._base.checks import MESSAGE, Array, check_path, describe, describe_all, printable
from .._base.module import Module
from .._base.tensor_file import DTYPES, check_suffix, mapping, read_tensors, write_tensors
from .._base.tree import from_tree, to_tree
from .._files.load import rebuilt
from ..data._vocabulary import Vocabulary
from ..training._history import History

Class = TypeVar("Class", bound=type)
ESTIMATORS: dict[str, Any] = {}  # by name: what `load` makes
LEARNT: dict[str, Any] = {}  # by name: the dataclasses that an estimator learns


def learnt(cls: Class) -> Class:
    """Enters a dataclass whose fields are what an estimator has learnt: arrays, numbers, texts,
    lists, tuples and dicts of them, modules, and other such classes."""
    LEARNT[cls.__name__] = cls
    return cls


def storable(cls: Class) -> Class:
    """Enters an estimator that `load` makes."""
    ESTIMATORS[cls.__name__] = cls
    return cls


def write(path: Any, estimator: Any, parameters: Any, knows: Any) -> None:
    """Writes the parameters of an estimator and what it knows, by name."""
    cls = type(estimator)
    owner = f"{cls.__name__}.save"
    check_suffix(owner, path)
    if ESTIMATORS.get(cls.__name__) is not cls:
        raise TypeError(f"{owner}: a file holds pyrnn's own estimators, {', '.join(ESTIMATORS)}")
    tensors: dict[str, Array] = {}
    tree = to_tree({"parameters": parameters, "knows": knows}, "", tensors, owner, _encode)
    write_tensors(path, tensors, {"estimator": {"class": cls.__name__, **tree}})


def load(path: Any) -> Any:
    """The fitted estimator that `estimator.save(path)` wrote: it predicts the same bits, and
    `partial_fit` and `update` go on from where it was.

    Only pyrnn's own classes are made; nothing in a file is executed, and memory is bounded by the
    file's size. OSError if the file cannot be read; ValueError that says what is wrong if it is no
    such file, damaged, or from a newer pyrnn.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from pyrnn.estimators import SequenceClassifier, load
    >>> X, y = np.eye(4), ["a", "b", "a", "b"]
    >>> classifier = SequenceClassifier(epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "classifier.safetensors")
    ...     classifier.save(path)
    ...     again = load(path)
    >>> bool((again.predict_proba(X) == classifier.predict_proba(X)).all())
    True
    """
    path = check_path("load", path)
    try:
        tensors, description = read_tensors(path)
        if "estimator" not in description:
            raise ValueError("holds no estimator, expected a file that estimator.save(path) wrote")
        tree = from_tree(mapping(description, "estimator"), tensors, _decode)
        cls = ESTIMATORS.get(str(tree.get("class")))
        if cls is None:
            raise ValueError(
                f"holds a {describe(tree.get('class'))}, expected one of {', '.join(ESTIMATORS)}"
            )
        estimator = cls(**mapping(tree, "parameters"))
        estimator._take(mapping(tree, "knows"))
    except RecursionError:
        raise ValueError(f"{path}: what it holds is nested too deeply") from None
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path}: {printable(str(error), MESSAGE)}") from None
    return estimator


def _encode(value: Any) -> dict[str, Any] | None:
    """As a tree of what JSON and safetensors hold."""
    if isinstance(value, Module):
        tensors, description = value._stored()
        return {"$module": description, "$weights": tensors}
    if isinstance(value, Vocabulary):
        return {"$vocabulary": list(value.tokens)}
    if isinstance(value, History):
        return {"$history": value.state_dict()}
    if isinstance(value, np.ndarray) and value.dtype not in DTYPES.values():
        return _encode_array(value)
    if isinstance(value, np.generic):
        return {"$scalar": np.asarray(value)}
    if isinstance(value, tuple):
        return {"$tuple": list(value)}
    if isinstance(value, Mapping) and not all(isinstance(k, str) and k[:1] != "$" for k in value):
        return {"$items": [list(item) for item in value.items()]}
    if LEARNT.get(type(value).__name__) is type(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"$learnt": type(value).__name__, "$fields": fields}
    return None


def _encode_array(array: Array) -> dict[str, Any] | None:
    """Texts and objects as lists; dates and times, flags and small numbers as int64 or float64,
    which hold them exactly."""
    kind, shape = array.dtype.kind, list(array.shape)
    if kind in "UO":
        return {"$texts": array.ravel().tolist(), "$dtype": str(array.dtype), "$shape": shape}
    if kind in "mM":
        return {"$numbers": array.astype(np.int64), "$dtype": str(array.dtype)}
    for wide in (np.int64, np.float64):
        if kind in "biuf" and np.can_cast(array.dtype, wide):
            return {"$numbers": array.astype(wide), "$dtype": str(array.dtype)}
    return None


def _decode(tree: dict[str, Any]) -> Any:
    """The inverse of `_encode`."""
    match tree:
        case {"$module": dict(description), "$weights": dict(tensors)}:
            return rebuilt(tensors, description)
        case {"$vocabulary": list(tokens)}:
            return Vocabulary(tokens)
        case {"$history": dict(state)}:
            history = History()
            history.load_state_dict(state)
            return history
        case {"$scalar": np.ndarray(shape=()) as array}:
            return array[()]
        case {"$tuple": list(entries)}:
            return tuple(entries)
        case {"$items": list(items)}:
            return {key: value for key, value in items}
        case {"$learnt": str(name), "$fields": dict(fields)} if name in LEARNT:
            return _made(LEARNT[name], fields)
        case {"$texts": list(entries), "$dtype": str(dtype), "$shape": list(shape)}:
            return _texts(entries, dtype, shape)
        case {"$numbers": np.ndarray() as numbers, "$dtype": str(dtype)}:
            return _numbers(numbers, dtype)
    raise ValueError(f"holds {describe(sorted(tree))}, expected what save writes")


def _texts(entries: list[Any], dtype: str, shape: list[Any]) -> Array:
    """An array of texts or objects."""
    objects = np.empty(len(entries), object)
    objects[:] = entries
    if dtype != "object":  # as wide as its longest text, whatever the file says
        objects = objects.astype(str)
    array: Array = objects.reshape(shape)
    return array


def _numbers(numbers: Array, dtype: str) -> Array:
    """An array of the dtype that it had before it was stored as a wider one."""
    wanted = np.dtype(dtype)
    if wanted.kind not in "biufmM" or wanted.itemsize > 8:
        raise ValueError(f"holds numbers of the dtype {describe(dtype)}, expected numbers or dates")
    array: Array = numbers.astype(wanted)
    return array


def _made(cls: Any, fields: dict[str, Any]) -> Any:
    """A dataclass of its fields. ValueError unless they are all there, each of its type; those that
    have a default may lack, as in a file of a version that did not know them."""
    hints = get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls)}
    for name in set(known) - set(fields):
        if known[name].default is dataclasses.MISSING:
            raise ValueError(f"{cls.__name__} lacks {describe(name)}")
        fields[name] = known[name].default
    check_kinds(cls.__name__, fields, {name: hints[name] for name in known})
    made = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    if hasattr(made, "check"):
        made.check()
    return made


def check_kinds(owner: str, values: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """ValueError unless the values are of these annotated types; those that allow None may lack."""
    if unknown := sorted(set(values) - set(kinds)):
        raise ValueError(f"{owner} has {describe_all(unknown)}, expected {describe_all(kinds)}")
    for name, kind in kinds.items():
        if not fits(values.get(name), kind):
            raise ValueError(f"{name} of {owner} is {describe(values.get(name))}, expected {kind}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is None:
        hint = type(None) if hint is None else hint
        is_flag = isinstance(value, bool) and hint in (int, float)
        return isinstance(value, hint | int if hint is float else hint) and not is_flag
    if not isinstance(value, origin):
        return False
    if origin is tuple and arguments[-1:] != (Ellipsis,):
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if origin in (list, tuple):
        return all(fits(entry, arguments[0]) for entry in value)
    if issubclass(origin, Mapping):
        return all(fits(k, arguments[0]) and fits(v, arguments[1]) for k, v in value.items())
    return True
