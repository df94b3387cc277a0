"""Promise: the rows of a stream live apart: each may be idle in a step or begin anew by itself."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from stream_models import CELLS, Halved, drawn


def played(stream, x, resets, active):
    """(y of each step, the last state) of steps with flags."""
    flags = zip(resets, active, strict=True)
    return [
        stream.step(x[:, t], resets=before, active=on).copy()
        for t, (before, on) in enumerate(flags)
    ], stream.state


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("python", [False, True], ids=["core", "python"])
def test_rows_live_apart(seed, python, isa):
    """Each row is a stream of its own: it gets the steps in which it is active, and starts anew
    where it is told to; idle rows give zeros and keep their states. What they are given is not
    read."""
    model, x = drawn(seed, *[Halved()] * python)
    rng, N = np.random.default_rng(seed), len(x)
    resets, active = rng.random((7, N)) < 0.3, rng.random((7, N)) < 0.5
    active[3] = seed % 2
    stream = model.stream(N)
    assert (stream.python_parts != ()) == python
    given = x.copy()
    given[~active.T] = -3 if x.dtype.kind == "i" else np.nan
    ys, states = played(stream, given, resets, active)
    for row in range(N):
        alone = model.stream()
        for t in range(7):
            if resets[t, row]:
                alone.reset()
            y = alone.step(x[row, t]) if active[t, row] else np.zeros_like(ys[t][row])
            assert_same_bits(ys[t][row], y)
        for one, of_all in zip(alone.state, states, strict=True):
            for own, shared in zip(as_tuple(one), as_tuple(of_all), strict=True):
                assert_same_bits(own[:, 0], shared[:, row])


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("hidden_size", [7, 300])
def test_rows_of_a_layers_stream(cell, hidden_size, isa):
    layer, N = cell(5, hidden_size, seed=0), 6
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, 7, 5)).astype("f4")
    resets, active = rng.random((7, N)) < 0.3, rng.random((7, N)) < 0.5
    ys, state = played(layer.stream(N), x, resets, active)
    model = pyrnn.Sequential(layer).stream(N)
    same, (states,) = played(model, x, resets, active)
    assert_same_bits(ys, same)
    assert_same_bits(state, states)
    alone = layer.stream()
    for t in range(7):
        if resets[t, 2]:
            alone.reset()
        assert_same_bits(
            ys[t][2], alone.step(x[2, t]) if active[t, 2] else np.zeros(hidden_size, "f4")
        )


@pytest.mark.parametrize("python", [False, True], ids=["core", "python"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_runs_with_resets(python, batch_first, rng):
    parts = pyrnn.Linear(3, 4, seed=0), pyrnn.GRU(4, 5, seed=1), pyrnn.Residual(pyrnn.LSTM(5, 5))
    parts = parts if python else parts[:2]
    model = pyrnn.Sequential(*parts, batch_first=batch_first)
    x, resets = rng.standard_normal((2, 9, 3)).astype("f4"), rng.random((2, 9)) < 0.3
    turn = (lambda a: a) if batch_first else (lambda a: a.swapaxes(0, 1))
    stepped, ran = model.stream(2), model.stream(2)
    steps = [stepped.step(x[:, t], resets=resets[:, t].copy()) for t in range(9)]
    y = [ran.run(turn(x[:, some]), turn(resets[:, some])) for some in (slice(4), slice(4, 9))]
    assert_same_bits(np.concatenate([turn(part) for part in y], axis=1), np.stack(steps, axis=1))
    assert_same_bits(stepped.state, ran.state)
    one, whole = model.stream(), model.stream(2)
    whole.run(turn(x), turn(resets))
    assert_same_bits(one.run(x[0], resets[0]), np.stack(steps, axis=1)[0])


@pytest.mark.parametrize("python", [False, True], ids=["core", "python"])
def test_one_row_takes_one_bool(python, rng):
    model = pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), *[Halved()] * python)
    x = rng.standard_normal((3, 3)).astype("f4")
    for kind in (bool, np.bool_, np.array):
        stream = model.stream()
        first = stream.step(x[0])
        assert not stream.step(x[1], active=kind(False)).any()
        assert_same_bits(stream.step(x[0], resets=kind(True), active=kind(True)), first)


@pytest.mark.parametrize("python", [False, True], ids=["core", "python"])
@pytest.mark.parametrize("name", ["resets", "active"])
def test_wrong_flags_leave_every_state(name, python):
    stream = pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), *[Halved()] * python).stream(2)
    x = np.ones((2, 3), "f4")
    stream.step(x)
    before = stream.state
    for flags, kind in (
        (np.ones(2), TypeError),
        (np.ones(3, bool), ValueError),
        (True, ValueError),
    ):
        with pytest.raises(kind, match=f"Sequential.stream: {name} "):
            stream.step(x, **{name: flags})
    assert_same_bits(stream.state, before)


def test_flags_where_only_the_part_knows_its_rows():
    class Counted(pyrnn.Module):
        def __init__(self):
            self.rnn = pyrnn.GRU(3, 3, seed=0)

        def forward(self, x, state=None):
            return self.rnn(x, state)

    stream, x = pyrnn.Sequential(Counted()).stream(2), np.ones((2, 3), "f4")
    flags = np.ones(2, bool)
    for call in (
        lambda: stream.step(x, active=flags),
        lambda: stream.step(x, resets=flags),
        lambda: stream.run(x[:, None], flags[:, None]),
    ):
        with pytest.raises(TypeError, match=r"came, expected None: only the part itself .*Counted"):
            call()
