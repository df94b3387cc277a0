"""Arrays and attributes of an HDF5 file that is in memory: no links, filters or other files."""

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._base.checks import Array, describe, printable
from .._base.tensor_file import FOREIGN
from ._texts import check_heaps, check_lengths

FLOATS = ("<f4", "<f8", ">f4", ">f8")
DEEPEST = 32  # groups inside one another
MOST = 10_000  # groups and datasets, each counted as often as it is met
MAGIC = b"\x89HDF\r\n\x1a\n"


class Store:
    """The content of an HDF5 file. What h5py could be led to do by a file is refused: links but
    hard ones, external and virtual datasets, filters, types but plain ones, and more bytes than the
    file has. ValueError says what was met where."""

    def __init__(self, data: bytes) -> None:
        self._h5py = _import_h5py()
        self._size = len(data)
        if not data.startswith(MAGIC):
            known = (text for magic, text in FOREIGN.items() if data.startswith(magic))
            like = (
                f"this looks like {text}" if (text := next(known, "")) else "it has another start"
            )
            raise ValueError(f"no HDF5 file, or a damaged one: {like}")
        check_heaps(data)
        self._data = data
        self._read = 0  # bytes of arrays so far
        self._file: Any = self._safely(self._h5py.File, io.BytesIO(data), "r")

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._safely(self._file.close)

    def array(self, path: str) -> Array:
        """A dataset of floats, in the machine's byte order."""
        found = self._find(path)
        if not isinstance(found, self._h5py.Dataset):
            raise ValueError(f"no dataset {describe(path)}, expected one")
        array: Array = self._safely(self._array, path, found)
        return array

    def shape(self, path: str) -> tuple[int, ...]:
        """The shape of a dataset."""
        shape: tuple[int, ...] = self._safely(lambda: self._find(path).shape)
        return shape

    def words(self, path: str, name: str) -> list[str] | None:
        """An attribute that is a word or lists some; None if there is none."""
        found = self._find(path)
        if found is None:
            return None
        words: list[str] | None = self._safely(self._words, found.attrs, path, name)
        return words

    def datasets(self, path: str) -> Iterator[str]:
        """The paths of all datasets below a group."""
        found = self._find(path)
        if isinstance(found, self._h5py.Group):
            met: list[tuple[str, bool]] = []
            self._safely(self._walk, found, path, met, 0)
            yield from (name for name, is_group in met if not is_group)

    def _walk(self, group: Any, path: str, met: list[tuple[str, bool]], depth: int) -> None:
        """Adds the paths of what is below a group, and whether each is a group."""
        if depth > DEEPEST or len(met) + len(group) > MOST:
            raise ValueError(f"group {describe(path)} is too deep, or holds too much")
        for name in group:
            below = f"{path}/{name}"
            found = self._member(group, name, below)
            is_group = isinstance(found, self._h5py.Group)
            met.append((below, is_group))
            if is_group:
                self._walk(found, below, met, depth + 1)

    def _find(self, path: str) -> Any:
        """The group or dataset of a path, or None; every step on the way is looked at."""
        return self._safely(self._found, path)

    def _found(self, path: str) -> Any:
        found = self._file
        for depth, name in enumerate(filter(None, path.split("/"))):
            if depth > DEEPEST:
                raise ValueError(f"path {describe(path)} is too deep")
            if not isinstance(found, self._h5py.Group) or name not in found:
                return None
            found = self._member(found, name, path)
        return found

    def _member(self, group: Any, name: str, path: str) -> Any:
        """What a group holds under a name, by a hard link."""
        link = group.get(name, getlink=True)
        if not isinstance(link, self._h5py.HardLink):
            raise ValueError(f"{describe(path)} is a {type(link).__name__}, expected no link")
        return group[name]

    def _array(self, path: str, dataset: Any) -> Array:
        if dataset.is_virtual or dataset.external:
            raise ValueError(f"dataset {describe(path)} lies in other files, expected none")
        if dataset.dtype.str not in FLOATS:
            raise ValueError(
                f"dataset {describe(path)} is {describe(dataset.dtype)}, expected float32 or "
                "float64: weights of another precision are not read"
            )
        if dataset.shape is None or dataset.id.get_create_plist().get_nfilters():
            raise ValueError(
                f"dataset {describe(path)} is empty or has a filter such as gzip, expected plain "
                "numbers, as Keras writes them"
            )
        needed = math.prod(dataset.shape) * dataset.dtype.itemsize
        self._read += needed
        if dataset.id.get_storage_size() < needed or self._read > self._size:
            raise ValueError(
                f"dataset {describe(path)} of shape {dataset.shape} would have {needed} bytes, the "
                f"file does not hold them: it has {self._size}"
            )
        array = np.asarray(dataset[()])
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def _words(self, attributes: Any, path: str, name: str) -> list[str] | None:
        if name not in attributes:
            return None
        attribute = attributes.get_id(name)
        count = math.prod(attribute.shape)
        if attribute.dtype.kind == "f" and not count:
            return []  # how an empty list is written
        if count * attribute.dtype.itemsize > self._size:
            raise ValueError(f"attribute {name} of {describe(path)} has more words than the file")
        if attribute.dtype.kind == "O":
            check_lengths(self._data, name)
        value = np.asarray(attributes[name], dtype=object).reshape(-1)
        return [_as_text(word, path, name) for word in value.tolist()]

    def _safely(self, call: Any, *arguments: Any) -> Any:
        """A call of h5py's, whose errors, of any kind, become ValueErrors."""
        try:
            return call(*arguments)
        except (ValueError, MemoryError, RecursionError):
            raise
        except Exception as error:
            text = printable(str(error), 200)
            raise ValueError(f"no HDF5 file, or a damaged one: {text}") from None


def _as_text(word: Any, path: str, name: str) -> str:
    if isinstance(word, bytes):
        word = word.decode()
    if not isinstance(word, str):
        raise ValueError(f"attribute {name} of {describe(path)} is {describe(word)}, expected text")
    return word


def _import_h5py() -> Any:
    """h5py, which only those need who read such files."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "pyrnn.keras.load needs h5py, which is not installed: pip install h5py"
        ) from error
    return h5py
