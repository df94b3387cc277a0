"""Weights of samples and of steps."""

from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.columns import read_weight
from ._padding import Read

Weight = Array | list[Array]  # one number for each sample, or one for each of its steps


def read_sample_weight(owner: str, value: Any, read: Read, *, per_step: bool) -> Weight | None:
    """`sample_weight` (N,), or with `per_step` a number for each real step of each sample too.

    TypeError or ValueError for what is no number >= 0, and for another number of them.
    """
    if value is None:
        return None
    count = len(read)
    if np.isscalar(value):
        value = np.full(count, value)
    column: Any = read_weight(f"{owner}:", value, count)
    has_padding, weight = isinstance(column, np.ndarray), read.cut(column)
    if np.ndim(weight[0]):
        if not per_step:
            raise ValueError(
                f"{owner}: sample_weight has shape {np.shape(weight[0])} for a sample, "
                f"expected ({count},), one number for each: a 1D array"
            )
        pairs = zip(weight, read.steps, strict=True)
        weight = [_of_steps(owner, i, *pair, has_padding) for i, pair in enumerate(pairs)]
    every = np.concatenate([np.ravel(w) for w in weight])
    wrong = ~(np.isfinite(every) & (every >= 0))
    if wrong.any():
        raise ValueError(
            f"{owner}: sample_weight has {every[wrong][0]}, expected finite numbers >= 0"
        )
    found: Weight = weight if np.ndim(weight[0]) else np.asarray(weight, np.float64)
    return found


def over_steps(weight: Weight | None, steps: list[int]) -> Array | None:
    """A weight for each step of all samples, laid end to end: a sample's is that of its steps."""
    if weight is None:
        return None
    if isinstance(weight, list):
        return np.concatenate(weight)
    return np.repeat(weight, steps)


def times(weight: Weight | None, factors: Weight) -> Weight:
    """Weights of samples or steps, times factors of samples or steps."""
    if weight is None:
        return factors
    if isinstance(weight, list) or isinstance(factors, list):
        return [w * f for w, f in zip(weight, factors, strict=True)]
    product: Array = weight * factors
    return product


def check_weighs(owner: str, name: str, weight: Array | None, where: str) -> None:
    """ValueError unless one of some weights is > 0."""
    if weight is not None and not np.any(weight):
        raise ValueError(
            f"{owner}: {name} is 0 {where}. Sample weights must contain at least one non-zero "
            "number."
        )


def _of_steps(owner: str, i: int, weight: Any, steps: int, has_padding: bool) -> Array:
    """The weights of a sample's steps; those in one array may have padding behind them."""
    weight = np.asarray(weight)
    if weight.ndim != 1 or len(weight) < steps or (len(weight) > steps and not has_padding):
        raise ValueError(
            f"{owner}: sample_weight[{i}] has shape {weight.shape}, expected ({steps},), one "
            f"number for each step of X[{i}]"
        )
    found: Array = weight[:steps].astype(np.float64)
    return found
