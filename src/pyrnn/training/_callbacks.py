"""Callbacks: the user's own code at fixed points of a training."""

from collections.abc import Mapping
from typing import Any

from .._base.settings import Settings


class Callback(Settings):
    """Base of callbacks: override the methods you need; `trainer` is the one that calls.

    What `trainer.model`, `trainer.optimizer` and `trainer.history` hold may be read and written:
    weights, learning rates. `trainer.stop()` ends the fit after the epoch. An exception ends the
    fit: the model keeps the weights of the last step, and the checkpoint its last version.

    A logger defines `on_epoch_end`, where `trainer.history[-1]` has all numbers of the epoch by
    name. What a callback has to remember when a training resumes, it returns from `state_dict`.

    Examples
    --------
    >>> class StopAtLoss(pyrnn.Callback):
    ...     def __init__(self, loss):
    ...         self.loss = loss
    ...
    ...     def on_epoch_end(self, trainer):
    ...         if trainer.history.last("loss") < self.loss:
    ...             trainer.stop()
    >>> model = pyrnn.Linear(1, 1, seed=0)
    >>> trainer = pyrnn.Trainer(model, pyrnn.losses.MSE(), pyrnn.optim.Adam(0.1))
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> history = trainer.fit((x, 2 * x), epochs=500, callbacks=[StopAtLoss(1e-3)], progress=False)
    >>> len(history) < 500, history.loss[-1] < 1e-3 < history.loss[-2]
    (True, True)
    """

    def on_fit_start(self, trainer: Any) -> None:
        """Before the first epoch, all data checked."""

    def on_epoch_start(self, trainer: Any) -> None:
        """Before the first batch of an epoch, or the next one if training resumes within it."""

    def on_gradients(self, trainer: Any, gradients: Any) -> None:
        """Before each step, when the gradients of `accumulate` batches are complete.

        `gradients.named` are the `(name, parameter)` of all that is trained, `gradients.norm` is
        the global norm of their gradients and `gradients.step` the number of the step, from 1. It
        may write `parameter.grad`: what all callbacks leave is checked to be finite, then clipped
        by `clip_norm` or `clip_value`, then handed to the optimizer.
        """

    def on_batch_end(self, trainer: Any, loss: float) -> None:
        """After each batch, with its loss."""

    def on_epoch_end(self, trainer: Any) -> None:
        """After each epoch, once it is in `trainer.history`; before its checkpoint."""

    def on_fit_end(self, trainer: Any) -> None:
        """After the last epoch and its checkpoint, if no error ended the fit."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it: numbers, texts and arrays in dicts and lists."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned, when training resumes; after `on_fit_start`."""


def call(callbacks: tuple[Callback, ...], name: str, *args: Any) -> None:
    """Calls all callbacks in order; an exception says which one raised it."""
    for callback in callbacks:
        try:
            getattr(callback, name)(*args)
        except Exception as error:
            error.add_note(f"raised by {type(callback).__name__}.{name}, a callback of Trainer.fit")
            raise
