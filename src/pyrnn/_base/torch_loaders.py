"""torch's DataLoaders: what they say of batches, and the samples that their collate_fn makes."""

import sys
from collections.abc import Iterable
from typing import Any

from .checks import check_fits
from .columns import read_numbers, unpack
from .foreign import is_foreign, is_packed
from .nested import leaves


def is_torch_data(value: Any) -> bool:
    """Whether this is a Dataset or a DataLoader of torch."""
    torch = sys.modules.get("torch.utils.data")
    return torch is not None and isinstance(value, torch.Dataset | torch.DataLoader)


def loader_options(data: Any) -> dict[str, Any]:
    """What a DataLoader says of batches; empty for anything else."""
    if not is_torch_data(data) or not hasattr(data, "sampler"):
        return {}
    batches = data.batch_sampler
    if batches is None:  # batch_size=None: its items are samples
        return {"shuffle": _shuffles(data.sampler)}
    options = {"shuffle": _shuffles(getattr(batches, "sampler", data.sampler))}
    for name in ("batch_size", "drop_last"):
        options[name] = getattr(batches, name, getattr(data, name))
    return options


def _shuffles(sampler: Any) -> bool:
    torch = sys.modules["torch.utils.data"]
    return isinstance(sampler, torch.RandomSampler | torch.SubsetRandomSampler)


def check_drops_none(name: str, data: Any) -> None:
    """ValueError for a loader that leaves out samples where all are measured or predicted."""
    if loader_options(data).get("drop_last"):
        raise ValueError(
            f"{name}: the loader drops the last batch, and all samples count here, expected "
            "drop_last=False"
        )


def read_loader(name: str, loader: Any, torch: Any) -> tuple[Any, Any]:
    """(the dataset, the collate_fn or None); ValueError for what a Trainer, which makes its own
    batches, would leave out."""
    collate = loader.collate_fn
    own = torch.default_convert if loader.batch_sampler is None else torch.default_collate
    collate = None if collate is own else collate
    if isinstance(loader.dataset, torch.IterableDataset):
        if loader.batch_size is None:
            raise ValueError(
                f"{name}: the loader has batch_size=None, so that its IterableDataset may give "
                "whole batches, expected samples and a batch_size"
            )
        samples = torch.DataLoader(
            loader.dataset,
            batch_size=None,
            num_workers=loader.num_workers,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            collate_fn=_itself,
        )
        return read_all(name, samples), collate
    if loader.batch_sampler is None and collate is not None:
        raise ValueError(
            f"{name}: the loader has a collate_fn and batch_size=None, expected a batch_size, or "
            "loader.dataset"
        )
    batches: Any = loader.batch_sampler
    sampler: Any = loader.sampler if batches is None else getattr(batches, "sampler", None)
    if type(sampler) is torch.SubsetRandomSampler and _is_plain(batches, torch):
        return torch.Subset(loader.dataset, list(sampler.indices)), collate
    if (
        type(sampler) not in (torch.RandomSampler, torch.SequentialSampler)
        or getattr(sampler, "replacement", False)
        or len(sampler) != len(loader.dataset)
        or not _is_plain(batches, torch)
    ):
        raise ValueError(
            f"{name}: the loader has a sampler of its own, which a Trainer cannot follow, expected "
            "loader.dataset (and sample_weight for weights)"
        )
    return loader.dataset, collate


def _is_plain(batches: Any, torch: Any) -> bool:
    """Whether batches are cut from the order of a sampler and nothing else."""
    return batches is None or type(batches) is torch.BatchSampler


def _itself(sample: Any) -> Any:
    """What a loader makes of a sample when it is not to convert it."""
    return sample


def read_all(name: str, samples: Iterable[Any]) -> list[Any]:
    """The samples of an IterableDataset, which has no other way to them. MemoryError before they
    fill the memory, which one without an end would."""
    found, size = [], 0
    for sample in samples:
        found.append(sample)
        size += sum(getattr(leaf, "nbytes", 0) for leaf in leaves(sample))
        check_fits(f"{name} is an IterableDataset, which is read whole, and", 2 * size)
    return found


class Collated:
    """The samples of a dataset as a loader's collate_fn gives them: each as a batch of its own."""

    def __init__(self, name: str, dataset: Any, collate: Any) -> None:
        self._name, self._dataset, self._collate = name, dataset, collate
        first = dataset[0]
        self._axes = _axes_of(name, collate([first]), collate([first, first]))

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, i: int) -> Any:
        return _taken(self._name, self._collate([self._dataset[i]]), self._axes)


def _axes_of(name: str, one: Any, two: Any) -> Any:
    """Where the sample stands in what a collate_fn makes, nested as that is: the axis on which the
    batch of one and the batch of two of the same sample differ; None for all in a list."""
    if is_packed(one):
        return None
    if isinstance(one, dict) and isinstance(two, dict):
        return {key: _axes_of(name, value, two[key]) for key, value in one.items()}
    if isinstance(one, tuple | list) and len(one) == len(two):
        return [_axes_of(name, a, b) for a, b in zip(one, two, strict=True)]
    if isinstance(one, tuple | list):
        return None
    shapes = [read_numbers(f"{name}: collate_fn", each).shape for each in (one, two)]
    places = [k for k, sizes in enumerate(zip(*shapes, strict=False)) if sizes == (1, 2)]
    if not is_foreign(one) or not places:
        raise ValueError(
            f"{name}: the loader's collate_fn gives the shapes {shapes[0]} of one sample and "
            f"{shapes[1]} of two, expected an axis of samples: 1 and 2"
        )
    return places[0]


def _taken(name: str, batch: Any, axes: Any) -> Any:
    """The one sample of a batch."""
    if is_packed(batch):
        return unpack(f"{name} x", batch)[0]
    if isinstance(axes, dict):
        return {key: _taken(name, batch[key], axis) for key, axis in axes.items()}
    if isinstance(axes, list):
        return [_taken(name, each, axis) for each, axis in zip(batch, axes, strict=True)]
    if axes is None:
        return batch[0]
    array = read_numbers(f"{name}: collate_fn", batch)
    if array.shape[axes : axes + 1] != (1,):
        raise ValueError(
            f"{name}: the loader's collate_fn gives the shape {array.shape} of one sample, "
            f"expected 1 on axis {axes}, as of the first"
        )
    return array.take(0, axis=axes)
