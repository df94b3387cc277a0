"""Promise: `return_cells=True` gives every c_t of the last layer, with its gradient.

The twin covers options (covering.py asks for the cells in half of its LSTM cases).
"""

import numpy as np
import pytest

import pyrnn
from cases import Case
from compare import assert_close, assert_same_bits, assert_same_for_threads

SIZES = {"input_size": 5, "hidden_size": 19, "T": 9, "B": 13}
OPTIONS = {
    "plain": {},
    "both ways": {"num_layers": 2, "bidirectional": True, "lengths": "zeros"},
    "merged": {"bidirectional": True, "merge": "mul", "lengths": "ragged"},
    "projected": {"proj_size": 7, "num_layers": 2, "batch_first": True},
    "wide": {"hidden_size": 200, "B": 2, "T": 20},
}


def make(name, **options):
    return Case("lstm", **{"cells": True, **SIZES, **OPTIONS[name], **options})


each_option = pytest.mark.parametrize("name", list(OPTIONS))


@each_option
@pytest.mark.parametrize("heads", [("cells",), ("y", "cn", "cells")], ids="+".join)
def test_equal_the_twin(name, heads, isa):
    case = make(name)
    problem = case.problem()
    outputs, gradients = problem.expected(heads)
    assert_close(problem.inference(), outputs, case.dtype, case.terms)
    trained, actual = problem.training(heads)
    assert_close(trained, outputs, case.dtype, case.terms)
    assert_close(actual, gradients, case.dtype, case.gradient_terms, backward=True)


@each_option
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_any_number_of_threads(name, dtype, isa):
    sizes = {} if name == "wide" else {"input_size": 70, "hidden_size": 97, "B": 35}
    problem = make(name, dtype=dtype, **sizes).any_problem()
    assert_same_for_threads(lambda: (problem.inference(), problem.training()))


@each_option
def test_asking_changes_nothing_else(name, isa):
    """All else is as without the flag, and a zero dcells as none."""
    asked, plain = make(name).any_problem(), make(name, cells=False).any_problem()
    outputs, gradients = asked.training(("y", "hn", "cn"))
    assert outputs.pop("cells").shape == asked.d_cells.shape
    assert_same_bits((outputs, gradients), plain.training())
    asked.d_cells[...] = 0
    assert_same_bits(asked.training()[1], gradients)


@each_option
def test_the_last_cell_of_a_row_is_its_state(name):
    problem = make(name).any_problem()
    outputs, H = problem.inference(), problem.case.hidden_size
    for row in range(problem.case.B):
        n = problem.case.T if problem.lengths is None else problem.lengths[row]
        cells = outputs["cells"][:, row]
        assert not cells[n:].any()
        if n:
            last = outputs["cn"][-problem.case.directions :, row]
            assert_same_bits(cells[n - 1, :H], last[0])
            assert problem.case.directions == 1 or not (cells[0, H:] != last[1]).any()


def test_chunks_give_the_cells_of_the_whole(isa):
    problem = make("plain").any_problem()
    *_, cells = problem.layer(problem.x, problem.state, return_cells=True)
    state, parts = problem.state, []
    for chunk in np.split(problem.x, (2, 3, 7)):
        _, state, part = problem.layer(chunk, state, return_cells=True)
        parts.append(part)
    assert_same_bits(np.concatenate(parts), cells)


def test_mask_and_single_sequences():
    """With a mask the cells stand where y does; (T, I) gives (T, H)."""
    problem = make("plain", B=1).any_problem()
    mask = np.array([[1, 0, 1, 1, 0, 0, 1, 1, 0]], bool).T
    (_, _, cells), pullback = problem.layer.vjp(problem.x, mask=mask, return_cells=True)
    *_, alone = problem.layer(problem.x[mask[:, 0], 0], return_cells=True)
    assert_same_bits(cells[mask], alone)
    assert not cells[~mask].any()
    d_x, _ = pullback(None, None, problem.d_cells)
    problem.d_cells[~mask] = np.nan
    _, again = problem.layer.vjp(problem.x, mask=mask, return_cells=True)
    assert_same_bits(again(None, None, problem.d_cells)[0], d_x)
    assert d_x[mask].all()


def test_bad_input():
    problem = make("plain").any_problem()
    with pytest.raises(TypeError, match="LSTM: return_cells is 1, expected True or False"):
        problem.layer(problem.x, return_cells=1)
    with pytest.raises(ValueError, match="GRU: return_cells is True, expected False"):
        pyrnn.GRU(3, 4, seed=0).vjp(np.zeros((2, 1, 3), "f4"), return_cells=True)
    _, pullback = problem.layer.vjp(problem.x)
    with pytest.raises(ValueError, match="LSTM: dcells is given, expected None"):
        pullback(None, None, problem.d_cells)
    pullback(problem.d_y)  # bad arguments have not spent it
    _, pullback = problem.layer.vjp(problem.x, return_cells=True)
    with pytest.raises(ValueError, match=r"LSTM: dcells has shape .* the shape of cells"):
        pullback(None, None, problem.d_cells[1:])
