"""Form: how the user has the series, and results in the same form."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..._base.checks import Array, describe, describe_all
from .._file import learnt
from .layout import Layout, Rows
from .roles import NO_ROLES, Roles
from .stamps import Clock


@learnt
@dataclass(frozen=True)
class Options:
    """How series are read: the parameters of these names; see Forecaster."""

    joint: bool = False
    freq: Any = None
    fill_gaps: bool = False
    calendar: tuple[str, ...] = ()


@learnt
@dataclass(frozen=True)
class Covariates:
    """Covariates of the fit: how many, and how their columns are called if they were tables."""

    count: int = 0
    names: tuple[Any, ...] | None = None


@learnt
@dataclass(frozen=True)
class Statics:
    """What is the same at all steps of a series: numbers, and groups by their categories' numbers.
    `values` (S,) and `codes` (C,) are those of each series of the fit."""

    names: tuple[Any, ...] = ()
    groups: tuple[tuple[Any, tuple[Any, ...]], ...] = ()  # each with its categories
    values: tuple[Array, ...] = ()
    codes: tuple[Array, ...] = ()


@learnt
@dataclass(frozen=True)
class Form:
    """How the user has the series: one array, a list, a dict, a "wide" table with a column for each
    or a "long" one with a column of their names; and whether 1-D. A form knows when its series
    begin and how many steps are known, and so when what is packed is."""

    keys: tuple[Hashable, ...]  # of a dict, names of columns or of `id`; or positions
    kind: str  # "array", "list", "dict", "wide" or "long"
    flat: bool  # series are (T,), and so are forecasts
    columns: tuple[Any, ...] | None = None  # of a series that is a table
    layouts: tuple[Layout, ...] = ()  # of each series' table, or one of all; () of arrays
    clock: Clock | None = None  # None: no dates
    starts: tuple[int, ...] = ()  # the number of the first step of each series
    ends: tuple[int, ...] = ()  # how many steps of each are known
    roles: Roles = NO_ROLES
    past: Covariates = Covariates()
    future: Covariates = Covariates()  # without the calendar's
    options: Options = Options()
    statics: Statics = Statics()
    coming: tuple[Array, ...] = ()  # of each series, the known future after its last step

    def name(self, argument: str, i: int) -> str:
        """How messages call series i."""
        return argument if self.kind == "array" else f"{argument}[{describe(self.keys[i])}]"

    def place(self, i: int, step: int, column: int) -> str:
        """Where a value of series i is, for messages: its column if there are several, its time."""
        named = column if self.columns is None else self.columns[column]
        where = (
            "" if self.flat or self.kind in ("wide", "long") else f"in column {describe(named)} "
        )
        if self.clock is None or not self.starts:
            return f"{where}at step {step}"
        return f"{where}at {self.clock.show(self.starts[i] + step)}"

    def pack(self, arrays: list[Array], last: Sequence[Any] | None = None) -> Any:
        """Numbers of the steps that follow the known ones, one array (steps, D) per series, as the
        user has the series; (steps,) where flat.

        `last` names the entries of a last axis, such as ("lower", "upper") of arrays
        (steps, D, 2), or (0.1, 0.9) of quantiles; None: there is none. Of two last axes (steps, D,
        L, 2) it names all L * 2 entries, by tuples such as (0.9, "lower").
        """
        if not self.layouts:
            return self.pack_each([array.squeeze(1) if self.flat else array for array in arrays])
        rows = [
            Rows(self.clock, start + end + np.arange(len(array)))
            for array, start, end in zip(arrays, self.starts, self.ends, strict=True)
        ]
        return self._tables(arrays, last, rows)

    def pack_origins(
        self, arrays: list[Array], origins: list[Array], last: Sequence[Any] | None = None
    ) -> Any:
        """Numbers of the steps that follow each of N origins, arrays (N, steps, D), or with an axis
        `last` (N, steps, D, L); `origins` has for each series the numbers of steps known (N,).
        Tables have a row for each origin, the last time known, and time."""
        if not self.layouts:
            return self.pack_each([array.squeeze(2) if self.flat else array for array in arrays])
        rows, flat = [], [array.reshape(-1, *array.shape[2:]) for array in arrays]
        for array, start, some in zip(arrays, self.starts, origins, strict=True):
            first, steps = start + some[:, None], np.arange(array.shape[1])
            last_known = np.broadcast_to(first - 1, array.shape[:2]).ravel()
            rows.append(Rows(self.clock, (first + steps).ravel(), last_known))
        return self._tables(flat, last, rows)

    def pack_each(self, values: list[Any]) -> Any:
        """One value per series, as the user has them: a dict, a list, or the value of the one."""
        if self.kind in ("dict", "wide", "long"):
            return dict(zip(self.keys, values, strict=True))
        return values if self.kind == "list" else values[0]

    def pack_paths(self, paths: list[Array]) -> Any:
        """Paths of the steps that follow the known ones, n of each series (n, steps, D); in tables
        each path is a column."""
        if self.layouts:
            return self.pack([np.moveaxis(some, 0, -1) for some in paths], range(len(paths[0])))
        return self.pack_each([some.squeeze(2) if self.flat else some for some in paths])

    def followed_by(self, other: "Form") -> "Form":
        """Of the same series, after the steps of another form have come, and of those that are new
        there, behind them."""
        count = len(self.keys)
        ends = tuple(a + b for a, b in zip(self.ends, other.ends[:count], strict=True))
        other = replace(other, coming=self._still_coming(other))
        if len(other.keys) == count:
            return replace(self, ends=ends, coming=other.coming)
        starts, layouts = self.starts + other.starts[count:], other.layouts
        if self.kind == "dict":
            layouts = self.layouts + other.layouts[count:]
        return replace(other, ends=ends + other.ends[count:], starts=starts, layouts=layouts)

    def _still_coming(self, other: "Form") -> tuple[Array, ...]:
        """The known future after the steps of another form: what came with it, and then what was
        known before."""
        coming = list(other.coming)
        for i, (before, new) in enumerate(zip(self.coming, coming, strict=False)):
            coming[i] = np.concatenate([new, before[other.ends[i] + len(new) :]])
        return tuple(coming)

    def positions_in(self, fit: "Form") -> list[int | None]:
        """For each series its number in the form of a fit; None for one that was not there. Series
        without names are those of the fit if they come in the same kind and number."""
        if (self.kind, self.keys) == (fit.kind, fit.keys):
            return list(range(len(fit.keys)))
        named = self.kind == fit.kind != "list"
        numbers: dict[Any, int] = {key: i for i, key in enumerate(fit.keys)} if named else {}
        return [numbers.get(key) for key in self.keys]

    def next_step(self, i: int) -> int:
        """The number of the step after the last known one of series i."""
        return self.starts[i] + self.ends[i]

    def _tables(self, arrays: list[Array], last: Sequence[Any] | None, rows: list[Rows]) -> Any:
        """Tables of rows (R, D) per series, or with a last axis (R, D, L)."""
        if self.kind == "wide":
            return self.layouts[0].make(np.concatenate(arrays, axis=1), last, rows[0])
        if self.kind == "long":
            return self.layouts[0].make(np.concatenate(arrays), last, joined(rows, self.keys))
        parts = zip(self.layouts, arrays, rows, strict=True)
        return self.pack_each([layout.make(array, last, own) for layout, array, own in parts])


def joined(rows: list[Rows], keys: tuple[Hashable, ...]) -> Rows:
    """The rows of many series one after the other, with the series' names."""
    numbers = np.concatenate([own.numbers for own in rows])
    ids = [key for own, key in zip(rows, keys, strict=True) for _ in own.numbers]
    if rows[0].origins is None:
        return Rows(rows[0].clock, numbers, None, ids)
    origins = [own.origins for own in rows if own.origins is not None]
    return Rows(rows[0].clock, numbers, np.concatenate(origins), ids)


def values_of(owner: str, argument: str, value: Any, form: Form) -> list[Any]:
    """What the user has for each series of y."""
    if form.kind == "array":
        return [value]
    if form.kind in ("dict", "wide", "long"):
        if not isinstance(value, dict) or set(value) != set(form.keys):
            came = (
                f"a dict of {describe_all(value)}" if isinstance(value, dict) else describe(value)
            )
            raise ValueError(
                f"{owner}: {argument} is {came}, expected a dict with the keys of y, "
                f"{describe_all(form.keys)}"
            )
        return [value[key] for key in form.keys]
    values = list(value) if isinstance(value, list | tuple) else [value]
    if len(values) != len(form.keys):
        raise ValueError(f"{owner}: {argument} has {len(values)} series, expected {len(form.keys)}")
    return values
