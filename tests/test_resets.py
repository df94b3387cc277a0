"""Promise: rows with resets are what their pieces are alone: y, states and dx to the bit."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import pyrnn
from cases import CELLS, LAYERS, Case
from cell_options import DRAWN, TAKEN, UNITS, all_of
from compare import assert_same_bits, assert_same_for_threads, tolerance
from pyrnn import _core
from test_gradients import check
from test_layouts import both_layouts

each_cell = pytest.mark.parametrize("cell", CELLS)
either_state = pytest.mark.parametrize("reset_to", ["zero", "state"])
SIZES = {"input_size": 5, "hidden_size": 9, "T": 23, "B": 7}
STACKS = [
    {},
    {"direction": "reverse", "num_layers": 2},
    {"bidirectional": True, "num_layers": 3},
    {"bidirectional": True, "merge": "mul", "num_layers": 2},
]


def drawn_resets(T, B, seed=0, often=0.15):
    """(T, B): the first row has none, the second one at step 0 alone, others some."""
    resets = np.random.default_rng(seed).random((T, B)) < often
    resets[:, 0] = False
    if B > 1:
        resets[:, 1] = np.arange(T) == 0
    return resets


def dropout_of(stack):
    """Between the layers, where there are several."""
    return {"dropout": 0.2} if "num_layers" in stack else {}


def with_resets(case, resets=None, reset_to="zero"):
    """The case's problem, whose calls have resets."""
    problem = case.any_problem()
    resets = drawn_resets(case.T, case.B) if resets is None else resets
    given = resets.T if case.batch_first else resets
    problem.options |= {"resets": given, "reset_to": reset_to}
    return problem, resets


def pieces_of(problem, resets):
    """(row, first step, end, whether a reset is before its first step) of every piece."""
    T, B = resets.shape
    lengths = np.full(B, T) if problem.lengths is None else problem.lengths
    for row, length in enumerate(lengths):
        cuts = [0, *(t for t in range(1, length) if resets[t, row]), length]
        for first, end in pairwise(cuts):
            yield row, first, end, first > 0 or (length > 0 and bool(resets[0, row])), end == length


def alone(problem, resets, reset_to):
    """Outputs and gradients of the pieces, each by itself, put together again."""
    layer, names = problem.layer, ("h", "c") if problem.has_c else ("h",)
    L, D = problem.case.num_layers, problem.case.directions
    backwards = np.array([[problem.case.direction == "reverse"] if D == 1 else [False, True]] * L)
    backwards = backwards.ravel()
    returned = {"y": problem.d_y} | ({"cells": problem.d_cells} if problem.case.cells else {})
    outputs = {name: np.zeros_like(a) for name, a in returned.items()}
    outputs |= {f"{n}n": np.zeros_like(getattr(problem, f"d_{n}n")) for n in names}
    gradients = {"d_x": np.zeros_like(problem.x)}
    gradients |= {f"d_{n}0": np.zeros_like(getattr(problem, f"d_{n}n")) for n in names}
    layer.zero_grad()
    for row, first, end, reset, last in pieces_of(problem, resets):
        given = np.full(L * D, reset_to == "state")
        given |= np.where(backwards, last, not reset)
        final = np.where(backwards, first == 0, last)

        def of(array, where, row=row):  # its row of a state, zero elsewhere
            return np.where(where[:, None, None], array[:, row : row + 1], array.dtype.type(0))

        state = None
        if problem.case.state:
            state = tuple(of(getattr(problem, f"{n}0"), given) for n in names)
            state = state if problem.has_c else state[0]
        piece = slice(first, end), slice(row, row + 1)
        options = {"return_cells": True} if problem.case.cells else {}
        found, pullback = layer.vjp(problem.x[piece], state, **options)
        d_state = tuple(of(getattr(problem, f"d_{n}n"), final) for n in names)
        d_cells = problem.d_cells[piece] if problem.case.cells else None
        d_x, d_initial = pullback(
            problem.d_y[piece], d_state if problem.has_c else d_state[0], d_cells
        )
        for name, array in problem.returned(*found).items():
            if name in ("y", "cells"):
                outputs[name][piece] = array
            else:
                outputs[name][final, row] = array[final, 0]
        gradients["d_x"][piece] = d_x
        for n, array in zip(names, problem.unpack_state(d_initial), strict=False):
            gradients[f"d_{n}0"][given, row] += array[given, 0]
    return outputs, gradients | {n: p.grad.copy() for n, p in layer.named_parameters()}


def assert_same(actual, expected, case):
    """Bits of all but the weights' gradients, which are the same sums in another order."""
    for name, e in expected.items():
        if "_l" not in name:
            assert_same_bits(actual[name] + 0, e + 0, name)  # -0 + 0 is 0, as in the pieces' sums
            continue
        close = 1e-12 if case.dtype == "float64" else tolerance("f4", case.gradient_terms, True)
        assert np.abs(actual[name] - e).max() <= close * max(1, np.abs(e).max()), name


def assert_as_alone(case, reset_to="zero", **more):
    problem, resets = with_resets(case, reset_to=reset_to, **more)
    outputs, gradients = alone(problem, resets, reset_to)
    assert_same(problem.inference(), outputs, case)
    trained, found = problem.training()
    assert_same_bits(trained, problem.inference())
    assert_same(found, gradients, case)


@each_cell
@either_state
@pytest.mark.parametrize("lengths", ["none", "zeros"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_pieces_alone(cell, reset_to, lengths, dtype, stack, isa):
    """With every option that draws no masks, and all c of an LSTM."""
    options = {"options": all_of(cell, but=DRAWN), "cells": cell == "lstm", "lengths": lengths}
    assert_as_alone(Case(cell, dtype=dtype, **options, **stack, **SIZES), reset_to)


@either_state
@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_with_a_projection(reset_to, stack):
    assert_as_alone(Case("lstm", proj_size=4, lengths="ragged", **stack, **SIZES), reset_to)


@each_cell
@either_state
def test_members_that_share_units(cell, reset_to):
    with pyrnn.threads(2):
        assert_as_alone(Case(cell, dtype="float32", **UNITS), reset_to)


@each_cell
def test_every_step_begins_anew(cell):
    """Then a row has T pieces of one step."""
    case = Case(cell, bidirectional=True, num_layers=2, **SIZES)
    assert_as_alone(case, resets=np.ones((case.T, case.B), bool))


@each_cell
@pytest.mark.parametrize("T", [0, 1])
def test_short_sequences(cell, T):
    case = Case(cell, **{**SIZES, "T": T})
    assert_as_alone(case, resets=np.ones((T, case.B), bool))


@each_cell
@pytest.mark.parametrize("lengths", ["none", "zeros"])
def test_no_resets_change_no_bit(cell, lengths):
    """Also of the weights' gradients; so do resets after a row's end."""
    case = Case(cell, bidirectional=True, lengths=lengths, dtype="float32", **SIZES)
    plain = case.any_problem()
    ends = np.full(case.B, case.T) if plain.lengths is None else plain.lengths
    problem, _ = with_resets(case, np.arange(case.T)[:, None] >= ends)
    assert_same_bits(problem.inference(), plain.inference())
    assert_same_bits(problem.training(), plain.training())


@each_cell
def test_a_reset_at_step_0_replaces_the_state(cell):
    """Rows are then as long as without it, and so every bit is that of the zero state."""
    case = Case(cell, dtype="float32", **SIZES)
    resets = np.zeros((case.T, case.B), bool)
    resets[0, ::2] = True
    problem, _ = with_resets(case, resets)
    plain = case.any_problem()
    for name in ("h0", "c0")[: 1 + plain.has_c]:
        getattr(plain, name)[:, ::2] = 0
    outputs, gradients = plain.training()
    for name in ("d_h0", "d_c0")[: 1 + plain.has_c]:
        gradients[name][:, ::2] = 0
    assert_same_bits(problem.training(), (outputs, gradients))


def test_what_was_before_a_reset_does_not_matter(rng):
    """Not even a NaN, nor an infinite state."""
    layer = pyrnn.LSTM(3, 5, seed=0)
    x = rng.standard_normal((2, 8, 3)).astype("f4")
    resets = np.zeros((2, 8), bool)
    resets[:, 5] = True
    y, state = layer(x, resets=resets)
    x[:, :5] = np.nan
    bad = np.full((1, 2, 5), np.inf, "f4")
    again, last = layer(x, (bad, bad), resets=resets)
    assert_same_bits((again[:, 5:], last), (y[:, 5:], state))


@each_cell
def test_dropped_are_the_same_units_as_without_resets(cell):
    """Masks follow the caller's rows and steps. Without biases, x = 0 leaves the state at 0."""
    cls, own = LAYERS[cell]
    options = {name: 0.3 for name in DRAWN if name in TAKEN[cell]}
    layer = cls(5, 9, num_layers=2, dropout=0.4, bias=False, seed=0, **options, **own)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 20, 5)).astype("f4")
    begins = rng.integers(1, 15, 6)
    before = np.arange(20) < begins[:, None]
    resets = np.arange(20) == begins[:, None]
    (y, state), _ = layer.vjp(x, resets=resets, rng=3)
    x[before] = 0
    (expected, last), _ = layer.vjp(x, rng=3)
    assert_same_bits((y[~before] + 0, state), (expected[~before] + 0, last))


@each_cell
@either_state
def test_finite_differences(cell, reset_to, isa):
    """With everything that draws masks, ragged, in both directions; no kinks nor near ones."""
    smooth = all_of(cell, but=("cell_clip", "layer_norm"))
    options = {"options": smooth, "dropout": 0.3, "num_layers": 2, "lengths": "zeros"}
    case = Case(cell, 2, 3, bidirectional=True, T=5, B=4, seed=5, **options)
    problem, _ = with_resets(case, reset_to=reset_to)

    def loss():
        outputs, _ = problem.layer.vjp(problem.x, problem.state, problem.lengths, rng=0, **given)
        found = problem.returned(*outputs)
        sent = {"y": problem.d_y, "hn": problem.d_hn, "cn": problem.d_cn}
        return sum(float((a * sent[name]).sum()) for name, a in found.items())

    given = problem.options
    arrays = {"d_x": problem.x, "d_h0": problem.h0} | (
        {"d_c0": problem.c0} if problem.c0 is not None else {}
    )
    arrays |= dict(problem.layer.named_parameters())
    check(loss, arrays, problem.training()[1])


@each_cell
@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_same_bits_for_any_number_of_threads(cell, stack):
    options = {"options": all_of(cell), "lengths": "zeros", "dtype": "float32"} | dropout_of(stack)
    case = Case(cell, **stack, **options, **{**SIZES, "B": 40, "hidden_size": 33})
    problem, _ = with_resets(case)
    assert_same_for_threads(lambda: (problem.inference(), problem.training()))


@each_cell
@either_state
@pytest.mark.parametrize("every", [1, "sqrt"])
@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_recomputed(cell, reset_to, every, stack):
    options = {"options": all_of(cell), "dtype": "float32"} | dropout_of(stack)
    case = Case(cell, 5, 6, T=150, B=3, lengths="ragged", **stack, **options)
    resets = drawn_resets(150, 3, often=0.01)
    kept, _ = with_resets(case, resets, reset_to)
    recomputed, _ = with_resets(replace(case, recompute_every=every), resets, reset_to)
    assert_same_bits(recomputed.training(), kept.training())


@both_layouts
@either_state
def test_layouts(batch_first, reset_to, rng):
    """(N, T), (T, N), or (T,) of one sequence."""
    layer = pyrnn.GRU(3, 4, num_layers=2, batch_first=batch_first, seed=0)
    x = rng.standard_normal((3, 9, 3)).astype("f4")
    h0 = rng.standard_normal((2, 3, 4)).astype("f4")
    resets = drawn_resets(9, 3, often=0.3).T
    turned = (lambda a: a) if batch_first else (lambda a: a.swapaxes(0, 1))
    y, hn = layer(turned(x), h0, resets=turned(resets), reset_to=reset_to)
    for row in range(3):
        one, last = layer(x[row], h0[:, row], resets=resets[row], reset_to=reset_to)
        assert_same_bits((one, last), (turned(y)[row], hn[:, row]))


@each_cell
@both_layouts
def test_with_a_mask(cell, batch_first, rng):
    """A reset on a step that is left out counts at the next one; at the end there is none."""
    case = Case(cell, batch_first=batch_first, bidirectional=True, **SIZES)
    problem, resets = with_resets(case, drawn_resets(case.T, case.B, often=0.3))
    mask = rng.random(resets.shape) < 0.6
    mask[:, 3] = False
    given = {**problem.options, "mask": mask.T if batch_first else mask}
    lengths, front = mask.sum(axis=0), np.zeros_like(problem.x)
    moved = np.zeros_like(resets)
    for row in range(case.B):
        real = np.flatnonzero(mask[:, row])
        front[: len(real), row] = problem.x[real, row]
        for k, t in enumerate(real):
            since = real[k - 1] + 1 if k else 0
            moved[k, row] = resets[since : t + 1, row].any()
    y, state = problem.layer(problem.to_layout(problem.x), problem.state, **given)
    expected, last = problem.layer(
        problem.to_layout(front), problem.state, lengths, resets=problem.to_layout(moved)
    )
    y, expected = problem.to_layout(y), problem.to_layout(expected)
    for row in range(case.B):
        assert_same_bits(y[mask[:, row], row], expected[: lengths[row], row])
    assert not y[~mask].any()
    assert_same_bits(state, last)


class Policy(pyrnn.Module):
    def __init__(self):
        self.rnn = pyrnn.LSTM(3, 6, seed=0)
        self.head = pyrnn.Linear(6, 2, seed=1)

    def forward(self, x, resets):
        y, _ = self.rnn(x, resets=resets)
        return self.head(y)


def test_a_model_with_a_forward(rng):
    model, x = Policy(), rng.standard_normal((4, 11, 3)).astype("f4")
    resets = drawn_resets(11, 4).T
    y, pullback = model.vjp(x, resets)
    dy = rng.standard_normal(y.shape).astype("f4")
    dx = pullback(dy)
    found = [p.grad.copy() for p in model.parameters()]
    model.zero_grad()
    (h, _), rnn_back = model.rnn.vjp(x, resets=resets)
    out, head_back = model.head.vjp(h)
    expected, _ = rnn_back(head_back(dy))
    assert_same_bits((y, y), (out, model(x, resets)))
    assert_same_bits(dx[0] if isinstance(dx, tuple) else dx, expected)
    assert_same_bits(found, [p.grad for p in model.parameters()])


@pytest.mark.parametrize(
    ("resets", "kind", "message"),
    [
        (np.zeros((2, 5)), TypeError, "resets has dtype float64, expected bool"),
        (np.zeros((2, 5), "i8"), TypeError, "resets has dtype int64, expected bool"),
        (np.zeros((5, 2), bool), ValueError, r"resets has shape \(5, 2\), expected \(2, 5\)"),
        (np.zeros(2, bool), ValueError, r"resets has shape \(2,\), expected \(2, 5\) = \(batch, t"),
        ("episode", TypeError, "resets is 'episode', expected an array of bools"),
    ],
)
def test_refused(resets, kind, message):
    layer, x = pyrnn.LSTM(3, 4, seed=0), np.zeros((2, 5, 3), "f4")
    for call in (layer, layer.vjp, layer.stream(2).run):
        with pytest.raises(kind, match=f"LSTM.*: {message}"):
            call(x, resets=resets)
    with pytest.raises(ValueError, match=r"LSTM: reset_to is 'state', expected resets with it"):
        layer(x, reset_to="state")
    with pytest.raises(
        ValueError, match=r"LSTM: reset_to is 'stat', expected one of \['zero', 'state'\]"
    ):
        layer(x, resets=np.zeros((2, 5), bool), reset_to="stat")


@pytest.mark.parametrize("sequences", ["pieces", "most"])
def test_with_activations_in_an_array(sequences, rng):
    """The core's forward_into and backward_from, in the bytes of the pieces or of the most."""
    N, T = 4, 9
    layer = pyrnn.LSTM(3, 5, num_layers=2, dropout=0.3, bidirectional=True, seed=0)
    stack, x = layer._stack, rng.standard_normal((N, T, 3)).astype("f4")
    resets = drawn_resets(T, N, often=0.3)
    (y, (h, c)), pullback = layer.vjp(x, resets=resets.T, rng=3)
    dy = rng.standard_normal(y.shape).astype("f4")
    dx, dstate = pullback(dy)
    count = N + resets[1:].sum() if sequences == "pieces" else N * T
    saved = _core.workspace(stack.saved_bytes(N * T, int(count), True, False))
    saved[:] = 255  # NaN in whatever is read before it is written
    x, dy, key = x.swapaxes(0, 1), dy.swapaxes(0, 1), (layer._draws.seed, 3)
    given = (layer._packed(), x, None, None, None, False, key, 1, resets)
    found = stack.forward_into(saved, *given)
    weights = [p.data for p in layer.parameters()]
    passed = (weights, x, None, False, key, dy, None, None, True, True, 1, resets)
    d_x, *d_state, gradients = stack.backward_from(saved, *passed)
    sums = [np.zeros_like(w) for w in weights]
    gradients.add_into(sums)
    expected = (y.swapaxes(0, 1), h, c), dx.swapaxes(0, 1), dstate
    assert_same_bits((found, d_x, tuple(d_state)), expected)
    assert_same_bits(sums, [p.grad for p in layer.parameters()])
    with pytest.raises(ValueError, match="resets: an array, expected None with packed rows"):
        packed = layer._packed(), x.reshape(N * T, 3), None, None, np.full(N, T), True, key, 1
        stack.forward_into(saved, *packed, resets)
