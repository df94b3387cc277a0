"""Promise: a model in int8 multiplies integers exactly, with the same bits however it is run."""

import numpy as np
import pytest

import pyrnn
from cases import Case
from cell_options import ALONE_AND_ALL, ROWS, UNITS
from compare import assert_same_bits, assert_same_for_threads, assert_stream_is_whole
from quantized_models import chain_model, ids, text_model
from test_quantize import BOTH, LARGE, SMALL, STACKS, each_cell


def in_bytes(rows):
    """(numbers, scales) of rows of float32, as the docstring has them."""
    largest = np.abs(rows).max(axis=-1, initial=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(largest < 2.0**-119, np.float32(0), np.float32(127) / largest)
    return np.rint(rows * factor[..., None]), largest / np.float32(127)


def product(x, weight):
    """x W^T of x in float32 and the data of a weight in int8: exact sums, then the scales."""
    (numbers, scale), (w, of_unit) = in_bytes(x), in_bytes(weight)
    sums = numbers.astype(np.int64) @ w.T.astype(np.int64)
    return sums.astype(np.float32) * (scale[..., None] * of_unit)


def problem_of(case):
    problem = case.any_problem()
    problem.layer = pyrnn.quantize(problem.layer, "int8")
    return problem


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5, 13, 600])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 5), (4, 33), (64, 32), (513, 70)], ids=str)
def test_linear(sizes, rows, rng, isa):
    """Without a bias to the bit, and with the same bits on every instruction set."""
    linear = pyrnn.quantize(pyrnn.Linear(*sizes, bias=False, seed=0), "int8")
    x = rng.standard_normal((rows, sizes[0])).astype(np.float32)
    y = linear(x)
    assert_same_bits(y, product(x, linear.weight.data))
    assert_same_for_threads(lambda: linear(x))
    biased = pyrnn.Linear(*sizes, seed=1)
    biased.weight[...] = linear.weight.data
    biased = pyrnn.quantize(biased, "int8")
    assert_same_bits(biased.weight.data, linear.weight.data)
    bias = biased.bias.data
    assert (abs(biased(x) - (y + bias)) <= 2.0**-23 * (abs(y) + abs(bias))).all()
    for row in range(0, rows, 101):
        assert_same_bits(linear(x[row]), y[row])


@pytest.mark.parametrize("columns", [1, 4, 257, 65536])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums(columns, sign, isa):
    """All numbers 127: where pairs of products are added in 16 bits, these are the nearest to
    their end, and 65536 of them that of 32 bits."""
    linear = pyrnn.Linear(columns, 34, bias=False)
    linear.weight[...] = 1.0
    narrow = pyrnn.quantize(linear, "int8")
    x = np.full((3, columns), sign, np.float32)
    assert_same_bits(narrow(x), product(x, narrow.weight.data))
    assert (abs(narrow(x) - sign * columns) <= columns * 2.0**-15).all()


def test_numbers_that_are_not_finite_and_tiny(isa):
    linear = pyrnn.quantize(pyrnn.Linear(5, 3, seed=0), "int8")
    x = np.ones((6, 5), np.float32)
    x[0, 1], x[1, 4], x[2, 2], x[3], x[4] = np.nan, np.inf, -np.inf, 0, 1e-37
    y = linear(x)
    assert np.isnan(y[:3]).all() and np.isfinite(y[3:]).all()
    assert_same_bits(y[3:5], np.stack([linear.bias.data] * 2))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@each_cell
@pytest.mark.parametrize("sizes", [(37, 50), (5, 130)], ids=str)
def test_each_step_holds_the_equation(cell, sizes, rng, isa):
    """With h of the step before as the layer gave it: rounding it again gives the same numbers."""
    if cell not in ("rnn_tanh", "lstm", "gru"):
        pytest.skip("one activation and reset of each layer")
    I, H = sizes
    layer = pyrnn.quantize(Case(cell, I, H, dtype="float32").layer(), "int8")
    w = {name: p.data for name, p in layer.named_parameters()}
    x = rng.standard_normal((6, 3, I)).astype(np.float32)  # time first: Case's layout
    given = {"return_cells": True} if cell == "lstm" else {}
    y, _, *cells = layer(x, **given)
    h = c = np.zeros((3, H), np.float32)
    for t in range(6):
        of_x = product(x[t], w["weight_ih_l0"]).astype(np.float64) + w["bias_ih_l0"]
        of_h = product(h, w["weight_hh_l0"]).astype(np.float64) + w["bias_hh_l0"]
        if cell == "rnn_tanh":
            expected = np.tanh(of_x + of_h)
        elif cell == "lstm":
            i, f, g, o = np.split(of_x + of_h, 4, axis=1)
            new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            expected = sigmoid(o) * np.tanh(new)
            c = cells[0][t]
            assert abs(c - new).max() < 3e-6
        else:
            (r, z, n), (r_h, z_h, n_h) = (np.split(a, 3, axis=1) for a in (of_x, of_h))
            z, n = sigmoid(z + z_h), np.tanh(n + sigmoid(r + r_h) * n_h)
            expected = (1 - z) * n + z * h
        h = y[t]
        assert abs(h - expected).max() < 3e-6


def assert_near(narrow, wide):
    """As near as rounding to int8 leaves it, and not the same."""
    for name, expected in wide.items():
        if expected is None:
            continue
        difference = np.abs(narrow[name].astype(np.float64) - expected)
        assert difference.max(initial=0) <= 0.08 * max(np.abs(expected).max(initial=0), 1), name
    assert not np.array_equal(narrow["y"], wide["y"])


@each_cell
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("sizes", [SMALL, LARGE], ids=["small", "large"])
def test_layers(cell, stack, sizes, isa):
    case = Case(cell, dtype="float32", **(sizes | STACKS[stack]))
    assert_near(problem_of(case).inference(), case.any_problem().inference())


@pytest.mark.parametrize("cell, options", ALONE_AND_ALL, ids=str)
@pytest.mark.parametrize("sizes", [ROWS, UNITS], ids=["rows", "units"])
def test_options_of_the_cells(cell, options, sizes, isa):
    """Alone and in a batch, whole and step by step, on more threads."""
    problem = problem_of(Case(cell, dtype="float32", options=options, **sizes))
    y, state = problem.layer(problem.x, problem.state)
    assert_stream_is_whole(problem, y, state)
    assert_same_for_threads(problem.inference, (2,))


@pytest.mark.parametrize("proj_size", [1, 7, 64])
def test_projection(proj_size, isa):
    case = Case("lstm", dtype="float32", proj_size=proj_size, **(LARGE | BOTH))
    problem = problem_of(case)
    assert_near(problem.inference(), case.any_problem().inference())
    assert_same_for_threads(problem.inference, (2, 3))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_cell_and_reset(cell, rng, isa):
    """Each row is what the pieces between its resets are alone."""
    problem = problem_of(Case(cell, dtype="float32", state=False, **LARGE))
    resets = rng.random((LARGE["T"], LARGE["B"])) < 0.2
    y, _ = problem.layer(problem.x, resets=resets)
    for row in (0, 17, 34):
        starts = [0, *np.flatnonzero(resets[:, row])]
        for start, end in zip(starts, [*starts[1:], LARGE["T"]], strict=True):
            alone, _ = problem.layer(problem.x[start:end, row : row + 1])
            assert_same_bits(alone[:, 0], y[start:end, row])


@each_cell
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_streams(cell, batch, isa):
    problem = problem_of(Case(cell, dtype="float32", num_layers=2, **(LARGE | {"B": batch})))
    y, state = problem.layer(problem.x, problem.state)
    assert_stream_is_whole(problem, y, state)


@pytest.mark.parametrize("units", [3, 33, 64, 130])
@each_cell
def test_one_row(cell, units, isa):
    """Its panels are multiplied two at a time: an odd one is left."""
    sizes = {"input_size": 7, "hidden_size": units, "num_layers": 2, "T": 8}
    problem = problem_of(Case(cell, dtype="float32", state=False, B=5, **sizes))
    y, _ = problem.layer(problem.x)
    alone, state = problem.layer(problem.x[:, :1])
    assert_same_bits(alone[:, 0], y[:, 0])
    problem.x = problem.x[:, :1].copy()
    assert_stream_is_whole(problem, alone, state)


@each_cell
@pytest.mark.parametrize("sizes", [SMALL, LARGE, UNITS], ids=["small", "large", "units"])
def test_threads_change_no_bit(cell, sizes, isa):
    problem = problem_of(Case(cell, dtype="float32", **(sizes | BOTH)))
    assert_same_for_threads(problem.inference, (2, 3))


def test_threads_of_a_stream_change_no_bit(isa):
    problem = problem_of(Case("lstm", 1024, 512, T=4, B=1, dtype="float32"))

    def steps():
        stream = problem.layer.stream()
        return [stream.step(x_t[0]) for x_t in problem.x]

    assert_same_for_threads(steps, (2, 3))


@each_cell
def test_a_row_is_the_same_alone(cell, isa):
    problem = problem_of(Case(cell, dtype="float32", state=False, lengths="ragged", **LARGE))
    y, _ = problem.layer(problem.x, lengths=problem.lengths)
    for row in range(0, LARGE["B"], 5):
        alone, _ = problem.layer(problem.x[: problem.lengths[row], row : row + 1])
        assert_same_bits(alone[:, 0], y[: problem.lengths[row], row])


def test_embedding(rng):
    embedding = pyrnn.Embedding(31, 5, padding_idx=2, seed=0)
    narrow = pyrnn.quantize(embedding, "int8")
    assert np.array_equal(narrow.weight.data[2], np.zeros(5))
    assert abs(narrow.weight.data - embedding.weight.data).max() < 3 / 127
    for shape in ((4, 7), (3,), (), (0, 2)):
        x = rng.integers(0, 31, shape)
        assert_same_bits(narrow(x), narrow.weight.data[x])
    with pytest.raises(ValueError, match=r"x\[1\] is 31"):
        narrow(np.array([3, 31]))


def test_models(rng, isa):
    model = text_model()
    narrow, x = pyrnn.quantize(model, "int8"), ids(rng)
    y, _ = narrow.run(x)
    assert 0 < abs(y - model(x)).max() < 0.05
    ragged = [row[:n] for row, n in zip(x, (7, 2, 4, 1), strict=True)]
    for row, own in zip(ragged, narrow.predict(ragged), strict=True):
        assert_same_bits(narrow(row[None])[0], own)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_chain_of_the_core(batch, rng, isa):
    model = pyrnn.quantize(chain_model(), "int8")
    stream, x = model.stream(batch), rng.integers(0, 31, (batch, 9))
    assert stream.python_parts == ()
    y, state = model.run(x)
    steps = [stream.step(x_t) for x_t in x.T[:4]]
    assert_same_bits(np.concatenate([np.stack(steps, 1), stream.run(x[:, 4:])], axis=1), y)
    assert_same_bits(stream.state, state)
    active = np.arange(batch) % 2 == 0
    after = stream.step(x[:, 0], active=active)
    alone = model.stream()
    alone.run(x[:1])
    assert_same_bits(alone.step(x[:1, 0]), after[:1])
    assert not after[1::2].any()


def test_rounding():
    """Each row's numbers are the nearest of w/s, and its largest is 127."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((64, 99)) * 2.0 ** rng.integers(-60, 60, (64, 1))
    values[7] = 0
    linear = pyrnn.Linear(99, 64, seed=0)
    linear.weight[...] = values.astype(np.float32)
    weight = pyrnn.quantize(linear, "int8").weight
    numbers, scales = weight.kept
    assert numbers.dtype == np.int8 and abs(numbers.astype(int)).max(axis=1).tolist() == [
        0 if row == 7 else 127 for row in range(64)
    ]
    exact = numbers.astype(np.float64) * scales[:, None]
    assert np.array_equal(weight.data, exact)
    largest = np.abs(linear.weight.data).max(axis=1)
    assert (scales >= largest / 127).all() and (scales <= largest / 127 * (1 + 2.0**-16)).all()
    assert (abs(exact - linear.weight.data) <= scales[:, None] / 2).all()
