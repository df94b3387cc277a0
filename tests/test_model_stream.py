"""Promise: a model's stream is one call of the core with the bits of every other way; what the core
does not know steps in Python, and the stream says so."""

import copy
import pickle
import threading

import numpy as np
import pytest

import pyrnn
from children import run_stopped
from compare import assert_same_bits
from stream_models import Doubled, Halved, drawn
from test_stream_step import calls_during, traced_growth


@pytest.mark.parametrize("seed", range(40))
def test_every_way_has_the_same_bits(seed, isa):
    """The whole, steps, chunks, rows alone, the same parts in Python: one result."""
    model, x = drawn(seed)
    y, state = model.run(x)
    stream, N = model.stream(len(x)), len(x)
    assert stream.python_parts == ()
    assert calls_during(lambda: stream.step(x[:, 0].copy())) == (1, 1)
    stream.reset()
    out = np.empty_like(y[:, 0].copy())
    steps = [stream.step(x[:, t], out=out).copy() for t in range(3)]
    steps = np.concatenate([np.stack(steps, axis=1), stream.run(x[:, 3:])], axis=1)
    assert_same_bits(steps, y)
    assert_same_bits(stream.state, state)
    alone = model.stream()
    assert_same_bits(np.stack([alone.step(x[-1, t]) for t in range(7)]), y[-1])
    alone.reset()
    assert_same_bits(alone.run(x[-1]), y[-1])
    parts = pyrnn.Sequential(*model, Halved()).stream(N)
    assert len(parts.python_parts) == 1
    assert_same_bits(np.stack([parts.step(x[:, t]) for t in range(7)], axis=1), y)
    assert_same_bits(parts.state, state)


def test_the_stream_says_what_steps_in_python():
    linear, head = pyrnn.Linear(3, 3, seed=0), pyrnn.Linear(3, 2, seed=1)

    class Other(pyrnn.Linear):
        def __call__(self, x):
            return super().__call__(x) + 1

    class Named(pyrnn.Linear):
        def __init__(self, size):
            super().__init__(size, size)

    def parts(*modules):
        return pyrnn.Sequential(*modules, head).stream().python_parts

    assert parts(linear, pyrnn.Sequential(pyrnn.Tanh(), Named(3))) == ()
    assert parts(linear, Doubled()) == ("Doubled()",)
    assert parts(Other(3, 3)) == ("Other(in_features=3, out_features=3)",)
    assert parts(pyrnn.Residual(linear)) == ("Residual(Linear(in_features=3, out_features=3))",)
    assert parts(pyrnn.LayerNorm((2, 3))) == ("LayerNorm(normalized_shape=[2, 3])",)
    assert len(pyrnn.Sequential(pyrnn.Tanh()).stream().python_parts) == 1  # of any dtype
    assert len(parts(pyrnn.Linear(3, 4))) == 2  # do not fit
    x = np.ones((1, 3), "f4")
    expected = Other(3, 3, seed=0)
    assert_same_bits(pyrnn.Sequential(expected).stream().step(x), expected(x))


def test_only_the_core_is_called_in_a_step():
    """Also for a step of one row alone, with flags, and for strided rows."""
    model = pyrnn.Sequential(
        pyrnn.LSTM(3, 4, seed=0), pyrnn.LayerNorm(4), pyrnn.Linear(4, 2), pyrnn.Softmax()
    )
    one, three = model.stream(), model.stream(3)
    x, out, flags = np.ones((3, 9, 3), "f4"), np.empty((3, 2), "f4"), np.array([True, False, True])
    for call in (
        lambda: one.step(x[0, 0]),
        lambda: one.step(x[:1, 0], out[:1]),
        lambda: three.step(x[:, 0]),
        lambda: three.step(x[:, 2], out=out, resets=flags, active=flags),
    ):
        assert calls_during(call) == (1, 1)
    assert calls_during(lambda: one.step([1.0, 2.0, 3.0]))[0] > 1
    words = pyrnn.Sequential(pyrnn.Embedding(9, 4), pyrnn.GRU(4, 4)).stream(2)
    assert calls_during(lambda: words.step(np.array([1, 8]))) == (1, 1)


def test_out_allocates_nothing():
    model = pyrnn.Sequential(pyrnn.LSTM(16, 400, seed=0), pyrnn.Linear(400, 1000), pyrnn.ReLU())
    stream, x, out = model.stream(2), np.ones((2, 16), "f4"), np.empty((2, 1000), "f4")
    flags = np.array([True, False])
    assert traced_growth(lambda: stream.step(x, out)) < 500
    assert traced_growth(lambda: stream.step(x, out, flags, flags)) < 500


def test_y_may_lie_where_x_did():
    for parts in ([pyrnn.Linear(4, 4, seed=0)], [pyrnn.GRU(4, 4, seed=0), pyrnn.Tanh()]):
        model, x = pyrnn.Sequential(*parts), np.ones((3, 4), "f4")
        expected = model.stream(3).step(x)
        assert_same_bits(model.stream(3).step(x, out=x), expected)


@pytest.mark.parametrize(
    ("x", "kind", "says"),
    [
        (np.ones((2, 4), "f4"), ValueError, r"LSTM.stream: x has shape \(2, 4\)"),
        (np.ones((2, 3)), TypeError, "LSTM.stream: x has dtype float64"),
        (np.ones(3, "f4"), ValueError, "LSTM.stream: x has shape"),
        ("x", TypeError, "x is "),
    ],
)
def test_the_words_for_x_are_those_of_the_first_part(x, kind, says):
    stream = pyrnn.Sequential(pyrnn.LSTM(3, 4, seed=0), pyrnn.Linear(4, 2)).stream(2)
    stream.step(np.ones((2, 3), "f4"))
    before = stream.state
    with pytest.raises(kind, match=says):
        stream.step(x)
    assert_same_bits(stream.state, before)


def test_ids_out_of_range():
    stream = pyrnn.Sequential(pyrnn.Embedding(9, 4), pyrnn.GRU(4, 4, seed=0)).stream(2)
    stream.step(np.array([1, 8]))
    before = stream.state
    for call, x in ((stream.step, np.array([1, 9])), (stream.run, np.array([[1, 2], [-1, 3]]))):
        with pytest.raises(ValueError, match=r"Embedding: x\[.*expected 0 <= id < 9"):
            call(x)
    assert_same_bits(stream.state, before)
    narrow = stream.step(np.array([3, 4], np.int32))
    stream.state = before
    assert_same_bits(stream.step(np.array([3, 4])), narrow)


def test_weights_are_a_snapshot():
    model = pyrnn.Sequential(
        pyrnn.Embedding(5, 3, seed=0),
        pyrnn.GRU(3, 4, seed=0),
        pyrnn.LayerNorm(4),
        pyrnn.Linear(4, 2),
    )
    x = np.array([[0, 3, 4]])
    stream, expected = model.stream(), model(x)
    for p in model.parameters():
        p[...] = 0
    assert_same_bits(stream.run(x), expected)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_streams_are_not_copied(copied):
    with pytest.raises(TypeError, match="pickle"):
        copied(pyrnn.Sequential(pyrnn.GRU(3, 4), pyrnn.Linear(4, 2)).stream())


def test_long_steps_share_their_work(isa):
    """Rows enough for two threads, of which few may be active: the bits of one."""
    model = pyrnn.Sequential(
        pyrnn.GRU(40, 300, num_layers=2, seed=0), pyrnn.Linear(300, 900, seed=1), pyrnn.Softmax()
    )
    x = np.random.default_rng(0).standard_normal((6, 5, 40)).astype("f4")
    active = np.array([True, False, True, True, False, True])
    with pyrnn.threads(1):
        y = model(x)
    with pyrnn.threads(2):
        stream = model.stream(6)
        for t in range(4):
            assert_same_bits(stream.step(x[:, t]), y[:, t])
        some = stream.step(x[:, 4], active=active)
    assert_same_bits(some[active], y[active, 4])
    assert not some[~active].any()


def test_a_second_concurrent_call_is_an_error():
    """Without the GIL a run and a long step go on; whatever comes meanwhile is told."""
    model = pyrnn.Sequential(pyrnn.LSTM(64, 512, seed=0), pyrnn.Linear(512, 64, seed=1))
    stream, x = model.stream(16), np.zeros((16, 900, 64), "f4")
    others = (
        lambda: stream.step(x[:, 0]),
        lambda: stream.run(x[:, :1]),
        lambda: stream.state,
        stream.reset,
    )
    for other in others:
        thread, told = threading.Thread(target=lambda: stream.run(x)), []
        thread.start()
        while thread.is_alive() and not told:
            try:
                other()
            except RuntimeError as error:
                told.append(str(error))
        thread.join()
        assert told and told[0].startswith("Sequential.stream: another thread is in a call")
    stream.step(x[:, 0])  # free again


def test_a_stopped_run_leaves_every_state():
    """Ctrl-C in the second of two layers: the first has finished the chunk, and is as it was."""
    code = """
        model = pyrnn.Sequential(pyrnn.GRU(4, 8, seed=0), pyrnn.Linear(8, 9), pyrnn.LSTM(9, 900))
        stream, x = model.stream(), np.ones((1, 2000, 4), "f4")
        stream.step(x[:, 0])
        before = stream.state
        print(ended(stream.run, x))
        (h, (g, c)), (h_now, (g_now, c_now)) = before, stream.state
        print((h == h_now).all() and (g == g_now).all() and (c == c_now).all(), h.any())
    """
    assert run_stopped(code) == ["stopped", "True", "True"]
