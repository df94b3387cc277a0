"""Several inputs by the names of a forward's parameters, batched as one is."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .checks import Array, describe, describe_all
from .columns import Column, Columns
from .datasets import LENGTHS, Named
from .samples import Batch, Layout, Samples, axes_of
from .words import nearest_words


class NamedSamples(Samples):
    """Several inputs as batches: x of a batch is a dict, what the module is called with.

    The first input along time, in the order of the forward's parameters, is `main`: `lengths` are
    its, batches are made by them, and targets per step have its steps. Other ragged inputs are
    padded likewise. Padded arrays keep their width. A forward that names `{name}_lengths` gets
    them in every batch, and the width of an array that came without.
    """

    may_be_cut = False

    def __init__(self, name: str, named: Named, layout: Layout, module: Any) -> None:
        self._module = module
        names = module._forward_names or ()
        _check_names(name, type(module).__name__, named.given, names)
        keys = [key for key in names if key in named.given]
        self.main = next((k for k in keys if _along_time(k, named.x[k], layout)), keys[0])
        self._others = {
            key: Samples(
                f"{name} x[{describe(key)}]",
                Columns(named.given[key], name=f"{name} x[{describe(key)}]:"),
                _layout_of(key, named.x[key], layout),
            )
            for key in keys
            if key != self.main
        }
        given = named.given[self.main], named.target, named.given_lengths, named.sample_weight
        columns = Columns(*given, name=name)
        super().__init__(name, columns, _layout_of(self.main, named.x[self.main], layout))
        self._check_lengths(names)

    def steps(self, rows: Any = slice(None)) -> int:
        """The full width of padded arrays: nothing says which others would have to be cut."""
        return len(self._first) if self.arrays and self.has_time else super().steps(rows)

    def main_input(self, batch: Batch) -> Array:
        main: Array = batch.x[self.main]
        return main

    def inputs(self, batch: Batch) -> Iterator[tuple[str, Array]]:
        for key, array in batch.x.items():
            if isinstance(array, np.ndarray):
                over_time = self._others.get(key, self)
                yield f"x[{key!r}]", over_time.to_layout(array)

    def batch(self, rows: Array, start: int = 0, stop: int | None = None) -> Batch:
        """Some samples, whole."""
        batch, names = super().batch(rows), self._module._forward_names
        x = {self.main: batch.x}
        x |= {key: samples.batch(rows).x for key, samples in self._others.items()}
        for key, samples in {self.main: self, **self._others}.items():
            if f"{key}_{LENGTHS}" in names and f"{key}_{LENGTHS}" not in x and samples.has_time:
                width = np.full(len(rows), samples.steps(rows))
                x[f"{key}_{LENGTHS}"] = width if samples.lengths is None else samples.lengths[rows]
        if f"{self.main}_{LENGTHS}" not in names:
            x |= self._module.told(batch.x, batch.lengths)
        return batch._replace(x=x)

    def pieces(self, rows: Array, steps: int | None = None) -> Iterator[Batch]:
        """Some samples as one batch."""
        yield self.batch(rows)

    def _check_lengths(self, names: Any) -> None:
        """ValueError for ragged inputs of a forward that is not told their lengths."""
        owner = type(self._module).__name__
        told = LENGTHS in names or "mask" in names
        for key, samples in {self.main: self, **self._others}.items():
            lengths = samples.lengths
            if lengths is None or f"{key}_{LENGTHS}" in names:
                continue
            alike = self.lengths is not None and np.array_equal(lengths, self.lengths)
            if not (told and alike):
                expected = f"{key}_{LENGTHS}" + (f" or {LENGTHS}" if samples is self else "")
                raise ValueError(
                    f"{self.name} x[{describe(key)}] has sequences of different lengths, which the "
                    f"forward of {owner} does not take, expected {expected} among its parameters"
                )


def _check_names(name: str, owner: str, given: Any, names: Any) -> None:
    """ValueError unless inputs are parameters of the module's forward."""
    if not names:
        raise TypeError(
            f"{name} x is a dict, and {owner} takes one input, expected a module whose forward "
            "names them"
        )
    unknown = [key for key in given if key not in names]
    if unknown:
        near = nearest_words(unknown[0], names)
        text = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{name} x has {describe_all(unknown)}, expected parameters of {owner}.forward: "
            f"{describe_all(names)}{text}"
        )


def _along_time(key: str, column: Column, layout: Layout) -> bool:
    """Whether an input has a time axis: floats (N, T, F), integers (N, T); no masks, no lengths."""
    if isinstance(column, list):
        return True
    if column.dtype == bool or key.endswith(LENGTHS):
        return False
    return axes_of(column[0], _layout_of(key, column, layout).integer_x)[1]


def _layout_of(key: str, column: Column, layout: Layout) -> Layout:
    """Bools and lengths stay what they are, integers if the module has an Embedding."""
    first = column[0] if isinstance(column, list) else column
    if first.dtype == bool:
        return layout._replace(dtype=np.dtype(bool), integer_x=False)
    return layout._replace(integer_x=layout.integer_x or key.endswith(LENGTHS))
