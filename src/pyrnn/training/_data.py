"""The data arguments of a Trainer: x and y, tuples, datasets, and the share that is held out."""

import math
from typing import Any

import numpy as np

from .._base.checks import check_flag, check_number, check_size, describe
from .._base.columns import Dataset
from .._base.datasets import as_dataset, columns_of, part_of
from .._base.foreign import is_packed
from .._base.prediction import BATCH_SIZE
from .._base.torch_loaders import check_drops_none, is_torch_data, loader_options


def read_data(
    name: str, x: Any, y: Any = None, lengths: Any = None, sample_weight: Any = None
) -> Dataset:
    """x and y with their lengths and weights, or x alone: a tuple (x, target[, lengths]) or a
    dataset."""
    if y is None:
        if lengths is not None:
            raise ValueError(
                f"{name} lengths are given without y, expected x, y and lengths, or one tuple "
                "(x, target, lengths)"
            )
        if sample_weight is None:
            return as_dataset(name, x)
        if not isinstance(x, tuple) or len(x) not in (2, 3):
            raise ValueError(
                f"{name} sample_weight is given with a dataset, expected x and y, or its own "
                "attribute sample_weight"
            )
        x, y, lengths = (*x, None)[:3]
        return columns_of(name, x, y, lengths, sample_weight)
    if (isinstance(x, tuple) and not is_packed(x)) or hasattr(x, "lengths") or is_torch_data(x):
        came = "a tuple" if isinstance(x, tuple) else "a dataset"
        raise TypeError(
            f"{name} x is {came} and y is given too, expected the input alone as x; data to be "
            "held out are validation=(x, target)"
        )
    return columns_of(name, x, y, lengths, sample_weight)


def split(data: Dataset, validation: Any) -> tuple[Dataset, Dataset | None]:
    """The data to train on, and what is held out: other data, or the last share of these."""
    if validation is None:
        return data, None
    if isinstance(validation, bool) or not isinstance(validation, int | float | np.number):
        check_drops_none("Trainer: validation", validation)
        return data, as_dataset("Trainer: validation", validation)
    share = check_number("Trainer", "validation", validation)
    if not 0 < share < 1:
        raise ValueError(
            f"Trainer: validation is {describe(validation)}, expected 0 < share < 1, or data"
        )
    count = len(data)
    kept = math.floor(count * (1 - share) + 1e-9)  # as Keras; 10 * (1 - 0.9) is not quite 1
    if not 0 < kept < count:
        raise ValueError(
            f"Trainer: validation is {share} of {count} samples, of which {kept} are left to train "
            f"on and {count - kept} held out, expected one at least of each"
        )
    return part_of(data, 0, kept), part_of(data, kept, count)


BATCHES = {
    "batch_size": BATCH_SIZE,
    "shuffle": True,
    "drop_last": False,
}  # where nobody says anything else


def checked_batches(data: Any, batch_size: Any, shuffle: Any) -> dict[str, Any]:
    """The size of batches and whether they are shuffled: as given, as a DataLoader has it, or 32
    and True; and whether it leaves out a smaller last one."""
    own = BATCHES | loader_options(data)
    size = own["batch_size"] if batch_size is None else batch_size
    shuffle = own["shuffle"] if shuffle is None else shuffle
    return {
        "batch_size": check_size("Trainer", "batch_size", size),
        "shuffle": check_flag("Trainer", "shuffle", shuffle),
        "drop_last": own["drop_last"],
    }
