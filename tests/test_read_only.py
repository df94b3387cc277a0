"""Promise: what an object counts, sums or remembers as best is for reading."""

import numpy as np
import pytest

import pyrnn
from pyrnn import losses, metrics, optim


def model():
    return pyrnn.Sequential(pyrnn.LastStep(), pyrnn.Linear(2, 3, seed=0))


@pytest.mark.parametrize(
    ("thing", "names"),
    [
        (metrics.F1(), "total count predicted true value"),
        (metrics.MAE(), "total count value"),
        (metrics.MASE(), "naive_total naive_count"),
        (pyrnn.History(), "loss val_loss seconds tokens_per_second metrics"),
        (pyrnn.EarlyStopping(), "best_value best_epoch"),
        (optim.Step(optim.SGD(), 2), "count base_lrs"),
        (optim.OnPlateau(optim.SGD()), "count best waited cooling scale"),
        (optim.EMA(model()), "updates"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_an_object_counts_is_for_reading(thing, names):
    before = repr(thing)
    for name in names.split():
        with pytest.raises(AttributeError, match=f"{name} cannot be set"):
            setattr(thing, name, 3)
    assert repr(thing) == before


def test_own_metrics_and_callbacks_name_their_attributes():
    class Largest(metrics.Accuracy):
        def reset(self):
            super().reset()
            self.total = self.count = self.best = 0

    class Patient(pyrnn.EarlyStopping):
        def on_fit_start(self, trainer):
            super().on_fit_start(trainer)
            self.count = self.best_value = 7

    largest, patient = Largest(), Patient()
    rng = np.random.default_rng(0)
    data = rng.standard_normal((12, 5, 2)).astype(np.float32), rng.integers(0, 3, 12)
    trainer = pyrnn.Trainer(model(), losses.CrossEntropy(), optim.Adam(), metrics=[largest], seed=0)
    trainer.fit(data, validation=data, callbacks=[patient], progress=False)
    assert (largest.total, patient.count, patient.best_epoch) == (0, 7, 1)
