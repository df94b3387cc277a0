"""Promise: a stream gives, step by step, what the whole sequence gives; its state is its own."""

import threading

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from children import run
from compare import assert_same_bits

each_cell = pytest.mark.parametrize("cell", CELLS)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
SIZES = [(5, 7, 1), (16, 16, 1), (33, 65, 1), (8, 8, 3), (70, 130, 17)]  # I, H, B


@each_cell
@each_dtype
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_steps_and_runs_are_the_whole(cell, dtype, sizes, num_layers, isa):
    input_size, hidden_size, B = sizes
    case = Case(cell, input_size, hidden_size, num_layers, B=B, T=6, dtype=dtype, state=False)
    problem = case.any_problem()
    whole = problem.inference()
    stream = problem.layer.stream(batch_size=B)
    out = np.full((B, hidden_size), np.nan, dtype)
    steps = [stream.step(problem.x[0])]
    assert stream.step(problem.x[1], out=out) is out
    steps += [out.copy(), *stream.run(problem.x[2:5])]
    steps.append(stream.step(problem.x[5]))
    assert_same_bits(np.stack(steps), whole["y"])
    assert_same_bits(problem.unpack_state(stream.state)[0], whole["hn"])
    assert stream.run(problem.x[:0]).shape == (0, B, hidden_size)


def test_projection():
    problem = Case("lstm", 5, 9, num_layers=2, proj_size=4, B=2, state=False).any_problem()
    stream = problem.layer.stream(batch_size=2)
    assert_same_bits(np.stack([stream.step(x) for x in problem.x]), problem.inference()["y"])


@each_cell
def test_state_is_a_copy_both_ways(cell):
    problem = Case(cell, num_layers=2, B=3).any_problem()
    stream = problem.layer.stream(batch_size=3)
    stream.state = problem.state
    expected = problem.inference()["y"]
    given = problem.unpack_state(problem.state)[0]
    given += 1  # no effect on the stream
    got = problem.unpack_state(stream.state)[0]
    got += 1  # nor this
    assert_same_bits(stream.run(problem.x), expected)


@each_cell
def test_reset_is_a_fresh_stream(cell):
    problem = Case(cell, num_layers=2, B=3, state=False).any_problem()
    stream = problem.layer.stream(batch_size=3)
    first = stream.run(problem.x)
    assert not np.array_equal(stream.run(problem.x), first)
    stream.reset()
    assert_same_bits(stream.run(problem.x), first)


SHARED = [
    ("lstm", {"B": 1, "proj_size": 70}),
    *((cell, {"B": B}) for cell in CELLS for B in (1, 5)),
]


@pytest.mark.parametrize(("cell", "options"), SHARED, ids=str)
@each_dtype
def test_steps_shared_among_threads(cell, options, dtype, isa):
    """Two layers with enough work for two threads: the bits of one."""
    problem = Case(cell, 400, 640, 2, T=4, dtype=dtype, state=False, **options).any_problem()
    with pyrnn.threads(1):
        y = problem.inference()["y"]
    with pyrnn.threads(2):
        stream = problem.layer.stream(batch_size=options["B"])
        assert_same_bits(np.stack([stream.step(x_t) for x_t in problem.x]), y)


def test_long_steps_really_take_two_threads():
    """They start a second one; steps of little work do not."""
    code = """
        import os, pyrnn
        def count(): return len(os.listdir("/proc/self/task"))
        before = count()
        for size in (8, 512):
            with pyrnn.threads(2):
                pyrnn.LSTM(size, size, seed=0).stream().step(np.ones(size, "f4"))
            print(count() - before)
    """
    assert run(code) == ["0", "1"]


def test_two_streams_do_not_meet():
    layer = pyrnn.GRU(4, 5, seed=0)
    x = np.random.default_rng(0).standard_normal((6, 1, 4)).astype(np.float32)
    alone = layer.stream().run(x.swapaxes(0, 1)).swapaxes(0, 1)
    one, two = layer.stream(), layer.stream()
    steps = []
    for x_t in x:
        two.step(x_t + 1)
        steps.append(one.step(x_t))
    assert_same_bits(np.stack(steps), alone)


def test_weights_are_a_snapshot():
    """Training goes on; the stream keeps what it was made from."""
    layer = pyrnn.LSTM(4, 5, seed=0)
    x = np.ones((1, 3, 4), np.float32)
    stream = layer.stream()
    expected = layer(x)[0]
    for p in layer.parameters():
        p[...] = 0
    assert_same_bits(stream.run(x), expected)
    assert not layer.stream().run(x).any()


@pytest.mark.parametrize("lay_out", [np.asfortranarray, lambda a: np.repeat(a, 2, -1)[..., ::2]])
def test_strided_input(lay_out):
    layer = pyrnn.GRU(4, 5, seed=0)
    x = np.random.default_rng(0).standard_normal((3, 6, 4)).astype(np.float32)
    expected = layer(x)[0]
    stream = layer.stream(batch_size=3)
    got = [stream.step(lay_out(x[:, 0]))[:, None], stream.run(lay_out(x[:, 1:]))]
    assert_same_bits(np.concatenate(got, axis=1), expected)


def test_bidirectional_is_refused():
    layer = pyrnn.LSTM(3, 4, bidirectional=True, seed=0)
    for module in (layer, pyrnn.Sequential(pyrnn.Tanh(), layer)):
        with pytest.raises(ValueError, match="bidirectional"):
            module.stream()


@pytest.mark.parametrize(
    ("x", "out", "error"),
    [
        (np.zeros((2, 4), "f4"), None, ValueError),
        (np.zeros((1, 3), "f4"), None, ValueError),
        (np.zeros((2, 3), "f8"), None, TypeError),
        (None, None, TypeError),
        (np.zeros((2, 3), "f4"), np.zeros((2, 4), "f8"), TypeError),
        (np.zeros((2, 3), "f4"), np.zeros((4, 2), "f4"), ValueError),
        (np.zeros((2, 3), "f4"), np.zeros((2, 8), "f4")[:, ::2], ValueError),
        (np.zeros((2, 3), "f4"), "out", TypeError),
    ],
)
def test_bad_steps_leave_the_state(x, out, error):
    stream = pyrnn.GRU(3, 4, seed=0).stream(batch_size=2)
    stream.step(np.ones((2, 3), "f4"))
    before = stream.state
    with pytest.raises(error, match=r"x|out"):
        stream.step(x, out=out)
    assert_same_bits(stream.state, before)


def test_read_only_or_overlapping_out_is_refused():
    stream = pyrnn.GRU(4, 4, seed=0).stream(batch_size=2)
    x = np.ones((2, 4), "f4")
    read_only = np.zeros((2, 4), "f4")
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="out"):
        stream.step(x, out=read_only)
    expected = pyrnn.GRU(4, 4, seed=0)(x[:, None])[0][:, 0]
    try:  # x as its own out: either refused or right
        got = stream.step(x, out=x)
    except ValueError as error:
        assert "out" in str(error)
    else:
        assert_same_bits(got, expected)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, None, "1"])
def test_bad_batch_size(batch_size):
    with pytest.raises((TypeError, ValueError), match="batch_size"):
        pyrnn.GRU(3, 4, seed=0).stream(batch_size=batch_size)


def test_a_second_concurrent_call_is_an_error():
    """One stream, two threads: one works, the other is told; the state is never torn."""
    stream = pyrnn.LSTM(512, 512, seed=0).stream(batch_size=16)
    x, errors, started = np.zeros((16, 600, 512), "f4"), [], threading.Event()

    def run():
        started.set()
        stream.run(x)

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    while thread.is_alive():
        try:
            stream.step(x[:, 0])
        except RuntimeError as error:
            errors.append(str(error))
            break
    thread.join()
    assert errors and "stream" in errors[0].lower()
    stream.step(x[:, 0])
