"""Promise: accumulation, clipping, schedules, metrics and truncated BPTT do what they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits, tolerance
from pyrnn.optim._clipping import clip_grad_value
from training import (
    Average,
    Halving,
    Right,
    Watching,
    classifier,
    make_trainer,
    padded,
    ragged_series,
    ragged_task,
    regressor,
)

MSE = pyrnn.losses.MSE


def plain(model, optimizer=None, **options):
    return make_trainer(model, optimizer or pyrnn.optim.SGD(0.1), **options)


def wide_regressor():
    wide = {"dtype": np.float64}
    return pyrnn.Sequential(pyrnn.GRU(2, 6, seed=0, **wide), pyrnn.Linear(6, 1, seed=1, **wide))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_accumulated_batches_are_one_large_batch(size):
    """The mean over all real elements, of batches with different numbers of them."""
    x, target = ragged_series(N=8)
    whole, parts = (
        plain(wide_regressor(), loss=MSE(), accumulate=count) for count in (1, -(-8 // size))
    )
    whole.fit((x, target), batch_size=8, shuffle=False, progress=False)
    parts.fit((x, target), batch_size=size, shuffle=False, progress=False)
    for name, value in whole.model.state_dict().items():
        error = np.abs(parts.model.state_dict()[name] - value).max()
        assert error <= tolerance(np.float64, 100, backward=True), name
    assert parts.history.loss[0] == pytest.approx(whole.history.loss[0], rel=1e-12)


def test_the_rest_of_an_epoch_makes_a_step_too():
    """Five batches, two at a time: three steps."""
    trainer = make_trainer(accumulate=2)
    trainer.fit(ragged_task(N=20), batch_size=4, progress=False)
    assert set(trainer.optimizer.state_dict()["steps"].values()) == {3}


def test_clip_value():
    """Against a step by hand; a gradient that is not finite changes nothing."""
    x = np.ones((4, 3, 2), np.float32)
    target = np.full((4, 3, 1), 50, np.float32)
    model, by_hand = regressor(), regressor()
    plain(model, loss=MSE(), clip_value=0.01).fit((x, target), progress=False)
    (y, _), pullback = by_hand.vjp(x)
    pullback(MSE().vjp(y, target)[1]())
    assert max(np.abs(p.grad).max() for p in by_hand.parameters()) > 0.01
    for p in by_hand.parameters():
        p.grad = np.clip(p.grad, np.float32(-0.01), np.float32(0.01))
    pyrnn.optim.SGD(0.1).step(by_hand)
    assert_same_bits(model.state_dict(), by_hand.state_dict())
    before = [p.grad.copy() for p in by_hand.parameters()]
    by_hand.parameters()[-1].grad[...] = before[-1][...] = np.nan
    with pytest.raises(FloatingPointError, match=r"clip_grad_value: the gradient of '1.bias'"):
        clip_grad_value(by_hand, 1e-9)
    assert_same_bits([p.grad for p in by_hand.parameters()], before)


def test_schedules_and_averages_follow():
    """Per step after every step, per epoch after every epoch; one is told the validation loss."""
    x, target = ragged_task(N=20)
    model, optimizer = classifier(), pyrnn.optim.SGD(0.1)
    steps, epochs, watching = Halving(optimizer), Halving(optimizer, "epoch"), Watching(optimizer)
    ema = Average(model)
    trainer = make_trainer(
        model, optimizer, accumulate=2, schedule=[steps, epochs, watching], ema=ema
    )
    history = trainer.fit(
        (x, target), validation=(x, target), epochs=3, batch_size=4, progress=False
    )
    assert (steps.calls, epochs.calls) == (9, 3) and optimizer.lr == 0.1 / 4
    assert watching.seen == history.val_loss
    assert trainer.evaluate((x, target), batch_size=4)["loss"] != history.val_loss[-1]
    with ema.applied():
        assert trainer.evaluate((x, target), batch_size=4)["loss"] == history.val_loss[-1]
    without = Watching(other := pyrnn.optim.SGD(0.1))
    loss = make_trainer(optimizer=other, schedule=without).fit((x, target), progress=False).loss
    assert without.seen == loss


def test_metrics_join_the_history():
    x, target = ragged_task(N=20)
    trainer, metric = make_trainer(metrics=[Right()]), Right()
    trainer.fit((x, target), progress=False)
    history = trainer.fit((x, target), validation=(x, target), epochs=2, progress=False)
    metric.update(trainer.predict(x), target)
    assert np.isnan(history.metrics["right"][0]) and len(history.metrics["right"]) == 3
    assert history.metrics["right"][-1] == metric.value == trainer.evaluate((x, target))["right"]


def test_metrics_never_see_padding(capsys):
    """A tagger: per step, ragged, in both layouts."""
    x, _ = ragged_task(N=20)
    array, lengths = padded(x)
    for batch_first in (False, True):
        model = pyrnn.Sequential(
            pyrnn.Embedding(4, 4, seed=0), pyrnn.GRU(4, 4, batch_first=batch_first, seed=1)
        )
        trainer = make_trainer(model, metrics=[Right()])
        trainer.fit((array, array, lengths), validation=(x, x), epochs=2)
        right = [ids == y.argmax(axis=1) for ids, y in zip(x, trainer.predict(x), strict=True)]
        assert trainer.history.metrics["right"][-1] == np.concatenate(right).mean()
        assert "right" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"clip_value": -1}, ValueError),
        ({"clip_value": 1, "clip_norm": 1}, ValueError),
        ({"accumulate": 0}, ValueError),
        ({"schedule": 3}, TypeError),
        ({"metrics": ["right"]}, ValueError),
        ({"metrics": [Right]}, TypeError),
        ({"metrics": [Right(), Right()]}, ValueError),
        ({"metrics": 3}, TypeError),
        ({"ema": 0.9}, TypeError),
    ],
)
def test_bad_options(options, error):
    with pytest.raises(error, match=next(iter(options))):
        make_trainer(**options)


def test_metrics_are_tried_before_the_first_step():
    """On a copy: the metric itself has seen nothing, and the weights are as before."""
    trainer = make_trainer(metrics=[pyrnn.metrics.F1("binary")])
    before = trainer.model.state_dict()
    with pytest.raises(ValueError, match="Trainer: train: F1: y has 4 classes, expected 2"):
        trainer.fit(ragged_task(N=8), validation=ragged_task(N=8), progress=False)
    assert_same_bits(trainer.model.state_dict(), before)
    assert not len(trainer.history)


def test_generators_are_read_once():
    """Callbacks and metrics may come as iterators."""
    seen = []

    class Sees(pyrnn.Callback):
        def on_fit_end(self, trainer):
            seen.append(trainer)

    trainer = make_trainer(metrics=(metric for metric in [Right()]))
    trainer.fit(
        ragged_task(N=8), validation=ragged_task(N=8), progress=False, callbacks=iter([Sees()])
    )
    assert seen == [trainer] and "right" in trainer.history.metrics


def test_tbptt_with_all_steps_is_bptt():
    """k = T, and more: the same bits, in a model with dropout, on ragged data."""
    data, results = ragged_series(), []
    longest = max(map(len, data[0]))
    for k in (None, longest, longest + 5):
        model = regressor(pyrnn.LSTM, num_layers=2, dropout=0.3)
        trainer = make_trainer(model, loss=MSE(), clip_norm=1.0)
        history = trainer.fit(
            data, validation=data, epochs=2, batch_size=7, progress=False, tbptt=k
        )
        results.append((history.loss, history.val_loss, model.state_dict()))
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


@pytest.mark.parametrize("k", [1, 3, 4, 7])
def test_tbptt_by_hand(k):
    """Pieces of k steps, the state carried on, a step of the optimizer after each."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 10, 2)).astype("f4")
    target, lengths = x[..., :1] * 3, np.array([10, 2, 7, 0, 4])
    model, by_hand = (regressor(pyrnn.LSTM) for _ in range(2))
    plain(model, loss=MSE()).fit(
        (x, target, lengths), epochs=2, batch_size=5, shuffle=False, progress=False, tbptt=k
    )
    optimizer, loss = pyrnn.optim.SGD(0.1), MSE()
    for _ in range(2):
        state = None
        for start in range(0, 10, k):
            piece, wanted = x[:, start : start + k], target[:, start : start + k]
            left = np.clip(lengths - start, 0, piece.shape[1])
            by_hand.zero_grad()
            (y, state), pullback = by_hand.vjp(piece, state, lengths=left)
            pullback(loss.vjp(y, wanted, left)[1]())
            optimizer.step(by_hand)
    assert_same_bits(model.state_dict(), by_hand.state_dict())


def test_tbptt_needs_steps_and_one_direction():
    for model, data, word in (
        (classifier(), ragged_task(), "output for each step"),
        (regressor(bidirectional=True), ragged_series(), "bidirectional"),
        (pyrnn.Linear(2, 1), ragged_series(), "recurrent"),
        (pyrnn.Sequential(pyrnn.Linear(2, 1)), ragged_series(), "recurrent"),
    ):
        loss = pyrnn.losses.CrossEntropy() if word.startswith("output") else MSE()
        with pytest.raises(ValueError, match=word):
            make_trainer(model, loss=loss).fit(data, progress=False, tbptt=4)
    with pytest.raises(ValueError, match="tbptt"):
        make_trainer().fit(ragged_task(), progress=False, tbptt=0)


MEMORY = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np, pyrnn
from training import make_trainer, regressor

def peak(T, k):
    x = np.broadcast_to(np.float32(1), (4, T, 2))  # takes no memory, whatever T
    data = x, x[..., :1]
    make_trainer(regressor(pyrnn.LSTM), loss=pyrnn.losses.MSE()).fit(data, progress=False, tbptt=k)
    status = open("/proc/self/status").read()  # ru_maxrss would begin with the parent's
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

first = peak(20_000, 500)
truncated = peak(400_000, 500) - first
print(truncated, peak(100_000, 100_000) - first)
"""


def test_memory_of_tbptt_does_not_grow_with_the_sequence():
    """20 times the steps: at most 1 MB more; plain BPTT takes over 50 MB more for 5 times."""
    code = MEMORY.format(tests=str(Path(__file__).parent))
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100
    )
    assert child.returncode == 0, child.stderr
    truncated, full = map(int, child.stdout.split())
    assert truncated <= 2**20 and full >= 50 * 2**20, (truncated, full)


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda outer, inner, other: [outer, inner], "Cosine that is inside"),
        (lambda outer, inner, other: inner, "Cosine that is inside"),
        (lambda outer, inner, other: [outer, outer], "one Warmup twice"),
        (lambda outer, inner, other: [other, outer, other], "one Step twice"),
    ],
)
def test_no_schedule_acts_twice(choose, words):
    optimizer = pyrnn.optim.SGD(0.1)
    inner, other = pyrnn.optim.Cosine(optimizer, 9), pyrnn.optim.Step(optimizer, 2)
    outer = pyrnn.optim.Warmup(inner, 4)
    with pytest.raises(ValueError, match=words):
        plain(classifier(), optimizer, schedule=choose(outer, inner, other))
    plain(classifier(), optimizer, schedule=[outer, other])
