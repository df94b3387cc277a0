"""torch's datasets as datasets of pyrnn, where torch is loaded already; nothing imports it."""

import sys
from operator import eq
from typing import Any

import numpy as np

from .checks import Array, describe, describe_all
from .columns import read_numbers
from .layout import is_ids
from .torch_loaders import Collated, read_all, read_loader

Sample = tuple[Any, Any, int | None]  # x, target, and the number of x's steps where it is padded
TARGETS = ("y", "target", "targets", "label", "labels")  # what the entry of a dict is called
LENGTHS = ("lengths", "length")
EXPECTED = "expected (x, target), (x, target, length) or (x, target, length, target_length)"


class TorchSamples:
    """A torch Dataset of (x, target) or (x, target, length), whose samples are read when needed.

    Each is read once in advance for its length. Of three, the length may also stand second.
    """

    def __init__(self, name: str, dataset: Any) -> None:
        self._name, self._torch = name, dataset
        known = [_numbers(name, i, _items(name, i, dataset[i])) for i in range(len(dataset))]
        self._length_second = _length_stands_second(name, known)
        place = 1 if self._length_second else 2
        lengths = [numbers[place if len(numbers) > 2 else 0] for numbers in known]
        for i, length in enumerate(lengths):
            if length is None or not 0 <= length <= known[i][0]:
                raise ValueError(
                    f"{name}: sample {i} has {known[i][0]} steps and the length {length}, "
                    f"{EXPECTED}"
                )
        self.lengths: Array = np.array(lengths, np.int64)
        x, _, length = self._read(0)
        self.padded_steps = None if length is None else len(x)

    def __len__(self) -> int:
        return len(self._torch)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        x, target, length = self._read(i)
        return x[:length], target

    def _read(self, i: int) -> Sample:
        x, target, length = _read_sample(self._name, self._torch, i, self._length_second)
        return read_numbers(f"{self._name} x[{i}]", x), target, length


class Unlabelled:
    """The samples of a dataset, which may have no target where none is needed: 0 stands for it."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, i: int) -> Any:
        sample = self._dataset[i]
        if isinstance(sample, tuple | list) and len(sample) == 1:
            return sample[0], 0
        has_target = isinstance(sample, tuple | list)
        if isinstance(sample, dict):
            has_target = any(key in TARGETS for key in sample)
        return sample if has_target else (sample, 0)


def read_torch(name: str, data: Any, *, targets: bool = True) -> Any:
    """What a torch Dataset or DataLoader holds: (x, target[, lengths]), or its samples one by one.
    Without `targets` x may come alone.

    ValueError for a loader that makes batches as a Trainer does not.
    """
    torch = sys.modules["torch.utils.data"]
    collate = None
    if isinstance(data, torch.DataLoader):
        data, collate = read_loader(name, data, torch)
    elif isinstance(data, torch.IterableDataset):
        data = read_all(name, data)
    if not isinstance(data, torch.TensorDataset) or collate is not None:
        return _read_samples(name, data, collate, targets)
    if len(data.tensors) == 1 and not targets:
        return *data.tensors, None
    if len(data.tensors) not in (2, 3):
        raise ValueError(
            f"{name} has {len(data.tensors)} tensors, expected x, target and perhaps lengths"
        )
    return _in_order(name, data.tensors)


def _in_order(name: str, tensors: Any) -> tuple[Any, ...]:
    """x, target and perhaps lengths, which may also stand second."""
    if len(tensors) == 3 and tensors[0].ndim > 1:
        steps = tensors[0].shape[1]
        columns = [_integers(tensor) for tensor in tensors[1:]]
        known = [[steps, *numbers] for numbers in zip(*columns, strict=True)]
        if _length_stands_second(name, known):
            return tensors[0], tensors[2], tensors[1]
    return tuple(tensors)


def _integers(tensor: Any) -> list[int | None]:
    """A tensor's rows where they are single integers, None for each where not."""
    single = tensor.ndim == 1 and not (tensor.is_floating_point() or tensor.is_complex())
    return list(map(int, tensor.tolist())) if single else [None] * len(tensor)


def _read_samples(name: str, data: Any, collate: Any, targets: bool) -> Any:
    """What is read of samples one by one: x in memory where it has no time axis."""
    if len(data) < 1:
        raise ValueError(f"{name} has no samples, expected N >= 1")
    if collate is not None:
        data = Collated(name, data, collate)
    if not targets:
        data = Unlabelled(data)
    first = _items(name, 0, data[0])[0]
    if isinstance(first, dict):
        samples = [_read_sample(name, data, i) for i in range(len(data))]
        inputs = {
            key: [read_numbers(f"{name} x[{describe(key)}]", x[key]) for x, _, _ in samples]
            for key in first
        }
        return _with_lengths(name, inputs, samples)
    x = read_numbers(f"{name} x[0]", first)
    if x.ndim < (1 if is_ids(x) else 2):  # no time axis: nothing to be cut
        samples = [_read_sample(name, data, i) for i in range(len(data))]
        rows = [read_numbers(f"{name} x[{i}]", x) for i, (x, _, _) in enumerate(samples)]
        return _with_lengths(name, np.stack(rows), samples)
    return TorchSamples(name, data)


def _read_sample(name: str, dataset: Any, i: int, length_second: bool = False) -> Sample:
    """One sample of a torch Dataset."""
    x, target, *lengths = _items(name, i, dataset[i])
    if not lengths:
        return x, target, None
    if length_second:
        target, lengths = lengths[0], [target]
    if len(lengths) == 2:
        target = target[: int(lengths[1])]
    if not _is_number(lengths[0]):
        raise TypeError(f"{name}: sample {i} has a length {describe(lengths[0])}, {EXPECTED}")
    return x, target, int(lengths[0])


def _items(name: str, i: int, sample: Any) -> list[Any]:
    """x, target and perhaps lengths of a sample, which may be a dict of these or of inputs."""
    if isinstance(sample, dict):
        found = [key for key in sample if key in TARGETS]
        if len(found) != 1 or len(sample) < 2:
            raise TypeError(
                f"{name}: sample {i} has the keys {describe_all(sample, 9)}, expected inputs and "
                f"one of {', '.join(TARGETS)}"
            )
        lengths = [sample[key] for key in LENGTHS if key in sample]
        inputs = {k: v for k, v in sample.items() if k not in (*TARGETS, *LENGTHS)}
        x = inputs if len(inputs) > 1 else next(iter(inputs.values()), None)
        return [x, sample[found[0]], *lengths[:1]]
    if not isinstance(sample, tuple | list) or len(sample) not in (2, 3, 4):
        raise TypeError(f"{name}: sample {i} is {describe(sample)}, {EXPECTED}")
    return list(sample)


def _numbers(name: str, i: int, items: list[Any]) -> list[Any]:
    """How many steps a sample has, and its other items where they are integers, None where not."""
    steps = len(read_numbers(f"{name} x[{i}]", items[0]))
    return [steps, *(int(item) if _is_number(item) else None for item in items[1:])]


def _length_stands_second(name: str, known: list[list[Any]]) -> bool:
    """Whether samples of three are (x, length, target) rather than (x, target, length), by
    `_numbers` of each: a length is an integer of 0 to x's steps.

    ValueError where the integers may be read in both ways.
    """
    if not known or any(len(numbers) != 3 or numbers[1] is None for numbers in known):
        return False
    steps, second, third = (list(column) for column in zip(*known, strict=True))
    lengths = _fit(second, steps) and min(second) > 0  # classes begin at 0
    if None in third:  # no lengths
        return third == [None] * len(third) and lengths and any(map(eq, second, steps))
    if third == steps or not lengths:
        return False
    if second == steps and (len(set(steps)) > 1 or not _fit(third, steps)):
        return True
    if second == steps or (_fit(third, steps) and 0 in third):
        raise ValueError(
            f"{name}: both integers of the samples may be lengths, expected (x, target, lengths) "
            "as arrays, or samples that are dicts of 'x', 'y' and 'lengths'"
        )
    return False


def _fit(lengths: list[int], steps: list[int]) -> bool:
    return all(0 <= n <= most for n, most in zip(lengths, steps, strict=True))


def _is_number(value: Any) -> bool:
    """Whether it is one integer, perhaps as an array without axes."""
    try:
        array = read_numbers("a length", value)
    except (TypeError, ValueError):
        return False
    return array.ndim == 0 and array.dtype.kind in "iu"


def _with_lengths(name: str, x: Any, samples: list[Sample]) -> tuple[Any, ...]:
    """(x, target) of samples that were read, or (x, target, lengths) where x is padded."""
    targets = [read_numbers(f"{name} target[{i}]", t) for i, (_, t, _) in enumerate(samples)]
    together = np.stack(targets) if len({target.shape for target in targets}) == 1 else targets
    lengths = [length for _, _, length in samples if length is not None]
    return (x, together, np.array(lengths, np.int64)) if lengths else (x, together)
