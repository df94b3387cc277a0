"""Promise: every recurrent layer computes its equation, forward, for all options on every ISA."""

import numpy as np
import pytest

from cases import CELLS, Case
from compare import assert_close, assert_same_bits, tolerance
from covering import covering_cases

FORWARD_CASES = covering_cases()
EMPTY = [{"T": 0}, {"B": 0}, {"T": 0, "B": 0}, {"T": 2**50, "B": 0}]


@pytest.mark.parametrize("case", FORWARD_CASES, ids=str)
def test_equals_the_twin(case, isa):
    problem = case.problem()
    outputs, _ = problem.expected()
    assert_close(problem.inference(), outputs, case.dtype, case.terms)


@pytest.mark.parametrize("case", FORWARD_CASES[::3], ids=str)
def test_vjp_returns_the_twins_outputs(case, isa):
    problem = case.problem()
    outputs, _ = problem.expected()
    actual, _ = problem.training()
    assert_close(actual, outputs, case.dtype, case.terms)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("B", [33, 130, 257])
def test_large_batches(cell, dtype, B, isa):
    case = Case(cell, B=B, T=2, bidirectional=True, lengths="ragged", dtype=dtype)
    problem = case.problem()
    assert_close(problem.inference(), problem.expected()[0], dtype, case.terms)


@pytest.mark.parametrize("cell", CELLS)
def test_single_unit_follows_the_scalar_equation(cell, isa):
    """T = B = I = H = 1, written out by hand: independent of the twin."""
    case = Case(cell, 1, 1, T=1, B=1)
    problem = case.problem()
    w_ih, w_hh, b_ih, b_hh = (p.data for p in problem.layer.parameters())
    x, h = problem.x.item(), problem.h0.item()
    a, r = w_ih[:, 0] * x + b_ih, w_hh[:, 0] * h + b_hh

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    if cell == "lstm":
        i, f, g, o = a + r
        c = sigmoid(f) * problem.c0.item() + sigmoid(i) * np.tanh(g)
        y = sigmoid(o) * np.tanh(c)
    elif cell.startswith("gru"):
        reset, z = sigmoid(a[0] + r[0]), sigmoid(a[1] + r[1])
        after = cell == "gru"
        n = np.tanh(a[2] + (reset * r[2] if after else w_hh[2, 0] * reset * h + b_hh[2]))
        y = (1 - z) * n + z * h
    else:
        y = np.tanh(a + r)[0] if cell == "rnn_tanh" else max(a[0] + r[0], 0.0)
    assert problem.inference()["y"].item() == pytest.approx(y, rel=1e-14)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("scale", [1e2, 1e4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_inputs_saturate(cell, scale, dtype, isa):
    """Gate arguments far outside exp's range are off by their own rounding: slopes are <= 1."""
    case = Case(cell, T=1, B=9, hidden_size=17, dtype=dtype)
    problem = case.problem()
    problem.x *= np.dtype(dtype).type(scale)
    expected, actual = problem.expected()[0], problem.inference()
    largest = np.abs(problem.x).max()
    for name, e in expected.items():
        assert np.isfinite(actual[name]).all()
        assert np.abs(actual[name] - e).max() <= tolerance(dtype, case.terms) * largest, name


@pytest.mark.parametrize("cell", CELLS)
def test_unbatched_input(cell, isa):
    """(T, I) is a batch of one row without its axis, states included."""
    case = Case(cell, B=1, num_layers=2, bidirectional=True)
    problem = case.problem()
    h0, c0 = problem.h0[:, 0], problem.c0[:, 0] if problem.has_c else None
    y, state = problem.layer(problem.x[:, 0], problem.pack_state(h0, c0))
    h, c = problem.unpack_state(state)
    expected = {name: np.squeeze(e, axis=1) for name, e in problem.inference().items()}
    assert_same_bits(problem.outputs(y, h, c), expected)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sizes", EMPTY, ids=str)
def test_empty_input(cell, sizes, isa):
    """No steps or no rows: empty outputs of the right shape, the state as it came, at once."""
    case = Case(cell, num_layers=2, bidirectional=True, **sizes)
    problem = case.any_problem()
    actual = problem.inference()
    assert actual["y"].shape == (case.T, case.B, 2 * case.hidden_size)
    assert_same_bits(actual["hn"], problem.h0)
    if problem.has_c:
        assert_same_bits(actual["cn"], problem.c0)


@pytest.mark.parametrize("cell", CELLS)
def test_no_input_features(cell, isa):
    """input_size 0 leaves biases and the recurrent part."""
    case = Case(cell, input_size=0, num_layers=2, bidirectional=True)
    problem = case.problem()
    assert_close(problem.inference(), problem.expected()[0], case.dtype, case.terms)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("training", [False, True])
def test_length_zero_and_padding_are_exact(cell, training, isa):
    """Outputs beyond a row's length are zero; a row of length 0 keeps its initial state."""
    case = Case(cell, num_layers=2, bidirectional=True, B=3)
    problem = case.problem()
    problem.lengths = [2, 0, 5]
    actual = problem.training()[0] if training else problem.inference()
    assert not actual["y"][2:, 0].any() and not actual["y"][:, 1].any()
    assert_same_bits(actual["hn"][:, 1], problem.h0[:, 1])
    if problem.has_c:
        assert_same_bits(actual["cn"][:, 1], problem.c0[:, 1])


@pytest.mark.parametrize("cell", CELLS)
def test_gates_stand_in_torchs_order(cell, isa):
    """With zero weights, a bias on one gate's rows does what that gate's equation says."""
    case = Case(cell, 2, 3, T=1, B=1, state=True)
    problem = case.problem()
    for p in problem.layer.parameters():
        p[...] = 0
    h, big = problem.h0[0, 0], 1e3  # big opens a gate, -big shuts it
    bias = next(p for n, p in problem.layer.named_parameters() if n == "bias_ih_l0")

    def output(**opened):
        gates = {"lstm": "ifgo", "gru": "rzn", "gru_reset_before": "rzn"}.get(cell, "h")
        bias[...] = np.repeat([opened.get(g, 0.0) for g in gates], 3)
        return problem.inference()["y"][0, 0]

    if cell == "lstm":
        c = problem.c0[0, 0]
        for name, opened, expected in (
            ("i, g", {"i": big, "f": -big, "g": 0.5, "o": big}, np.full(3, np.tanh(np.tanh(0.5)))),
            ("f", {"i": -big, "f": big, "g": 0.5, "o": big}, np.tanh(c)),
            ("o", {"i": big, "f": big, "g": big, "o": -big}, np.zeros(3)),
        ):
            np.testing.assert_allclose(output(**opened), expected, rtol=1e-14, err_msg=name)
    elif cell.startswith("gru"):
        np.testing.assert_allclose(output(z=big), h, rtol=1e-14)
        np.testing.assert_allclose(output(z=-big, n=0.5), np.tanh(np.full(3, 0.5)), rtol=1e-14)
        recurrent = next(p for n, p in problem.layer.named_parameters() if n == "weight_hh_l0")
        recurrent[...] = np.vstack([np.zeros((6, 3)), np.eye(3)])
        np.testing.assert_allclose(output(z=-big, r=-big), np.zeros(3), atol=1e-300)
        np.testing.assert_allclose(output(z=-big, r=big), np.tanh(h), rtol=1e-14)
    else:
        expected = np.tanh(0.5) if cell == "rnn_tanh" else 0.5
        np.testing.assert_allclose(output(h=0.5), np.full(3, expected), rtol=1e-14)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_written_between_calls_are_used(cell, isa):
    """Packed weights are never stale: writing a parameter changes the next call."""
    case = Case(cell, num_layers=2, bidirectional=True)
    problem = case.problem()
    problem.inference()
    for name, p in problem.layer.named_parameters():
        p[...] = p.data * 0.5
        outputs = problem.expected()[0]
        assert_close(problem.inference(), outputs, case.dtype, case.terms)
        assert p.version > 0, name
