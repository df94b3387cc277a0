"""Promise: a stream's steps with resets, and its runs, are the layer's call with them."""

import numpy as np
import pytest

import pyrnn
from cases import Case
from cell_options import all_of
from compare import assert_same_bits
from test_resets import drawn_resets, each_cell, with_resets


@each_cell
@pytest.mark.parametrize("B", [1, 4])
@pytest.mark.parametrize("hidden_size", [7, 600])
def test_streams(cell, B, hidden_size, isa):
    """Steps, a run, and the call give the same bits."""
    options = all_of(cell, but=("zoneout",))
    case = Case(cell, 5, hidden_size, 2, T=14, B=B, dtype="float32", options=options)
    problem, resets = with_resets(case, drawn_resets(14, B, often=0.3))
    y, state = problem.layer(problem.x, problem.state, resets=resets)
    stepped, ran = problem.layer.stream(B), problem.layer.stream(B)
    stepped.state = ran.state = problem.state
    out = np.empty_like(y[0])
    steps = [
        stepped.step(x_t, out, before).copy() for x_t, before in zip(problem.x, resets, strict=True)
    ]
    assert_same_bits(np.stack(steps), y)
    assert_same_bits(
        np.concatenate(
            [ran.run(problem.x[:6], resets[:6]), ran.run(problem.x[6:], resets=resets[6:])]
        ),
        y,
    )
    assert_same_bits((stepped.state, ran.state), (state, state))


@each_cell
def test_a_stream_of_one_row(cell):
    """x_t (I,) takes one bool, of Python or numpy; x (T, I) takes (T,)."""
    problem, resets = with_resets(
        Case(cell, T=9, B=1), drawn_resets(9, 1, often=0.0) | (np.arange(9) % 4 == 2)[:, None]
    )
    y, _ = problem.layer(problem.x[:, 0], resets=resets[:, 0])
    stream = problem.layer.stream()
    for kind in (bool, np.bool_, np.array):
        stream.reset()
        steps = [
            stream.step(x_t[0], resets=kind(before[0]))
            for x_t, before in zip(problem.x, resets, strict=True)
        ]
        assert_same_bits(np.stack(steps), y)
    stream.reset()
    assert_same_bits(stream.run(problem.x[:, 0], resets[:, 0]), y)


def test_a_refused_step_changes_nothing(rng):
    stream, x = pyrnn.GRU(3, 4, seed=0).stream(2), np.ones((2, 3), "f4")
    stream.step(x)
    before = stream.state
    for resets, kind in [
        (np.ones(2), TypeError),
        (np.ones(3, bool), ValueError),
        (True, ValueError),
        ("x", TypeError),
    ]:
        with pytest.raises(kind, match=r"GRU.stream: resets "):
            stream.step(x, resets=resets)
    with pytest.raises(ValueError, match="x has shape"):
        stream.step(x[:1], resets=np.ones(2, bool))
    assert_same_bits(stream.state, before)
