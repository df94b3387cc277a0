"""Layout: how a user's table is laid out, and tables of results laid out as it is."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..._base.checks import Array
from .._file import learnt
from .labels import other_labels, pandas_labels
from .stamps import Clock
from .tables import narwhals_of

ORIGIN = "origin"  # the column, or level of an index, of the last time known


@dataclass(frozen=True)
class Rows:
    """The rows of a table of results: the numbers of their steps, and of those known before."""

    clock: Clock | None
    numbers: Array
    origins: Array | None = None
    ids: list[Any] | None = None


@learnt
@dataclass(frozen=True)
class Layout:
    """How a user's table is laid out, and with it the tables of results."""

    library: str
    lone: bool  # a Series
    columns: tuple[Any, ...]  # of the target
    time: Any = None  # the column of times; None: the index
    id: Any = None  # the column of series' names
    id_type: str = ""
    id_level: int | None = None  # where the name is one of two labels of a row, its place
    index_name: Any = None
    first: int = 0  # the label of the first row where labels are whole numbers in order

    def make(self, values: Array, last: Sequence[Any] | None, rows: Rows) -> Any:
        """A table of `values` (R, columns), or with names of a `last` axis (R, columns, L)."""
        names: list[tuple[Any, ...]] = [(name,) for name in self.columns]
        if last is not None:
            ends = [end if isinstance(end, tuple) else (end,) for end in last]
            names = [(*name, *end) for name in names for end in ends]
        columns = values.reshape(len(values), -1)
        if self.library == "pandas" and self.time is None:
            return self._indexed(columns, names, rows)
        flat = [name[0] if len(name) == 1 else "_".join(map(str, name)) for name in names]
        return self._flat(dict(zip(flat, columns.T, strict=True)), rows)

    def _indexed(self, columns: Array, names: list[tuple[Any, ...]], rows: Rows) -> Any:
        """A table of pandas with times as its index."""
        pandas: Any = sys.modules["pandas"]
        index = self._labels(rows.clock, rows.numbers, self.index_name)
        levels = [index]
        if rows.origins is not None:
            origins = self._labels(rows.clock, rows.origins, ORIGIN)
            levels = [origins, index.rename(self.index_name or "time")]
        if self.id_level is not None:
            ids = pandas.Index(rows.ids, dtype=self.id_type, name=self.id)
            levels.insert(self.id_level * len(levels), ids)
        if len(levels) > 1:
            index = pandas.MultiIndex.from_arrays(levels)
        if self.lone and len(names[0]) == 1:
            return pandas.Series(columns[:, 0], index=index, name=names[0][0])
        labels = [name[0] for name in names]
        if len(names[0]) > 1:
            labels = pandas.MultiIndex.from_tuples(names)
        table = pandas.DataFrame(columns, index=index, columns=labels)
        if rows.ids is not None and self.id_level is None:
            table.insert(0, self.id, pandas.Series(rows.ids, index=index).astype(self.id_type))
        return table

    def _labels(self, clock: Clock | None, numbers: Array, name: Any) -> Any:
        """The index of steps: their times, or where they have none their numbers."""
        if clock is None:
            return sys.modules["pandas"].Index(self.first + numbers, name=name)
        return pandas_labels(clock, numbers, name)

    def _flat(self, columns: dict[Any, Array], rows: Rows) -> Any:
        """A table with times in a column, if it has times."""
        numbers = {} if rows.origins is None else {ORIGIN: rows.origins}
        if self.time is not None:
            numbers[self.time] = rows.numbers
        if self.library == "pandas":
            return self._of_pandas(numbers, columns, rows)
        narwhals, made = narwhals_of("results"), {}
        if rows.ids is not None:
            ids = narwhals.new_series(self.id, rows.ids, backend=self.library)
            dtype = getattr(narwhals, self.id_type, None)  # None of those with parameters
            made[self.id] = (ids if dtype is None else ids.cast(dtype)).to_native()
        for name, own in numbers.items():
            made[name] = own + self.first
            if rows.clock is not None:
                made[name] = other_labels(rows.clock, own, name, self.library)
        return narwhals.from_dict({**made, **columns}, backend=self.library).to_native()

    def _of_pandas(self, numbers: dict[Any, Array], columns: dict[Any, Array], rows: Rows) -> Any:
        """The same of pandas."""
        pandas: Any = sys.modules["pandas"]
        made = {name: self._labels(rows.clock, own, name) for name, own in numbers.items()}
        if rows.ids is None:
            return pandas.DataFrame({**made, **columns})
        ids = pandas.Series(rows.ids).astype(self.id_type)
        return pandas.DataFrame({self.id: ids, **made, **columns})
