"""Promise: ModelCheckpoint's file holds the best model of the fit, by any measure."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import Average, Right, classifier, make_trainer, ragged_task

DATA = ragged_task(N=20)


class Scripted(pyrnn.Callback):
    """Puts a given value of a measure into the history, and keeps each epoch's weights."""

    def __init__(self, values, name="val_loss"):
        self.values, self.name, self.weights = values, name, []

    def on_epoch_end(self, trainer):
        trainer.history.columns()[self.name][-1] = self.values[len(trainer.history) - 1]
        with trainer.averaged_weights():
            self.weights.append(trainer.model.state_dict())


def fit(trainer, callbacks, epochs, **options):
    options = {"validation": DATA, "batch_size": 8, "progress": False, **options}
    return trainer.fit(DATA, epochs=epochs, callbacks=callbacks, **options)


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize(
    ("options", "values", "best"),
    [
        ({}, [3, 2, 1, 1.5], 3),
        ({"monitor": "right", "mode": "max"}, [0.1, 0.7, np.nan, 0.2], 2),
        ({"monitor": "loss", "min_delta": 0.5}, [2, 1.8, 1.2, 1.0], 3),
    ],
)
def test_the_best_by_any_measure(options, values, best, averaged, tmp_path):
    model = classifier()
    trainer = make_trainer(model, ema=Average(model) if averaged else None, metrics=[Right()])
    script = Scripted(values, options.get("monitor", "val_loss"))
    kept = pyrnn.ModelCheckpoint(tmp_path / "best.safetensors", **options)
    fit(trainer, [script, kept], 4)
    assert kept.best_epoch == best and kept.best_value == values[best - 1]
    assert_same_bits(pyrnn.load(kept.path).state_dict(), script.weights[best - 1])
    assert not np.array_equal(script.weights[best - 1]["4.bias"], model[4].bias.data) or averaged


@pytest.mark.parametrize(
    "make",
    [
        lambda path: pyrnn.EarlyStopping("right", patience=2, mode="max"),
        lambda path: pyrnn.ModelCheckpoint(path, "right", mode="max"),
    ],
)
def test_a_monitor_that_is_nan_is_a_warning(make, tmp_path):
    """One in each fit, which names the monitor, where fit is called."""
    best, trainer = make(tmp_path / "best.safetensors"), make_trainer(metrics=[Right()])
    for _ in range(2):
        with pytest.warns(UserWarning, match="monitor 'right' is NaN in epoch") as warned:
            fit(trainer, [Scripted([np.nan] * 9, "right"), best], 3)
        assert len(warned) == 1 and warned[0].filename == __file__
        assert best.best_epoch == 0


def test_a_fit_that_resumes_knows_the_best(tmp_path):
    values, kept = [3, 1, 2, 0.5], {"checkpoint": tmp_path / "checkpoint"}
    path = tmp_path / "best.safetensors"

    def run(epochs, **options):
        callbacks = [script := Scripted(values), pyrnn.ModelCheckpoint(path)]
        fit(make_trainer(), callbacks, epochs, **kept, **options)
        return script, callbacks[1]

    first, _ = run(2)
    _, best = run(3, resume=True)
    assert best.best_epoch == 2
    assert_same_bits(pyrnn.load(path).state_dict(), first.weights[1])
    last, best = run(4, resume=True)
    assert best.best_epoch == 4
    assert_same_bits(pyrnn.load(path).state_dict(), last.weights[-1])


def test_a_loss_with_parameters_has_a_file_of_its_own(tmp_path):
    x = [np.arange(n) % 3 for n in (4, 2, 5)]
    model = pyrnn.Sequential(pyrnn.Embedding(3, 4, seed=0), pyrnn.Linear(4, 3, seed=1))
    crf = pyrnn.CRF(3, seed=2)
    trainer = pyrnn.Trainer(model, crf, pyrnn.optim.Adam(0.1), seed=0)
    paths = tmp_path / "model.safetensors", tmp_path / "crf.safetensors"
    best = pyrnn.ModelCheckpoint(paths[0], "loss", loss_path=paths[1])
    trainer.fit((x, x), epochs=3, callbacks=[best], progress=False)
    assert best.best_epoch == 3
    assert_same_bits(pyrnn.load(paths[0]).state_dict(), model.state_dict())
    assert_same_bits(pyrnn.load(paths[1]).state_dict(), crf.state_dict())
    (tmp_path / "link").symlink_to(paths[0])
    for same in (paths[0], f"{tmp_path}/./model.safetensors", tmp_path / "link"):
        with pytest.raises(ValueError, match=r"loss_path is .*, the model's file, expected"):
            pyrnn.ModelCheckpoint(paths[0], "loss", loss_path=same)
    with pytest.raises(ValueError, match="loss_path is None, and the loss has parameters"):
        trainer.fit((x, x), callbacks=[pyrnn.ModelCheckpoint(paths[0], "loss")], progress=False)
    with pytest.raises(ValueError, match=r"loss_path is .*, and the loss has no parameters"):
        fit(make_trainer(), [pyrnn.ModelCheckpoint(paths[0], loss_path=paths[1])], 1)


def test_what_could_not_be_saved_is_refused_before_the_first_step(tmp_path):
    class Odd(pyrnn.Module):
        def __init__(self, size):
            self.inner = pyrnn.Linear(size, 4, seed=0)

        def forward(self, x):
            return self.inner(x)

    trainer = make_trainer()
    for path, monitor, error in (
        (tmp_path, "loss", IsADirectoryError),
        (tmp_path / "no" / "best", "loss", FileNotFoundError),
        (tmp_path / "best.pt", "loss", ValueError),
        (tmp_path / "best", "right", ValueError),
        (tmp_path / "best", "val_loss", ValueError),
    ):
        with pytest.raises(error):
            fit(trainer, [pyrnn.ModelCheckpoint(path, monitor)], 1, validation=None)
    assert not len(trainer.history)
    own = pyrnn.Trainer(Odd(2), "mse", "adam")
    with pytest.raises(TypeError, match="cannot describe Odd"):
        own.fit(
            np.ones((4, 2)),
            np.ones((4, 4)),
            callbacks=[pyrnn.ModelCheckpoint(tmp_path / "best", "loss")],
            progress=False,
        )
    assert not list(tmp_path.iterdir())
    for options, error in (({"mode": "up"}, ValueError), ({"min_delta": -1}, ValueError)):
        with pytest.raises(error, match=next(iter(options))):
            pyrnn.ModelCheckpoint("x", **options)


class Errors(pyrnn.metrics.Metric):
    """A user's metric, which does not say what is better."""

    name = "errors"

    def reset(self):
        self.count = 0

    @property
    def value(self):
        return float(self.count)

    def add(self, y, target, lengths):
        self.count += int((y.argmax(axis=-1) != target).sum())


DIRECTIONS = {
    **dict.fromkeys(("Accuracy", "Precision", "Recall", "F1", "EntityF1", "AUC", "R2"), True),
    **dict.fromkeys(("EntityPrecision", "EntityRecall"), True),
    "Confusion": None,
    **dict.fromkeys(("Perplexity", "MAE", "MSE", "RMSE", "MASE"), False),
}


def test_every_metric_says_what_is_better():
    classes = {
        n: c for n, c in vars(pyrnn.metrics).items() if isinstance(c, type) and n != "Metric"
    }
    assert {name: cls.higher_is_better for name, cls in classes.items()} == DIRECTIONS


@pytest.mark.parametrize(("monitor", "best"), [("accuracy", 2), ("loss", 3), ("val_loss", 3)])
def test_the_best_of_a_measure_that_says_what_is_better(monitor, best, tmp_path):
    script = Scripted([0.5, 0.7, 0.1, 0.6], monitor)
    for make in (pyrnn.EarlyStopping, lambda m: pyrnn.ModelCheckpoint(tmp_path / "best", m)):
        callback = make(monitor)
        fit(make_trainer(metrics=[pyrnn.metrics.Accuracy()]), [script, callback], 4)
        assert callback.best_epoch == best and callback.mode is None


def test_the_best_on_the_training_data():
    script = Scripted([0.5, 0.7, 0.1, 0.6], "train_accuracy")
    stopping = pyrnn.EarlyStopping("train_accuracy")
    trainer = make_trainer(metrics=[pyrnn.metrics.Accuracy()])
    fit(trainer, [script, stopping], 4, validation=None)
    assert stopping.best_epoch == 2
    assert trainer.higher_is_better("accuracy") and not trainer.higher_is_better("loss")
    with pytest.raises(KeyError):
        trainer.higher_is_better("other")


def test_a_metric_that_does_not_say_it():
    class Signed(Errors):
        higher_is_better = False

    for metric, mode, best in ((Errors, "min", 3), (Errors, "max", 2), (Signed, None, 3)):
        stopping = pyrnn.EarlyStopping("errors", mode=mode)
        script = Scripted([0.5, 0.7, 0.1, 0.6], "errors")
        fit(make_trainer(metrics=[metric()]), [script, stopping], 4)
        assert stopping.best_epoch == best
    trainer = make_trainer(metrics=[Errors()])
    with pytest.raises(ValueError, match="mode is None, and the metric 'errors'"):
        fit(trainer, [pyrnn.EarlyStopping("errors")], 1)
    assert not len(trainer.history)
