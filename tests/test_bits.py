"""Promise: no bit of a result depends on threads, chunks, neighbours, padding or earlier calls."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from compare import assert_same_bits, assert_same_for_threads, assert_stream_is_whole

DTYPES = ("float32", "float64")
# Large enough that two threads are worth waking, with tails in every axis.
LARGE = {"input_size": 70, "hidden_size": 97, "T": 19, "B": 35}
SMALL = {"input_size": 5, "hidden_size": 19, "T": 9, "B": 13}

each_cell = pytest.mark.parametrize("cell", CELLS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_size = pytest.mark.parametrize("sizes", [SMALL, LARGE], ids=["small", "large"])


def everything(problem):
    """Inference, training outputs and all gradients."""
    return {"inference": problem.inference(), "training": problem.training()}


@each_cell
@each_dtype
@each_size
@pytest.mark.parametrize("lengths", ["none", "zeros"])
def test_any_number_of_threads(cell, dtype, sizes, lengths, isa):
    options = {"num_layers": 2, "bidirectional": True, "lengths": lengths}
    problem = Case(cell, dtype=dtype, **options, **sizes).any_problem()
    assert_same_for_threads(lambda: everything(problem), (2, 3, 4))


@each_cell
@pytest.mark.parametrize("shape", [(1, 100, 130), (2, 3, 600), (8, 40, 33), (256, 2, 24)], ids=str)
def test_threads_split_any_axis(cell, shape, isa):
    """Few rows and many units, many rows and few units: each way to share out the work."""
    B, T, H = shape
    for options in ({}, {"num_layers": 2, "bidirectional": True, "lengths": "zeros"}):
        problem = Case(cell, H, H, T=T, B=B, dtype="float32", **options).any_problem()
        assert_same_for_threads(lambda problem=problem: everything(problem))


@each_cell
@each_dtype
def test_call_order_and_used_workspaces(cell, dtype, isa):
    """A workspace left dirty by other shapes, cells and NaN changes nothing."""
    problem = Case(cell, dtype=dtype, num_layers=2, bidirectional=True, **SMALL).any_problem()
    expected = everything(problem)
    for other, sizes in zip(CELLS, itertools.cycle((LARGE, SMALL))):
        dirty = Case(other, dtype=dtype, lengths="ragged", **sizes).any_problem()
        dirty.x[...] = np.nan
        everything(dirty)
        assert_same_bits(everything(problem), expected, f"after {other}")


@each_cell
def test_workspaces_given_back_at_once(cell, isa):
    problem = Case(cell, num_layers=2, bidirectional=True, **LARGE).any_problem()
    expected = everything(problem)
    pyrnn.set_workspace_limit(0)
    assert_same_bits(everything(problem), expected)
    assert_same_bits(everything(problem), expected)


@each_cell
@each_dtype
@each_size
def test_training_forward_is_inference(cell, dtype, sizes, isa):
    options = {"num_layers": 2, "bidirectional": True, "lengths": "zeros"}
    problem = Case(cell, dtype=dtype, **options, **sizes).any_problem()
    assert_same_bits(problem.training()[0], problem.inference())


@each_cell
@each_dtype
@pytest.mark.parametrize("sizes", [{**SMALL, "B": 1}, SMALL, LARGE], ids=["row", "small", "large"])
def test_whole_is_chunks_is_steps(cell, dtype, sizes, isa):
    """One direction, inference: the state carries everything from call to call, and in a stream."""
    problem = Case(cell, dtype=dtype, num_layers=2, **sizes).any_problem()
    layer, x = problem.layer, problem.x
    y, state = layer(x, problem.state)
    for cuts in (range(1, len(x)), (1, 2, 7), (0, 4, 4)):
        chunks, carried = [], problem.state
        for chunk in np.split(x, cuts):
            out, carried = layer(chunk, carried)
            chunks.append(out)
        assert_same_bits(np.concatenate(chunks), y, f"cuts {cuts}")
        assert_same_bits(carried, state)
    assert_stream_is_whole(problem, y, state)


@each_cell
@each_dtype
@each_size
def test_a_row_alone_is_a_row_in_any_batch(cell, dtype, sizes, isa):
    """Outputs, states, dx and gradients of states; weight gradients sum over rows, so not those."""
    options = {"num_layers": 2, "bidirectional": True, "lengths": "zeros"}
    batch = Case(cell, dtype=dtype, **options, **sizes).any_problem()
    outputs, gradients = batch.training()
    for row in (0, 3, sizes["B"] // 2, sizes["B"] - 1):
        alone = Case(cell, dtype=dtype, **options, **{**sizes, "B": 1}).any_problem()
        for name in ("x", "h0", "c0", "d_y", "d_hn", "d_cn"):
            a = getattr(batch, name)
            setattr(alone, name, None if a is None else a[:, row : row + 1].copy())
        alone.lengths = batch.lengths[row : row + 1]
        y, d = alone.training()
        assert_same_bits(y, {n: a[:, row : row + 1] for n, a in outputs.items()}, f"row {row}")
        inputs = [n for n in d if n.startswith("d_")]
        assert_same_bits({n: d[n] for n in inputs}, {n: gradients[n][:, [row]] for n in inputs})


@each_cell
@each_dtype
def test_full_lengths_are_no_lengths(cell, dtype, isa):
    case = Case(cell, dtype=dtype, num_layers=2, bidirectional=True, **SMALL)
    expected = everything(case.any_problem())
    assert_same_bits(everything(replace(case, lengths="full").any_problem()), expected)


@each_cell
@each_dtype
@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e30, 1e-40], ids=str)
def test_padding_never_matters(cell, dtype, poison, isa):
    """Whatever x and dy hold beyond a row's length, no result changes by a bit."""
    options = {"num_layers": 2, "bidirectional": True, "lengths": "zeros"}
    problem = Case(cell, dtype=dtype, **options, **SMALL).any_problem()
    padding = np.arange(SMALL["T"])[:, None] >= problem.lengths
    problem.x[padding] = problem.d_y[padding] = 0
    expected = everything(problem)
    problem.x[padding] = problem.d_y[padding] = poison
    assert_same_bits(everything(problem), expected)


@each_cell
@each_dtype
def test_more_padding_never_matters(cell, dtype, isa):
    """The same rows in a longer array, even where all rows are equally long."""
    for lengths in ("zeros", "full"):
        options = {"num_layers": 2, "bidirectional": True, "lengths": lengths}
        problem = Case(cell, dtype=dtype, **options, **SMALL).any_problem()
        expected, steps = everything(problem), SMALL["T"]
        for name in ("x", "d_y"):
            a = getattr(problem, name)
            setattr(problem, name, np.concatenate([a, np.full_like(a[:4], np.nan)]))
        inference, (trained, gradients) = problem.inference(), problem.training()
        for outputs in (inference, trained):
            assert not outputs["y"][steps:].any()
            outputs["y"] = outputs["y"][:steps]
        gradients["d_x"] = gradients["d_x"][:steps]
        actual = {"inference": inference, "training": (trained, gradients)}
        assert_same_bits(actual, expected, lengths)


@each_cell
@each_dtype
def test_permuted_rows_permute_results(cell, dtype, rng, isa):
    """Rows and lengths in another order: the same rows in that order (weight gradients: sums)."""
    options = {"num_layers": 2, "bidirectional": True, "lengths": "zeros"}
    problem = Case(cell, dtype=dtype, **options, **SMALL).any_problem()
    outputs, gradients = problem.training()
    inputs = {n: g for n, g in gradients.items() if n.startswith("d_")}
    for _ in range(3):
        order = rng.permutation(SMALL["B"])
        permuted = Case(cell, dtype=dtype, **options, **SMALL).any_problem()
        for name in ("x", "h0", "c0", "d_y", "d_hn", "d_cn"):
            a = getattr(problem, name)
            setattr(permuted, name, None if a is None else a[:, order])
        permuted.lengths = problem.lengths[order]
        y, d = permuted.training()
        assert_same_bits(y, {n: a[:, order] for n, a in outputs.items()})
        assert_same_bits({n: d[n] for n in inputs}, {n: g[:, order] for n, g in inputs.items()})


@each_cell
@each_dtype
def test_no_state_is_a_zero_state(cell, dtype, isa):
    case = Case(cell, dtype=dtype, num_layers=2, bidirectional=True, state=False, **SMALL)
    problem = case.any_problem()
    expected = everything(problem)
    zeros = replace(case, state=True).any_problem()
    zeros.x, zeros.d_y = problem.x, problem.d_y
    zeros.d_hn, zeros.d_cn = problem.d_hn, problem.d_cn
    zeros.h0 = np.zeros_like(zeros.h0)
    zeros.c0 = None if zeros.c0 is None else np.zeros_like(zeros.c0)
    assert_same_bits(everything(zeros), expected)


@each_cell
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_bad_row_leaves_its_neighbours_alone(cell, poison, isa):
    problem = Case(cell, num_layers=2, bidirectional=True, **SMALL).any_problem()
    expected = problem.inference()
    for row in (0, 6, SMALL["B"] - 1):
        original = problem.x[:, row].copy()
        problem.x[3, row, 1] = poison
        actual = problem.inference()
        others = np.arange(SMALL["B"]) != row
        for name, e in expected.items():
            assert_same_bits(actual[name][:, others], e[:, others], name)
        problem.x[:, row] = original


@each_cell
@each_dtype
def test_nan_reaches_what_depends_on_it(cell, dtype, isa):
    """No vector minimum swallows a NaN: in x, in a state, in a weight; in body and tail lanes."""
    for unit in (0, 7, SMALL["hidden_size"] - 1):
        problem = Case(cell, dtype=dtype, **SMALL).any_problem()
        problem.x[4, 2, 1] = np.nan
        y = problem.inference()["y"]
        assert np.isnan(y[4:, 2]).all() and np.isfinite(y[:4]).all()
        problem = Case(cell, dtype=dtype, **SMALL).any_problem()
        problem.h0[0, 1, unit] = np.nan
        y = problem.inference()["y"]
        assert np.isnan(y[0, 1]).all() and np.isfinite(y[:, 0]).all()
        problem = Case(cell, dtype=dtype, **{**SMALL, "T": 1}).any_problem()
        bias = next(p for n, p in problem.layer.named_parameters() if n == "bias_ih_l0")
        value = bias.data.copy()
        value[unit] = np.nan  # torch's first gate: i, r, or the only one
        bias[...] = value
        bad = np.isnan(problem.inference()["y"][0])
        assert bad[:, unit].all()
        if cell != "gru_reset_before":  # there r reaches every unit of n
            assert bad.sum() == SMALL["B"]
