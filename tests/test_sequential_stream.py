"""Promise: a Sequential's stream gives what the whole gives; one call at a time, all or nothing."""

import threading

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits


def test_sequential_stream():
    """Embedding, two recurrent layers and a dense one, a step at a time."""
    model = pyrnn.Sequential(
        pyrnn.Embedding(9, 4, seed=0),
        pyrnn.GRU(4, 5, seed=1),
        pyrnn.Dropout(0.5, seed=2),
        pyrnn.LSTM(5, 6, num_layers=2, seed=3),
        pyrnn.Linear(6, 9, seed=4),
        pyrnn.Softmax(),
    )
    ids = np.random.default_rng(0).integers(0, 9, (2, 7))
    y, state = model.run(ids)
    stream = model.stream(batch_size=2)
    steps = np.stack([stream.step(i) for i in ids[:, :3].T], axis=1)
    assert_same_bits(np.concatenate([steps, stream.run(ids[:, 3:])], axis=1), y)
    assert_same_bits(stream.state, state)
    stream.reset()
    assert_same_bits(stream.step(ids[:, 0]), y[:, 0])


def test_last_step_passes_each_step_on():
    """A step's output is that of the sequence that ended there."""
    model = pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), pyrnn.LastStep(), pyrnn.Linear(4, 2, seed=1))
    x = np.random.default_rng(0).standard_normal((2, 5, 3)).astype("f4")
    stream = model.stream(batch_size=2)
    for t in range(5):
        assert_same_bits(stream.step(x[:, t]), model(x[:, : t + 1]))


class Probe(pyrnn.Module):
    """A module of the user's own: what it does is set by the test."""

    def __init__(self):
        self.act = lambda x: x

    def __deepcopy__(self, memo):
        return self  # a stream copies its modules

    def __call__(self, x):
        return self.act(x)


def fail(x):
    raise ArithmeticError("the last part")


def stop(x):
    raise KeyboardInterrupt


def probed():
    """Layers on both sides of a Probe and within a nested Sequential; the stream has stepped."""
    probe = Probe()
    inner = pyrnn.Sequential(pyrnn.GRU(4, 5, seed=1), pyrnn.Tanh())
    model = pyrnn.Sequential(
        pyrnn.LSTM(3, 4, num_layers=2, seed=0), inner, probe, pyrnn.GRU(5, 6, seed=2)
    )
    stream = model.stream(batch_size=2)
    stream.step(np.ones((2, 3), "f4"))
    return stream, probe


def out_of(shape, dtype="f4", writeable=True):
    out = np.zeros(shape, dtype)
    out.flags.writeable = writeable
    return out


@pytest.mark.parametrize(
    ("act", "error"),
    [(fail, ArithmeticError), (stop, KeyboardInterrupt), (lambda x: x[:, :2], ValueError)],
    ids=["fails", "interrupted", "wrong shape"],
)
@pytest.mark.parametrize("call", ["step", "run"])
def test_a_failure_in_a_later_part_leaves_every_state(act, error, call):
    stream, probe = probed()
    before, x = stream.state, np.ones((2, 3), "f4")
    x = x if call == "step" else x[:, None]
    probe.act = act if call == "step" else lambda x: act(x[:, 0])[:, None]
    with pytest.raises(error):
        getattr(stream, call)(x)
    assert_same_bits(stream.state, before)
    probe.act = lambda x: x
    expected = probed()[0]
    assert_same_bits(getattr(stream, call)(x), getattr(expected, call)(x))


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (out_of((2, 6), "f8"), TypeError),
        (out_of((2, 7)), ValueError),
        (out_of((6,)), ValueError),
        (out_of((6, 2)).T, ValueError),
        (out_of((2, 6), writeable=False), ValueError),
        ([[0.0] * 6] * 2, TypeError),
        ("out", TypeError),
    ],
)
def test_a_wrong_out_leaves_every_state(out, error):
    stream, _ = probed()
    before = stream.state
    with pytest.raises(error, match=r"Sequential\.stream: out "):
        stream.step(np.ones((2, 3), "f4"), out=out)
    assert_same_bits(stream.state, before)


def test_a_wrong_kind_of_out_is_found_before_the_step():
    stream, probe = probed()
    probe.act = fail
    for out in (out_of((2, 6), writeable=False), out_of((6, 2)).T, "out"):
        with pytest.raises((TypeError, ValueError), match="out"):
            stream.step(np.ones((2, 3), "f4"), out=out)


def test_out_receives_y():
    stream, _ = probed()
    expected, out = probed()[0].step(np.zeros((2, 3), "f4")), out_of((2, 6))
    assert stream.step(np.zeros((2, 3), "f4"), out=out) is out
    assert_same_bits(out, expected)


def test_a_wrong_state_changes_none():
    stream, _ = probed()
    before = stream.state
    for wrong in ((*before[:2], np.zeros((1, 2, 7), "f4")), before[:2], list(before), 3):
        with pytest.raises((TypeError, ValueError)):
            stream.state = wrong
        assert_same_bits(stream.state, before)


def test_a_second_concurrent_call_is_an_error():
    """The first call is held up in the middle; whatever the second is, it is told."""
    stream, probe = probed()
    entered, leave, x = threading.Event(), threading.Event(), np.ones((2, 3), "f4")

    def hold(y):
        entered.set()
        assert leave.wait(30)
        return y

    probe.act = hold
    steps = []
    thread = threading.Thread(target=lambda: steps.append(stream.step(x)))
    thread.start()
    assert entered.wait(30)
    for call in (
        lambda: stream.step(x),
        lambda: stream.run(x[None]),
        lambda: stream.state,
        lambda: setattr(stream, "state", None),
        stream.reset,
    ):
        with pytest.raises(RuntimeError, match=r"Sequential\.stream: another thread"):
            call()
    leave.set()
    thread.join()
    probe.act = lambda x: x
    assert_same_bits(steps[0], probed()[0].step(x))
    stream.step(x)  # free again
