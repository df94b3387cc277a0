"""Stores: whatever can be indexed, as what gives an array for each sample."""

import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .._base.checks import Array, describe
from .._base.columns import read_numbers


class Store(Protocol):
    """What gives sample i."""

    @property
    def steps(self) -> int | None:
        """T, where all samples have room for as many steps."""

    def __len__(self) -> int: ...
    def __getitem__(self, i: int, /) -> Array: ...
    def lengths(self) -> Array:
        """The number of steps of each sample, read once."""


class Indexed:
    """What is indexed by sample: arrays of files, lists, or a function; or, with `bounds`, by step.

    An error of the store's own names the sample.
    """

    def __init__(
        self,
        owner: str,
        name: str,
        given: Any,
        *,
        take: Callable[[int], Any],
        count: int,
        bounds: Array | None = None,
    ) -> None:
        self._owner, self._name, self._given = owner, name, given
        self._take, self._count, self._bounds = take, count, bounds
        shape = getattr(given, "shape", None)
        whole = bounds is None and isinstance(shape, tuple) and len(shape) > 1
        self.steps: int | None = int(shape[1]) if whole and shape else None
        self._bytes = _end_in_file(given)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> Array:
        if self._bytes is not None:  # to read what a file no longer has would end the process
            self._check_file(i)
        where = f"{self._owner}: {self._name}[{i}]"
        try:
            if self._bounds is None:
                value = self._take(i)
            else:
                value = self._given[int(self._bounds[i]) : int(self._bounds[i + 1])]
        except Exception as error:
            raise ValueError(f"{where} cannot be read: {type(error).__name__}: {error}") from error
        return read_numbers(where, value)

    def lengths(self) -> Array:
        """The number of steps of each sample."""
        if self.steps is not None:
            return np.broadcast_to(np.int64(self.steps), (self._count,))
        if callable(self._given):
            raise ValueError(
                f"{self._owner}: {self._name} is a function, expected lengths, the number of steps "
                "of each sample"
            )
        return np.array([len(self[i]) for i in range(self._count)], np.int64)

    def _check_file(self, i: int) -> None:
        path, end = self._bytes or ("", 0)
        try:
            size = os.path.getsize(path)
        except OSError as error:
            raise ValueError(f"{self._owner}: {self._name}[{i}]: {error}") from error
        if size < end:
            raise ValueError(
                f"{self._owner}: {self._name}[{i}]: the file {path} has shrunk to {size} bytes, "
                f"expected {end}"
            )


def as_store(
    owner: str, name: str, given: Any, *, count: int | None = None, bounds: Array | None = None
) -> Store:
    """A store of what came; `count` samples of a function, or the steps between `bounds`."""
    if isinstance(given, Indexed | Files):
        return given
    if not _is_arrow(given) and _is_in_memory(given):
        given = read_numbers(f"{owner}: {name}", given)
    if bounds is not None:
        size = size_of(given)
        if not hasattr(given, "__getitem__") or size is None or size < bounds[-1]:
            came = "a function" if callable(given) else describe(given)
            raise ValueError(
                f"{owner}: {name} is {came}, expected an array of at least {bounds[-1]} steps, "
                "where offsets end"
            )
        return Indexed(
            owner, name, given, take=given.__getitem__, count=len(bounds) - 1, bounds=bounds
        )
    if callable(given):
        if count is None:
            raise ValueError(
                f"{owner}: {name} is a function, expected lengths, the number of steps of each "
                "sample"
            )
        return Indexed(owner, name, given, take=given, count=count)
    if isinstance(given, list | tuple) and given and isinstance(given[0], str | os.PathLike):
        return Files(owner, name, [os.fspath(path) for path in given])
    size = size_of(given)
    if not hasattr(given, "__getitem__") or size is None:
        raise TypeError(
            f"{owner}: {name} is {describe(given)}, expected what has a length and gives an array "
            "for an index, or a function"
        )
    if size < 1:
        raise ValueError(f"{owner}: {name} has no samples, expected N >= 1")
    take = (lambda i: from_arrow(given[i])) if _is_arrow(given) else given.__getitem__
    return Indexed(owner, name, given, take=take, count=size)


class Windows:
    """Runs of `steps` steps of a series, `stride` apart: views."""

    def __init__(self, series: Any, steps: int, stride: int, first: int, count: int) -> None:
        self.series, self._stride, self._first, self._count = series, stride, first, count
        self.shape = count, steps

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> Any:
        start = self._first + i * self._stride
        return self.series[start : start + self.shape[1]]


class Files:
    """Samples that are .npy files."""

    steps = None

    def __init__(self, owner: str, name: str, paths: list[str]) -> None:
        self._owner, self._name, self._paths = owner, name, paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, i: int) -> Array:
        return self._load(i, None)

    def lengths(self) -> Array:
        """The number of steps of each sample, from the heads of the files."""
        shapes = [self._load(i, "r").shape for i in range(len(self))]
        for i, shape in enumerate(shapes):
            if not shape:
                raise ValueError(
                    f"{self._owner}: {self._name}[{i}]: {self._paths[i]} holds one number, "
                    "expected (steps, ...)"
                )
        return np.array([shape[0] for shape in shapes], np.int64)

    def _load(self, i: int, mode: Any) -> Array:
        try:
            array = np.load(self._paths[i], mmap_mode=mode, allow_pickle=False)
            if not isinstance(array, np.ndarray):  # the files of an .npz
                array.close()
                raise TypeError("it holds several arrays, expected a file .npy of one")
        except Exception as error:
            raise ValueError(
                f"{self._owner}: {self._name}[{i}]: {self._paths[i]} cannot be read: {error}"
            ) from error
        return array


def store_of_folder(owner: str, path: Any) -> Files:
    """The .npy files of a folder, by name."""
    try:
        folder = os.fspath(path)
        names = sorted(name for name in os.listdir(folder) if name.endswith(".npy"))
    except (TypeError, OSError) as error:
        raise type(error)(f"{owner}: path is {describe(path)}: {error}") from None
    if not names:
        raise ValueError(f"{owner}: {folder} has no files .npy, expected one for each sample")
    return Files(owner, "x", [os.path.join(folder, name) for name in names])


def size_of(given: Any) -> int | None:
    """The number of entries, None of what has none; an Array of zarr has no len()."""
    shape = getattr(given, "shape", None)
    if isinstance(shape, tuple):
        return int(shape[0]) if shape else None
    return len(given) if hasattr(given, "__len__") else None


def _is_in_memory(given: Any) -> bool:
    """Whether it is an array of another library that is no store: numpy takes it as it is."""
    is_array = hasattr(given, "__array__") and not hasattr(given, "__getitem__")
    return not isinstance(given, np.ndarray) and (is_array or hasattr(given, "__dlpack__"))


def _is_arrow(given: Any) -> bool:
    return type(given).__module__.partition(".")[0] == "pyarrow"


def from_arrow(scalar: Any) -> Any:
    """The numbers of a scalar of pyarrow, which may be a list, or a list of lists."""
    values = getattr(scalar, "values", None)
    if values is None:
        return scalar.as_py()
    shape = [len(values)]
    while hasattr(values, "flatten") and hasattr(values.type, "value_type"):
        lengths = values.value_lengths().unique().to_pylist()
        if len(lengths) > 1:
            raise ValueError(f"lists of lengths {sorted(lengths)}, expected all of one length")
        shape += lengths or [getattr(values.type, "list_size", 0)]
        values = values.flatten()
    return values.to_numpy(zero_copy_only=False).reshape(shape)


def _end_in_file(given: Any) -> tuple[str, int] | None:
    """The file of a memory-mapped array, and where in it the mapped part ends."""
    base, mapped = getattr(given, "series", given), None
    while isinstance(base, np.ndarray):  # to the whole: a slice has its offset, too
        mapped = base if isinstance(base, np.memmap) else mapped
        base = base.base
    if mapped is None or mapped.filename is None:
        return None
    return os.fspath(mapped.filename), int(mapped.offset) + mapped.nbytes
