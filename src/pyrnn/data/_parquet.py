"""Columns of a Parquet file, of which a few row groups are in memory at a time."""

import os
from threading import Lock
from typing import Any

import numpy as np

from .._base.checks import check_path, describe
from ._stores import from_arrow


class Parquet:
    """A Parquet file, opened; the `keep` row groups that were used last stay in memory.

    Two threads may ask at once: the reader's and the user's.
    """

    def __init__(self, owner: str, path: Any, names: list[str], keep: int) -> None:
        self._owner, self._names, self._keep = owner, names, keep
        path = os.path.abspath(check_path(owner, path))
        self._file = _open(owner, path)
        known = self._file.schema_arrow.names
        for name in names:
            if name not in known:
                raise ValueError(
                    f"{owner}: {path} has no column {describe(name)}, expected one of "
                    f"{', '.join(map(describe, known))}"
                )
        metadata = self._file.metadata
        rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._starts = np.cumsum([0, *rows])
        self._groups: dict[int, Any] = {}  # the one that was used last comes last
        self._lock = Lock()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, name: str, i: int) -> Any:
        """The numbers of row i in a column."""
        group = int(np.searchsorted(self._starts, i, side="right")) - 1  # no empty one
        with self._lock:
            table = self._groups.pop(group, None)
            if table is None:
                table = self._file.read_row_group(group, columns=self._names)
            self._groups[group] = table
            if len(self._groups) > self._keep:
                del self._groups[next(iter(self._groups))]
        return from_arrow(table[name][i - int(self._starts[group])])


class ParquetColumn:
    """A column of a Parquet file, to be indexed by row."""

    def __init__(self, file: Parquet, name: str) -> None:
        self._file, self._name = file, name

    def __len__(self) -> int:
        return len(self._file)

    def __getitem__(self, i: int) -> Any:
        return self._file.take(self._name, i)


def _open(owner: str, path: str) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError(f"{owner} needs pyarrow: pip install pyarrow") from error
    try:
        return ParquetFile(path)
    except (OSError, ValueError) as error:  # those of pyarrow are subclasses
        raise type(error)(f"{owner}: {path} cannot be read: {error}") from error
