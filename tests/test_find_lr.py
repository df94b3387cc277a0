"""Promise: `find_lr` shows the loss over the learning rate, and leaves the trainer as it was."""

import sys

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import Average, classifier, make_trainer, ragged_series, ragged_task

DATA = ragged_task(N=40)


def line(N=256):
    x = np.linspace(-1, 1, N, dtype=np.float32)[:, None]
    return x, 2 * x


def linear(lr=0.1, **options):
    model = pyrnn.Linear(1, 1, seed=0)
    return pyrnn.Trainer(model, "mse", pyrnn.optim.SGD(lr), seed=0, **options)


def state(trainer):
    """What the search could change: what a training counts, draws and updates."""
    model, optimizer = trainer.model, trainer.optimizer
    return {
        "weights": model.state_dict(),
        "extra": [module.extra_state() for module in model.modules()],
        "optimizer": optimizer.state_dict(),
        "schedules": [schedule.state_dict() for schedule in optimizer.schedules],
    }


def test_the_rates_grow_until_the_loss_diverges():
    """SGD on a quadratic of curvature 2/3: it converges below 2 / (2/3) = 3, diverges above."""
    found = linear().find_lr(*line(), lowest=1e-4, highest=100.0, steps=60)
    k = np.arange(len(found.rates))
    np.testing.assert_allclose(found.rates, 1e-4 * 1e6 ** (k / 59), rtol=1e-12)
    assert 3 < found.rates[-1] < 30 and len(found.rates) == len(found.losses) < 60
    lowest = found.rates[int(np.argmin(found.smoothed))]
    assert 0.3 < lowest < 3 and found.suggestion == lowest / 10


def test_the_losses_are_those_of_a_training_by_hand():
    """One step of the optimizer for each rate, in the order of an epoch."""
    trainer, model, optimizer = linear(), pyrnn.Linear(1, 1, seed=0), pyrnn.optim.SGD(0.1)
    x, y = line(8)
    found = trainer.find_lr(x, y, lowest=0.01, highest=0.1, steps=6, batch_size=4, shuffle=False)
    loss, losses = pyrnn.losses.MSE(), []
    for k, rate in enumerate(found.rates):
        rows = slice(0, 4) if k % 2 == 0 else slice(4, 8)
        optimizer.lr = rate
        out, pullback = model.vjp(x[rows])
        value, loss_pullback = loss.vjp(out, y[rows])
        model.zero_grad()
        pullback(loss_pullback())
        optimizer.step(model)
        losses.append(value)
    assert list(found.losses) == losses


def test_groups_keep_their_ratio():
    rates = []

    class Seen(pyrnn.optim.SGD):
        def step(self, parameters):
            rates.append(self.lrs)
            super().step(parameters)

    model = classifier()
    optimizer = Seen(0.2, groups=[{"params": model[4], "lr": 0.05}])
    trainer = make_trainer(model, optimizer=optimizer)
    found = trainer.find_lr(*DATA, steps=5, highest=1e-3)
    assert [first for first, _ in rates] == list(found.rates)
    assert all(second == pytest.approx(first / 4, rel=1e-12) for first, second in rates)
    assert optimizer.lrs == (0.2, 0.05)


@pytest.mark.parametrize("trained", [False, True])
def test_all_stays_as_it_was(trained):
    """Weights, gradients, optimizer, schedules, averages, counters of dropout, the epochs' order:
    what is trained afterwards has the same bits."""

    def make():
        model = classifier()
        optimizer = pyrnn.optim.Adam(0.01)
        trainer = make_trainer(
            model,
            optimizer=optimizer,
            schedule=pyrnn.optim.Cosine(optimizer, 50),
            ema=Average(model),
            accumulate=2,
            clip_norm=1.0,
        )
        if trained:
            trainer.fit(DATA, epochs=2, batch_size=8, progress=False)
        return trainer

    searched, other = make(), make()
    before, gradients = state(searched), [p.grad.copy() for p in searched.model.parameters()]
    found = searched.find_lr(*DATA, steps=30, batch_size=8)
    assert len(found.rates) > 5 and len(searched.history) == 2 * trained
    after = state(searched)
    assert repr(before) == repr(after)
    assert_same_bits(before["weights"], after["weights"])
    for grad, parameter in zip(gradients, searched.model.parameters(), strict=True):
        np.testing.assert_array_equal(grad, parameter.grad)
    for trainer in (searched, other):
        trainer.fit(DATA, epochs=2, batch_size=8, progress=False)
    assert_same_bits(searched.model.state_dict(), other.model.state_dict())
    assert searched.history.loss == other.history.loss


def test_the_same_curve_each_time():
    trainer = make_trainer()
    first, second = (trainer.find_lr(*DATA, steps=20) for _ in range(2))
    assert first.losses == second.losses


def test_an_error_leaves_all_as_it_was():
    class Broken(pyrnn.Module):
        def __init__(self):
            self.inner, self._calls = pyrnn.Linear(1, 1, seed=0), 0

        def vjp(self, x, *, need_dx=True):
            self._calls += 1
            if self._calls > 3:
                raise KeyboardInterrupt
            return self.inner.vjp(x, need_dx=need_dx)

        def __call__(self, x):
            return self.inner(x)

    model = Broken()
    trainer = pyrnn.Trainer(model, "mse", "sgd", seed=0)
    before = model.state_dict()
    with pytest.raises(KeyboardInterrupt):
        trainer.find_lr(*line())
    assert_same_bits(model.state_dict(), before)


def test_within_a_fit():
    """A callback may look for a rate: what it trains is a copy."""

    class Search(pyrnn.Callback):
        def on_epoch_end(self, trainer):
            self.found = trainer.find_lr(*line(), steps=10)

    trainer, other, search = linear(), linear(), Search()
    trainer.fit(*line(), epochs=2, callbacks=[search], progress=False)
    other.fit(*line(), epochs=2, progress=False)
    assert len(search.found.rates) == 10
    assert_same_bits(trainer.model.state_dict(), other.model.state_dict())


def test_sequences_piece_by_piece_and_losses_with_parameters():
    model = pyrnn.Sequential(pyrnn.GRU(2, 4, seed=0), pyrnn.Linear(4, 1, seed=1))
    trainer = pyrnn.Trainer(model, "mse", "adam", seed=0)
    found = trainer.find_lr(*ragged_series(), steps=12, tbptt=3, highest=1e-3)
    assert len(found.rates) == 12
    x = [np.arange(n) % 3 for n in (4, 2, 5)]
    model = pyrnn.Sequential(pyrnn.Embedding(3, 4, seed=0), pyrnn.Linear(4, 3, seed=1))
    crf = pyrnn.CRF(3, seed=2)
    before = crf.state_dict()
    found = pyrnn.Trainer(model, crf, "adam", seed=0).find_lr(x, x, steps=30)
    assert found.losses[-1] < found.losses[0]
    assert_same_bits(crf.state_dict(), before)


def test_a_loss_that_never_falls_gives_no_suggestion():
    x, y = line()
    found = linear().find_lr(x, y, lowest=50.0, highest=1e6)
    assert found.suggestion is None and len(found.rates) < 10
    assert repr(found).endswith("suggestion=None)")


@pytest.mark.parametrize("shift", [0.0, -3.0, 1.0])
def test_losses_may_be_negative(shift):
    """What falls below 0, or begins there, is followed until it diverges."""

    class Shifted(pyrnn.losses.MSE):
        def terms(self, *given):
            terms, gradients = super().terms(*given)
            return terms + shift - 1, gradients

    trainer = pyrnn.Trainer(pyrnn.Linear(1, 1, seed=0), Shifted(), pyrnn.optim.SGD(0.1), seed=0)
    found = trainer.find_lr(*line(), lowest=1e-4, highest=100.0, steps=60)
    plain = linear().find_lr(*line(), lowest=1e-4, highest=100.0, steps=60)
    assert min(found.losses) < 0 or shift > 0
    assert 3 < found.rates[-1] < 30 and found.suggestion == pytest.approx(plain.suggestion, rel=0.5)


def test_a_loss_that_is_no_number_ends_it():
    trainer = pyrnn.Trainer(pyrnn.Linear(1, 1, seed=0), "mse", pyrnn.optim.SGD(1.0), seed=0)
    with np.errstate(over="ignore"):
        found = trainer.find_lr(*line(), lowest=1.0, highest=1e38, steps=4)
    assert np.isfinite(found.losses).all() and len(found.rates) < 4


def test_plot(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is an optional extra")
    found = linear().find_lr(*line())
    figure = found.plot(tmp_path / "rates.png")
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["each step", "smoothed", f"suggestion {found.suggestion:.2g}"]
    assert axes.get_xscale() == "log" and (tmp_path / "rates.png").stat().st_size > 1000
    assert list(axes.lines[1].get_ydata()) == list(found.smoothed)
    pyrnn.LearningRateCurve([], []).plot()


def test_without_matplotlib(monkeypatch):
    found = pyrnn.LearningRateCurve([0.1, 0.2], [2.0, 1.0])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError) as raised:
        found.plot()
    assert "pip install matplotlib" in raised.value.__notes__[0]


def test_bad_input():
    trainer = linear()
    for options, error in (
        ({"lowest": 0}, ValueError),
        ({"lowest": "x"}, TypeError),
        ({"highest": 1e-7}, ValueError),
        ({"highest": np.inf}, ValueError),
        ({"steps": 1}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"tbptt": 2}, ValueError),
    ):
        with pytest.raises(error, match=next(iter(options))):
            trainer.find_lr(*line(), **options)
    with pytest.raises(ValueError, match="target"):
        trainer.find_lr(line()[0], np.ones(3))
