"""What a model and a loss take, read off their parts."""

import numpy as np

from .._base.module import Module
from ..losses import Loss
from ._batches import Layout


def first_embedding(model: Module) -> Module | None:
    """The Embedding that the data enter the model by, if any."""
    first = next(model.forward_path())
    return first if first.takes_ids else None


def works_along_time(model: Module) -> bool:
    """Whether x comes to a part that takes sequences, by way of parts that keep its axes."""
    for part in model.forward_path():
        if part.stateful or part.time_aware:
            return True
        if part.makes_time:
            return False
    return False


def layout_of(model: Module, loss: Loss) -> Layout:
    """The layout of a model, read off its parts."""
    parts = list(model.modules())
    embeds = any(part.takes_ids for part in parts)
    return Layout(
        dtype=next((p.dtype for p in model.parameters()), np.dtype(np.float32)),
        batch_first=next(
            (getattr(m, "batch_first", False) for m in parts if m.stateful or m.time_aware), False
        ),
        integer_x=first_embedding(model) is not None if model.takes_target else embeds,
        integer_target=loss.integer_target,
        ragged_target=loss.ragged_target,
        own_targets=model.takes_target,
    )
