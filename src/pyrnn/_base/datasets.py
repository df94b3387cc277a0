"""Datasets: what is taken as one, several inputs by name, and parts of others."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .checks import Array, describe, describe_all
from .columns import Column, Columns, Dataset, read_column, read_weight
from .reading import is_stored
from .torch_data import read_torch
from .torch_loaders import is_torch_data

LENGTHS = "lengths"


def as_dataset(name: str, data: Any, *, targets: bool = True) -> Dataset:
    """What Trainer takes as data: a dataset, or (x, target), or (x, target, lengths).

    A dataset is what has `__len__`, `__getitem__` and `lengths`, or torch's Dataset or DataLoader,
    whose samples may be x alone where no `targets` are needed.
    """
    if hasattr(data, "lengths") and hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        dataset: Dataset = data
        return dataset
    if is_torch_data(data):
        data = read_torch(name, data, targets=targets)
        if not isinstance(data, tuple):
            return as_dataset(name, data)
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise TypeError(
            f"{name} x is {describe(data)}, expected x with y, a tuple (x, target) or "
            "(x, target, lengths), or a dataset such as a SequenceDataset"
        )
    return columns_of(name, *data)


def columns_of(
    name: str, x: Any, target: Any = None, lengths: Any = None, sample_weight: Any = None
) -> Dataset:
    """Samples in memory, of one input or of several in a dict."""
    kind = Named if isinstance(x, Mapping) else Columns
    return kind(x, target, lengths, sample_weight, name=name)


def part_of(dataset: Dataset, start: int, stop: int) -> Dataset:
    """Neighbours among the samples of a dataset."""
    return dataset.part(start, stop) if isinstance(dataset, Named) else Slice(dataset, start, stop)


class Named:
    """N samples of several inputs, {"x": ..., "static": ...}: a dataset of them and a target.

    `lengths`, here or among the inputs, are those of the first input along time.
    """

    def __init__(
        self,
        x: Any,
        target: Any = None,
        lengths: Any = None,
        sample_weight: Any = None,
        *,
        name: str,
    ) -> None:
        given = dict(x)
        if lengths is not None and LENGTHS in given:
            raise ValueError(f"{name} lengths are given twice, expected them once")
        lengths = given.pop(LENGTHS, lengths)
        if not given or not all(isinstance(key, str) for key in given):
            raise TypeError(
                f"{name} x has the keys {describe_all(given)}, expected names of inputs"
            )
        self.name, self.given, self.target, self.given_lengths = name, given, target, lengths
        self.x: dict[str, Column] = {
            key: read_column(f"{name} x[{describe(key)}]", value) for key, value in given.items()
        }
        counts = {key: len(column) for key, column in self.x.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"{name} x has {counts} samples, expected one number of them")
        self.sample_weight = read_weight(name, sample_weight, len(self))

    def __len__(self) -> int:
        return len(next(iter(self.x.values())))

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        return {key: column[i] for key, column in self.x.items()}, None

    @property
    def lengths(self) -> Any:
        """Unknown before a module says which input they are of."""
        return self.given_lengths

    def part(self, start: int, stop: int) -> "Named":
        """Neighbours among the samples."""
        target, lengths = self.target, self.given_lengths
        if target is not None:
            target = read_column(f"{self.name} target", target)[start:stop]
        lengths = None if lengths is None else np.asarray(lengths)[start:stop]
        x = {key: column[start:stop] for key, column in self.x.items()}
        weight = None if self.sample_weight is None else self.sample_weight[start:stop]
        return Named(x, target, lengths, weight, name=self.name)


class Slice:
    """Neighbours among the samples of a dataset, themselves a dataset; arrays are views."""

    def __init__(self, dataset: Any, start: int, stop: int) -> None:
        self._dataset, self._part = dataset, slice(start, stop)

    def __len__(self) -> int:
        return int(self._part.stop - self._part.start)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        sample: tuple[Any, Any] = self._dataset[self._part.start + i]
        return sample

    @property
    def lengths(self) -> Any:
        """The number of time steps of each sample."""
        return self._dataset.lengths[self._part]

    @property
    def sample_weight(self) -> Column | None:
        """The weights of these samples."""
        weight: Column | None = getattr(self._dataset, "sample_weight", None)
        return None if weight is None else weight[self._part]

    @property
    def is_stored(self) -> bool:
        """Whether the samples are read from a store when they are needed."""
        return is_stored(self._dataset)

    @property
    def padded_steps(self) -> int | None:
        """That of the whole dataset."""
        steps: int | None = getattr(self._dataset, "padded_steps", None)
        return steps

    @property
    def x_array(self) -> Array | None:
        """x if it is one array; see Columns."""
        return self._cut(getattr(self._dataset, "x_array", None))

    @property
    def given_lengths(self) -> Array | None:
        """The lengths that came with padded arrays."""
        return self._cut(getattr(self._dataset, "given_lengths", None))

    @property
    def arrays(self) -> tuple[Array, Array | None, Array | None] | None:
        """(x, target, lengths) if the samples are in padded arrays."""
        arrays = getattr(self._dataset, "arrays", None)
        if arrays is None:
            return None
        x, target, lengths = arrays
        return x[self._part], self._cut(target), self._cut(lengths)

    def _cut(self, column: Array | None) -> Array | None:
        return None if column is None else column[self._part]
