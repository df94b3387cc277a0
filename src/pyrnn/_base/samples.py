"""Samples of a dataset, cut into batches in the layout that a module takes."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .checks import FLOATS, Array, as_integers, check_shape
from .columns import Columns, Dataset, check_alike, pad, read_numbers
from .layout import is_ids, time_major, turned
from .reading import is_stored

Target = Array | list[Array]  # ragged targets, with lengths of their own, are a list
Held = list[tuple[Array, Any]]  # samples that were read: x and the target as it came


class Layout(NamedTuple):
    """What the model and the loss take."""

    dtype: np.dtype[Any] | None  # None: any of floats
    batch_first: bool
    integer_x: bool
    integer_target: bool = False
    probabilities: bool = False  # or floats for integer targets
    ragged_target: bool = False
    own_targets: bool = False  # targets are sequences of their own lengths, not x's


class Batch(NamedTuple):
    """Samples, or some of their steps; zeros after the lengths, which are None where all rows are
    equally long. x is in the model's layout, its memory time-major, and a dict of several inputs;
    the target has the sample first. `steps` counts real time steps. Targets of their own lengths
    have `target_lengths`."""

    x: Any
    target: Target | None
    lengths: Array | None
    steps: int
    target_lengths: Array | None = None
    weight: Array | None = None  # of each sample, or of each of these steps


class Samples:
    """A dataset as batches.

    Each sample of x has a time axis, (T,) of ids or (T, F) of numbers, or none, (F,). x is cast
    batch by batch, so a memory-mapped array is never read whole. `per_step` says whether
    targets have x's time axis, as the model's output has, unless they are ragged; who has seen the
    output sets it, and until then batches have no targets. `name` begins the messages.
    """

    may_be_cut = True  # whether `pieces` can cut x along time
    check: Callable[[Batch], object] | None = None  # of batches as they are read, from a store
    masked = False  # whether a mask among the inputs weights the targets

    def __init__(self, name: str, dataset: Dataset, layout: Layout) -> None:
        self.name, self.dataset, self.layout = name, dataset, layout
        if len(dataset) < 1:
            raise ValueError(f"{name} has no samples, expected N >= 1")
        columns: Any = dataset  # which may hold its samples in arrays
        self.arrays: tuple[Array, Array | None, Array | None] | None
        self.arrays = getattr(dataset, "arrays", None)
        self._padded_steps: int | None = getattr(dataset, "padded_steps", None)
        if layout.own_targets and getattr(dataset, "x_array", None) is not None:
            self.arrays = columns.x_array, None, columns.given_lengths  # targets are read apart
        self.is_stored = is_stored(dataset)  # read ahead, and checked batch by batch
        self.example, self._first = self._find_example()
        ids, self.has_time = axes_of(self._first, layout.integer_x)
        self._x_dtype = np.dtype(np.int64) if ids else self._floats()
        self.lengths = self._read_lengths()
        self._weight: Any = getattr(dataset, "sample_weight", None)
        self.per_step: bool | None = None

    def __len__(self) -> int:
        """N, the number of samples."""
        return len(self.dataset)

    def steps(self, rows: Any = slice(None)) -> int:
        """The number of steps of the longest of some samples, 1 without a time axis."""
        if not self.has_time:
            return 1
        if self.lengths is None:
            return len(self._first)
        return int(self.lengths[rows].max(initial=0))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of the example."""
        return self._first.shape

    @property
    def total_steps(self) -> int:
        """The number of real time steps of all samples."""
        return len(self) * self.steps() if self.lengths is None else int(self.lengths.sum())

    def batch(self, rows: Array, start: int = 0, stop: int | None = None) -> Batch:
        """The steps from `start` to `stop` of some samples, or all up to the longest one's end."""
        return self._batch(rows, self._read(rows), start, stop)

    def _batch(self, rows: Array, held: Held | None, start: int, stop: int | None) -> Batch:
        """The same of samples that were read, unless arrays hold them."""
        width = self.steps(rows)
        steps = slice(start, width if stop is None else min(stop, width))
        width = steps.stop - steps.start
        lengths = None
        if self.lengths is not None:
            lengths = np.clip(self.lengths[rows] - start, 0, width)
        if held is None:
            x, target = self._take_arrays(rows, steps)
        else:
            x, target = self._take(rows, held, steps)
        target_lengths = None
        if self.layout.own_targets:
            target, target_lengths = self._own_targets(rows, held)
        if lengths is not None:
            x[np.arange(width) >= lengths[:, None]] = 0
        weight = self._weights(rows, steps)
        real = len(rows) * width if lengths is None else int(lengths.sum())
        lengths = None if lengths is None or lengths.min() == width else lengths
        x = time_major(x, self.has_time, 2)
        return Batch(self.to_layout(x), target, lengths, real, target_lengths, weight)

    def read(self, rows: Array, steps: int | None = None) -> Iterator[Batch]:
        """`pieces`, checked if they come from a store; the error names the sample."""
        for k, batch in enumerate(self.pieces(rows, steps)):
            if self.check is not None:
                try:
                    self.check(batch)
                except (TypeError, ValueError) as error:
                    self._name_sample(rows, k * (steps or 0), steps)
                    raise type(error)(f"{self.name}: {error}") from None
            yield batch

    def _name_sample(self, rows: Array, start: int, steps: int | None) -> None:
        """Raises the error of the sample that fails alone, if one does."""
        assert self.check is not None
        for row in rows:
            if steps is None or start < self.steps([row]):
                batch = self.batch(np.array([row]), start, None if steps is None else start + steps)
                try:
                    self.check(batch)
                except (TypeError, ValueError) as error:
                    raise type(error)(f"{self.name} sample {row}: {error}") from None

    def main_input(self, batch: Batch) -> Array:
        """The input whose steps are those of the batch: x."""
        x: Array = batch.x
        return x

    def along_time(self, batch: Batch) -> Iterator[tuple[str, "Samples", Array]]:
        """What has a time axis: its name, its samples, and those of a batch as they are there."""
        if self.has_time:
            yield "x", self, batch.x

    def inputs(self, batch: Batch) -> Iterator[tuple[str, Array]]:
        """All inputs by name, with the sample first."""
        yield "x", self.to_layout(batch.x)

    def pieces(self, rows: Array, steps: int | None = None) -> Iterator[Batch]:
        """Some samples as one batch, or in pieces of `steps` steps, one after the other."""
        width, held = max(1, self.steps(rows)), self._read(rows)
        size = steps or width
        for start in range(0, width, size):
            yield self._batch(rows, held, start, start + size)

    def to_layout(self, array: Array) -> Array:
        """(B, T, ...) as the model's layout has it, or back: a view; the same without time."""
        return turned(array, self.has_time and not self.layout.batch_first, 2)

    def _find_example(self) -> tuple[int, Array]:
        """The first sample of x that has any numbers, which say what the others are: its place, and
        it. An empty list has no dtype, and a model need not take what has no steps."""
        if self.arrays:
            x, _, lengths = self.arrays
            i = 0 if lengths is None else int((lengths > 0).argmax())
            return i, read_numbers(f"{self.name} x[{i}]", x[i])
        for i in range(len(self)):
            x = read_numbers(f"{self.name} x[{i}]", self.dataset[i][0])
            if x.size:
                return i, x
        return 0, read_numbers(f"{self.name} x[0]", self.dataset[0][0])

    def _floats(self) -> np.dtype[Any]:
        """The dtype of floats in x: the model's, or if it takes any the widest that came."""
        if self.layout.dtype is not None:
            return self.layout.dtype
        x = getattr(self.dataset, "x", None) if isinstance(self.dataset, Columns) else None
        arrays = [self._first, *(x if isinstance(x, list) else [])]
        floats = [np.asarray(array).dtype for array in arrays]
        widest = np.result_type(np.float32, *(dtype for dtype in floats if dtype.kind == "f"))
        return widest if widest in FLOATS else np.dtype(np.float32)

    def _read_lengths(self) -> Array | None:
        """The lengths, checked; None if padded arrays came without."""
        if self.arrays is None:
            if not self.has_time:
                raise ValueError(
                    f"{self.name} x[{self.example}] has shape {self._first.shape}, expected "
                    "(steps, features)"
                )
            lengths = as_integers(self.name, "lengths", self.dataset.lengths)
            check_shape(self.name, "lengths", lengths, (len(self),), "(samples,)")
            if lengths.min() < 0:
                raise ValueError(f"{self.name}: lengths has {lengths.min()}, expected length >= 0")
            return lengths
        x, _, given = self.arrays
        if given is not None and not self.has_time:
            raise ValueError(f"{self.name} has lengths, but x of shape {x.shape} has no time axis")
        return given

    def _take_arrays(self, rows: Array, steps: slice) -> tuple[Array, Target | None]:
        """Steps of some samples from padded arrays; indexing by rows makes a copy."""
        assert self.arrays is not None
        x, target, _ = self.arrays
        target = None if self.per_step is None else target
        key = (rows, steps) if self.has_time else (rows,)
        if target is not None and self.layout.ragged_target:
            return np.asarray(x[key], self._x_dtype), list(self._as_target(target[rows]))
        if target is not None:
            if self.per_step and target.shape[1:2] != x.shape[1:2]:
                hint = "; for one of each sequence, the model needs a LastStep() or a pool"
                raise ValueError(
                    f"{self.name} target has shape {target.shape}, expected {x.shape[:2]} and "
                    f"perhaps more axes: one for each step of x{hint if target.ndim == 1 else ''}"
                )
            target = self._as_target(target[key if self.per_step else (rows,)])
        return np.asarray(x[key], self._x_dtype), target

    def _read(self, rows: Array) -> Held | None:
        """Some samples, each read once, with x checked; None where arrays hold all of them."""
        if self.arrays:
            return None
        assert self.lengths is not None
        held = []
        for i in (int(row) for row in rows):
            x, target = self.dataset[i]
            x = read_numbers(f"{self.name} x[{i}]", x)
            check_alike(f"{self.name} x[{i}]", x, self._first)
            if self._x_dtype == np.int64 and x.size and not is_ids(x):
                raise TypeError(
                    f"{self.name} x[{i}] is {x.dtype}, expected integers like x[{self.example}]"
                )
            if len(x) != self.lengths[i]:
                raise ValueError(
                    f"{self.name} x[{i}] has {len(x)} steps, expected {self.lengths[i]}, its length"
                )
            held.append((x, target))
        return held

    def _take(self, rows: Array, held: Held, steps: slice) -> tuple[Array, Target | None]:
        """Steps of some samples, one by one, padded with zeros."""
        xs = [x[steps] for x, _ in held]
        targets = [
            self._sample_target(int(i), target, len(x), steps)
            for i, (x, target) in zip(rows, held, strict=True)
            if target is not None and self.per_step is not None
        ]
        width = steps.stop - steps.start
        padded = pad(xs, width, self._x_dtype)
        if not targets:
            return padded, None
        if self.layout.ragged_target:
            return padded, targets
        shapes = {target.shape[1 if self.per_step else 0 :] for target in targets}
        if len(shapes) > 1:
            raise ValueError(
                f"{self.name} targets have the shapes {sorted(shapes)}, expected equal ones"
                + ("" if self.per_step else ": the model's output is one per sequence")
            )
        together = pad(targets, width, targets[0].dtype) if self.per_step else np.stack(targets)
        return padded, together

    def _weights(self, rows: Array, steps: slice) -> Array | None:
        """The weights of some samples (B,), or of steps of them, 0 where they have none."""
        weight: Any = self._weight
        if weight is None or (self.per_step is None and not self.layout.own_targets):
            return None
        per_step = self.per_step and np.ndim(weight[self.example]) > 0
        if isinstance(weight, np.ndarray) and (not per_step or weight.shape[1] == self.steps()):
            return weight[rows, steps] if per_step else weight[rows]
        name = f"{self.name} sample_weight"
        numbers = [read_numbers(f"{name}[{i}]", weight[i]) for i in (int(row) for row in rows)]
        for i, number in zip(rows, numbers, strict=True):
            length = len(self._first) if self.lengths is None else int(self.lengths[i])
            expected = (length,) if per_step else ()
            wide = isinstance(weight, np.ndarray) and len(expected) == number.ndim == 1
            padded = wide and len(number) >= length  # an array has padding
            if number.shape != expected and not padded:
                raise ValueError(
                    f"{name}[{i}] has shape {number.shape}, expected {expected}: one for each "
                    f"{f'step of x[{i}]' if per_step else 'sample'}"
                )
        if not per_step:
            return np.stack(numbers)
        return pad([n[steps] for n in numbers], steps.stop - steps.start, np.float64)

    def _own_targets(self, rows: Array, held: Held | None) -> tuple[Array | None, Array | None]:
        """Targets (B, U) of their own lengths, and these; None if the dataset has none."""
        targets = []
        for k, i in enumerate(int(row) for row in rows):
            target = self.dataset[i][1] if held is None else held[k][1]
            if target is None:
                return None, None
            array = read_numbers(f"{self.name} target[{i}]", target)
            if array.ndim != 1:
                raise ValueError(
                    f"{self.name} target[{i}] has shape {array.shape}, expected (steps,)"
                )
            targets.append(self._as_target(array, i))
        lengths = np.array([len(target) for target in targets], np.int64)
        return pad(targets, int(lengths.max(initial=0)), targets[0].dtype), lengths

    def _sample_target(self, i: int, target: Any, length: int, steps: slice) -> Array:
        """One sample's target, or those of some of its steps."""
        array = self._as_target(read_numbers(f"{self.name} target[{i}]", target), i)
        if self.layout.ragged_target or not self.per_step:
            return array
        if array.ndim and len(array) == self._padded_steps:
            array = array[:length]
        if array.ndim == 0 or len(array) != length:
            raise ValueError(
                f"{self.name} target[{i}] has shape {array.shape}, "
                f"expected ({length}, ...): one for each step of x[{i}]"
            )
        return array[steps]

    def _as_target(self, target: Array, i: int | None = None) -> Array:
        """Class numbers as int64, everything else in the model's dtype; of all samples, or of one
        alone, whose dtype must not depend on others'."""
        is_class = not (self.layout.probabilities and target.dtype.kind == "f" and target.size)
        if self.layout.integer_target and is_class and target.dtype != np.int64:
            name = "target" if i is None else f"target[{i}]"
            given = target if target.size else target.astype(np.int64)  # an empty list has no dtype
            return as_integers(self.name, name, given)
        if self.layout.integer_target and is_class:
            return target
        values: Array = target.astype(self._floats(), copy=False)
        return values


def axes_of(sample: Any, integer_x: bool) -> tuple[bool, bool]:
    """Whether a sample of x is ids, for a model that takes some; whether it has a time axis."""
    empty = sample.size == 0 and sample.ndim == 1
    ids = integer_x and (is_ids(sample) or empty)
    return ids, sample.ndim >= (1 if ids else 2)


def cut(order: Array, batch_size: int) -> list[Array]:
    """Batches of `batch_size` samples in order; the last may be smaller."""
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def by_length(count: int, lengths: Array | None) -> Array:
    """All samples, the short ones first: the order that wastes the least on padding."""
    return np.arange(count) if lengths is None else np.argsort(lengths, kind="stable")
