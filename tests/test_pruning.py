"""Promise: a PruningCallback reports epochs to a trial, and ends the fit where a study says so."""

import math

import pytest

import pyrnn
from ranks import run_ranks
from sharded import SERIES, SUMS
from training import regressor


class Trial:
    """Notes what it is told; says that the fit is to end after some epoch."""

    def __init__(self, last=None):
        self.told, self._last = [], last

    def report(self, value, step):
        self.told.append((step, value))

    def should_prune(self):
        return self.told[-1][0] == self._last


def fit(trial, monitor, epochs=4, **options):
    trainer = pyrnn.Trainer(regressor(), "mse", "adam", seed=0, metrics=["mae"])
    callbacks = [pyrnn.PruningCallback(trial, monitor)]
    trainer.fit(SERIES, SUMS, epochs=epochs, progress=False, callbacks=callbacks, **options)
    return trainer


@pytest.mark.parametrize("monitor", ["loss", "val_loss", "mae"])
def test_every_epoch_is_reported(monitor):
    trainer = fit(trial := Trial(), monitor, validation=0.25)
    values = [epoch[monitor] for epoch in trainer.history]
    assert trial.told == [*enumerate(values, 1)] and not any(map(math.isnan, values))


def test_a_pruned_trial_ends_after_its_epoch():
    optuna = pytest.importorskip("optuna")
    trial = Trial(last=2)
    with pytest.raises(optuna.TrialPruned, match="after epoch 2: loss is"):
        fit(trial, "loss")
    assert [step for step, _ in trial.told] == [1, 2]


def test_a_study_notes_pruned_trials():
    """Rates that cannot learn fall behind the first one."""
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rates = {0: 0.05, 1: 1e-9}

    def objective(trial):
        trainer = pyrnn.Trainer(regressor(), "mse", pyrnn.optim.Adam(rates[trial.number]), seed=0)
        callbacks = [pyrnn.PruningCallback(trial, "loss")]
        return trainer.fit(SERIES, SUMS, epochs=6, progress=False, callbacks=callbacks).loss[-1]

    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(1, n_warmup_steps=2))
    study.optimize(objective, n_trials=2)
    good, bad = study.trials
    assert [good.state.name, bad.state.name] == ["COMPLETE", "PRUNED"]
    assert sorted(good.intermediate_values) == [1, 2, 3, 4, 5, 6]
    assert sorted(bad.intermediate_values) == [1, 2]
    assert good.intermediate_values[2] < bad.intermediate_values[2]


def test_a_trial_of_several_ranks_is_pruned_on_all():
    """Rank 0 asks the trial; each rank's study is told the same."""
    optuna = pytest.importorskip("optuna")

    def work(communicator):
        trainer = pyrnn.Trainer(
            regressor(), "mse", "adam", seed=0, shards=4, communicator=communicator
        )
        callbacks = [pyrnn.PruningCallback(Trial(last=2), "loss")]
        trainer.fit(SERIES, SUMS, epochs=4, progress=False, callbacks=callbacks)

    found = run_ranks(2, work)
    assert [type(error) for error in found] == [optuna.TrialPruned] * 2
    assert {str(error)[:48] for error in found} == {
        "rank 0: PruningCallback: pruned after epoch 2: l"
    }


def test_bad_arguments():
    for trial in (None, Trial, 3):
        with pytest.raises(TypeError, match="PruningCallback: trial is "):
            pyrnn.PruningCallback(trial)
    with pytest.raises(TypeError, match="PruningCallback: monitor is 3"):
        pyrnn.PruningCallback(Trial(), 3)
    with pytest.raises(ValueError, match="PruningCallback: monitor is 'val_loss', this fit"):
        fit(trial := Trial(), "val_loss")
    assert not trial.told
