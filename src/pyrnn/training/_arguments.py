"""The arguments of a Trainer, checked."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import losses, metrics, optim
from .._base.checks import check_number, describe
from .._base.columns import SEVERAL_OUTPUTS
from .._base.freezing import trained
from .._base.module import Module
from .._base.words import classes_by_word, made_of_word
from ..losses import Loss
from ..metrics import Metric
from ..optim import Optimizer
from ..optim._ema import EMA as _EMA
from ..optim._schedule import Schedule
from ._callbacks import Callback
from ._history import TRAIN, History

# What the trainer uses of its parts that have no common base.
METRIC = ("update", "reset", "name")
SCHEDULE = ("step", "per", "state_dict", "load_state_dict")
EMA = ("update", "applied", "state_dict", "load_state_dict")
TAKEN = ("epoch", "lr", *History().columns())  # names of columns in tables and logs


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


def checked_metrics(given: Any) -> list[Any]:
    """Metrics, each under a name of its own."""
    given = [given] if isinstance(given, str) else _as_list("metrics", given)
    made = [made_of_word("Trainer", "metrics", metric, metrics, Metric) for metric in given]
    checked_ones = checked("metrics", made, METRIC)
    names = [metric.name for metric in checked_ones]
    is_of_training = any(str(name).startswith(TRAIN) for name in names)
    if is_of_training or len({*names, *TAKEN}) < len(names) + len(TAKEN):
        raise ValueError(
            f"Trainer: metrics are named {names}, expected names of their own, none of "
            f"{', '.join(TAKEN)}, and none that begins with {TRAIN!r}, as those on the training "
            "data do"
        )
    return checked_ones


def _as_list(name: str, values: Any) -> list[Any]:
    """The items of any iterable, which may be one that can be read only once."""
    try:
        return list(values)
    except TypeError:
        raise TypeError(f"Trainer: {name} is {describe(values)}, expected a sequence") from None


def checked_parts(model: Any, loss: Any, optimizer: Any) -> tuple[Module, Loss, Optimizer]:
    """A module, a loss and an optimizer, the last two perhaps by a word."""
    loss = made_of_word("Trainer", "loss", loss, losses, Loss)
    optimizer = made_of_word("Trainer", "optimizer", optimizer, optim, Optimizer)
    _check_kind("model", model, Module)
    _check_kind("loss", loss, Loss, losses)
    _check_kind("optimizer", optimizer, Optimizer, optim)
    if loss.reduction == "none":
        raise ValueError(
            f"Trainer: {type(loss).__name__} has reduction 'none', a number for each element, and "
            "training follows the gradient of one number, expected reduction 'mean' or 'sum'"
        )
    return model, loss, optimizer


def _check_kind(name: str, value: Any, kind: type, package: Any = None) -> None:
    """TypeError for another kind of object; of a class it says that one has to be made."""
    if isinstance(value, kind):
        return
    if isinstance(value, type) and issubclass(value, kind):
        made = f"{value.__name__}(...)"
        raise TypeError(f"Trainer: {name} is the class {describe(value)}, expected {made}")
    words = f", or a word: {', '.join(sorted(classes_by_word(package, kind)))}" if package else ""
    if kind is Loss and isinstance(value, dict | list | tuple):
        words = f"; {SEVERAL_OUTPUTS}"
    raise TypeError(
        f"Trainer: {name} is of type {type(value).__name__}, expected a pyrnn {kind.__name__}"
        f"{words}"
    )


def check_output(name: str, model: Module, y: Any, again: Callable[[], Any]) -> None:
    """TypeError for outputs that are no array; ValueError for those that are others each time."""
    owner = type(model).__name__
    if not isinstance(y, np.ndarray):
        raise TypeError(
            f"{name}: {owner} gives {describe(y)}, expected one array; {SEVERAL_OUTPUTS}"
        )
    own = [type(part).__name__ for part in model.modules() if part.has_forward]
    if own and y.tobytes() != again().tobytes():
        raise ValueError(
            f"{name}: {owner} gives other numbers for the same samples: the forward of {own[0]} "
            "depends on random numbers or on what it computed before, expected on its arguments "
            "alone; pyrnn.Dropout draws what a checkpoint keeps"
        )


def check_trained(model: Module) -> None:
    """ValueError if there is nothing to train, because all is frozen."""
    named = model.named_parameters()
    if named and not trained(named):
        raise ValueError(
            f"Trainer: all {len(named)} parameters are frozen, expected one at least that is "
            "trained: model.unfreeze(), or parameter.requires_grad = True for some"
        )


def check_belonging(
    model: Module, optimizer: Optimizer, schedules: Sequence[Any], ema: Any
) -> None:
    """ValueError for an optimizer or averages of another model, a schedule of another optimizer."""
    optimizer.find_members(model.named_parameters())
    optimizer.check_belonging(model.named_parameters())
    for schedule in schedules:
        if getattr(schedule, "optimizer", optimizer) is not optimizer:
            raise ValueError(
                f"Trainer: schedule {type(schedule).__name__} was made for another optimizer, "
                "expected one for the Trainer's"
            )
    _check_once(schedules)
    if isinstance(ema, _EMA):
        ema.check_belonging(model)


def _check_once(schedules: Sequence[Any]) -> None:
    """ValueError for a schedule that would act twice, or that one around it has to apply."""
    seen: set[int] = set()
    for schedule in schedules:
        name = type(schedule).__name__
        if getattr(schedule, "_is_inner", False):
            raise ValueError(
                f"Trainer: schedule holds a {name} that is inside another schedule, which steps "
                "it: expected that one alone"
            )
        chain = schedule.chain() if isinstance(schedule, Schedule) else [schedule]
        for each in chain:
            if id(each) in seen:
                raise ValueError(
                    f"Trainer: schedule holds one {type(each).__name__} twice, expected each once"
                )
            seen.add(id(each))


def check_clipping(clip_norm: Any, clip_value: Any) -> None:
    """At most one way of clipping, by a number > 0."""
    for name, value in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        if value is not None and not check_number("Trainer", name, value) > 0:
            raise ValueError(f"Trainer: {name} is {value}, expected a number > 0")
    if clip_norm is not None and clip_value is not None:
        raise ValueError("Trainer: clip_norm and clip_value are both given, expected one of them")


def check_rate_range(lowest: Any, highest: Any) -> tuple[float, float]:
    """Two learning rates with 0 < lowest < highest."""
    low = check_number("Trainer", "lowest", lowest)
    high = check_number("Trainer", "highest", highest)
    if not 0 < low < math.inf:
        raise ValueError(f"Trainer: lowest is {lowest}, expected a finite number > 0")
    if not low < high < math.inf:
        raise ValueError(f"Trainer: highest is {highest}, expected a finite number > lowest, {low}")
    return low, high
