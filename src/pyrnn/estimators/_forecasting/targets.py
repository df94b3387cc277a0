"""Targets: the series y of a user, whatever they are kept in."""

from typing import Any

import numpy as np

from ..._base.checks import convert, describe, describe_all
from ..._base.foreign import is_foreign
from .form import Form
from .roles import Roles
from .series import read_rows
from .sheets import Part, Sheet, one_kind, open_sheet, split
from .tables import check_columns


def read_targets(
    owner: str, argument: str, y: Any, roles: Roles, joint: bool, known: Form | None
) -> tuple[Form, list[Part], list[Sheet]]:
    """The form of y, the rows of each series, and their tables: one for each, or one of all; none
    of arrays. `known` is the form of the fit."""
    name = f"{owner}: {argument}"
    sheet = open_sheet(name, y, roles)
    if sheet is not None:
        return _of_table(sheet, roles, joint, known)
    kind, keys, values = _several(name, y)
    if known is not None and known.kind == kind == "dict":
        keys = _in_order(keys, known)
        values = [y[key] for key in keys]
    form = Form(keys, kind, flat=False)
    names = [f"{owner}: {form.name(argument, i)}" for i in range(len(keys))]
    sheets = one_kind(name, [open_sheet(*pair, roles) for pair in zip(names, values, strict=True)])
    if not sheets:
        flat = _flat(name, values)
        _check_no_roles(name, y, roles)
        parts = [Part(one, read_rows(one, value)) for one, value in zip(names, values, strict=True)]
        return Form(keys, kind, flat), alike(parts), []
    columns = known.columns if known is not None else roles.target
    first = columns or _targets(sheets[0], roles)
    parts = []
    for one, own in zip(names, sheets, strict=True):
        check_columns(one, own.table, () if own.table.lone else first, "as the first series")
        parts.append(own.part(one, own.table.names if own.table.lone else first))
    layouts = tuple(own.layout(p.columns or ()) for own, p in zip(sheets, parts, strict=True))
    lone = {own.table.lone for own in sheets}
    if len(lone) > 1:
        raise ValueError(f"{name} has series of one column and tables, expected one kind")
    return Form(keys, kind, lone.pop(), first, layouts), parts, sheets


def _of_table(
    sheet: Sheet, roles: Roles, joint: bool, known: Form | None
) -> tuple[Form, list[Part], list[Sheet]]:
    """Of one table: of long form if a column has the names of series."""
    if roles.id is not None and roles.id != sheet.id_name:
        check_columns(sheet.name, sheet.table, (roles.id,), "as id")
    targets = roles.target or _targets(sheet, roles)
    if known is not None and known.kind != "wide" and known.columns and not sheet.table.lone:
        targets = known.columns
    if not targets:
        raise ValueError(
            f"{sheet.name} has the columns {describe_all(sheet.table.names)}, expected one of a "
            "target beside those of times, covariates and names of series"
        )
    check_columns(sheet.name, sheet.table, targets, "as target")
    layout = sheet.layout(targets)
    if sheet.is_long:
        return _of_long(sheet, targets, known)
    as_in_fit = known is not None and known.kind == "wide" and not sheet.table.lone
    if joint or (len(targets) == 1 and not as_in_fit):
        part = sheet.part(sheet.name, targets)
        return Form((0,), "array", sheet.table.lone, targets, (layout,)), [part], [sheet]
    if known is not None and known.kind == "wide":
        targets = _in_order(targets, known)
        layout = sheet.layout(targets)
    parts = [sheet.part(f"{sheet.name}[{describe(key)}]", (key,)) for key in targets]
    return Form(targets, "wide", True, None, (layout,)), parts, [sheet]


def _of_long(
    sheet: Sheet, targets: tuple[Any, ...], known: Form | None
) -> tuple[Form, list[Part], list[Sheet]]:
    """Of a table in which each series has rows of its own."""
    if sheet.stamps is None:
        raise ValueError(
            f"{sheet.name} has a column of names of series, and none of times: time= names it"
        )
    keys = tuple(sheet.groups)
    if known is not None and known.kind == "long":
        keys = _in_order(keys, known)
    parts = split(sheet, targets, keys, "of y")
    form = Form(keys, "long", len(targets) == 1, targets, (sheet.layout(targets),))
    return form, parts, [sheet]


def _in_order(keys: tuple[Any, ...], known: Form) -> tuple[Any, ...]:
    """Names of series in the order of the fit, and behind them those that are new."""
    own = set(keys)
    first = [key for key in known.keys if key in own]
    return (*first, *(key for key in keys if key not in set(first)))


def _targets(sheet: Sheet, roles: Roles) -> tuple[Any, ...]:
    """The columns that nothing else is said of. ValueError for several of a long table, of which
    some may be covariates."""
    others = tuple(one for one in sheet.others() if one not in roles.other())
    if sheet.is_long and len(others) != 1:
        raise ValueError(
            f"{sheet.name} has the columns {describe_all(sheet.table.names)}: target= names those "
            "that are forecast"
        )
    return others


def _several(name: str, y: Any) -> tuple[str, tuple[Any, ...], list[Any]]:
    """What kind of series, their names, and the series."""
    keys: tuple[Any, ...] = (0,)
    kind, values = "array", [y]
    if isinstance(y, dict):
        kind, keys, values = "dict", tuple(y), list(y.values())
    elif isinstance(y, list | tuple) and any(map(_is_series, y)):
        kind, keys, values = "list", tuple(range(len(y))), list(y)
    if not values:
        raise ValueError(f"{name} has no series, expected at least one")
    return kind, keys, values


def _check_no_roles(name: str, y: Any, roles: Roles) -> None:
    """ValueError for names of columns where there are none."""
    if roles != Roles():
        raise ValueError(
            f"{name} is {describe(y)}, expected a table: id, time, target, past, future and static "
            "name columns of it"
        )


def _flat(name: str, values: list[Any]) -> bool:
    """Whether all arrays have one axis."""
    axes = {_axes(name, value) == 1 for value in values}
    if len(axes) > 1:
        raise ValueError(f"{name} has series of shape (T,) and of (T, D), expected one kind")
    return axes.pop()


def _axes(name: str, value: Any) -> int:
    """The number of axes of a series."""
    if isinstance(axes := getattr(value, "ndim", None), int):
        return axes
    return convert(name, value, "of numbers").ndim


def _is_series(entry: Any) -> bool:
    """Whether an entry of a list is a series, and not a number."""
    number = isinstance(entry, np.generic)
    return hasattr(entry, "__len__") or (is_foreign(entry) and not number)


def alike(parts: list[Part]) -> list[Part]:
    """The same. ValueError for series of unlike widths."""
    for part in parts:
        if part.values.shape[1] != parts[0].values.shape[1]:
            raise ValueError(
                f"{part.name} has {part.values.shape[1]} columns, expected "
                f"{parts[0].values.shape[1]} as the first series"
            )
    return parts
