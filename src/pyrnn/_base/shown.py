"""How objects show themselves: options in words, tables for notebooks, sizes with units."""

import inspect
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .checks import printable
from .description import as_json

Cells = Sequence[str]
LARGE, LARGEST = 10_000, 1_000_000_000
FEW, LONGEST = 8, 80  # elements of an array that is shown, characters of a value


def changed_options(
    defaults: Mapping[str, Any], options: Mapping[str, Any], always: Container[str] = ()
) -> Iterator[str]:
    """`name=value` of the options that are not the defaults."""
    for name, value in zip(options, map(as_json, options.values()), strict=True):
        default = defaults.get(name, inspect.Parameter.empty)
        if name in always or not _same(value, default):
            yield f"{name}={short(value)}"


def short(value: Any) -> str:
    """A value in a few words, on one line."""
    if isinstance(value, np.ndarray) and value.size > FEW:
        return f"array{value.shape}"
    if isinstance(value, np.ndarray | np.generic):
        return repr(value.tolist())
    if callable(value) and hasattr(value, "__name__"):
        return printable(value.__name__)
    if isinstance(value, list | tuple | dict) and len(value) > FEW:
        return f"{type(value).__name__} of {len(value)}"
    return printable(repr(value), LONGEST)


def measured(value: Any) -> str:
    """The same, floats in four digits."""
    if isinstance(value, np.ndarray) and value.ndim and value.size <= FEW:
        return f"[{', '.join(map(measured, value))}]"
    return in_digits(value) if isinstance(value, float) else short(value)


def _same(value: Any, default: Any) -> bool:
    """Whether an option is the default; an array never is."""
    if isinstance(value, np.ndarray) or isinstance(default, np.ndarray):
        return False
    return value is default or bool(value == default)


def html_table(
    head: Cells, body: Iterable[Cells], sums: Iterable[Cells] = (), *, left: int = 1
) -> str:
    """A table of texts as HTML: its first `left` columns are words, the others numbers."""
    from html import escape

    def row(cells: Cells, tag: str) -> str:
        sides = ["left" if i < left else "right" for i in range(len(cells))]
        return "".join(
            f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        )

    parts = [f"<thead><tr>{row(head, 'th')}</tr></thead>"] if head else []
    for tag, rows in (("tbody", body), ("tfoot", sums)):
        lines = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
        parts += [f"<{tag}>{lines}</{tag}>"] if lines else []
    return f"<table>{''.join(parts)}</table>"


def in_digits(value: float) -> str:
    """A number in four digits, or, if it is rather large, without a fraction."""
    return f"{value:,.0f}" if LARGE <= abs(value) < LARGEST else f"{value:.4g}"


def in_bytes(count: int) -> str:
    """A number of bytes in the largest of the units that it fills."""
    if count < 1000:
        return f"{count} B"
    power = 1 if count < 999_950 else 2 if count < 999_950_000 else 3
    return f"{count / 1000**power:.1f} {'kMG'[power - 1]}B"
