"""Best: the base of callbacks that look for the best epoch."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

from .._base.checks import check_choice, check_mapping, check_number, check_size
from ._callbacks import Callback
from ._measures import check_monitor, check_monitor_name

STACK = 12  # frames from a warning to the call of `fit`


class Best(Callback):
    """Follows one measure, and remembers its best value and the epoch of that."""

    _shown_state = ("best_epoch", "best_value")
    best_value: float
    best_epoch: int

    def __init__(self, monitor: str, *, min_delta: float, mode: str | None) -> None:
        owner = type(self).__name__
        self.monitor = check_monitor_name(owner, monitor)
        self.min_delta = check_number(owner, "min_delta", min_delta)
        if not self.min_delta >= 0:
            raise ValueError(f"{owner}: min_delta is {min_delta}, expected a number >= 0")
        self.mode = None if mode is None else check_choice(owner, "mode", mode, ("min", "max"))
        self._higher = mode == "max"
        self._forget()

    def _forget(self) -> None:
        """Nothing seen yet."""
        self._note(math.nan, 0)

    def _note(self, value: float, epoch: int) -> None:
        """The best epoch so far."""
        vars(self).update(best_value=value, best_epoch=epoch)

    def on_fit_start(self, trainer: Any) -> None:
        self._forget()
        self._warned = False
        check_monitor(type(self).__name__, self.monitor, trainer)
        self._higher = self.mode == "max" if self.mode else self._direction(trainer)

    def _direction(self, trainer: Any) -> bool:
        """Whether a higher value is better, where `mode` does not say it."""
        higher: bool | None = trainer.higher_is_better(self.monitor)
        if higher is None:
            raise ValueError(
                f"{type(self).__name__}: mode is None, and the metric {self.monitor!r} has no "
                "higher_is_better: expected 'min' or 'max'"
            )
        return higher

    def _notes(self, trainer: Any) -> bool:
        """Whether the epoch that has ended is the best so far, which is noted then."""
        value = trainer.history.last(self.monitor)
        if math.isnan(value) and not self.best_epoch and not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__}: monitor {self.monitor!r} is NaN in epoch "
                f"{len(trainer.history)}, and no epoch before had a number: as long as it is NaN, "
                "there is no best epoch; AUC, for one, is NaN on data of one class",
                stacklevel=STACK,
            )
        if is_better := self._is_better(value):
            self._note(value, len(trainer.history))
        return is_better

    def _is_better(self, value: float) -> bool:
        """Whether a value beats the best one by more than min_delta."""
        if math.isnan(self.best_value) or math.isnan(value):
            return not math.isnan(value)
        gain = value - self.best_value if self._higher else self.best_value - value
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """The best epoch, and its value."""
        return {"value": self.best_value, "epoch": self.best_epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned; TypeError or ValueError, with nothing changed, if
        it does not fit."""
        self.take_state(self.read_state(state))

    def read_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What `state_dict` returned, checked, as attributes."""
        owner = type(self).__name__
        state = check_mapping(owner, "state", state, self.state_dict())
        return {
            "best_value": check_number(owner, "value", state["value"]),
            "best_epoch": check_size(owner, "epoch", state["epoch"], minimum=0),
        }

    def take_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `read_state` returned."""
        vars(self).update(state)
