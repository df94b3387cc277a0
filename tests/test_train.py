"""Promise: a Trainer trains: the loss falls to a known level, data are checked before it starts."""

import copy

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits


def first_symbol_task(N=192, T=8):
    """Ids whose first symbol is the class: only memory over all steps solves it."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (N, T))
    return x, x[:, 0].copy()


def classifier(cell=pyrnn.LSTM, **options):
    return pyrnn.Sequential(
        pyrnn.Embedding(4, 8, seed=1),
        cell(8, 16, seed=2, **options),
        pyrnn.LastStep(),
        pyrnn.Linear(16, 4, seed=3),
    )


def trainer(model=None, **options):
    options = {"clip_norm": 1.0, "seed": 0} | options
    loss = options.pop("loss", None) or pyrnn.losses.CrossEntropy()
    optimizer = pyrnn.optim.Adam(1e-2)
    return pyrnn.Trainer(model or classifier(), loss=loss, optimizer=optimizer, **options)


@pytest.mark.parametrize(
    ("cell", "batch_first"),
    [(pyrnn.RNN, False), (pyrnn.LSTM, False), (pyrnn.GRU, False), (pyrnn.GRU, True)],
)
def test_learns_what_needs_memory(cell, batch_first):
    """Cross entropy from ln 4 to near 0, on held-out data too."""
    x, target = first_symbol_task()
    t = trainer(classifier(cell, batch_first=batch_first))
    held_out = (x[:64], target[:64])
    history = t.fit(
        (x[64:], target[64:]), validation=held_out, epochs=50, batch_size=16, progress=False
    )
    assert history.loss[0] > 1.0
    assert history.loss[-1] < 0.05 and history.val_loss[-1] < 0.2
    assert t.evaluate(held_out)["loss"] == pytest.approx(history.val_loss[-1], rel=1e-6)
    predicted = t.predict(x[:64]).argmax(axis=1)
    assert np.mean(predicted == target[:64]) > 0.95
    assert len(history.loss) == len(history.seconds) == len(history.tokens_per_second) == 50
    assert min(history.tokens_per_second) > 0


def test_overfits_a_regression_with_lengths():
    """One number per step, ragged: the running sum of the inputs."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((24, 6, 1))
    target, lengths = np.cumsum(x, axis=1), rng.integers(1, 7, 24)
    padding = np.arange(6) >= lengths[:, None]
    x[padding] = target[padding] = 7.0  # must not matter
    model = pyrnn.Sequential(pyrnn.GRU(1, 24, seed=0), pyrnn.Linear(24, 1, seed=1))
    t = trainer(model, loss=pyrnn.losses.MSE())
    history = t.fit((x, target, lengths), epochs=250, batch_size=24, progress=False)
    assert history.loss[-1] < 0.01 * history.loss[0]


def test_padding_never_matters():
    rng = np.random.default_rng(0)
    x, lengths = rng.standard_normal((20, 6, 2)), rng.integers(0, 7, 20)
    target, padding = rng.integers(0, 3, (20, 6)), np.arange(6) >= lengths[:, None]
    results = []
    for poison in (0.0, np.nan):
        x[padding], target[padding] = poison, 0 if poison == 0 else 99
        model = pyrnn.Sequential(pyrnn.LSTM(2, 5, seed=0), pyrnn.Linear(5, 3, seed=1))
        history = trainer(model).fit((x, target, lengths), epochs=2, batch_size=7, progress=False)
        results.append((history.loss, model.state_dict()))
    assert results[0][0] == results[1][0]
    assert_same_bits(results[0][1], results[1][1])


def test_the_mean_is_over_elements_not_batches():
    """A smaller last batch, and lengths: evaluate equals the loss of everything at once."""
    x, target = first_symbol_task(N=50)
    t = trainer()
    y = t.model(x)
    expected = pyrnn.losses.CrossEntropy()(y, target)
    assert t.evaluate((x, target), batch_size=16)["loss"] == pytest.approx(expected, rel=1e-5)
    assert_same_bits(t.predict(x, batch_size=16), y)


def test_two_fits_are_one():
    x, target = first_symbol_task(N=40)
    one, two = trainer(), trainer()
    one.fit((x, target), epochs=4, batch_size=16, progress=False)
    two.fit((x, target), epochs=1, batch_size=16, progress=False)
    two.fit((x, target), epochs=3, batch_size=16, progress=False)
    assert one.history.loss == two.history.loss
    assert_same_bits(one.model.state_dict(), two.model.state_dict())


@pytest.mark.parametrize("n", [1, 2, 3])
def test_threads_give_the_same_training(n):
    x, target = first_symbol_task(N=64)
    model = pyrnn.Sequential(
        pyrnn.Embedding(4, 32, seed=1),
        pyrnn.GRU(32, 64, num_layers=2, bidirectional=True, dropout=0.3, seed=2),
        pyrnn.LastStep(bidirectional=True),
        pyrnn.Dropout(0.2, seed=4),
        pyrnn.Linear(128, 4, seed=3),
    )
    expected = copy.deepcopy(model)
    for m, threads in ((expected, 1), (model, n)):
        with pyrnn.threads(threads):
            trainer(m).fit((x, target), epochs=2, batch_size=32, progress=False)
    assert_same_bits(model.state_dict(), expected.state_dict())


GOOD = (np.zeros((6, 5), int), np.zeros(6, int))
BAD_DATA = [
    ((np.zeros((0, 5), int), np.zeros(0, int)), ValueError, "N >= 1"),
    ((GOOD[0], np.zeros(5, int)), ValueError, r"\(5,\)"),
    ((GOOD[0], np.full(6, 4)), ValueError, r"target\[0\] is 4"),
    ((GOOD[0], np.zeros(6)), TypeError, "integer"),
    ((GOOD[0], None), TypeError, "target"),
    ((*GOOD, [1, 2, 3]), ValueError, "lengths"),
    ((*GOOD, [6, 1, 1, 1, 1, 1]), ValueError, r"lengths\[0\] is 6"),
    ((np.full((6, 5), 4), GOOD[1]), ValueError, "is 4"),
    ((np.array([["a"] * 5] * 6), GOOD[1]), TypeError, "dtype"),
    (GOOD[0], TypeError, "tuple"),
]


@pytest.mark.parametrize(("data", "error", "words"), BAD_DATA, ids=range(len(BAD_DATA)))
@pytest.mark.parametrize("role", ["train", "validation"])
def test_bad_data_before_the_first_epoch(data, error, words, role):
    t = trainer()
    before = t.model.state_dict()
    x, held_out = (data, None) if role == "train" else (GOOD, data)
    with pytest.raises(error, match=words):
        t.fit(x, validation=held_out, epochs=1, progress=False)
    assert_same_bits(t.model.state_dict(), before)
    assert not t.history.loss


def test_ids_out_of_range_late_in_the_data():
    """The last sample is looked at before the first step, too."""
    t, x = trainer(), np.zeros((40, 5), int)
    x[-1, -1] = 4
    before = t.model.state_dict()
    with pytest.raises(ValueError, match="is 4"):
        t.fit((x, np.zeros(40, int)), batch_size=8, progress=False)
    assert_same_bits(t.model.state_dict(), before)


def test_nan_stops_training_before_it_spreads():
    model = pyrnn.Sequential(pyrnn.GRU(2, 3, seed=0), pyrnn.Linear(3, 1, seed=1))
    t = trainer(model, loss=pyrnn.losses.MSE(), clip_norm=None)
    model[1].bias[...] = -3e38
    with pytest.raises(FloatingPointError, match="loss is inf"):
        t.fit((np.zeros((4, 5, 2)), np.full((4, 5, 1), 3e38)), progress=False)
    assert all(np.isfinite(p.data).all() for p in model.parameters())


def test_an_interrupt_leaves_a_usable_model(monkeypatch):
    t, (x, target) = trainer(), first_symbol_task(N=64)
    t.fit((x, target), epochs=1, batch_size=16, progress=False)
    step, calls = t.optimizer.step, []

    def interrupted(parameters):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        step(parameters)

    monkeypatch.setattr(t.optimizer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        t.fit((x, target), epochs=1, batch_size=16, progress=False)
    monkeypatch.undo()
    assert len(t.history.loss) == 1
    t.fit((x, target), epochs=1, batch_size=16, progress=False)
    assert len(t.history.loss) == 2


@pytest.mark.parametrize(
    ("options", "error"),
    [({"clip_norm": 0}, ValueError), ({"clip_norm": "x"}, TypeError), ({"seed": -1}, ValueError)],
)
def test_bad_options(options, error):
    with pytest.raises(error, match=next(iter(options))):
        trainer(**options)


def test_wrong_parts_are_named():
    model, loss, adam = classifier(), pyrnn.losses.MSE(), pyrnn.optim.Adam()
    for parts, name in (((1, loss, adam), "model"), ((model, 1, adam), "loss")):
        with pytest.raises(TypeError, match=name):
            pyrnn.Trainer(*parts)
    with pytest.raises(TypeError, match="optimizer"):
        pyrnn.Trainer(model, loss, 1)


def test_plot(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is an optional extra")
    t = trainer()
    history = t.fit(GOOD, validation=GOOD, epochs=3, progress=False)
    history.plot(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes()[:4] == b"\x89PNG"


def test_plot_draws_metrics_in_axes_of_their_own():
    pytest.importorskip("matplotlib", reason="matplotlib is an optional extra")
    history = pyrnn.History()
    for epoch, accuracy in enumerate([0.25, 0.5, 0.75], 1):
        measured = {"accuracy": accuracy, "mae": 9.0 - epoch} if epoch > 1 else {}
        history.append(0.5**epoch, 2 * 0.5**epoch, 1.0, 100, measured)
    history.metrics["silent"] = [np.nan] * 3
    loss, accuracy, mae = history.plot(scale=10.0, lines={"line": 7.0}).axes
    assert [list(line.get_ydata()) for line in loss.lines[:2]] == [
        [5.0, 2.5, 1.25], [10.0, 5.0, 2.5]
    ]  # fmt: skip
    for axes, name, values in ((accuracy, "accuracy", [0.5, 0.75]), (mae, "mae", [7.0, 6.0])):
        (line,) = axes.lines
        assert axes.get_ylabel() == name and list(line.get_ydata())[1:] == values
        assert list(line.get_xdata()) == [1, 2, 3] and line.get_color() == loss.lines[1].get_color()
    assert (loss.get_xlabel(), mae.get_xlabel()) == ("", "epoch")
    assert len(pyrnn.History().plot().axes) == 1
