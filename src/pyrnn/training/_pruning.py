"""PruningCallback: ends a trial of an Optuna study that falls behind the others."""

from typing import Any

from .._base.checks import describe
from ._callbacks import Callback
from ._measures import check_monitor, check_monitor_name


class PruningCallback(Callback):
    """Reports each epoch to a trial of Optuna, and ends the fit when the study's pruner says so.

    The value is that of `monitor`: "loss", "val_loss" or the name of a metric, all as in the
    history. The step is the number of the epoch, from 1. A pruned fit raises optuna.TrialPruned,
    which the study records as pruned; the model keeps the weights of the last step. Whether a
    smaller or a larger value is better is the study's `direction`.

    With several ranks, rank 0 alone reports to the trial, and a pruned fit raises on all of them.

    TypeError for a trial without `report` and `should_prune`; at the start of a fit, ValueError for
    a monitor that it does not measure.

    Source: Akiba et al. 2019, Optuna: a next-generation hyperparameter optimization framework.

    Examples
    --------
    >>> class Patient:  # stands for the trial that optuna gives to an objective
    ...     def report(self, value, step):
    ...         print(step, value >= 0)
    ...
    ...     def should_prune(self):
    ...         return False
    >>> trainer = pyrnn.Trainer(pyrnn.Linear(1, 1, seed=0), "mse", "adam", seed=0)
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> pruning = pyrnn.PruningCallback(Patient(), "loss")
    >>> history = trainer.fit(x, 2 * x, epochs=2, callbacks=[pruning], progress=False)
    1 True
    2 True
    """

    def __init__(self, trial: Any, monitor: str = "val_loss") -> None:
        if isinstance(trial, type) or not all(
            callable(getattr(trial, name, None)) for name in ("report", "should_prune")
        ):
            raise TypeError(
                f"PruningCallback: trial is {describe(trial)}, expected a trial of Optuna, with "
                "report and should_prune"
            )
        self.trial = trial
        self.monitor = check_monitor_name("PruningCallback", monitor)

    def on_fit_start(self, trainer: Any) -> None:
        check_monitor("PruningCallback", self.monitor, trainer)

    def on_epoch_end(self, trainer: Any) -> None:
        epoch = len(trainer.history)
        self.trial.report(trainer.history.last(self.monitor), epoch)
        if self.trial.should_prune():
            import optuna

            raise optuna.TrialPruned(
                f"PruningCallback: pruned after epoch {epoch}: {self.monitor} is "
                f"{trainer.history.last(self.monitor):.6g}"
            )
