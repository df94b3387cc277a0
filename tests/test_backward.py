"""Promise: every pullback is the gradient of its forward pass, for all options on every ISA."""

import numpy as np
import pytest

import reference
from cases import CELLS, Case
from compare import assert_close, assert_same_bits
from core_calls import run
from covering import covering_cases
from pyrnn import _core

BACKWARD_CASES = covering_cases(seed=1)


@pytest.mark.parametrize("case", BACKWARD_CASES, ids=str)
def test_equals_the_twin(case, isa):
    problem = case.problem()
    _, gradients = problem.expected()
    _, actual = problem.training()
    assert_close(actual, gradients, case.dtype, case.gradient_terms, backward=True)


@pytest.mark.parametrize("heads", [("y",), ("hn",), ("cn",), ("hn", "cn"), ()], ids="+".join)
@pytest.mark.parametrize("cell", CELLS)
def test_only_some_outputs_have_a_gradient(cell, heads, isa):
    """A missing dy or dstate counts as zero."""
    case = Case(cell, num_layers=3, bidirectional=True, lengths="zeros", B=9, hidden_size=9)
    problem = case.problem()
    _, gradients = problem.expected(heads)
    _, actual = problem.training(heads)
    assert_close(actual, gradients, case.dtype, case.gradient_terms, backward=True)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("T", [130, 256, 300])
def test_long_sequences(cell, dtype, T, isa):
    """More steps than one chunk of the weight gradients' sum."""
    case = Case(cell, 3, 9, T=T, B=3, dtype=dtype, lengths="ragged", bidirectional=True)
    problem = case.problem()
    outputs, gradients = problem.expected()
    y, actual = problem.training()
    assert_close(y, outputs, dtype, case.terms)
    assert_close(actual, gradients, dtype, case.gradient_terms, backward=True)


@pytest.mark.parametrize("cell", CELLS)
def test_many_rows_in_both_directions(cell, isa):
    """Chunks of 16 steps of 40 rows: more than a block of the products, walked from their ends."""
    case = Case(cell, 20, 19, T=20, B=40, bidirectional=True)
    problem = case.problem()
    _, gradients = problem.expected()
    _, actual = problem.training()
    assert_close(actual, gradients, case.dtype, case.gradient_terms, backward=True)


def test_chunks_of_different_size():
    """Of a last chunk of fewer rows a call takes more columns: too many end the child."""
    run("""
        import pyrnn
        for isa in _core.available_isas():
            _core._set_isa(isa)
            for I in (95, 191, 383):
                x, gradients = np.ones((25, 128, I), np.float32), []
                for n in (1, 2):
                    layer = pyrnn.RNN(I, 64, seed=0)
                    with pyrnn.threads(n):
                        _, pullback = layer.vjp(x)
                        pullback(np.ones((25, 128, 64), np.float32))
                    gradients.append([p.grad.tobytes() for p in layer.parameters()])
                assert gradients[0] == gradients[1], (isa, I)
    """)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_between_layers(cell, dtype, isa):
    """The twin with the masks that Dropout draws for the same seed, draw, layer, step and row."""
    options = {"num_layers": 3, "bidirectional": True, "lengths": "zeros", "dropout": 0.4}
    case = Case(cell, B=9, hidden_size=9, dtype=dtype, **options)
    problem = case.problem()
    layer, ones = problem.layer, np.ones((case.T, case.B, 18), dtype)
    seed = layer.extra_state()["dropout_seed"]
    masks = [_core.dropout(ones, 0.4, seed, 7, k, 1).astype(np.float64) for k in range(2)]
    y, h, c, tape = problem.twin.forward(problem.x, problem.h0, problem.c0, problem.lengths, masks)
    if cell == "rnn_relu":
        assert reference.kink_distance(tape) > 50 * np.finfo(dtype).eps, "draw other numbers"
    (y_out, state), pullback = layer.vjp(problem.x, problem.state, lengths=problem.lengths, rng=7)
    actual = problem.outputs(y_out, *problem.unpack_state(state))
    assert_close(actual, problem.outputs(y, h, c), dtype, case.terms)
    d_x, _ = pullback(problem.d_y)
    expected_d_x, _, _, grads = problem.twin.backward(tape, problem.d_y)
    named = [name for name, _ in layer.named_parameters()]
    expected = {"d_x": expected_d_x, **dict(zip(named, grads, strict=True))}
    actual = {"d_x": d_x, **{name: p.grad for name, p in layer.named_parameters()}}
    assert_close(actual, expected, dtype, case.gradient_terms, backward=True)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_add_up_until_zeroed(cell, isa):
    """Two pullbacks add their gradients, in either order, and zero_grad clears them."""
    problem = Case(cell, num_layers=2, bidirectional=True).problem()
    _, once = problem.training()
    layer, x = problem.layer, problem.x
    (_, _), first = layer.vjp(x, problem.state)
    (_, _), second = layer.vjp(x, problem.state)
    layer.zero_grad()
    d_state = problem.pack_state(problem.d_hn, problem.d_cn)
    second(problem.d_y, d_state)
    first(problem.d_y, d_state)
    for name, p in layer.named_parameters():
        assert_same_bits(p.grad, 2 * once[name], name)
    layer.zero_grad()
    assert not any(p.grad.any() for p in layer.parameters())


@pytest.mark.parametrize("cell", CELLS)
def test_without_dx_the_rest_is_the_same(cell, isa):
    problem = Case(cell, num_layers=2, bidirectional=True, lengths="ragged").problem()
    _, expected = problem.training()
    problem.layer.zero_grad()
    (_, _), pullback = problem.layer.vjp(
        problem.x, problem.state, lengths=problem.lengths, need_dx=False
    )
    d_x, d_state = pullback(problem.d_y, problem.pack_state(problem.d_hn, problem.d_cn))
    assert d_x is None
    assert_same_bits(problem.unpack_state(d_state)[0], expected["d_h0"])
    for name, p in problem.layer.named_parameters():
        assert_same_bits(p.grad, expected[name], name)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_has_no_gradient(cell, isa):
    """dx is exactly zero beyond a row's length, and dh0 of a row of length 0 is its dhn."""
    problem = Case(cell, B=3, num_layers=2, bidirectional=True).problem()
    problem.lengths = [2, 0, 5]
    _, gradients = problem.training()
    assert not gradients["d_x"][2:, 0].any() and not gradients["d_x"][:, 1].any()
    assert gradients["d_x"][:2, 0].all() or cell == "rnn_relu"
    assert_same_bits(gradients["d_h0"][:, 1], problem.d_hn[:, 1])
    if problem.has_c:
        assert_same_bits(gradients["d_c0"][:, 1], problem.d_cn[:, 1])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sizes", [{"T": 0}, {"B": 0}], ids=str)
def test_empty_input(cell, sizes, isa):
    """No steps or no rows: zero gradients, and the state's gradient goes straight through."""
    problem = Case(cell, num_layers=2, bidirectional=True, **sizes).problem()
    _, gradients = problem.training()
    assert gradients["d_x"].shape == problem.x.shape
    assert_same_bits(gradients["d_h0"], problem.d_hn)
    assert not any(p.grad.any() for p in problem.layer.parameters())


@pytest.mark.parametrize("cell", CELLS)
def test_no_input_features(cell, isa):
    case = Case(cell, input_size=0, num_layers=2, bidirectional=True)
    problem = case.problem()
    _, gradients = problem.expected()
    _, actual = problem.training()
    assert_close(actual, gradients, case.dtype, case.gradient_terms, backward=True)


@pytest.mark.parametrize("cell", CELLS)
def test_unbatched_input(cell, isa):
    problem = Case(cell, B=1, num_layers=2, bidirectional=True).problem()
    _, expected = problem.training()
    problem.layer.zero_grad()

    def row(a):
        return None if a is None else a[:, 0]

    state = problem.pack_state(row(problem.h0), row(problem.c0))
    (_, _), pullback = problem.layer.vjp(problem.x[:, 0], state)
    d_state = problem.pack_state(row(problem.d_hn), row(problem.d_cn))
    d_x, d_initial = pullback(problem.d_y[:, 0], d_state)
    assert_same_bits(d_x, expected["d_x"][:, 0])
    assert_same_bits(problem.unpack_state(d_initial)[0], expected["d_h0"][:, 0])
    for name, p in problem.layer.named_parameters():
        assert_same_bits(p.grad, expected[name], name)


@pytest.mark.parametrize("cell", CELLS)
def test_inputs_are_not_written(cell, isa):
    """x, states and gradients come out as they went in, whether they may be written or not."""
    problem = Case(cell, num_layers=2, bidirectional=True, lengths="ragged").problem()
    arrays = [problem.x, problem.h0, problem.d_y, problem.d_hn]
    arrays += [problem.c0, problem.d_cn] if problem.has_c else []
    before = [a.copy() for a in arrays]
    problem.training()
    assert_same_bits(arrays, before)
    for a in arrays:
        a.flags.writeable = False
    problem.training()
    assert np.all([not a.flags.writeable for a in arrays])
