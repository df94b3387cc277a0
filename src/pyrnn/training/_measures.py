"""What a Trainer's metrics are given: the batches of the loss, and what counts of them."""

import copy
from collections.abc import Sequence
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from .._base.checks import describe
from .._base.module import Module
from .._base.prediction import end_in_probabilities
from ..losses import Loss
from ..metrics import Metric
from ._history import TRAIN


class Wanted(NamedTuple):
    """What a batch's y is compared with."""

    target: Any
    lengths: Any = None
    weight: Any = None

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of a loss; none where nothing is weighted."""
        return {} if self.weight is None else {"sample_weight": self.weight}


def update_metrics(metrics: Sequence[Any], loss: Loss, y: Any, wanted: Wanted) -> None:
    """Adds a batch to each metric, which counts what the loss counts, all of it alike."""
    if not metrics:
        return
    target, lengths, _ = wanted
    seen, counted = loss.metric_input(y, lengths), counted_by(loss, y.shape, wanted)
    target = loss.metric_target(y.shape, target)
    for metric in metrics:
        mask = {"mask": counted} if takes_mask(metric) else {}
        metric.update(seen, target, lengths, **mask)


def train_name(metric: Any) -> str:
    """What a metric is called where it is measured on the training data."""
    return f"{TRAIN}{metric.name}"


def recorded(metrics: Sequence[Any], *, held_out: bool, train: bool) -> dict[str, bool | None]:
    """What an epoch records, by name, and whether a higher value is better; None if a metric does
    not say. `held_out` and `train` are the data on which the metrics are measured."""
    higher = {metric.name: getattr(metric, "higher_is_better", None) for metric in metrics}
    in_validation = {"val_loss": False, **higher} if held_out else {}
    in_training = {train_name(metric): higher[metric.name] for metric in metrics if train}
    return {"loss": False, **in_validation, **in_training}


def counted_by(loss: Loss, y_shape: tuple[int, ...], wanted: Wanted) -> Any:
    """True where the loss counts a target."""
    return loss.counted(y_shape, wanted.target, wanted.lengths, **wanted.options)


def vjp_by(loss: Loss, y: Any, wanted: Wanted) -> tuple[Any, Any, float]:
    """The loss of a batch, its pullback, and its weight in a mean over batches."""
    value, pullback = loss.vjp(y, wanted.target, wanted.lengths, **wanted.options)
    weight = getattr(pullback, "_weight", None)
    return value, pullback, weight_by(loss, y.shape, wanted) if weight is None else weight


def measured_by(loss: Loss, y: Any, wanted: Wanted) -> tuple[Any, float]:
    """The loss of a batch and its weight, without a call of a vjp that the loss itself defines."""
    if type(loss).vjp is Loss.vjp and type(loss).__call__ is Loss.__call__:
        value, _, weight = vjp_by(loss, y, wanted)
        return value, weight
    value = loss(y, wanted.target, wanted.lengths, **wanted.options)
    return value, weight_by(loss, y.shape, wanted)


def weight_by(loss: Loss, y_shape: tuple[int, ...], wanted: Wanted) -> float:
    """The weight of a batch in a mean over batches."""
    return loss.batch_weight(y_shape, wanted.target, wanted.lengths, **wanted.options)


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
            if np.ndim(metric.value):
                raise ValueError(
                    f"{type(metric).__name__} has an array of {np.size(metric.value)} numbers, "
                    "expected one number: another average"
                )
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None


def check_logits_of(
    name: str, model: Module, metrics: Sequence[Any], y_shape: Any, target_shape: Any
) -> None:
    """ValueError for a metric of logits and a model that ends in probabilities."""
    end = end_in_probabilities(model)
    for metric in metrics if end else ():
        if isinstance(metric, Metric) and metric.needs_logits(y_shape, target_shape):
            loss = "BCEWithLogits" if end == "Sigmoid" else "CrossEntropy"
            raise ValueError(
                f"{name}: the model ends in {end}, and {type(metric).__name__} takes logits: leave "
                f"the {end} out of the model, train it with a loss of logits such as {loss}, and "
                f"apply the {end} to what predict gives"
            )


def check_masks(name: str, metrics: Sequence[Any], loss: Loss) -> None:
    """ValueError for a metric that would count the targets that the loss leaves out."""
    for metric in metrics:
        if not takes_mask(metric):
            kind = type(metric).__name__
            raise ValueError(
                f"{name}: {type(loss).__name__} leaves out some of the targets, and {kind} would "
                f"count them: expected {kind}.update(y, target, lengths=None, mask=None)"
            )


def check_monitor_name(owner: str, monitor: Any) -> str:
    """The name of what a callback follows; TypeError for anything else."""
    if not isinstance(monitor, str):
        raise TypeError(f"{owner}: monitor is {describe(monitor)}, expected the name of a measure")
    return monitor


def check_monitor(owner: str, monitor: str, trainer: Any) -> None:
    """ValueError for a monitor that a fit does not measure."""
    if monitor not in trainer.measures:
        raise ValueError(
            f"{owner}: monitor is {describe(monitor)}, this fit measures "
            f"{', '.join(trainer.measures)}"
        )
