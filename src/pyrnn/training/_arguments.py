"""The arguments of a Trainer, checked."""

from collections.abc import Sequence
from typing import Any

from .._base.checks import check_number, describe
from .._base.module import Module
from ..losses import Loss
from ..optim import Optimizer
from ..optim._ema import EMA as _EMA
from ._callbacks import Callback

# What the trainer uses of its parts that have no common base.
METRIC = ("update", "reset", "name")
SCHEDULE = ("step", "per", "state_dict", "load_state_dict")
EMA = ("update", "applied", "state_dict", "load_state_dict")


def checked(name: str, values: Sequence[Any], needed: tuple[str, ...]) -> list[Any]:
    """What has the methods and attributes that the trainer uses."""
    values = _as_list(name, values)
    for value in values:
        missing = [attribute for attribute in needed if not hasattr(value, attribute)]
        if missing or isinstance(value, type):
            raise TypeError(
                f"Trainer: {name} is {describe(value)}, expected an object with {', '.join(needed)}"
            )
    return values


def checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """A sequence of callbacks."""
    callbacks = _as_list("callbacks", callbacks)
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"Trainer: callbacks holds {describe(callback)}, expected Callbacks")
    return tuple(callbacks)


def checked_metrics(metrics: Any) -> list[Any]:
    """Metrics, each under a name of its own."""
    checked_ones = checked("metrics", metrics, METRIC)
    names = [metric.name for metric in checked_ones]
    if len({"loss", "val_loss", *names}) < len(names) + 2:
        raise ValueError(f"Trainer: metrics are named {names}, expected names of their own")
    return checked_ones


def _as_list(name: str, values: Any) -> list[Any]:
    """The items of any iterable, which may be one that can be read only once."""
    try:
        return list(values)
    except TypeError:
        raise TypeError(f"Trainer: {name} is {describe(values)}, expected a sequence") from None


def check_parts(model: Any, loss: Any, optimizer: Any) -> None:
    """TypeError for what is no module, loss or optimizer."""
    for name, value, kind in (
        ("model", model, Module),
        ("loss", loss, Loss),
        ("optimizer", optimizer, Optimizer),
    ):
        if not isinstance(value, kind):
            raise TypeError(
                f"Trainer: {name} is of type {type(value).__name__}, "
                f"expected a pyrnn {kind.__name__}"
            )


def check_belonging(
    model: Module, optimizer: Optimizer, schedules: Sequence[Any], ema: Any
) -> None:
    """ValueError for an optimizer or averages of another model, a schedule of another optimizer."""
    optimizer.check_belonging(model.named_parameters())
    for schedule in schedules:
        if getattr(schedule, "optimizer", optimizer) is not optimizer:
            raise ValueError(
                f"Trainer: schedule {type(schedule).__name__} was made for another optimizer, "
                "expected one for the Trainer's"
            )
    if isinstance(ema, _EMA):
        own = {id(parameter) for parameter in model.parameters()}
        foreign = sum(id(parameter) not in own for parameter in ema.parameters)
        if foreign:
            raise ValueError(
                f"Trainer: ema averages {foreign} parameters that are not the model's, "
                "expected an EMA of the Trainer's model"
            )


def check_clipping(clip_norm: Any, clip_value: Any) -> None:
    """At most one way of clipping, by a number > 0."""
    for name, value in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        if value is not None and not check_number("Trainer", name, value) > 0:
            raise ValueError(f"Trainer: {name} is {value}, expected a number > 0")
    if clip_norm is not None and clip_value is not None:
        raise ValueError("Trainer: clip_norm and clip_value are both given, expected one of them")
