"""Promise: the options of the cells compute their equations, forward and back, in every mix."""

import pytest

from cases import Case, check_against_twin
from cell_options import ALONE_AND_ALL, ROWS, TAKEN, UNITS, all_of, combinations
from covering import layer_cases
from test_gradients import check

each_option = pytest.mark.parametrize(("cell", "options"), ALONE_AND_ALL, ids=str)


@pytest.mark.parametrize("case", layer_cases(TAKEN, combinations), ids=str)
def test_equals_the_twin(case, isa):
    check_against_twin(case)


@pytest.mark.parametrize("cell", TAKEN)
@pytest.mark.parametrize(("sizes", "but"), [(ROWS, ()), (UNITS, ("layer_norm",))], ids=str)
def test_large_layers_equal_the_twin(cell, sizes, but):
    options = all_of(cell, but)
    check_against_twin(Case(cell, **sizes, options=options, lengths="ragged", dtype="float32"))


@each_option
def test_finite_differences(cell, options):
    """Of training, with the masks of one draw: two layers, both directions, a row of length 0."""
    sizes = {"num_layers": 2, "bidirectional": True, "lengths": "zeros"}
    problem = Case(cell, 2, 5, T=3, B=3, options=options, seed=4, **sizes).problem()
    _, gradients = problem.training(draw=3)

    def loss():
        layer, given = problem.layer, (problem.x, problem.state, problem.lengths)
        (y, state), _ = layer.vjp(*given, rng=3)
        out = problem.returned(y, state)
        sent = {"y": problem.d_y, "hn": problem.d_hn, "cn": problem.d_cn}
        return sum((a * sent[name]).sum() for name, a in out.items())

    arrays = {"d_x": problem.x, "d_h0": problem.h0}
    arrays |= {"d_c0": problem.c0} if problem.has_c else {}
    check(loss, arrays | dict(problem.layer.named_parameters()), gradients)
