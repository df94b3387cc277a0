"""Callbacks where several ranks train: rank 0 calls them, and all take over what they changed."""

from typing import Any, NamedTuple

from .._base.checks import Array
from .._base.freezing import freeze_only, frozen_names
from ._agreement import check_alike
from ._callbacks import Callback, call
from ._ranks import Ranks


class Changes(NamedTuple):
    """What callbacks may have changed."""

    stopped: bool
    rates: tuple[float, ...]
    frozen: list[str]
    weights: dict[str, Array]
    gradients: dict[str, Array]


def check_callbacks(ranks: Ranks, callbacks: tuple[Callback, ...]) -> None:
    """ValueError unless all ranks have callbacks of the same classes, by which each of them knows
    when rank 0 has something to tell."""
    if ranks.size > 1:
        check_alike(ranks, {"callbacks": [type(callback).__name__ for callback in callbacks]})


def call_on_first(
    ranks: Ranks, callbacks: tuple[Callback, ...], name: str, trainer: Any, *args: Any
) -> None:
    """Calls a method of all callbacks on rank 0."""
    if ranks.size == 1:
        call(callbacks, name, trainer, *args)
    elif any(getattr(type(each), name) is not getattr(Callback, name) for each in callbacks):
        changes = ranks.from_first(lambda: _changes(callbacks, name, trainer, *args))
        if not ranks.is_first:
            _take(changes, trainer)


def _changes(callbacks: tuple[Callback, ...], name: str, trainer: Any, *args: Any) -> Changes:
    """Calls them; what is otherwise since."""
    named = trainer.trained.named_parameters()
    before = [parameter.version for _, parameter in named]
    gradients = args[0].named if name == "on_gradients" else []
    seen = [parameter.grad.copy() for _, parameter in gradients]
    call(callbacks, name, trainer, *args)
    written = [
        (name, parameter)
        for (name, parameter), version in zip(named, before, strict=True)
        if parameter.version != version
    ]
    return Changes(
        trainer._progress.stopped,
        trainer.optimizer.own_lrs,
        frozen_names(named),
        {name: parameter.data for name, parameter in written},
        {
            name: parameter.grad
            for (name, parameter), old in zip(gradients, seen, strict=True)
            if parameter.grad.tobytes() != old.tobytes()  # -0.0 is another number than 0.0 here
        },
    )


def _take(changes: Changes, trainer: Any) -> None:
    """Changes the same here."""
    optimizer, named = trainer.optimizer, dict(trainer.trained.named_parameters())
    trainer._progress.stopped = changes.stopped
    for number, rate in enumerate(changes.rates):
        if optimizer.own_lrs[number] != rate:
            optimizer.set_own_lr(number, rate)
    freeze_only(changes.frozen, trainer.trained.named_parameters())
    for name, values in changes.weights.items():
        named[name][...] = values
    for name, gradient in changes.gradients.items():
        named[name].grad = gradient
