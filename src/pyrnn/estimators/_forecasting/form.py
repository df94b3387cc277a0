"""Form: how the user has the series, and forecasts in the same form."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..._base.checks import Array, convert, describe, describe_all
from ..._base.foreign import is_foreign
from .._file import learnt


@learnt
@dataclass(frozen=True)
class Form:
    """How the user has the series: one array, a list, or a dict; and whether 1-D. Series know here
    where they end, and so when what is packed is."""

    keys: tuple[Hashable, ...]  # of a dict, or positions
    kind: str  # "array", "list" or "dict"
    flat: bool  # series are (T,), and so are forecasts
    ends: tuple[int, ...] = ()  # the number of known steps of each series
    labels: tuple[Any, ...] = ()  # of each series: those of its tables

    def name(self, argument: str, i: int) -> str:
        """How messages call series i."""
        return argument if self.kind == "array" else f"{argument}[{describe(self.keys[i])}]"

    def pack(self, arrays: list[Array], last: Sequence[Any] | None = None) -> Any:
        """Numbers of the steps that follow the known ones, one array (steps, D) per series, as the
        user has the series; (steps,) where flat.

        `last` names the entries of a last axis, such as ("lower", "upper") of arrays
        (steps, D, 2), or (0.1, 0.9) of quantiles; None: there is none. Of two last axes (steps, D,
        L, 2) it names all L * 2 entries, by tuples such as (0.9, "lower").
        """
        del last  # of arrays, axes have no names
        return self.pack_each([array.squeeze(1) if self.flat else array for array in arrays])

    def pack_origins(
        self, arrays: list[Array], origins: list[Array], last: Sequence[Any] | None = None
    ) -> Any:
        """Numbers of the steps that follow each of N origins, arrays (N, steps, D), or with an axis
        `last` (N, steps, D, L); `origins` has for each series the numbers of steps known (N,)."""
        del origins, last
        return self.pack_each([array.squeeze(2) if self.flat else array for array in arrays])

    def pack_paths(self, paths: list[Array]) -> Any:
        """Paths of the steps that follow the known ones, n of each series (n, steps, D)."""
        return self.pack_each([some.squeeze(2) if self.flat else some for some in paths])

    def followed_by(self, other: "Form") -> "Form":
        """Of the same series, after the steps of another form have come."""
        ends = tuple(a + b for a, b in zip(self.ends, other.ends, strict=True))
        labels = tuple(
            known | {"y": known["y"].followed_by(coming["y"])}
            for known, coming in zip(self.labels, other.labels, strict=True)
        )
        return replace(self, ends=ends, labels=labels)

    def pack_each(self, values: list[Any]) -> Any:
        """One value per series, as the user has them: a dict, a list, or the value of the one."""
        if self.kind == "dict":
            return dict(zip(self.keys, values, strict=True))
        return values if self.kind == "list" else values[0]


def form_of(owner: str, y: Any) -> Form:
    """The form of y. ValueError or TypeError for none of them."""
    keys: tuple[Hashable, ...] = (0,)
    kind, values = "array", [y]
    if isinstance(y, dict):
        kind, keys, values = "dict", tuple(y), list(y.values())
    elif isinstance(y, list | tuple) and any(map(_is_series, y)):
        kind, keys, values = "list", tuple(range(len(y))), list(y)
    if not values:
        raise ValueError(f"{owner}: y has no series, expected at least one")
    flat = {_axes(owner, value) == 1 for value in values}
    if len(flat) > 1:
        raise ValueError(f"{owner}: y has series of shape (T,) and of (T, D), expected one kind")
    return Form(keys, kind, flat.pop())


def _is_series(entry: Any) -> bool:
    """Whether an entry of a list is a series, and not a number."""
    number = isinstance(entry, np.generic)
    return hasattr(entry, "__len__") or (is_foreign(entry) and not number)


def _axes(owner: str, value: Any) -> int:
    """The number of axes of a series."""
    if isinstance(axes := getattr(value, "ndim", None), int):
        return axes
    return convert(f"{owner}: y", value, "of numbers").ndim


def values_of(owner: str, argument: str, value: Any, form: Form) -> list[Any]:
    """What the user has for each series of y."""
    if form.kind == "array":
        return [value]
    if form.kind == "dict":
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
