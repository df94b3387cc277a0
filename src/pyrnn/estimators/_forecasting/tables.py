"""Tables of pandas, and by narwhals those of polars and others: their columns as arrays, and tables
of results. pandas is never imported: whoever has a table of it has imported it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._base.checks import Array, describe, describe_all


@dataclass(frozen=True)
class Table:
    """A table as it came: `library` is "pandas", or what narwhals calls another."""

    library: str
    names: tuple[Any, ...]
    frame: Any
    lone: bool  # a Series of pandas, which became a frame of one column

    @property
    def index(self) -> Any:
        """The labels of the rows, which only pandas has."""
        return self.frame.index if self.library == "pandas" else None

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: Any) -> Any:
        """A column, of pandas or narwhals."""
        return self.frame[name]

    def entries(self, name: Any) -> list[Any]:
        """The entries of a column."""
        entries: list[Any] = self.column(name).to_list()
        return entries

    def dtype(self, name: Any) -> str:
        """What the library calls the dtype of a column."""
        return str(self.column(name).dtype)

    def numbers(self, name: str, column: Any, where: Callable[[int], str]) -> Array:
        """A column (T,) in float64, NaN where it has no value. TypeError for what is no number,
        with its place `where(row)`."""
        own = self.column(column)
        if self.library != "pandas":
            if own.dtype.is_numeric() or str(own.dtype) == "Boolean":
                return np.asarray(own.cast(narwhals_of(name).Float64).to_numpy(), np.float64)
        elif _is_numeric(own.dtype):
            return np.asarray(own.to_numpy(np.float64, na_value=np.nan))
        return _of_objects(name, column, own.to_list(), where)


def _is_numeric(dtype: Any) -> bool:
    """Whether a dtype of pandas is of real numbers, flags or numbers that may be missing."""
    kind = getattr(dtype, "kind", "O")
    return kind in "biuf" and not str(dtype).startswith(("Sparse", "category", "interval"))


def _of_objects(name: str, column: Any, entries: list[Any], where: Callable[[int], str]) -> Array:
    """Entries of any kind in float64."""
    numbers = np.empty(len(entries))
    for row, entry in enumerate(entries):
        missing = entry is None or str(entry) in ("<NA>", "NaT")
        try:
            numbers[row] = np.nan if missing else _number(entry)
        except (TypeError, ValueError):
            raise TypeError(
                f"{name} has {named(entry)} in the column {describe(column)}{where(row)}, "
                f"expected numbers: {_way(entry)}"
            ) from None
    return numbers


def _number(entry: Any) -> float:
    if isinstance(entry, str | bytes | complex) or not hasattr(entry, "__float__"):
        raise TypeError
    return float(entry)


def named(entry: Any) -> str:
    """How a message calls an entry after "has"."""
    shown = describe(entry)
    return f"a value {shown}" if shown.startswith("of type") else shown


def _way(entry: Any) -> str:
    """What may be meant by an entry that is no number."""
    if isinstance(entry, str | bytes):
        return "texts that name series are a column id=, groups of series are static="
    return "times are the index, or a column time="


def as_table(name: str, value: Any) -> Table | None:
    """A frame of any library, or a Series of pandas; None for what is none. ImportError if narwhals
    is missing, TypeError for a frame that has not been computed."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.Series):
        return _checked(name, Table("pandas", (value.name,), value.to_frame(value.name), True))
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return _checked(name, Table("pandas", tuple(value.columns), value, False))
    kind = type(value)  # whose attributes ask for no computation
    if not hasattr(kind, "columns") or not hasattr(kind, "__len__"):
        if hasattr(kind, "columns") and hasattr(kind, "collect"):
            raise TypeError(f"{name} is {describe(value)}, expected a table: collect() makes it")
        return None
    frame = narwhals_of(name).from_native(value, eager_only=True)
    return _checked(name, Table(frame.implementation.value, tuple(frame.columns), frame, False))


def _checked(name: str, table: Table) -> Table:
    """The same. ValueError for columns of one name, and rows of more labels than two."""
    if len(set(table.names)) < len(table.names):
        twice = next(one for one in table.names if table.names.count(one) > 1)
        raise ValueError(f"{name} has the column {describe(twice)} twice, expected each once")
    if getattr(table.index, "nlevels", 1) > 2:
        raise ValueError(
            f"{name} has rows with {table.index.nlevels} labels each, expected a time, or a series "
            "and a time; reset_index() makes columns of them, which id= and time= name"
        )
    return table


def narwhals_of(name: str) -> Any:
    """The library that reads tables other than pandas'."""
    try:
        import narwhals
    except ImportError:
        raise ImportError(
            f"{name}: tables other than pandas' need narwhals, which is not installed: "
            "pip install narwhals"
        ) from None
    return narwhals


def check_columns(name: str, table: Table, wanted: Sequence[Any], whose: str) -> None:
    """ValueError unless a table has all these columns."""
    missing = [column for column in wanted if column not in table.names]
    if missing:
        raise ValueError(
            f"{name} has the columns {describe_all(table.names)}, expected {describe_all(wanted)} "
            f"{whose}"
        )
