"""Columns: samples in memory, each a sequence of its own length; padded and cut."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from .checks import SEQUENCES, Array, as_lengths, convert, read_items
from .foreign import is_foreign, is_packed
from .settings import Settings

Column = Array | list[Array]  # one entry per sample
SEVERAL_OUTPUTS = (
    "several outputs are trained with the losses' vjp, the model's pullback and "
    "optimizer.step(model)"
)


class Dataset(Protocol):
    """What gives samples, wherever it has them."""

    def __len__(self) -> int: ...
    def __getitem__(self, i: int, /) -> tuple[Any, Any]: ...
    @property
    def lengths(self) -> Any: ...


class Columns(Settings):
    """N samples in memory: x, perhaps a target and a weight, one entry for each; see
    SequenceDataset.

    `name` begins the messages.
    """

    _lengths: Array | None = None  # a subclass need not call __init__
    is_list = False  # whether x came as a list of samples: it is ragged, whatever their lengths are

    sample_weight: Column | None = None

    def __init__(
        self,
        x: Any,
        target: Any = None,
        lengths: Any = None,
        sample_weight: Any = None,
        *,
        name: str,
    ) -> None:
        self.is_list = isinstance(x, SEQUENCES) and lengths is None
        self.x = read_column(f"{name} x", x)
        check_one_target(name, target, len(self.x))
        self.target = None if target is None else read_column(f"{name} target", target)
        if self.target is not None and len(self.target) != len(self.x):
            raise ValueError(
                f"{name} target has shape {_shape(self.target)}, "
                f"expected ({len(self.x)}, ...), one for each sample of x"
            )
        self.sample_weight = read_weight(name, sample_weight, len(self.x))
        self._lengths = None if lengths is None else self._read_lengths(name, lengths)

    def __len__(self) -> int:
        """N, the number of samples."""
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        """(x_i, target_i); what `lengths` calls padding is cut off x_i, for training off a
        target per step too."""
        x = self.x[i] if self._lengths is None else self.x[i][: self._lengths[i]]
        return x, None if self.target is None else self.target[i]

    @property
    def lengths(self) -> Array:
        """The number of time steps of each sample (N,); 1 of a lone id."""
        if self._lengths is None:
            return np.array([len(x) if np.ndim(x) else 1 for x in self.x], np.int64)
        return self._lengths

    def _read_lengths(self, name: str, lengths: Any) -> Array:
        """Lengths that were given with padded arrays."""
        if isinstance(self.x, list):
            raise ValueError(f"{name} has lengths, but x is a list of arrays with their own")
        if self.x.ndim < 2:
            raise ValueError(f"{name} has lengths, but x of shape {self.x.shape} has no time axis")
        return as_lengths(name.removesuffix(":"), lengths, *self.x.shape[:2])

    @property
    def padded_steps(self) -> int | None:
        """T, if x came padded: so long may the targets of steps be that __getitem__ gives."""
        return None if self._lengths is None else int(self.x[0].shape[0])

    @property
    def x_array(self) -> Array | None:
        """x if it is one array, to be cut many at once, and samples are made as here."""
        methods = ("__len__", "__getitem__", "lengths")
        own = all(getattr(type(self), name) is getattr(Columns, name) for name in methods)
        return self.x if own and not isinstance(self.x, list) else None

    @property
    def given_lengths(self) -> Array | None:
        """The lengths that came with padded arrays."""
        return self._lengths

    @property
    def arrays(self) -> tuple[Array, Array | None, Array | None] | None:
        """(x, target, lengths) if the samples are in padded arrays, to be cut many at once."""
        if self.x_array is None or isinstance(self.target, list):
            return None
        return self.x_array, self.target, self._lengths


def check_one_target(name: str, target: Any, count: int) -> None:
    """TypeError for a dict of targets, or a few of `count` samples each."""
    few = isinstance(target, SEQUENCES) and len(target) not in (0, 1, count)
    if isinstance(target, Mapping) or (
        few and all(tuple(getattr(each, "shape", ())[:1]) == (count,) for each in target)
    ):
        raise TypeError(
            f"{name} target is a {type(target).__name__} of {len(target)} targets, expected one "
            f"array: {SEVERAL_OUTPUTS}"
        )


def read_column(name: str, value: Any) -> Column:
    """One entry per sample: an array with the sample first, or arrays of different lengths."""
    if is_packed(value):
        value = unpack(name, value)
    elif isinstance(value, SEQUENCES):
        value = read_items(name, value, "of real numbers")
    lengths = {_length(entry) for entry in value} if isinstance(value, SEQUENCES) else set()
    is_arrays = lengths - {None} != set() and all(isinstance(entry, np.ndarray) for entry in value)
    if len(lengths) > 1 or is_arrays:
        arrays = [read_numbers(f"{name}[{i}]", entry) for i, entry in enumerate(value)]
        like = next((array for array in arrays if array.size), arrays[0])
        if like.ndim:  # an empty list has neither a dtype nor further axes of its own
            arrays = [like[:0] if array.shape == (0,) else array for array in arrays]
        for i, array in enumerate(arrays):
            check_alike(f"{name}[{i}]", array, like)
        if len(lengths) > 1:
            return arrays
    array = read_numbers(name, value)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected (N, ...) with N >= 1")
    return array


def unpack(name: str, packed: Any) -> list[Array]:
    """The sequences of torch's PackedSequence, in the order in which they were packed."""
    data = convert(f"{name}.data", packed.data, "of real numbers")
    batches = convert(f"{name}.batch_sizes", packed.batch_sizes, "of integers")
    starts = np.cumsum(batches) - batches  # of the steps in data
    lengths = [int((batches > row).sum()) for row in range(batches.max(initial=0))]
    sequences = [data[starts[:length] + row] for row, length in enumerate(lengths)]
    if packed.unsorted_indices is None:
        return sequences
    order = convert(f"{name}.unsorted_indices", packed.unsorted_indices, "of integers")
    return [sequences[row] for row in order]


def as_numpys(owner: str, name: str, value: Any, content: str = "of numbers") -> Any:
    """Arrays of other libraries as numpy's, alone or in a list; what has names or an index, such as
    a table, stays as it is, and so does all else. A PackedSequence of torch is a list."""
    if is_packed(value):
        return unpack(f"{owner}: {name}", value)
    if isinstance(value, list | tuple):
        return [
            convert(f"{owner}: {name}[{i}]", entry, content) if _has_no_names(entry) else entry
            for i, entry in enumerate(value)
        ]
    return convert(f"{owner}: {name}", value, content) if _has_no_names(value) else value


def _has_no_names(value: Any) -> bool:
    """Whether it is an array of another library, but no table or column."""
    own = isinstance(value, np.ndarray | np.generic) or hasattr(value, "to_numpy")
    return not own and is_foreign(value)


def read_weight(name: str, value: Any, count: int) -> Column | None:
    """One weight for each of `count` samples, or one for each of its steps."""
    if value is None:
        return None
    weight = read_column(f"{name} sample_weight", value)
    if len(weight) != count:
        raise ValueError(
            f"{name} sample_weight has shape {_shape(weight)}, expected ({count}, ...), one for "
            "each sample of x"
        )
    return weight


def check_alike(name: str, array: Array, first: Array) -> None:
    """ValueError unless two arrays are alike but for the size of the first axis."""
    if array.ndim == 0 or first.ndim == 0 or array.shape[1:] != first.shape[1:]:
        widths = "".join(f", {size}" for size in first.shape[1:])
        raise ValueError(
            f"{name} has shape {array.shape}, expected (steps{widths}) as the first sample"
        )


def pad(arrays: list[Array], steps: int, dtype: Any) -> Array:
    """(B, steps, ...): arrays of at most `steps` steps, zeros after each."""
    padded = np.zeros((len(arrays), steps, *arrays[0].shape[1:]), dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def _shape(column: Column) -> str:
    """The shape of a column, for messages."""
    return f"({len(column)}, ...)" if isinstance(column, list) else str(column.shape)


def _length(entry: Any) -> int | None:
    """The number of steps in a sequence, None for a number."""
    return len(entry) if np.ndim(entry) else None


def read_numbers(name: str, value: Any) -> Array:
    """An array of real numbers."""
    if type(value) is not np.ndarray and np.isscalar(value):
        value = np.asarray(value)
    array = convert(name, value, "of real numbers")
    if array.dtype.kind not in "biuf":
        codes = "; np.unique(..., return_inverse=True) numbers classes that are text"
        way = codes if array.dtype.kind == "U" else ""
        raise TypeError(f"{name} has dtype {array.dtype}, expected real numbers{way}")
    return array
