"""Several inputs by the names of a forward's parameters, batched as one is."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .checks import Array, describe, describe_all
from .columns import Column, Columns
from .datasets import LENGTHS, Named
from .samples import Batch, Layout, Samples, axes_of
from .words import nearest_words


class Whole(Samples):
    """Samples of which padded arrays keep their width: nothing says which others would be cut."""

    def steps(self, rows: Any = slice(None)) -> int:
        return len(self._first) if self.arrays and self.has_time else super().steps(rows)


class NamedSamples(Whole):
    """Several inputs as batches: x of a batch is a dict, what the module is called with.

    The first input along time, in the order of the forward's parameters, is `main`: `lengths` are
    its, batches are made by them, and targets per step have its steps. Other ragged inputs are
    padded likewise. Padded arrays keep their width. A forward that names `{name}_lengths` gets
    them in every batch, and the width of an array that came without. Those that came are the
    lengths of their input, as `lengths` are of `main`. A `mask` of bools (N, T) weights the steps.
    """

    may_be_cut = False

    def __init__(self, name: str, named: Named, layout: Layout, module: Any) -> None:
        self._module = module
        names = module._forward_names or ()
        _check_names(name, type(module).__name__, named.given, names)
        self._mask = _read_mask(name, named)
        self.masked = self._mask is not None
        keys = [key for key in names if key in named.given]
        along_time = [key for key in keys if _along_time(key, named.x[key], layout)]
        lengths = {key: _lengths_of(name, key, named) for key in along_time}
        keys = [k for k in keys if k.removesuffix(f"_{LENGTHS}") not in along_time or k in lengths]
        self.main = (along_time or keys)[0]
        self._others = {
            key: Whole(
                f"{name} x[{describe(key)}]",
                Columns(
                    named.given[key], None, lengths.get(key), name=f"{name} x[{describe(key)}]:"
                ),
                _layout_of(key, named.x[key], layout),
            )
            for key in keys
            if key != self.main
        }
        own = _one_of(name, self.main, named.given_lengths, lengths.get(self.main))
        columns = Columns(named.given[self.main], named.target, own, named.sample_weight, name=name)
        super().__init__(name, columns, _layout_of(self.main, named.x[self.main], layout))
        self._check_lengths(names)

    def main_input(self, batch: Batch) -> Array:
        main: Array = batch.x[self.main]
        return main

    def inputs(self, batch: Batch) -> Iterator[tuple[str, Array]]:
        for key, samples in self._all.items():
            yield f"x[{key!r}]", samples.to_layout(batch.x[key])

    def along_time(self, batch: Batch) -> Iterator[tuple[str, Samples, Array]]:
        for key, samples in self._all.items():
            if samples.has_time:
                yield f"x[{key!r}]", samples, batch.x[key]

    @property
    def _all(self) -> dict[str, Samples]:
        """The samples of each input, those of `main` first."""
        return {self.main: self, **self._others}

    def batch(self, rows: Array, start: int = 0, stop: int | None = None) -> Batch:
        """Some samples, whole."""
        batch, names = super().batch(rows), self._module._forward_names
        x = {self.main: batch.x}
        x |= {key: samples.batch(rows).x for key, samples in self._others.items()}
        for key, samples in self._all.items():
            if f"{key}_{LENGTHS}" in names and f"{key}_{LENGTHS}" not in x and samples.has_time:
                width = np.full(len(rows), samples.steps(rows))
                x[f"{key}_{LENGTHS}"] = width if samples.lengths is None else samples.lengths[rows]
        if f"{self.main}_{LENGTHS}" not in names:
            x |= self._module.told(batch.x, batch.lengths)
        return batch._replace(x=x, weight=self._masked(batch, rows))

    def pieces(self, rows: Array, steps: int | None = None) -> Iterator[Batch]:
        """Some samples as one batch."""
        yield self.batch(rows)

    def _masked(self, batch: Batch, rows: Array) -> Array | None:
        """The weights of a batch, 0 for targets of steps that the mask leaves out."""
        if self._mask is None or not self.per_step:
            return batch.weight
        mask, steps = self._mask[rows], self.steps(rows)
        if mask.shape[1:] != (steps,):
            raise ValueError(
                f"{self.name} x['mask'] has shape {self._mask.shape}, expected {len(self), steps}, "
                "one for each step: it says which targets count"
            )
        weight = np.ones(len(rows)) if batch.weight is None else batch.weight
        return np.where(mask, weight if weight.ndim > 1 else weight[:, None], 0.0)

    def _check_lengths(self, names: Any) -> None:
        """ValueError for ragged inputs of a forward that is not told their lengths."""
        owner = type(self._module).__name__
        told = LENGTHS in names or "mask" in names
        for key, samples in self._all.items():
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


def _lengths_of(name: str, key: str, named: Named) -> Any:
    """The lengths of an input among the others, None where there are none but those of a list."""
    lengths, column = named.x.get(f"{key}_{LENGTHS}"), named.x[key]
    if lengths is not None and isinstance(column, list):
        _one_of(name, key, [len(sample) for sample in column], lengths)
        return None
    return lengths


def _one_of(name: str, key: str, lengths: Any, others: Any) -> Any:
    """Lengths that may have come twice; ValueError if they differ."""
    if lengths is None or others is None:
        return others if lengths is None else lengths
    if not np.array_equal(lengths, others):
        raise ValueError(
            f"{name} x[{describe(f'{key}_{LENGTHS}')}] are other lengths of x[{describe(key)}] "
            "than those it has already, expected them once"
        )
    return lengths


def _read_mask(name: str, named: Named) -> Array | None:
    """The input "mask"; TypeError unless it is an array of bools."""
    mask = named.x.get("mask")
    if mask is None or (isinstance(mask, np.ndarray) and mask.dtype == bool):
        return mask
    came = "a list of arrays" if isinstance(mask, list) else f"of dtype {mask.dtype}"
    raise TypeError(f"{name} x['mask'] is {came}, expected an array (N, T) of bools")


def _along_time(key: str, column: Column, layout: Layout) -> bool:
    """Whether an input has a time axis: floats (N, T, F), ids (N, T); no masks, no lengths."""
    if key == "mask" or key.endswith(LENGTHS):
        return False
    if isinstance(column, list):
        return True
    if column.dtype == bool:
        return False
    return axes_of(column[0], _layout_of(key, column, layout).integer_x)[1]


def _layout_of(key: str, column: Column, layout: Layout) -> Layout:
    """Bools and lengths stay what they are, integers if the module has an Embedding."""
    first = column[0] if isinstance(column, list) else column
    if first.dtype == bool:
        return layout._replace(dtype=np.dtype(bool), integer_x=False)
    return layout._replace(integer_x=layout.integer_x or key.endswith(LENGTHS))
