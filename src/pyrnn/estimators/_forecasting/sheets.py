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
    """A table of one or many series; each of its columns is read once."""

    def __init__(self, name: str, table: Table, roles: Roles) -> None:
        self.name, self.table = name, table
        self.time = roles.time if roles.time in table.names else None
        self.id = roles.id if roles.id in table.names else None
        labels = table.index if self.time is None else table.column(self.time)
        self.stamps = None
        if labels is not None and len(labels):
            self.stamps = read_stamps(name, labels, declared=self.time is not None)
        if roles.time is not None and self.time is None and self.stamps is None:
            check_columns(name, table, (roles.time,), "as time")
        self._read: dict[Any, Array] = {}

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
        series = "" if self.id is None else f" of {describe(self.ids[row])}"
        time = f"step {row}" if self.stamps is None else self.stamps.show(row)
        return f"{series} at {time}"

    @cached_property
    def ids(self) -> list[Any]:
        """The series' name of each row."""
        ids = self.table.entries(self.id)
        for row, one in enumerate(ids):
            if one is None or one != one or str(one) == "<NA>":
                raise ValueError(f"{self.name} has no {describe(self.id)} in row {row}")
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
        table = self.table
        return Layout(
            library=table.library,
            lone=table.lone,
            columns=columns,
            time=self.time,
            id=self.id,
            id_type="" if self.id is None else table.dtype(self.id),
            index_name=getattr(table.index, "name", None),
            first=_first(table.index) if self.stamps is None else 0,
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
            f"{sheet.name} has no rows of {describe_all(missing)} in the column "
            f"{describe(sheet.id)}, expected rows of each series {whose}"
        )
    return [
        sheet.part(f"{sheet.name}[{describe(key)}]", columns, sheet.groups[key]) for key in keys
    ]
