"""The parts of a model's stream as one chain of the core."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .._base.checks import Array
from .._base.steps import CoreStep


class Chain(NamedTuple):
    """A model as the core takes it: its parts in the core's words, and what comes to the first."""

    words: list[tuple[Any, ...]]
    dtype: "np.dtype[Any]"
    inputs: int | None  # features; None: ids

    def fits(self, x: Array, axis: int, batch_size: int) -> bool:
        """Whether a chunk is one that the core reads; `axis`: that of the batch."""
        ids = self.inputs is None
        return (
            x.dtype == (np.dtype(np.int64) if ids else self.dtype)
            and x.dtype.isnative
            and x.ndim == (2 if ids else 3)
            and x.shape[axis] == batch_size
            and (ids or x.shape[-1] == self.inputs)
            and x.flags.aligned
        )


def chain_of(steps: list[CoreStep] | None) -> Chain | None:
    """The chain of these parts; None where they do not fit each other, or nothing says the features
    and the dtype that they have: then they step in Python, which has words for each part."""
    sized = [step for step in steps or () if step.inputs is not None]
    dtypes = {step.dtype for step in sized}
    if steps is None or len(dtypes) != 1:
        return None
    ids = steps[0].takes_ids
    first = None if ids else sized[0].inputs
    features, words = first, []
    for i, step in enumerate(steps):
        front = i == 0 and ids
        if step.takes_ids != front or (not front and step.inputs not in (None, features)):
            return None
        told = () if step.inputs is not None else (features,)
        words.append((step.word, *told, *step.options))
        features = step.outputs or features
    return Chain(words, dtypes.pop(), first)


def joined_core_steps(parts: Sequence[Any]) -> list[CoreStep] | None:
    """What the core computes for all of these parts; None if it does not know one."""
    steps = [core_steps_of(part) for part in parts]
    known = [some for some in steps if some is not None]
    return [step for some in known for step in some] if len(known) == len(steps) else None


def core_steps_of(part: Any) -> list[CoreStep] | None:
    """What the core computes for a part of a stream."""
    steps: list[CoreStep] | None = part.core_steps() if hasattr(part, "core_steps") else None
    return steps
