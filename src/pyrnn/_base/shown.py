"""How objects show themselves: tables for notebooks, sizes in words."""

from collections.abc import Iterable, Sequence

Cells = Sequence[str]


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


def in_bytes(count: int) -> str:
    """A number of bytes in the largest of the units that it fills."""
    if count < 1000:
        return f"{count} B"
    power = 1 if count < 999_950 else 2 if count < 999_950_000 else 3
    return f"{count / 1000**power:.1f} {'kMG'[power - 1]}B"
