"""The argument checks that modules share; each names the argument, what came, what was expected.

`owner` is the class or function that the user called ("LSTM"), `name` its argument.
"""

import operator
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .foreign import as_numpy, conversion, is_foreign, is_half, obstacle

Array = NDArray[Any]

MAX_SIZE = 2**31 - 1
MAX_INT64 = 2**63 - 1
MAX_PATH = 32_767  # more than any system takes
MESSAGE = 1000  # characters of an error that may quote a file
SHOWN = 60  # characters of a value in a message
PLAIN = (np.ndarray, np.generic, int, float, str)  # no arrays of other libraries in a list
LISTED = 2  # depth of the lists in which arrays of other libraries are looked for
SEQUENCES = (list, tuple, range)  # what is converted although it is no array
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def check_size(
    owner: str, name: str, value: Any, *, minimum: int = 1, maximum: int = MAX_SIZE
) -> int:
    """An integer (no bool) in minimum..maximum."""
    try:
        size = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except Exception:  # a TypeError, or whatever an object's own __index__ raises
        size = None
    if size is None:
        raise TypeError(f"{owner}: {name} is {describe(value)}, expected an integer")
    if not minimum <= size <= maximum:
        raise ValueError(
            f"{owner}: {name} is {describe(size)}, expected {minimum} <= {name} <= {maximum}"
        )
    return size


def check_flag(owner: str, name: str, value: Any) -> bool:
    """True or False, nothing that merely counts as one."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {name} is {describe(value)}, expected True or False")
    return bool(value)


def check_number(owner: str, name: str, value: Any) -> float:
    """A real number: an int, a float or a numpy scalar; no bool, text or array. NaN passes."""
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        raise TypeError(f"{owner}: {name} is {describe(value)}, expected a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(
            f"{owner}: {name} is {describe(value)}, expected a number that float64 can hold"
        ) from None


def check_probability(owner: str, name: str, value: Any) -> float:
    """A number in [0, 1]."""
    number = check_number(owner, name, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{owner}: {name} is {number}, expected 0 <= {name} <= 1")
    return number


def check_choice(owner: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str):
        raise TypeError(f"{owner}: {name} is {describe(value)}, expected one of {list(choices)}")
    if value not in choices:
        raise ValueError(f"{owner}: {name} is {describe(value)}, expected one of {list(choices)}")
    return value


def check_dtype(owner: str, dtype: Any) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        result = np.dtype(object if dtype is None else dtype)  # numpy takes None for float64
    except Exception:  # whatever an object's own `dtype` or `__bool__` raises
        result = np.dtype(object)
    if result not in FLOATS:
        raise TypeError(f"{owner}: dtype is {describe(dtype)}, expected np.float32 or np.float64")
    return result


def check_path(owner: str, path: Any, name: str = "path") -> str:
    """A path of a file as text."""
    try:
        text = os.fsdecode(path)
    except Exception:  # a TypeError, or whatever an object's own __fspath__ raises
        raise TypeError(
            f"{owner}: {name} is {describe(path)}, expected the path of a file"
        ) from None
    if len(text) > MAX_PATH:
        raise ValueError(f"{owner}: {name} has {len(text)} characters, expected at most {MAX_PATH}")
    if "\0" in text:
        raise ValueError(
            f"{owner}: {name} is {describe(text)}, expected one without null characters"
        )
    return text


def check_mapping(
    owner: str,
    name: str,
    value: Any,
    keys: Collection[str] | None = None,
    optional: Collection[str] = (),
) -> Mapping[str, Any]:
    """A dict, or what has its methods; if `keys` are given, with these, perhaps the optional ones,
    and no others."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{owner}: {name} is {describe(value)}, expected a dict")
    missing = [key for key in keys or () if key not in value]
    if missing:
        raise ValueError(
            f"{owner}: {name} lacks {describe_all(missing)}, expected {describe_all(keys or (), 9)}"
        )
    known = [*(keys or ()), *optional]
    unknown = [] if keys is None else [key for key in value if key not in known]
    if unknown:
        raise ValueError(
            f"{owner}: {name} has {describe_all(unknown)}, expected {describe_all(known, 9)}"
        )
    return value


def check_list(owner: str, name: str, value: Any) -> list[Any]:
    """A list or a tuple, as a list."""
    if not isinstance(value, list | tuple):
        raise TypeError(f"{owner}: {name} is {describe(value)}, expected a list")
    return list(value)


_stored: ContextVar[tuple[int, int] | None] = ContextVar("pyrnn_stored", default=None)


@contextmanager
def filled_from_file(elements: int, largest: int) -> Iterator[None]:
    """Inside, a module is made whose weights a file holds: `elements` of them, what is tied counted
    each time, and the `largest` tensor. More is refused, and the parameters take no memory yet."""
    token = _stored.set((elements, largest))
    try:
        yield
    finally:
        _stored.reset(token)


def is_filled_from_file(elements: int) -> bool:
    """Whether the weights of a parameter come from a file; ValueError if no tensor is so large."""
    stored = _stored.get()
    if stored is not None and elements > stored[1]:
        raise ValueError(f"a parameter would have {elements} weights, {stored[1]} are stored")
    return stored is not None


@cache
def _physical_memory() -> int:
    """The machine's memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_memory(owner: str, elements: int, dtype: np.dtype[Any]) -> None:
    """MemoryError for weights that the machine's memory cannot hold; every module asks first."""
    stored = _stored.get()
    if stored is not None and elements > stored[0]:
        raise ValueError(f"{owner} would have {elements} weights, {stored[0]} are stored")
    check_fits(f"{owner}: the weights", elements * dtype.itemsize, "need")


def check_fits(what: str, needed: int, verb: str = "needs") -> None:
    """MemoryError for more bytes than the machine has memory."""
    present = _physical_memory()
    if needed > present:
        raise MemoryError(
            f"{what} {verb} {needed / 2**30:.1f} GiB, "
            f"this machine has {present / 2**30:.1f} GiB of memory"
        )


def as_floats(owner: str, name: str, value: Any, dtype: np.dtype[Any] | None) -> Array:
    """`value` as an array of `dtype` (None: float32 or float64) as the core takes it.

    C-contiguous, aligned, native byte order; copied only when it is not. Lists of Python floats
    are cast; an array of another dtype is a TypeError that shows the conversion.
    """
    array = read_floats(owner, name, value, dtype)
    try:
        return as_contiguous(array)
    except MemoryError:
        raise too_large(owner, name, array) from None


def read_floats(owner: str, name: str, value: Any, dtype: np.dtype[Any] | None) -> Array:
    """The same as an array of any strides, never copied."""
    if type(value) is np.ndarray and value.dtype == (dtype or value.dtype):
        array: Array = value
    else:
        array = as_plain_array(owner, name, value, "of floats")
        if isinstance(value, SEQUENCES) and array.dtype in FLOATS:
            array = array.astype(dtype or np.float64, copy=False)
    accepted = FLOATS if dtype is None else (dtype,)
    if array.dtype.kind != "f" or array.dtype.newbyteorder("=") not in accepted:
        raise TypeError(_dtype_message(owner, name, array.dtype, dtype, value))
    return array


def as_integers(owner: str, name: str, value: Any) -> Array:
    """`value` as a C-contiguous int64 array, copied when needed; TypeError for other dtypes."""
    array = read_integers(owner, name, value)
    try:
        return as_contiguous(array)
    except MemoryError:
        raise too_large(owner, name, array) from None


def read_integers(owner: str, name: str, value: Any) -> Array:
    """The same as an array of any strides."""
    array = as_plain_array(owner, name, value, "of integers")
    if isinstance(value, SEQUENCES) and array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or (isinstance(value, SEQUENCES) and _holds_bool(value)):
        way = f": {name}.astype(np.int64)" if value is array and array.dtype == bool else ""
        raise TypeError(f"{owner}: {name} has dtype {_kind(value, array)}, expected integers{way}")
    if array.dtype == np.uint64 and array.size and int(array.max()) > MAX_INT64:
        where = ", ".join(str(i) for i in np.unravel_index(array.argmax(), array.shape))
        raise ValueError(f"{owner}: {name}[{where}] is {array.max()}, expected less than 2**63")
    return array.astype(np.int64, copy=False)


def as_contiguous(array: Array) -> Array:
    """The array itself if the core can read it, or a copy that it can."""
    if array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative:
        return array
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)


def check_shape(
    owner: str, name: str, array: Array, expected: tuple[int, ...], meaning: str
) -> None:
    """The exact shape; `meaning` explains its sizes: "(time, batch, input_size)"."""
    if array.shape != expected:
        raise ValueError(
            f"{owner}: {name} has shape {array.shape}, expected {expected} = {meaning}"
        )


def as_lengths(owner: str, lengths: Any, batch: int, steps: int, name: str = "lengths") -> Array:
    """Lengths as a new int64 array (batch,), each in 0..steps."""
    array = as_integers(owner, name, lengths)
    check_shape(owner, name, array, (batch,), "(batch,)")
    array = array.copy()  # another thread may write the caller's
    wrong = np.flatnonzero((array < 0) | (array > steps))
    if wrong.size:
        first = int(wrong[0])
        raise ValueError(
            f"{owner}: {name}[{first}] is {array[first]}, expected 0 <= length <= {steps} steps"
        )
    return array


def describe(value: Any) -> str:
    """A short word for a wrong value: its text when it is a scalar, its type otherwise.

    On one line, without what a terminal would obey, whatever the value holds: it may come from a
    file.
    """
    if isinstance(value, str):
        return printable(repr(str(value[: SHOWN + 1])))
    if isinstance(value, int) and value.bit_length() > 8 * SHOWN:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, np.dtype | type):
        return printable(value.name if isinstance(value, np.dtype) else value.__name__)
    if isinstance(value, int | float | np.generic) or value is None:
        return printable(repr(value))
    return f"of type {printable(type(value).__name__)}"


def printable(text: str, limit: int = SHOWN) -> str:
    """A text for a message: cut, on one line, and without characters that are not printable."""
    text = text if len(text) <= limit else f"{text[: limit - 3]}..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def describe_all(values: Iterable[Any], limit: int = 5) -> str:
    """The first few of several values, such as the names in a file."""
    return join_some(map(describe, values), ", ", limit)


def join_some(parts: Iterable[str], between: str = "; ", limit: int = 20) -> str:
    """The first few of several parts of a message."""
    some = list(islice(parts, limit + 1))
    return between.join([*some[:limit], *["..."][: len(some) > limit]])


def as_plain_array(owner: str, name: str, value: Any, content: str) -> Array:
    """`value` as numpy's array: a list, or an array of any library that has `__array__` or
    `__dlpack__`; nothing else. A view where the library gives one."""
    return convert(f"{owner}: {name}", value, content)


def convert(name: str, value: Any, content: str) -> Array:
    """The same; `name` begins the messages, and its last word is the argument. What cannot be read
    is told with the call that makes it readable, else in the words of its own library."""
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ndarray) and isinstance(value, np.ma.MaskedArray | np.matrix):
        raise TypeError(
            f"{name} is a {printable(type(value).__name__)}, expected a plain array {content}"
        )
    is_list = isinstance(value, SEQUENCES)
    if not is_list and not is_foreign(value):
        raise TypeError(f"{name} is {describe(value)}, expected an array {content}")
    failure = None
    try:
        array = as_numpy(value)
        if not (is_list and array.dtype == object):
            return array
    except MemoryError as error:
        raise MemoryError(f"{name} does not fit into memory: {error}") from None
    except Exception as error:
        failure = error
    if (known := obstacle(value, name.rpartition(" ")[2], content)) is not None:
        raise TypeError(f"{name} {printable(known, MESSAGE)}")
    if is_list and (items := read_items(name, value, content)) is not value:
        return convert(name, items, content)
    if failure is None:
        return array
    kind = "a list" if is_list else describe(value)
    reason = printable(str(failure), 3 * SHOWN)
    message = f"{name} is {kind} that makes no array: {reason}"
    raise (ValueError if isinstance(failure, ValueError) else TypeError)(message) from None


def read_items(name: str, items: Any, content: str, depth: int = LISTED) -> Any:
    """A list with other libraries' arrays in it, or in its lists, as numpy's; else itself."""
    if all(isinstance(item, PLAIN) for item in items):
        return items
    read = []
    for i, item in enumerate(items):
        if isinstance(item, SEQUENCES) and depth > 1:
            item = read_items(f"{name}[{i}]", item, content, depth - 1)
        elif not isinstance(item, np.ndarray) and is_foreign(item):
            item = convert(f"{name}[{i}]", item, content)
        read.append(item)
    return read if any(a is not b for a, b in zip(read, items, strict=True)) else items


def _dtype_message(
    owner: str, name: str, came: np.dtype[Any], dtype: np.dtype[Any] | None, value: Any
) -> str:
    """Why an array's dtype is refused, and the call that converts it."""
    expected = str(dtype) if dtype is not None else "float32 or float64"
    message = f"{owner}: {name} has dtype {came}, expected {expected}"
    if came.kind in "iuf" or is_half(came):
        message += f": convert it with {conversion(value, name, str(dtype or 'float32'))}"
    return message


def too_large(owner: str, name: str, array: Array) -> MemoryError:
    """For an array that needs a copy, and more memory for it than there is."""
    return MemoryError(
        f"{owner}: {name} has shape {array.shape}, of which memory cannot hold a copy"
    )


def _holds_bool(value: Any) -> bool:
    """Whether a nested list holds a bool, which numpy would turn into 0 or 1."""
    if isinstance(value, SEQUENCES):
        return any(_holds_bool(item) for item in value)
    return isinstance(value, bool | np.bool_)


def _kind(value: Any, array: Array) -> str:
    """The dtype, for a message; a list with bools among integers says so."""
    return "bool" if array.dtype.kind in "iu" and _holds_bool(value) else str(array.dtype)
