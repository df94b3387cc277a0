"""What a Trainer's metrics are given: the batches of the loss, and what counts of them."""

import copy
from collections.abc import Sequence
from inspect import signature
from typing import Any

from ..losses import Loss

Wanted = tuple[Any, Any]  # a target and its lengths


def update_metrics(metrics: Sequence[Any], loss: Loss, y: Any, wanted: Wanted) -> None:
    """Adds a batch to each metric, which counts what the loss counts."""
    if not metrics:
        return
    seen, counted = loss.metric_input(y, wanted[1]), loss.counted(y.shape, *wanted)
    for metric in metrics:
        mask = {"mask": counted} if takes_mask(metric) else {}
        metric.update(seen, *wanted, **mask)


def takes_mask(metric: Any) -> bool:
    """Whether a metric, which may be of the user's own, can be told what counts."""
    return "mask" in signature(metric.update).parameters


def try_metrics(name: str, metrics: Sequence[Any], loss: Loss, y: Any, wanted: Wanted) -> None:
    """TypeError or ValueError for a metric that does not take a first batch; it stays as it is."""
    for metric in map(copy.deepcopy, metrics):
        if loss.ragged_target and not getattr(metric, "ragged_target", True):
            raise ValueError(
                f"{name}: {type(metric).__name__} compares step by step, and the targets of "
                f"{type(loss).__name__} have lengths of their own"
            )
        metric.reset()
        try:
            update_metrics([metric], loss, y, wanted)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None


def check_masks(name: str, metrics: Sequence[Any], loss: Loss) -> None:
    """ValueError for a metric that would count the targets that the loss leaves out."""
    for metric in metrics:
        if not takes_mask(metric):
            kind = type(metric).__name__
            raise ValueError(
                f"{name}: {type(loss).__name__} leaves out some of the targets, and {kind} would "
                f"count them: expected {kind}.update(y, target, lengths=None, mask=None)"
            )
