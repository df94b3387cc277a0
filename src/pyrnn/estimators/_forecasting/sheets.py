"""Sheets: tables whose rows have times and belong to series, and what is read of each series."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..._base.checks import Array, describe, describe_all
from .labels import read_stamps
from .layout import Layout
from .roles import Roles
from .series import check_rows
from .stamps import Stamps
from .tables import Table, as_table, check_columns


@dataclass(frozen=True, eq=False)
class Part:
    """What one series has of an argument: rows (T, F), and if they came in a table its columns and
    times. `name` begins messages."""

    name: str
    values: Array
    columns: tuple[Any, ...] | None = None
    stamps: Stamps | None = None

    def where(self, row: int) -> str:
        """The place of a row, for messages."""
        return f"step {row}" if self.stamps is None else self.stamps.show(row)


class Sheet:
    """A table of one or many series; each of its columns is read once.

    Times and the names of series are columns, or labels of the rows: of two labels, `level` is the
    place of the name."""

    def __init__(self, name: str, table: Table, roles: Roles) -> None:
        self.name, self.table = name, table
        self.time = roles.time if roles.time in table.names else None
        self.id = roles.id if roles.id in table.names else None
        self.level = _level_of_names(name, table, roles)
        declared, labels = self.time is not None, table.index
        if self.level is not None:
            labels = table.index.get_level_values(1 - self.level)
            declared = bool(({roles.id, roles.time} - {None}) & set(table.index.names))
        elif declared:
            labels = table.column(self.time)
        self.stamps = None
        if labels is not None and len(labels):
            self.stamps = read_stamps(name, labels, declared=declared)
        if roles.time is not None and self.time is None and self.stamps is None:
            check_columns(name, table, (roles.time,), "as time")
        self._read: dict[Any, Array] = {}

    @property
    def is_long(self) -> bool:
        """Whether each row says of which series it is."""
        return self.id is not None or self.level is not None

    @property
    def id_name(self) -> Any:
        """How the names of series are called."""
        return self.id if self.level is None else self.table.index.names[self.level]

    def others(self) -> tuple[Any, ...]:
        """The columns that have neither times nor names of series."""
        roles = {self.time, self.id} - {None}  # a Series may have the name None
        return tuple(one for one in self.table.names if one not in roles)

    def numbers(self, column: Any) -> Array:
        """A column (N,)."""
        if column not in self._read:
            self._read[column] = self.table.numbers(self.name, column, self.where)
        return self._read[column]

    def where(self, row: int) -> str:
        """A row's series and time, for messages."""
        series = f" of {describe(self.ids[row])}" if self.is_long else ""
        time = f"step {row}" if self.stamps is None else self.stamps.show(row)
        return f"{series} at {time}"

    @cached_property
    def ids(self) -> list[Any]:
        """The series' name of each row."""
        ids: list[Any]
        if self.level is None:
            ids = self.table.entries(self.id)
        else:
            ids = self.table.index.get_level_values(self.level).to_list()
        for row, one in enumerate(ids):
            if one is None or one != one or str(one) == "<NA>":
                raise ValueError(f"{self.name} has no {describe(self.id_name)} in row {row}")
        return ids

    @cached_property
    def groups(self) -> dict[Any, Array]:
        """The rows of each series, in the order in which they first come."""
        numbers: dict[Any, int] = {}
        codes = np.array([numbers.setdefault(one, len(numbers)) for one in self.ids], np.int64)
        order = np.argsort(codes, kind="stable")
        bounds = np.cumsum(np.bincount(codes, minlength=len(numbers)))[:-1]
        return dict(zip(numbers, np.split(order, bounds), strict=True))

    def part(self, name: str, columns: Sequence[Any], rows: Array | None = None) -> Part:
        """Some columns of all rows, or of those of one series."""
        values = np.stack([self.numbers(column) for column in columns], axis=1)
        stamps = self.stamps
        if rows is not None:
            values, stamps = values[rows], None if stamps is None else stamps.rows(rows)
        if len(values) == 0:
            raise ValueError(f"{name} has no rows, expected at least one")
        if stamps is not None:
            stamps.check_rising(name)
        part = Part(name, values, tuple(columns), stamps)
        check_rows(name, values, part.where)
        return part

    def layout(self, columns: tuple[Any, ...]) -> Layout:
        """How results are laid out, whose columns are those of the target."""
        table, index = self.table, self.table.index
        id_type = "" if self.id is None else table.dtype(self.id)
        index_name = getattr(index, "name", None)
        if self.level is not None:
            id_type, index_name = str(index.levels[self.level].dtype), index.names[1 - self.level]
        return Layout(
            library=table.library,
            lone=table.lone,
            columns=columns,
            time=self.time,
            id=self.id_name,
            id_type=id_type,
            id_level=self.level,
            index_name=index_name,
            first=_first(index) if self.stamps is None else 0,
        )


def _level_of_names(name: str, table: Table, roles: Roles) -> int | None:
    """Which of two labels of a row names its series: the one of that role, or beside the one of
    times; None for rows of one label. ValueError if neither can be told from the other."""
    if getattr(table.index, "nlevels", 1) == 1:
        return None
    names, asked = list(table.index.names), {roles.id, roles.time} - {None}
    if not asked & set(table.names):
        for role, place in ((roles.id, 0), (roles.time, 1)):
            if role is not None and role in names:
                return abs(names.index(role) - place)
        levels = table.index.levels
        dated = [read_stamps(name, level, declared=False) is not None for level in levels]
        if sum(dated) == 1:
            return dated.index(False)
    raise ValueError(
        f"{name} has rows with the labels {describe_all(names)}, expected a series and its dates, "
        "or id= or time= that is one of these; reset_index() makes columns of them"
    )


def _first(index: Any) -> int:
    """The first label of rows whose labels are whole numbers in order; else 0."""
    labels = np.zeros(0) if index is None else np.asarray(index)
    if labels.dtype.kind not in "iu" or len(labels) == 0 or (np.diff(labels) != 1).any():
        return 0
    return int(labels[0])


def open_sheet(name: str, value: Any, roles: Roles) -> Sheet | None:
    """A table as a sheet; None for what is no table."""
    table = as_table(name, value)
    return None if table is None else Sheet(name, table, roles)


def one_kind(name: str, sheets: list[Sheet | None]) -> list[Sheet]:
    """The sheets of all series, [] if all are arrays. ValueError for both kinds."""
    found = [sheet for sheet in sheets if sheet is not None]
    if found and len(found) < len(sheets):
        raise ValueError(f"{name} has tables and arrays, expected one kind")
    return found


def split(sheet: Sheet, columns: Sequence[Any], keys: Sequence[Any], whose: str) -> list[Part]:
    """The rows of each series of a long table. ValueError for a series without rows."""
    missing = [key for key in keys if key not in sheet.groups]
    if missing:
        raise ValueError(
            f"{sheet.name} has no rows of {describe_all(missing)} in the "
            f"{'column' if sheet.level is None else 'index'} {describe(sheet.id_name)}, expected "
            f"rows of each series {whose}"
        )
    return [
        sheet.part(f"{sheet.name}[{describe(key)}]", columns, sheet.groups[key]) for key in keys
    ]
