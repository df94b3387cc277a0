"""Roles: which columns of a user's table are what."""

from dataclasses import dataclass
from typing import Any

from ..._base.checks import describe
from .._file import learnt


@learnt
@dataclass(frozen=True)
class Roles:
    """The names of columns of the table of y; None or () where none was named."""

    id: Any = None
    time: Any = None
    target: tuple[Any, ...] | None = None
    past: tuple[Any, ...] = ()
    future: tuple[Any, ...] = ()
    static: tuple[Any, ...] = ()

    def other(self) -> set[Any]:
        """The columns that are not a target."""
        return {self.id, self.time, *self.past, *self.future, *self.static} - {None}


NO_ROLES = Roles()


def read_roles(
    owner: str, columns: dict[str, Any], values: dict[str, Any]
) -> tuple[Roles, dict[str, Any]]:
    """Roles and what is not one: of `columns`, id, time and target, each is a name or None; of
    `values`, past, future and static, each is a list of names, or what it names itself."""
    names: dict[str, Any] = {}
    for argument in ("id", "time"):
        name = names[argument] = columns.get(argument)
        if name is not None and not _is_name(name):
            raise TypeError(
                f"{owner}: {argument} is {describe(name)}, expected the name of a column"
            )
    target = columns.get("target")
    if target is not None:
        target = tuple(target) if isinstance(target, list) else (target,)
        if not target or not all(map(_is_name, target)):
            raise TypeError(
                f"{owner}: target is {describe(columns['target'])}, expected the name of a column, "
                "or a list of names"
            )
    named: dict[str, Any] = {key: names_of(value) for key, value in values.items()}
    roles = Roles(**names, target=target, **named)
    if len(set(chosen := _all(roles))) < len(chosen):
        twice = next(name for name in chosen if chosen.count(name) > 1)
        raise ValueError(f"{owner}: the column {describe(twice)} is named twice, expected one role")
    return roles, {key: None if named[key] else value for key, value in values.items()}


def names_of(value: Any) -> tuple[str, ...]:
    """Names of columns; () for what is none."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
        return tuple(value)
    return ()


def _is_name(name: Any) -> bool:
    """Whether it may be the name of a column: a text, a whole number, or a tuple of such."""
    return isinstance(name, str | int | tuple) and not isinstance(name, bool)


def _all(roles: Roles) -> list[Any]:
    """All columns that were named."""
    every = [roles.id, roles.time, *(roles.target or ()), *roles.past, *roles.future, *roles.static]
    return [name for name in every if name is not None]
