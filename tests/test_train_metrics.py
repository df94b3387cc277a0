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


@pytest.mark.parametrize(
    ("outputs", "end", "metric"),
    [
        (1, pyrnn.Sigmoid, metrics.Accuracy()),
        (3, pyrnn.Sigmoid, metrics.F1()),  # several labels
        (3, pyrnn.Softmax, metrics.Precision()),  # one-hot targets
        (1, pyrnn.Sigmoid, metrics.Recall()),
    ],
)
def test_metrics_of_logits_refuse_probabilities(outputs, end, metric):
    x, target = _separable(outputs)
    model = _pooled(outputs, end())
    t = pyrnn.Trainer(model, "mse", "adam", metrics=[metric])
    name = type(metric).__name__
    expected = rf"the model ends in {end.__name__}, and {name} takes logits: leave the"
    for run in (lambda: t.fit(x, target, progress=False), lambda: t.evaluate(x, target)):
        with pytest.raises(ValueError, match=expected):
            run()


class Likelihood(pyrnn.losses.Loss):
    """-log y[target], for probabilities y (N, C)."""

    integer_target = True

    def check_target(self, y_shape, dtype, target):
        return np.asarray(target, np.int64)

    def check_values(self, y_shape, target, real):
        return real

    def terms(self, y, target, real, scale):
        dy, places = np.zeros_like(y), (np.arange(len(y)), target)
        dy[places] = -scale / y[places]
        return -scale * np.log(y[places]), dy


@pytest.mark.parametrize("metric", [metrics.AUC(), metrics.Perplexity()])
def test_metrics_that_make_probabilities_refuse_them(metric):
    x, target = _separable(3)
    t = pyrnn.Trainer(_pooled(3, pyrnn.Softmax()), Likelihood(), "adam", metrics=[metric])
    with pytest.raises(ValueError, match=f"ends in Softmax, and {type(metric).__name__} takes"):
        t.fit(x, target.argmax(axis=1), progress=False)


def test_what_ranks_or_takes_the_largest_is_right_of_probabilities():
    x, target = _separable(3)
    classes = target.argmax(axis=1)
    model = _pooled(3, pyrnn.Softmax())
    t = pyrnn.Trainer(model, Likelihood(), "adam", metrics=["accuracy"])
    measured = t.evaluate(x, classes)["accuracy"]
    assert measured == (model.predict(x).argmax(axis=1) == classes).mean()
    logit = _pooled(1, pyrnn.Identity())
    probability = pyrnn.Sequential(logit, pyrnn.Sigmoid())
    areas = [
        pyrnn.Trainer(each, "mse", "adam", metrics=["auc"]).evaluate(x, target[:, :1])["auc"]
        for each in (logit, probability)
    ]
    assert areas[0] == areas[1]


def _separable(outputs):
    """Sequences of three features; the label of the first, or one-hot the largest of all."""
    x = np.random.default_rng(0).standard_normal((40, 6, 3)).astype("f")
    sums = x.sum(axis=1)
    target = sums[:, :1] > 0 if outputs == 1 else np.eye(3)[sums.argmax(axis=1)]
    return x, target.astype("f")


def _pooled(outputs, end):
    head = pyrnn.Linear(8, outputs, seed=1)
    return pyrnn.Sequential(pyrnn.GRU(3, 8, seed=0), pyrnn.LastStep(), head, end)
