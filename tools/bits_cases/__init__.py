"""The cases of tools/bits.py: `cases()` yields them all, from the tables of its files."""

import numpy as np

from . import layers, losses, training


def cases():
    """(name, work, dtypes, orders) of each case.

    `work` takes an At and returns a nest of arrays and numbers; orders are the values of
    batch_first that it is done with.
    """
    for function, table, dtypes, orders in [*layers.TABLES, *losses.TABLES, *training.TABLES]:
        for row in table:
            words = [function.__name__, *map(_describe, row)]
            work = lambda at, function=function, row=row: function(at, *row)  # noqa: E731
            yield " ".join(filter(None, words)), work, dtypes, orders


def _describe(entry):
    """An entry of a row as words of a name."""
    if isinstance(entry, dict):
        shown = {k: getattr(v, "__name__", v) for k, v in entry.items()}
        return " ".join(k if isinstance(v, np.ndarray) else f"{k}={v}" for k, v in shown.items())
    return str(entry)
