"""A trace's steps as a table."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._base.settings import Settings
from .._base.shown import html_table, in_digits


class TraceTable(Settings):
    """What `Trace.table` returns: it shows itself as a table, in a notebook as one of HTML.

    `columns` are the names, `rows` has a tuple for each step. Of each layer: |h| and |c| are norms,
    the gates' columns means over the units, |dL/dh| and |dL/dc| norms of gradients.

    Examples
    --------
    >>> rnn = pyrnn.RNN(1, 1, seed=0)
    >>> for parameter in rnn.parameters():
    ...     parameter[...] = 1
    >>> pyrnn.trace(rnn, np.zeros((2, 1), np.float32), tokens=["A", "B"]).table()
    step  token  RNN |h|  RNN |dL/dh|
    0     A        0.964       0.0106
    1     B       0.9947            1
    """

    def __init__(self, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        self.columns, self.rows = tuple(columns), tuple(rows)

    def to_frame(self) -> Any:
        """The table as a DataFrame of pandas. ImportError where pandas is not installed."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def _texts(self) -> list[tuple[str, ...]]:
        return [tuple(v if isinstance(v, str) else in_digits(v) for v in row) for row in self.rows]

    def __repr__(self) -> str:
        texts = [self.columns, *self._texts()]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        left = {"step", "token", "output"}
        lines = (
            "  ".join(
                text.ljust(width) if name in left else text.rjust(width)
                for text, width, name in zip(row, widths, self.columns, strict=True)
            )
            for row in texts
        )
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        return html_table(list(self.columns), self._texts())


def table_of(trace: Any) -> TraceTable:
    """The table of a trace."""
    columns = dict(_columns(trace))
    return TraceTable(list(columns), list(zip(*columns.values(), strict=True)))


def _columns(trace: Any) -> Iterator[tuple[str, list[Any]]]:
    yield "step", list(range(trace.steps))
    if trace.tokens:
        yield "token", list(trace.tokens)
    for layer in trace.layers:
        for name in ("h", "c"):
            if name in layer.names:
                yield f"{layer.name} |{name}|", np.linalg.norm(layer[name], axis=1).tolist()
        for name in gates_of(layer):
            yield f"{layer.name} mean {name}", layer[name].mean(axis=1).tolist()
        for name, norms in layer.gradient_norms.items():
            yield f"{layer.name} |dL/d{name}|", norms.tolist()
    if outputs := best_classes(trace):
        yield "output", outputs


def gates_of(layer: Any) -> list[str]:
    """The names of what is a sigmoid, or 1 minus one: the gates."""
    lines = layer._direction.equations
    return [line.name for line in lines if line.text.startswith(("sigmoid", "1 - "))]


def best_classes(trace: Any) -> list[str]:
    """The likeliest class of each step with its probability; nothing where there is no such."""
    p = trace.probabilities
    if p is None or trace._time_of(trace.y) is None:
        return []
    best = p.reshape(trace.steps, -1)
    return [f"{class_name(trace, k)} {best[t, k]:.2f}" for t, k in enumerate(best.argmax(axis=1))]


def class_name(trace: Any, number: int) -> str:
    """The word for a feature of y."""
    return trace.classes[number] if number < len(trace.classes) else str(number)
