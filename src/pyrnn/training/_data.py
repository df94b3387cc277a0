"""What people bring to a Trainer: x and y, tuples, datasets, and the share that is held out."""

import math
from typing import Any

import numpy as np

from .._base.checks import check_number, describe
from .._base.columns import Columns, Dataset, Slice, as_dataset


def read_data(name: str, x: Any, y: Any = None, lengths: Any = None) -> Dataset:
    """x and y with their lengths, or x alone: a tuple (x, target[, lengths]) or a dataset."""
    if y is None:
        if lengths is not None:
            raise ValueError(
                f"{name} lengths are given without y, expected x, y and lengths, or one tuple "
                "(x, target, lengths)"
            )
        return as_dataset(name, x)
    if isinstance(x, tuple) or hasattr(x, "lengths"):
        came = "a tuple" if isinstance(x, tuple) else "a dataset"
        raise TypeError(
            f"{name} x is {came} and y is given too, expected the input alone as x; data to be "
            "held out are validation=(x, target)"
        )
    return Columns(x, y, lengths, name=name)


def split(data: Dataset, validation: Any) -> tuple[Dataset, Dataset | None]:
    """The data to train on, and what is held out: other data, or the last share of these."""
    if validation is None:
        return data, None
    if isinstance(validation, bool) or not isinstance(validation, int | float | np.number):
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
    return Slice(data, 0, kept), Slice(data, kept, count)
