"""EarlyStopping: ends training that no longer improves, and keeps the best weights."""

import math
from collections.abc import Mapping
from typing import Any

from .._base.checks import (
    Array,
    check_choice,
    check_flag,
    check_mapping,
    check_number,
    check_size,
    describe,
)
from .._base.parameter import Parameter
from ._callbacks import Callback
from ._checkpoint import read_arrays


class EarlyStopping(Callback):
    """Stops when `monitor` has not improved for `patience` epochs (Prechelt 1998).

    `monitor` is "loss", "val_loss" or the name of a metric, all as in the history; better is
    smaller by more than `min_delta` with mode="min", larger with "max". NaN is never better.
    With `restore_best` the model ends with the weights of the best epoch, whether the fit was
    stopped or came to its last epoch; with `ema`, these are the averaged weights, which the
    validation measured. After an error or Ctrl-C it has the weights of the last step, and
    `state_dict()["weights"]` the best. `best_value` and `best_epoch` (from 1) say which epoch it
    was.

    TypeError or ValueError for what does not fit; at the start of a fit, for a monitor that it
    does not measure.

    Examples
    --------
    >>> model = pyrnn.Linear(1, 1, seed=0)
    >>> trainer = pyrnn.Trainer(model, pyrnn.losses.MSE(), pyrnn.optim.Adam(0.1))
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> stopping = pyrnn.EarlyStopping(patience=3, min_delta=1e-4)
    >>> options = {"callbacks": [stopping], "progress": False}
    >>> history = trainer.fit(x, 2 * x, validation=(x, 2 * x), epochs=500, **options)
    >>> len(history) == stopping.best_epoch + 3
    True
    """

    _shown_state = ("best_epoch", "best_value")
    best_value: float
    best_epoch: int
    _waited: int

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = True,
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(
                f"EarlyStopping: monitor is {describe(monitor)}, expected the name of a measure"
            )
        self.monitor = monitor
        self.patience = check_size("EarlyStopping", "patience", patience)
        self.min_delta = check_number("EarlyStopping", "min_delta", min_delta)
        if not self.min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta is {min_delta}, expected a number >= 0")
        self.mode = check_choice("EarlyStopping", "mode", mode, ("min", "max"))
        self.restore_best = check_flag("EarlyStopping", "restore_best", restore_best)
        self._forget()

    def _forget(self) -> None:
        """Nothing seen yet."""
        self._note(math.nan, 0)
        self._weights: dict[str, Array] = {}
        self._named: list[tuple[str, Parameter]] = []  # what is trained

    def _note(self, value: float, epoch: int) -> None:
        """The best epoch so far, for which nothing has been waited yet."""
        vars(self).update(best_value=value, best_epoch=epoch, _waited=0)

    def on_fit_start(self, trainer: Any) -> None:
        self._forget()
        self._named = trainer.trained.named_parameters()
        if self.monitor not in trainer.measures:
            raise ValueError(
                f"EarlyStopping: monitor is {describe(self.monitor)}, this fit measures "
                f"{', '.join(trainer.measures)}"
            )

    def on_epoch_end(self, trainer: Any) -> None:
        value = trainer.history.last(self.monitor)
        if self._is_better(value):
            self._note(value, len(trainer.history))
            if self.restore_best:
                with trainer.averaged_weights():
                    self._weights = trainer.trained.state_dict()
            return
        self._waited += 1
        if self._waited >= self.patience:
            trainer.stop()

    def on_fit_end(self, trainer: Any) -> None:
        if self._weights:
            trainer.trained.load_state_dict(self._weights)

    def _is_better(self, value: float) -> bool:
        """Whether a value beats the best one by more than min_delta."""
        if math.isnan(self.best_value) or math.isnan(value):
            return not math.isnan(value)
        gain = self.best_value - value if self.mode == "min" else value - self.best_value
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """The best epoch with its weights, and for how long there was no better one."""
        best = {"value": self.best_value, "epoch": self.best_epoch, "waited": self._waited}
        return {**best, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned; TypeError or ValueError, with nothing changed, if
        its weights are not of the model that is trained, or its entries are no numbers."""
        self.take_state(self.read_state(state))

    def read_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What `state_dict` returned, checked."""
        owner = "EarlyStopping"
        state = check_mapping(owner, "state", state, ("value", "epoch", "waited", "weights"))
        weights = state["weights"]
        named = [] if weights == {} else self._named
        return {
            "best_value": check_number(owner, "value", state["value"]),
            "best_epoch": check_size(owner, "epoch", state["epoch"], minimum=0),
            "_waited": check_size(owner, "waited", state["waited"], minimum=0),
            "_weights": read_arrays(f"{owner}: weights", weights, named),
        }

    def take_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `read_state` returned."""
        vars(self).update(state)
