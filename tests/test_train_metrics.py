"""Promise: metrics are measured on the training data when asked, or without validation."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import metrics
from training import Average, classifier, make_trainer, ragged_task

X, TARGET = ragged_task()
OPTIONS = {"epochs": 3, "batch_size": 8, "progress": False}


def trainer(**options):
    return make_trainer(metrics=["accuracy", metrics.F1("macro")], **options)


def test_without_validation_they_are_on_the_training_data():
    t = trainer()
    history = t.fit(X, TARGET, **OPTIONS)
    assert set(history.metrics) == {"train_accuracy", "train_f1_macro"}
    assert len(history.metrics["train_accuracy"]) == 3
    measured = t.evaluate(X, TARGET, batch_size=8)
    assert history.metrics["train_accuracy"][-1] == measured["accuracy"]
    assert history.metrics["train_f1_macro"][-1] == measured["f1_macro"]


def test_with_validation_when_asked():
    both, held, neither = trainer(), trainer(), trainer()
    both.fit(X, TARGET, validation=0.25, train_metrics=True, **OPTIONS)
    held.fit(X, TARGET, validation=0.25, **OPTIONS)
    neither.fit(X[:45], TARGET[:45], train_metrics=False, **OPTIONS)
    assert list(both.history.metrics) == [
        "accuracy",
        "f1_macro",
        "train_accuracy",
        "train_f1_macro",
    ]
    assert list(held.history.metrics) == ["accuracy", "f1_macro"] and not neither.history.metrics
    assert both.history.metrics["accuracy"] == held.history.metrics["accuracy"]
    expected = both.evaluate(X[:45], TARGET[:45])["accuracy"]
    assert both.history.metrics["train_accuracy"][-1] == expected
    for other in (held, neither):  # measuring changes no weight
        assert_same_bits(both.model.state_dict(), other.model.state_dict())


def test_nothing_is_measured_where_there_are_no_metrics():
    t = make_trainer()
    assert not t.fit(X, TARGET, train_metrics=True, **OPTIONS).metrics


def test_callbacks_can_watch_them():
    seen = []

    class Sees(pyrnn.Callback):
        def on_epoch_end(self, trainer):
            seen.append(trainer.measures)

    t = trainer()
    stop = pyrnn.EarlyStopping("train_accuracy", patience=2)
    t.fit(X, TARGET, callbacks=[stop, Sees()], **OPTIONS | {"epochs": 40})
    assert seen[-1] == ["loss", "train_accuracy", "train_f1_macro"]
    assert stop.best_value == max(t.history.metrics["train_accuracy"])


def test_averaged_weights_are_measured():
    model = classifier()
    t = make_trainer(model, ema=Average(model), metrics=["accuracy"])
    history = t.fit(X, TARGET, **OPTIONS)
    with t.averaged_weights():
        assert history.metrics["train_accuracy"][-1] == t.evaluate(X, TARGET)["accuracy"]


def test_resumed_within_an_epoch_to_the_bit(tmp_path):
    class Stop(pyrnn.Callback):
        def on_batch_end(self, trainer, loss):
            if len(trainer.history) == 1:
                raise KeyboardInterrupt

    whole, begun, resumed = trainer(), trainer(), trainer()
    whole.fit(X, TARGET, **OPTIONS)
    options = OPTIONS | {"checkpoint": tmp_path / "c", "checkpoint_every": 1}
    with pytest.raises(KeyboardInterrupt):
        begun.fit(X, TARGET, callbacks=[Stop()], **options)
    resumed.fit(X, TARGET, resume=True, **options)
    assert resumed.history.metrics == whole.history.metrics


def test_names_and_masks_are_checked():
    for name in ("accuracy", "loss", "val_loss", "seconds", "lr", "train_accuracy", "train_time"):
        taken = metrics.Accuracy()
        taken.name = name
        with pytest.raises(ValueError, match="names of their own"):
            make_trainer(metrics=["accuracy", taken])
    with pytest.raises(TypeError, match="train_metrics is 1"):
        trainer().fit(X, TARGET, train_metrics=1, **OPTIONS)
    with pytest.raises(ValueError, match=r"Trainer: train: F1 has an array of 4 numbers"):
        make_trainer(metrics=[metrics.F1(None)]).fit(X, TARGET, **OPTIONS)
    assert np.isfinite(
        make_trainer(metrics=[metrics.F1(positive=2)]).fit(X, TARGET, **OPTIONS).last("train_f1_2")
    )


def test_the_picture_has_both_in_one_panel():
    pytest.importorskip("matplotlib", reason="matplotlib is an optional extra")
    t = trainer()
    history = t.fit(X, TARGET, validation=0.25, train_metrics=True, **OPTIONS)
    loss, accuracy, f1 = history.plot().axes
    assert (accuracy.get_ylabel(), f1.get_ylabel()) == ("accuracy", "f1_macro")
    colors = {line.get_label().split()[0]: line.get_color() for line in loss.lines}
    for panel, name in ((accuracy, "accuracy"), (f1, "f1_macro")):
        drawn = {line.get_label().split()[0]: line for line in panel.lines}
        for side, values in (("validation", name), ("training", f"train_{name}")):
            assert list(drawn[side].get_ydata()) == history.metrics[values]
            assert drawn[side].get_color() == colors[side]


def test_find_lr_measures_nothing_and_takes_weights():
    t = make_trainer()
    weight = np.arange(60.0)
    found = [
        t.find_lr(X, TARGET, steps=5, **given).losses
        for given in ({}, {"sample_weight": weight}, {"sample_weight": np.ones(60)})
    ]
    assert found[0] == found[2] != found[1]
    with pytest.raises(TypeError, match="train_metrics"):
        t.find_lr(X, TARGET, train_metrics=True)
