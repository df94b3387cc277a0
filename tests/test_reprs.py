"""Promise: public objects say in a line what they are: class, options that were set, state."""

import numpy as np
import pytest

import pyrnn
from pyrnn import losses, metrics, optim
from training import make_trainer, ragged_series, ragged_task

DATA = ragged_task(N=20)


class StopAtLoss(pyrnn.Callback):
    """A user's callback, which keeps one of its arguments."""

    def __init__(self, loss, name="x"):
        self.loss = loss


class Net(pyrnn.Module):
    """A user's module, which keeps none."""

    def __init__(self, size, classes=2):
        self.head = pyrnn.Linear(size, classes)


class Square(pyrnn.LSTM):
    """A user's subclass with a constructor of its own."""

    def __init__(self, size):
        super().__init__(size, size, num_layers=2)


class Short(optim.Cosine):
    """Another one."""

    def __init__(self, optimizer, epochs):
        super().__init__(optimizer, 10 * epochs, per="epoch")


def stepped(schedule, count):
    for _ in range(count):
        schedule.step(1.0)
    return schedule


def measured(metric):
    """Three of four elements are right; the last of four classes does not occur."""
    metric.update(np.eye(4)[[0, 1, 1, 0]], np.array([0, 1, 2, 0]))
    return metric


def model():
    return pyrnn.Sequential(pyrnn.GRU(2, 3, seed=0), pyrnn.Dropout(0.1), pyrnn.Linear(3, 1))


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (pyrnn.EarlyStopping(patience=3), "EarlyStopping(patience=3, best_epoch=0)"),
        (StopAtLoss(0.5), "StopAtLoss(loss=0.5)"),
        (pyrnn.Callback(), "Callback()"),
        (Net(3), "Net()"),
        (optim.Adam(), "Adam(lr=0.001)"),
        (optim.Adam(0.1, betas=(0.5, 0.9)), "Adam(lr=0.1, betas=(0.5, 0.9))"),
        (optim.SGD(0.1, groups=[{"params": pyrnn.Parameter([1.0])}]), "SGD(lr=0.1, 1 group)"),
        (stepped(optim.Step(optim.SGD(0.1), 5), 2), "Step(step_size=5, count=2)"),
        (
            optim.Warmup(optim.Cosine(optim.SGD(0.1), 7), 2),
            "Warmup(schedule=Cosine(steps=7, count=0), steps=2, count=0)",
        ),
        (
            stepped(optim.OnPlateau(optim.SGD(0.1), factor=0.5, patience=0), 3),
            "OnPlateau(patience=0, factor=0.5, count=3, best=1, scale=0.25)",
        ),
        (Square(3), "Square(input_size=3, hidden_size=3, num_layers=2)"),
        (Short(optim.SGD(0.1), 2), "Short(steps=20, per='epoch', count=0)"),
        (optim.EMA(model(), 0.9), "EMA(decay=0.9, updates=0)"),
        (losses.CrossEntropy(), "CrossEntropy()"),
        (losses.CrossEntropy(weight=np.ones(2)), "CrossEntropy(weight=[1.0, 1.0])"),
        (losses.CrossEntropy(weight=np.ones(30)), "CrossEntropy(weight=array(30,))"),
        (pyrnn.CRF(3), "CRF(num_tags=3)"),
        (
            pyrnn.SequenceDataset(*ragged_series(N=9)),
            "SequenceDataset(9 samples, 1 to 9 steps, x (T, 2) float64, target (T, 1) float64)",
        ),
        (
            pyrnn.SequenceDataset(np.ones((5, 3, 2)), np.ones(5, np.int64)),
            "SequenceDataset(5 samples, 3 steps, x (5, 3, 2) float64, target (5,) int64)",
        ),
        (
            pyrnn.SequenceDataset([np.arange(2), np.arange(4)]),
            "SequenceDataset(2 samples, 2 to 4 steps, x (T,) int64)",
        ),
        (model()[0].stream(2), "Stream(layer=GRU(input_size=2, hidden_size=3), batch_size=2)"),
        (
            model().stream(),
            "SequentialStream(Stream(layer=GRU(input_size=2, hidden_size=3), batch_size=1), "
            "Linear(in_features=3, out_features=1), batch_size=1)",
        ),
        (
            pyrnn.Sequential(
                pyrnn.Residual(pyrnn.Linear(2, 2)), pyrnn.TimeDistributed(pyrnn.Linear(2, 2))
            ).stream(),
            "SequentialStream(Residual(Linear(in_features=2, out_features=2)), "
            "TimeDistributed(Linear(in_features=2, out_features=2)), batch_size=1)",
        ),
        (pyrnn.History(), "History(0 epochs)"),
        (metrics.Accuracy(), "Accuracy()"),
        (measured(metrics.Accuracy(ignore_index=3)), "Accuracy(ignore_index=3, value=0.75)"),
        (metrics.F1(None), "F1(average=None)"),
        (measured(metrics.F1(None)), "F1(average=None, value=[1, 0.6667, 0, nan])"),
        (measured(metrics.F1(positive=1)), "F1(positive=1, value=0.6667)"),
        (measured(metrics.Precision(None)), "Precision(average=None, value=[1, 0.5, 0, nan])"),
        (metrics.EntityF1(("O", "B-A"), None), "EntityF1(tags=('O', 'B-A'), average=None)"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_said(thing, text):
    assert repr(thing) == text


def test_a_dataset_of_ones_own():
    class Squares(pyrnn.SequenceDataset):
        lengths = np.array([1, 4])

        def __init__(self):
            pass

        def __len__(self):
            return 2

    assert repr(Squares()) == "Squares(2 samples, 1 to 4 steps)"


def test_a_training():
    trainer, stopping = make_trainer(metrics=[metrics.Accuracy()], clip_norm=1.0), None
    for part in ("Trainer(model=Sequential(Embedding(", "loss=CrossEntropy(), ", "clip_norm=1.0"):
        assert part in repr(trainer)
    stopping = pyrnn.EarlyStopping()
    history = trainer.fit(DATA, validation=DATA, epochs=2, progress=False, callbacks=[stopping])
    last = f"loss={history.loss[-1]:.4g}, val_loss={history.val_loss[-1]:.4g}, accuracy="
    assert repr(history).startswith(f"History(2 epochs, {last}") and repr(history) in repr(trainer)
    assert repr(stopping).startswith("EarlyStopping(best_epoch=")
    assert len(repr(trainer)) < 500 and "\n" not in repr(trainer)


def test_a_history_without_validation():
    history = make_trainer().fit(DATA, progress=False)
    assert repr(history) == f"History(1 epoch, loss={history.loss[0]:.4g})"
    assert "val_loss" not in history._repr_html_()


def test_tables_of_notebooks():
    history = pyrnn.History()
    for epoch in range(50):
        history.append(2.0 - epoch / 100, 1.5, 0.1, 3000, {"<b>": 0.5})
    page = history._repr_html_()
    assert page.count("<tr>") == 1 + 20 + 1 and ">50</td>" in page and ">11</td>" not in page
    assert ">1.51</td>" in page and ">30,000</td>" in page and "&lt;b&gt;" in page
    trainer = make_trainer()
    assert f">{trainer.model!r}</td>" in trainer._repr_html_()
    groups = [{"params": pyrnn.Parameter([1.0]), "lr": 0.25}]
    page = optim.SGD(0.1, groups=groups)._repr_html_()
    assert page.count("<tr>") == 3 and ">0.25</td>" in page and ">momentum</th>" in page


def test_estimators_say_what_scikit_learn_says():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from pyrnn.estimators import SequenceClassifier

    assert repr(SequenceClassifier(hidden_size=3)) == "SequenceClassifier(hidden_size=3)"
    assert hasattr(SequenceClassifier(), "_repr_html_") or hasattr(
        SequenceClassifier(), "_repr_mimebundle_"
    )
