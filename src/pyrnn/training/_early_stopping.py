"""EarlyStopping: ends training that no longer improves, and keeps the best weights."""

from collections.abc import Mapping
from typing import Any

from .._base.checks import Array, check_flag, check_size
from .._base.parameter import Parameter
from ._best import Best
from ._checkpoint import read_arrays


class EarlyStopping(Best):
    """Stops when `monitor` has not improved for `patience` epochs (Prechelt 1998).

    `monitor` is "loss", "val_loss" or the name of a metric, all as in the history; better is
    smaller by more than `min_delta` with mode="min", larger with "max"; None is "min" for the
    losses, and what a metric's `higher_is_better` says. NaN is never better;
    where no epoch before had a number, it is a warning, once in a fit.
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

    _waited: int

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        super().__init__(monitor, min_delta=min_delta, mode=mode)
        self.patience = check_size("EarlyStopping", "patience", patience)
        self.restore_best = check_flag("EarlyStopping", "restore_best", restore_best)
        self._named: list[tuple[str, Parameter]] = []  # what is trained

    def _forget(self) -> None:
        super()._forget()
        self._weights: dict[str, Array] = {}

    def _note(self, value: float, epoch: int) -> None:
        super()._note(value, epoch)
        self._waited = 0

    def on_fit_start(self, trainer: Any) -> None:
        super().on_fit_start(trainer)
        self._named = trainer.trained.named_parameters()

    def on_epoch_end(self, trainer: Any) -> None:
        if self._notes(trainer):
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

    def state_dict(self) -> dict[str, Any]:
        """The best epoch with its weights, and for how long there was no better one."""
        return {**super().state_dict(), "waited": self._waited, "weights": self._weights}

    def read_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What `state_dict` returned, checked: its weights are of the model that is trained."""
        best, weights = super().read_state(state), state["weights"]
        named = [] if weights == {} else self._named
        return best | {
            "_waited": check_size("EarlyStopping", "waited", state["waited"], minimum=0),
            "_weights": read_arrays("EarlyStopping: weights", weights, named),
        }
