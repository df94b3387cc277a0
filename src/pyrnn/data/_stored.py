"""StoredDataset: samples that stay in a file, or wherever else they are, until they are needed."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from .._base.checks import Array, as_integers, check_size, describe
from .._base.columns import Column, read_weight
from ._dataset import SequenceDataset
from ._parquet import Parquet, ParquetColumn
from ._stores import Windows, as_store, size_of, store_of_folder


class StoredDataset(SequenceDataset):
    """N samples in stores that can be indexed; a few batches of them are in memory at a time.

    A store is what has a length and gives an array for an index: an `np.memmap` (N, T, F), a
    Dataset of h5py, an Array of zarr, an Array, ChunkedArray or column of pyarrow (of numbers, or
    nested lists of them, in a file that is memory-mapped), a list of paths, or a function i ->
    array.

    - `x` gives sample i, (T_i, F) of numbers or (T_i,) of ids, by x[i].
    - With `offsets` (N + 1,) it is one long array instead; sample i is its steps from offsets[i]
      to before offsets[i + 1].
    - `lengths` (N,) are the numbers of steps: needed for a function, and of samples with padding;
      else they are read once. Of x, only they stay in memory; `sample_weight` and a target given
      as an array do too.
    - `target` has one entry per sample, or the steps of x: an array, or a store like x. None: for
      `predict`.
    - `sample_weight` as in SequenceDataset.

    `Trainer.fit`, `evaluate` and `predict` read it in a thread, two batches ahead. Order, buckets,
    bits and resuming are those of the same samples in memory. Batches are checked as they are read,
    not all before the first step; the error of a sample that is not finite, has another shape, or
    cannot be read names it. Targets that the loss leaves out, all of them, are an error at the end
    of the first epoch. A sample must be the same whenever it is asked for. In a training with
    several ranks each reads its own.

    TypeError or ValueError for stores that do not fit each other.

    Examples
    --------
    >>> flat = np.random.default_rng(0).standard_normal((1000, 3)).astype(np.float32)
    >>> offsets = np.arange(0, 1001, 20)  # in a file: np.load("x.npy", mmap_mode="r")
    >>> data = pyrnn.StoredDataset(flat, lambda i: float(flat[20 * i].sum()), offsets=offsets)
    >>> data
    StoredDataset(50 samples, 20 steps)
    >>> model = pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), pyrnn.LastStep(), pyrnn.Linear(4, 1))
    >>> history = pyrnn.Trainer(model, "mse", "adam").fit(data, epochs=2, progress=False)
    """

    is_stored = True

    def __init__(
        self,
        x: Any,
        target: Any = None,
        *,
        lengths: Any = None,
        offsets: Any = None,
        sample_weight: Any = None,
    ) -> None:
        owner = "StoredDataset"
        if offsets is not None:
            if lengths is not None:
                raise ValueError(f"{owner}: lengths and offsets are both given, expected one")
            bounds = as_integers(owner, "offsets", offsets)
            if bounds.ndim != 1 or len(bounds) < 2 or bounds[0] < 0 or (np.diff(bounds) < 0).any():
                raise ValueError(
                    f"{owner}: offsets has shape {bounds.shape}, expected (N + 1,) numbers >= 0 "
                    "that do not fall"
                )
            self._x = as_store(owner, "x", x, bounds=bounds)
            read: Array = np.diff(bounds)
        else:
            if lengths is not None:
                lengths = as_integers(owner, "lengths", lengths)
            count = None if lengths is None else len(lengths)
            self._x = as_store(owner, "x", x, count=count)
            read = self._x.lengths() if lengths is None else lengths
        if read.shape != (len(self._x),) or (read < 0).any():
            raise ValueError(
                f"{owner}: lengths has shape {read.shape}, expected ({len(self._x)},), one >= 0 "
                "for each sample"
            )
        self._counts = read
        self._is_cut = lengths is not None
        self._target = (
            None if target is None else as_store(owner, "target", target, count=len(self))
        )
        if self._target is not None and len(self._target) != len(self):
            raise ValueError(
                f"{owner}: target has {len(self._target)} entries, expected {len(self)}, one for "
                "each sample"
            )
        self._weight = read_weight(f"{owner}:", sample_weight, len(self))

    @classmethod
    def of_folder(cls, path: Any, target: Any = None, *, sample_weight: Any = None) -> Self:
        """One sample for each .npy file of a folder, in the order of their names. At first only the
        headers are read."""
        store = store_of_folder("StoredDataset", path)
        return cls(store, target, sample_weight=sample_weight)

    @classmethod
    def of_parquet(
        cls,
        path: Any,
        x: str,
        target: str | None = None,
        *,
        sample_weight: Any = None,
        keep: int = 4,
    ) -> Self:
        """One sample for each row of a Parquet file, by pyarrow: `x` and `target` name its columns,
        of numbers or (nested) lists of them.

        A row group is read when one of its rows is needed, and the `keep` that were used last stay
        in memory. A shuffled batch may need one for each of its samples, so write small ones:
        `pyarrow.parquet.write_table(table, path, row_group_size=64)`. The lengths are read once,
        with the whole of both columns.
        """
        owner = "StoredDataset.of_parquet"
        keep = check_size(owner, "keep", keep)
        given: dict[str, Any] = {"x": x} if target is None else {"x": x, "target": target}
        for argument, name in given.items():
            if not isinstance(name, str):
                raise TypeError(
                    f"{owner}: {argument} is {describe(name)}, expected the name of a column"
                )
        file = Parquet(owner, path, list(dict.fromkeys(given.values())), keep)
        y = None if target is None else ParquetColumn(file, target)
        return cls(ParquetColumn(file, x), y, sample_weight=sample_weight)

    @classmethod
    def windows(
        cls,
        series: Any,
        steps: int,
        target: Any = None,
        *,
        stride: int = 1,
        ahead: int | None = None,
    ) -> Self:
        """Windows of `steps` steps over one long series (T, F), each `stride` after the one before.

        They are views: the series, perhaps an `np.memmap` of 100 million steps, is not copied. The
        target is the same window of another series, `target`, or with `ahead` that of `series`
        itself, so many steps later.
        """
        owner = "StoredDataset.windows"
        steps, stride = check_size(owner, "steps", steps), check_size(owner, "stride", stride)
        later = 0 if ahead is None else check_size(owner, "ahead", ahead)
        if (target is None) == (ahead is None):
            came = "neither" if target is None else "both"
            raise ValueError(f"{owner}: {came} of target and ahead are given, expected one of them")
        other = series if target is None else target
        own_size, other_size = size_of(series), size_of(other)
        if own_size is None or other_size is None:
            name, given = ("series", series) if own_size is None else ("target", target)
            raise TypeError(f"{owner}: {name} is {describe(given)}, expected one with a length")
        length = min(own_size, other_size - later)
        if length < steps:
            raise ValueError(
                f"{owner}: series has {own_size} steps and the target {other_size}, expected at "
                f"least {steps} and {steps + later}"
            )
        count = 1 + (length - steps) // stride

        own = Windows(series, steps, stride, 0, count)
        return cls(own, Windows(other, steps, stride, later, count))

    def __len__(self) -> int:
        """N, the number of samples."""
        return len(self._x)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        """(x_i, target_i), read now."""
        x = self._x[i]
        x = x[: self._counts[i]] if self._is_cut else x
        return x, None if self._target is None else self._target[i]

    @property
    def lengths(self) -> Array:
        """The number of time steps of each sample (N,)."""
        return self._counts

    @property
    def sample_weight(self) -> Column | None:  # type: ignore[override]
        """The weights of the samples, or of their steps."""
        return self._weight

    x_array = given_lengths = arrays = None

    @property
    def padded_steps(self) -> int | None:
        """T of padded samples: so long may the targets of steps be that __getitem__ gives."""
        return self._x.steps if self._is_cut else None

    def _phrases(self) -> Iterator[str]:
        yield f"{len(self)} samples"
        least, most = int(self.lengths.min()), int(self.lengths.max())
        yield f"{least} to {most} steps" if least < most else f"{most} steps"
