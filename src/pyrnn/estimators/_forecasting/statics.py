"""Statics: what is the same at all steps of a series, numbers and groups."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from ..._base.checks import Array, describe, describe_all
from ..._base.columns import read_numbers
from .form import Form, Statics, values_of
from .sheets import Sheet, open_sheet
from .tables import check_columns

Values = dict[Any, Any]  # of one series, by name


def read_static(
    owner: str, static: Any, form: Form, sheets: list[Sheet], known: Form | None
) -> Form:
    """The form with what is the same at all steps, or of series of the fit what was given there.

    `static` is a table with a row for each series, named by its index or the column `id`; a dict
    or list of {name: value}; or an array (series, numbers). Texts, flags and categories are groups.
    """
    named = form.roles.static
    if static is None and not (named and sheets):
        return _as_in_fit(owner, form, known)
    name = f"{owner}: static"
    if known is not None and known.statics == Statics():
        raise ValueError(f"{name} was given, expected None as in fit")
    whole = form
    if static is not None and known is not None:
        form = _given(owner, static, form, known)
    rows = _in_columns(sheets, named, form) if static is None else _rows(owner, static, form)
    for i, row in enumerate(rows):
        for column, value in row.items():
            if value is None or value != value or str(value) == "<NA>":
                raise ValueError(f"{form.name(name, i)} has no {describe(column)}")
        if set(row) != set(rows[0]):
            raise ValueError(
                f"{form.name(name, i)} has {describe_all(row)}, expected {describe_all(rows[0])} "
                "as the first series"
            )
    return replace(whole, statics=_merged(_coded(name, rows, form, known), form, whole, known))


def check_as_in_fit(owner: str, form: Form, known: Form) -> None:
    """ValueError for another value of a series that goes on from the fit."""
    if known.statics == Statics():
        return
    for i, k in enumerate(form.positions_in(known)):
        if k is not None and _of_series(form.statics, i) != _of_series(known.statics, k):
            raise ValueError(
                f"{form.name(f'{owner}: static', i)} is {_of_series(form.statics, i)}, expected "
                f"{_of_series(known.statics, k)} as in fit"
            )


def _of_series(statics: Statics, i: int) -> Values:
    """The values of series i by name."""
    numbers = dict(zip(statics.names, statics.values[i].tolist(), strict=True))
    codes = statics.codes[i].tolist()
    pairs = zip(statics.groups, codes, strict=True)
    return numbers | {name: categories[code] for (name, categories), code in pairs}


def _given(owner: str, static: Any, form: Form, known: Form) -> Form:
    """The form of those series that have a row of their own, or are not in the fit."""
    if form.kind not in ("dict", "wide", "long") or form.kind != known.kind:
        return form
    sheet = open_sheet(f"{owner}: static", static, replace(form.roles, time=None))
    if sheet is not None:
        own = set(_keys(sheet))
    elif isinstance(static, dict):
        own = set(static)
    else:
        return form
    kept = tuple(key for key in form.keys if key in own or key not in known.keys)
    return replace(form, keys=kept)


def _merged(statics: Statics, form: Form, whole: Form, known: Form | None) -> Statics:
    """Of the whole form, where series that `form` leaves out have the values of the fit."""
    if known is None or len(form.keys) == len(whole.keys):
        return statics
    places = zip(whole.positions_in(form), whole.positions_in(known), strict=True)
    pairs = [
        next((one, i) for one, i in ((statics, new), (known.statics, old)) if i is not None)
        for new, old in places
    ]
    values = tuple(one.values[i] for one, i in pairs)
    return replace(statics, values=values, codes=tuple(one.codes[i] for one, i in pairs))


def _as_in_fit(owner: str, form: Form, known: Form | None) -> Form:
    """Without new values: those of the series in the fit."""
    if known is None or known.statics == Statics():
        return form
    before = known.statics
    rows = [k for k in form.positions_in(known) if k is not None]
    if len(rows) < len(form.keys):
        names = [*before.names, *(name for name, _ in before.groups)]
        raise ValueError(
            f"{owner}: static is None, expected {describe_all(names)} of series that were not in "
            "fit"
        )
    values, codes = (tuple(part[i] for i in rows) for part in (before.values, before.codes))
    return replace(form, statics=replace(before, values=values, codes=codes))


def _in_columns(sheets: list[Sheet], named: Sequence[Any], form: Form) -> list[Values]:
    """From columns of the tables of y, which have one value for each series."""
    if form.kind == "wide":
        raise ValueError(
            f"{sheets[0].name} has a column for each series, expected a long table where static "
            "names columns; or a table static= with a row for each series"
        )
    found: list[Values] = [{} for _ in form.keys]
    for column in named:
        for sheet in sheets:
            check_columns(sheet.name, sheet.table, (column,), "as static")
        entries = [sheet.table.entries(column) for sheet in sheets]
        for i, key in enumerate(form.keys):
            rows = sheets[0].groups[key] if form.kind == "long" else None
            own = entries[i] if rows is None else [entries[0][row] for row in rows]
            if any(entry != own[0] for entry in own):
                raise ValueError(
                    f"{form.name(sheets[0].name, i)} has {describe_all(dict.fromkeys(own), 2)} in "
                    f"the column {describe(column)}, expected one value for each series"
                )
            found[i][column] = own[0]
    return found


def _rows(owner: str, static: Any, form: Form) -> list[Values]:
    """From an argument of its own."""
    name = f"{owner}: static"
    sheet = open_sheet(name, static, replace(form.roles, time=None))
    if sheet is not None:
        return _of_table(sheet, form)
    if form.kind == "array" and isinstance(static, Mapping):
        return [dict(static)]
    own = list(static.values()) if isinstance(static, dict) else static
    if isinstance(own, list | tuple) and all(isinstance(one, Mapping) for one in own):
        return [dict(one) for one in values_of(owner, "static", static, form)]
    if isinstance(static, dict):
        static = values_of(owner, "static", static, form)
    numbers = read_numbers(name, static)
    if numbers.ndim != 2 or len(numbers) != len(form.keys):
        raise ValueError(
            f"{name} has shape {numbers.shape}, expected ({len(form.keys)}, numbers), a row for "
            "each series"
        )
    return [dict(enumerate(row.tolist())) for row in numbers]


def _keys(sheet: Sheet) -> list[Any]:
    """The series' name of each row."""
    if sheet.is_long:
        return sheet.ids
    if sheet.table.index is None:
        raise ValueError(f"{sheet.name} has no names of series, expected a column that is id=")
    return list(sheet.table.index)


def _of_table(sheet: Sheet, form: Form) -> list[Values]:
    """From a table with a row for each series."""
    keys = _keys(sheet)
    if form.kind == "array":
        keys = list(range(len(keys)))
    places = {key: i for i, key in enumerate(keys)}
    if len(places) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{sheet.name} has two rows of {describe(twice)}, expected one")
    missing = [key for key in form.keys if key not in places]
    if missing:
        raise ValueError(
            f"{sheet.name} has no row of {describe_all(missing)}, expected one for each series of y"
        )
    columns = {column: sheet.table.entries(column) for column in sheet.others()}
    return [{c: own[places[key]] for c, own in columns.items()} for key in form.keys]


def _coded(name: str, rows: list[Values], form: Form, known: Form | None) -> Statics:
    """Numbers as they are, groups by the numbers of their categories, which are those of the
    fit."""
    if known is None:
        names = tuple(c for c in rows[0] if all(_is_number(row[c]) for row in rows))
        groups = tuple(
            (column, tuple(sorted({row[column] for row in rows}, key=str)))
            for column in rows[0]
            if column not in names
        )
    else:
        names, groups = known.statics.names, known.statics.groups
        expected = [*names, *(column for column, _ in groups)]
        if rows and set(rows[0]) != set(expected):
            raise ValueError(
                f"{name} has {describe_all(rows[0])}, expected {describe_all(expected)} as in fit"
            )
    values, codes = [], []
    for i, row in enumerate(rows):
        own = f"{form.name(name, i)}"
        values.append(np.array([_number(own, c, row[c]) for c in names], np.float64))
        codes.append(np.array([_code(own, c, row[c], every) for c, every in groups], np.int64))
    return Statics(names, groups, tuple(values), tuple(codes))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | np.number) and not isinstance(value, bool | np.bool_)


def _number(name: str, column: Any, value: Any) -> float:
    """A number that is one."""
    if not _is_number(value) or not np.isfinite(value):
        raise ValueError(
            f"{name} has {describe(value)} in the column {describe(column)}, expected a finite "
            "number"
        )
    return float(value)


def _code(name: str, column: Any, value: Any, categories: tuple[Any, ...]) -> int:
    """The number of a category. ValueError for one that was not in the fit."""
    if value not in categories:
        raise ValueError(
            f"{name} has {describe(value)} in the column {describe(column)}, expected one of "
            f"{describe_all(categories)} as in fit"
        )
    return categories.index(value)


def arrays_of(form: Form) -> tuple[list[Array], list[Array]]:
    """Numbers (S,) and groups (C,) of each series."""
    count = len(form.keys)
    values = form.statics.values or (np.zeros(0),) * count
    codes = form.statics.codes or (np.zeros(0, np.int64),) * count
    return list(values), list(codes)
