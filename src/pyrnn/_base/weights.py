"""Weights from elsewhere: arrays by name, of any library or from a file of safetensors."""

import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from itertools import repeat
from operator import setitem
from typing import Any, NamedTuple

import numpy as np

from .checks import (
    Array,
    as_plain_array,
    check_flag,
    check_mapping,
    check_path,
    describe,
    describe_all,
    join_some,
)
from .foreign import as_weight, is_half
from .parameter import Parameter
from .tensor_file import read_weights, with_remedy

LISTED = 9  # names in a report that is shown


class LoadReport(NamedTuple):
    """What `load_state_dict` has left out, as torch's call returns it.

    `missing_keys` are parameters that keep their values; `unexpected_keys` are arrays that belong
    to no parameter, under the prefix if there is one.

    Examples
    --------
    >>> weights = {"weight": np.zeros((2, 3)), "scale": np.ones(2)}
    >>> pyrnn.Linear(3, 2).load_state_dict(weights, strict=False)
    LoadReport(missing_keys=['bias'], unexpected_keys=['scale'])
    >>> pyrnn.Linear(3, 2).load_state_dict({"weight": np.zeros((2, 3)), "bias": np.zeros(2)})
    LoadReport(all keys match)
    """

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not any(self):
            return "LoadReport(all keys match)"
        names = (f"{k}=[{describe_all(v, LISTED)}]" for k, v in self._asdict().items())
        return f"LoadReport({', '.join(names)})"


def fitting_weights(
    owner: str, named: Mapping[str, Parameter], mapping: Any, prefix: Any, strict: Any
) -> tuple[dict[str, Array], LoadReport]:
    """(arrays of the parameters' shapes and dtypes by name, what is left out). ValueError that
    lists all that does not fit; with `strict`, all that is left out, too."""
    strict = check_flag(owner, "strict", strict)
    prefix = _check_prefix(owner, prefix)
    given = _read(owner, mapping)
    wanted = {prefix + name: parameter for name, parameter in named.items()}
    if prefix and not any(str(name).startswith(prefix) for name in given):
        raise ValueError(
            f"{owner}: prefix is {describe(prefix)}, with which no name of mapping begins"
            f"{_hint(named, given, prefix)}"
        )
    report = LoadReport(
        [name for name in wanted if name not in given],
        [name for name in given if str(name).startswith(prefix) and name not in wanted],
    )
    problems = []
    if strict or (wanted and len(report.missing_keys) == len(wanted)):
        problems = [f"missing {describe(name)}" for name in report.missing_keys]
    if strict:
        problems += [f"unexpected {describe(name)}" for name in report.unexpected_keys]
    arrays = {}
    for name, parameter in wanted.items():
        if name not in given:
            continue
        array = _as_floats(owner, name, given[name])
        if array.shape != parameter.shape or array.dtype.kind != "f":
            problems.append(
                f"{describe(name)} is {array.dtype} of shape {array.shape}, "
                f"expected {parameter.dtype} of shape {parameter.shape}"
            )
            continue
        cast = arrays[name.removeprefix(prefix)] = _cast(array, parameter.dtype)
        if cast is not array and (np.isinf(cast) > np.isinf(array)).any():
            problems.append(f"{describe(name)} has numbers too large for {parameter.dtype}")
    if problems:
        raise ValueError(f"{owner}: {join_some(problems)}{_hint(named, given, prefix)}")
    return arrays, report


def write_all(named: Mapping[str, Parameter], arrays: Mapping[str, Array]) -> None:
    """Writes arrays that `fitting_weights` gave, all or none of them.

    The loop is one in C, inside which Python runs no handler of a signal: Ctrl-C comes before it or
    after it.
    """
    write: Any = setitem
    written = [name for name in arrays if not named[name].hollow]
    with ExitStack() as stack:
        targets = [stack.enter_context(named[name].writing()) for name in written]
        deque(map(write, targets, repeat(...), [arrays[name] for name in written]), maxlen=0)


def _check_prefix(owner: str, prefix: Any) -> str:
    """The beginning of names, which ends in a dot if it is one at all."""
    if not isinstance(prefix, str):
        raise TypeError(
            f"{owner}: prefix is {describe(prefix)}, expected a text such as 'encoder.rnn.'"
        )
    return prefix if prefix.endswith(".") or not prefix else f"{prefix}."


def _read(owner: str, mapping: Any) -> Mapping[str, Any]:
    """Arrays by name, from a file if that is what came."""
    if not isinstance(mapping, str | bytes | os.PathLike):
        if not isinstance(mapping, Mapping) and hasattr(mapping, "state_dict"):
            came = describe(mapping)
            raise TypeError(f"{owner}: mapping is {came}, expected its mapping.state_dict()")
        return check_mapping(owner, "mapping", mapping)
    path = check_path(owner, mapping, "mapping")
    try:
        return read_weights(path)
    except (TypeError, ValueError, LookupError, RecursionError) as error:
        text = with_remedy(path, error)
        raise ValueError(f"{owner}: mapping {describe(path)}: {text}") from None


def _as_floats(owner: str, name: str, value: Any) -> Array:
    """A weight as numpy's array; half precision becomes float32, which is exact."""
    array = as_plain_array(owner, f"mapping[{describe(name)}]", as_weight(value), "of floats")
    return array.astype(np.float32) if is_half(array.dtype) else array


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    """The array itself where it has the dtype; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def _hint(named: Collection[str], given: Collection[str], prefix: str) -> str:
    """The prefixes under which all parameters are there, if it is not this one."""
    found = [p for p in _prefixes(named, given) if p != prefix]
    return f"; all are there with prefix={describe_all(found, 3)}" if found else ""


def _prefixes(named: Collection[str], given: Collection[str]) -> Iterator[str]:
    """What stands in front of all parameters' names somewhere among those that were given."""
    first = next(iter(named), "")
    for key in given if named else ():
        if str(key).endswith(first):
            start = str(key).removesuffix(first)
            if start[-1:] in ("", ".") and all(start + name in given for name in named):
                yield start
