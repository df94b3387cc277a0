"""torch's datasets and loaders as datasets, where torch is loaded already; nothing imports it."""

import sys
from typing import Any

import numpy as np

from .checks import Array, describe
from .columns import read_numbers
from .layout import is_ids

Sample = tuple[Any, Any, int | None]  # x, target, and the number of x's steps where it is padded


class TorchSamples:
    """A torch Dataset of (x, target) or (x, target, length), whose samples are read when needed.

    Each is read once in advance for its length.
    """

    def __init__(self, name: str, dataset: Any) -> None:
        self._name, self._torch = name, dataset
        self.lengths: Array = np.array([len(self[i][0]) for i in range(len(dataset))], np.int64)
        x, _, length = _read_sample(name, dataset, 0)
        self.padded_steps = None if length is None else len(x)

    def __len__(self) -> int:
        return len(self._torch)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        x, target, length = _read_sample(self._name, self._torch, i)
        x = read_numbers(f"{self._name} x[{i}]", x)
        return x[:length], target


def is_torch_data(value: Any) -> bool:
    """Whether this is a Dataset or a DataLoader of torch."""
    torch = sys.modules.get("torch.utils.data")
    return torch is not None and isinstance(value, torch.Dataset | torch.DataLoader)


def loader_options(data: Any) -> dict[str, Any]:
    """The batch_size and the shuffle that a DataLoader has; empty for anything else."""
    if not is_torch_data(data) or not hasattr(data, "sampler"):
        return {}
    shuffle = isinstance(data.sampler, sys.modules["torch.utils.data"].RandomSampler)
    return {"shuffle": shuffle} | ({"batch_size": data.batch_size} if data.batch_size else {})


def read_torch(name: str, data: Any) -> Any:
    """What a torch Dataset or DataLoader holds: (x, target[, lengths]), or its samples one by one.

    ValueError for a loader that makes batches as a Trainer does not.
    """
    torch = sys.modules["torch.utils.data"]
    if isinstance(data, torch.DataLoader):
        _check_loader(name, data, torch)
        data = data.dataset
    if isinstance(data, torch.IterableDataset):
        raise ValueError(
            f"{name} is an IterableDataset, which has no length, expected a Dataset with __len__ "
            "and __getitem__"
        )
    if isinstance(data, torch.TensorDataset):
        if len(data.tensors) not in (2, 3):
            raise ValueError(
                f"{name} has {len(data.tensors)} tensors, expected x, target and perhaps lengths"
            )
        return tuple(data.tensors)
    if len(data) < 1:
        raise ValueError(f"{name} has no samples, expected N >= 1")
    first = _read_sample(name, data, 0)[0]
    if isinstance(first, dict):
        samples = [_read_sample(name, data, i) for i in range(len(data))]
        inputs = {key: [np.asarray(x[key]) for x, _, _ in samples] for key in first}
        return _with_lengths(inputs, samples)
    x = read_numbers(f"{name} x[0]", first)
    if x.ndim < (1 if is_ids(x) else 2):  # no time axis: nothing to be cut
        samples = [_read_sample(name, data, i) for i in range(len(data))]
        return _with_lengths(np.stack([np.asarray(x) for x, _, _ in samples]), samples)
    return TorchSamples(name, data)


def _read_sample(name: str, dataset: Any, i: int) -> Sample:
    """One sample of a torch Dataset."""
    sample = dataset[i]
    if not isinstance(sample, tuple | list) or len(sample) not in (2, 3):
        raise TypeError(
            f"{name}: sample {i} is {describe(sample)}, expected (x, target) or (x, target, length)"
        )
    x, target, *length = sample
    return x, target, int(length[0]) if length else None


def _with_lengths(x: Any, samples: list[Sample]) -> tuple[Any, ...]:
    """(x, target) of samples that were read, or (x, target, lengths) where x is padded."""
    targets = [np.asarray(target) for _, target, _ in samples]
    together = np.stack(targets) if len({target.shape for target in targets}) == 1 else targets
    lengths = [length for _, _, length in samples if length is not None]
    return (x, together, np.array(lengths, np.int64)) if lengths else (x, together)


def _check_loader(name: str, loader: Any, torch: Any) -> None:
    """ValueError for what a Trainer, which makes its own batches, would leave out."""
    own = "expected loader.dataset"
    sampler, batches = loader.sampler, loader.batch_sampler
    if (
        type(sampler) not in (torch.RandomSampler, torch.SequentialSampler)
        or getattr(sampler, "replacement", False)
        or len(sampler) != len(loader.dataset)
        or (batches is not None and type(batches) is not torch.BatchSampler)
    ):
        raise ValueError(
            f"{name}: the loader has a sampler of its own, which a Trainer cannot follow, {own} "
            "(and sample_weight for weights)"
        )
    if loader.collate_fn is not torch.default_collate and loader.batch_size is not None:
        raise ValueError(
            f"{name}: the loader has a collate_fn, and a Trainer makes its own batches, ragged "
            f"ones too, {own}"
        )
    if loader.drop_last:
        raise ValueError(f"{name}: the loader drops the last batch, and a Trainer does not, {own}")
