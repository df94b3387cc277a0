"""Promise: a model in bf16 has the bits of the float32 model with matrices rounded to bf16."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from cell_options import ALONE_AND_ALL, ROWS, UNITS
from compare import assert_same_bits, assert_same_for_threads, assert_stream_is_whole
from quantized_models import chain_model, ids, matrices, nearest, pair, rounded, text_model

LARGE = {"input_size": 71, "hidden_size": 97, "T": 19, "B": 35}
SMALL = {"input_size": 5, "hidden_size": 19, "T": 9, "B": 3}
BOTH = {"num_layers": 2, "bidirectional": True, "lengths": "zeros"}
STACKS = {
    "forward": {},
    "ragged": {"lengths": "ragged", "num_layers": 2, "batch_first": True},
    "both": BOTH,
    "sum": BOTH | {"merge": "sum"},
    "reverse": {"direction": "reverse", "lengths": "ragged"},
    "without bias": {"bias": False, "state": False},
    "without x": {"input_size": 0},
}

each_cell = pytest.mark.parametrize("cell", CELLS)


@each_cell
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("sizes", [SMALL, LARGE], ids=["small", "large"])
def test_layers(cell, stack, sizes, isa):
    narrow, wide = pair(Case(cell, dtype="float32", **(sizes | STACKS[stack])))
    assert_same_bits(narrow.inference(), wide.inference())


@pytest.mark.parametrize("cell, options", ALONE_AND_ALL, ids=str)
@pytest.mark.parametrize("sizes", [ROWS, UNITS], ids=["rows", "units"])
def test_options_of_the_cells(cell, options, sizes, isa):
    narrow, wide = pair(Case(cell, dtype="float32", options=options, **sizes))
    assert_same_bits(narrow.inference(), wide.inference())


@pytest.mark.parametrize("proj_size", [1, 7, 64])
def test_projection(proj_size, isa):
    narrow, wide = pair(Case("lstm", dtype="float32", proj_size=proj_size, **(LARGE | BOTH)))
    assert_same_bits(narrow.inference(), wide.inference())


@each_cell
@pytest.mark.parametrize("columns", [1, 2, 511, 513, 1025])
def test_blocks_of_columns_of_any_length(cell, columns, isa):
    sizes = {"input_size": columns, "hidden_size": columns, "T": 3, "B": 2}
    narrow, wide = pair(Case(cell, dtype="float32", **sizes))
    assert_same_bits(narrow.inference(), wide.inference())


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_cell_and_reset(cell, rng, isa):
    narrow, wide = pair(Case(cell, dtype="float32", lengths="ragged", **LARGE))
    resets = rng.random((LARGE["T"], LARGE["B"])) < 0.2
    more = {"return_cells": True} if cell == "lstm" else {}
    outputs = [
        p.layer(p.x, p.state, p.lengths, resets=resets, reset_to="state", **more)
        for p in (narrow, wide)
    ]
    assert_same_bits(*outputs)


@each_cell
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_streams(cell, batch, isa):
    narrow, wide = pair(Case(cell, dtype="float32", num_layers=2, **(LARGE | {"B": batch})))
    y, state = wide.layer(wide.x, wide.state)
    assert_stream_is_whole(narrow, y, state)


@pytest.mark.parametrize("cell, options", ALONE_AND_ALL, ids=str)
@pytest.mark.parametrize("units", [3, 33, 44, 50, 64, 130])
def test_one_row(cell, options, units, isa):
    """Its panels are multiplied up to four at a time, in a call and in a stream: some are left."""
    sizes = {"input_size": 7, "hidden_size": units, "num_layers": 2, "T": 8, "B": 1}
    narrow, wide = pair(Case(cell, dtype="float32", options=options, **sizes))
    assert_same_bits(narrow.inference(), wide.inference())
    y, state = wide.layer(wide.x, wide.state)
    assert_stream_is_whole(narrow, y, state)


@each_cell
@pytest.mark.parametrize("sizes", [SMALL, LARGE, UNITS], ids=["small", "large", "units"])
def test_threads_change_no_bit(cell, sizes, isa):
    problem, _ = pair(Case(cell, dtype="float32", **(sizes | BOTH)))
    assert_same_for_threads(problem.inference, (2, 3))


def test_threads_of_a_stream_change_no_bit(isa):
    problem, _ = pair(Case("lstm", 512, 512, T=4, B=1, dtype="float32"))

    def steps():
        stream = problem.layer.stream()
        return [stream.step(x_t[0]) for x_t in problem.x]

    assert_same_for_threads(steps, (2, 3))


@each_cell
def test_a_row_is_the_same_alone(cell, isa):
    problem, _ = pair(Case(cell, dtype="float32", state=False, lengths="ragged", **LARGE))
    y, _ = problem.layer(problem.x, lengths=problem.lengths)
    for row in range(0, LARGE["B"], 5):
        alone, _ = problem.layer(problem.x[: problem.lengths[row], row : row + 1])
        assert_same_bits(alone[:, 0], y[: problem.lengths[row], row])


@each_cell
def test_the_weights_are_multiplied_as_bf16(cell, isa):
    """The core cuts what it is given to bf16: other numbers than float32's show that it ran."""
    case = Case(cell, dtype="float32", **SMALL)
    layer, cut = case.layer(), case.layer()
    for name, parameter in matrices(cut).items():
        parameter[...] = (parameter.data.view(np.uint32) & 0xFFFF0000).view(np.float32)
        assert not np.array_equal(parameter.data, dict(layer.named_parameters())[name].data)
    problem = case.any_problem()
    packed = layer._stack.pack([p.data for p in layer.parameters()], 1, form="bf16")
    given = problem.x, problem.h0, problem.c0, None, False, 1
    actual = layer._stack.forward(packed, *given)
    assert_same_bits(actual, cut._stack.forward(cut._packed(), *given))


@pytest.mark.parametrize("sizes", [(1, 1), (5, 3), (64, 32), (513, 70)], ids=str)
@pytest.mark.parametrize("rows", [0, 1, 2, 13, 600])
def test_linear(sizes, rows, rng, isa):
    linear = pyrnn.Linear(*sizes, seed=0)
    x = rng.standard_normal((rows, sizes[0])).astype(np.float32)
    narrow, wide = pyrnn.quantize(linear, "bf16"), rounded(linear)
    assert_same_bits(narrow(x), wide(x))
    assert_same_for_threads(lambda: narrow(x))
    for row in range(0, rows, 101):
        assert_same_bits(narrow(x[row]), wide(x)[row])


def test_embedding(rng):
    embedding = pyrnn.Embedding(31, 5, seed=0)
    narrow, wide = pyrnn.quantize(embedding, "bf16"), rounded(embedding)
    for shape in ((4, 7), (3,), (), (0, 2)):
        x = rng.integers(0, 31, shape)
        assert_same_bits(narrow(x), wide(x))
    for bad in (-1, 31):
        with pytest.raises(ValueError, match=rf"x\[1\] is {bad}"):
            narrow(np.array([3, bad]))


def test_models(rng, isa):
    model = text_model()
    narrow, wide, x = pyrnn.quantize(model, "bf16"), rounded(model), ids(rng)
    assert_same_bits(narrow(x, lengths=[7, 3, 1, 5]), wide(x, lengths=[7, 3, 1, 5]))
    assert_same_bits(narrow.run(x), wide.run(x))
    ragged = [row[:n] for row, n in zip(x, (7, 2, 4, 1), strict=True)]
    assert_same_bits(narrow.predict(ragged), wide.predict(ragged))
    streams = narrow.stream(batch_size=4), wide.stream(batch_size=4)
    for x_t in x.T:
        assert_same_bits(*(stream.step(x_t) for stream in streams))
    assert_same_bits(*(stream.run(x) for stream in streams))


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_chain_of_the_core(batch, rng, isa):
    """Table, layers and head in one call of the core per step, rows that idle or begin anew too."""
    model = chain_model()
    narrow, wide = pyrnn.quantize(model, "bf16").stream(batch), rounded(model).stream(batch)
    assert narrow.python_parts == ()
    x = rng.integers(0, 31, (batch, 9))
    flags = rng.random((2, 9, batch)) < 0.5
    for t in range(9):
        given = {"resets": flags[0, t], "active": flags[1, t]} if t > 3 else {}
        assert_same_bits(*(stream.step(x[:, t], **given) for stream in (narrow, wide)))
    assert_same_bits(narrow.state, wide.state)
    assert_same_bits(narrow.run(x), wide.run(x))
    bad = x[:, 0].copy()
    bad[-1] = 31
    with pytest.raises(ValueError, match="31"):
        narrow.step(bad)


def test_a_model_of_ones_own(rng):
    class Tied(pyrnn.Module):
        """Its output layer is tied to its table; its own matrix stays float32."""

        def __init__(self):
            self.embedding, self.rnn = pyrnn.Embedding(9, 6, seed=0), pyrnn.RNN(6, 6, seed=1)
            self.linear = pyrnn.Linear(6, 9, seed=2)
            self.linear.weight = self.embedding.weight
            self.scale = pyrnn.Parameter(np.full((1, 9), np.float32(1 / 3)))

        def forward(self, x):
            y, _ = self.rnn(self.embedding(x))
            return self.linear(y) * self.scale

    model, x = Tied(), rng.integers(0, 9, (2, 5))
    narrow, wide = pyrnn.quantize(model, "bf16"), rounded(model)
    wide.scale[...] = model.scale.data
    assert type(narrow) is Tied and narrow.linear.weight is narrow.embedding.weight
    assert_same_bits(narrow.scale.data, model.scale.data)
    assert_same_bits(narrow(x), wide(x))
    assert_same_bits(pickle.loads(pickle.dumps(narrow.linear))(np.ones(6, np.float32)),
                     narrow.linear(np.ones(6, np.float32)))  # fmt: skip


def test_the_original_is_left_alone(rng):
    model, x = text_model(), ids(rng)
    before, y = model.state_dict(), model(x)
    narrow = pyrnn.quantize(model, "bf16")
    assert_same_bits(model.state_dict(), before)
    assert_same_bits(model(x), y)
    expected = narrow(x)
    for parameter in model.parameters():
        parameter[...] = 0
    assert_same_bits(narrow(x), expected)


def test_rounding():
    """To nearest, ties to even, with the error that the docstring states."""
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((64, 99)) * 2.0 ** rng.integers(-60, 60, (64, 99))
    ties = [[1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 1 + 2**-8 + 2**-23]]
    ends = [[0.0, -0.0, 3.38e38, 2.0**-126]]
    for values in (numbers, ties, ends):
        values = np.array(values, np.float32)
        linear = pyrnn.Linear(values.shape[1], values.shape[0], seed=0)
        linear.weight[...] = values
        found = pyrnn.quantize(linear, "bf16").weight.data
        assert_same_bits(found, nearest(values))
        errors = np.abs(found.astype(np.float64) - values)
        assert (errors <= np.abs(values.astype(np.float64)) * 2**-8 / (1 + 2**-8)).all()


def test_wide_problems_are_covered():
    """What `pair` compares differs from the model itself: rounding does something."""
    narrow, _ = pair(replace(Case("lstm", dtype="float32"), **SMALL))
    plain = replace(Case("lstm", dtype="float32"), **SMALL).any_problem()
    difference = np.abs(narrow.inference()["y"] - plain.inference()["y"]).max()
    assert 1e-5 < difference < 1e-2
