"""Promise: with the options of the cells, too, no bit depends on threads, chunks or neighbours."""

import numpy as np
import pytest

import pyrnn
from cases import Case
from cell_options import ALONE_AND_ALL, ROWS, SINGLE, TAKEN, UNITS, VALUES, all_of
from compare import assert_same_bits, assert_same_for_threads, assert_stream_is_whole

SMALL = {"input_size": 5, "hidden_size": 19, "T": 9, "B": 13}
OFF = {name: type(value)(0) for name, value in VALUES.items()} | {
    "peephole": True,
    "cell_clip": 1e30,
}

each_option = pytest.mark.parametrize(("cell", "options"), ALONE_AND_ALL, ids=str)
each_cell = pytest.mark.parametrize("cell", TAKEN)


@each_cell
@pytest.mark.parametrize("sizes", [ROWS, UNITS], ids=["rows", "units"])
@pytest.mark.parametrize("lengths", ["none", "zeros"])
def test_any_number_of_threads(cell, sizes, lengths, isa):
    options = {"num_layers": 2, "bidirectional": True, "lengths": lengths, "dtype": "float32"}
    own = all_of(cell, but=() if sizes is ROWS else ("layer_norm",))  # which keeps to rows
    problem = Case(cell, options=own, cells=cell == "lstm", **options, **sizes).any_problem()
    assert_same_for_threads(lambda: (problem.inference(), problem.training()))


@each_option
@pytest.mark.parametrize("sizes", [{**SMALL, "B": 1}, SMALL], ids=["row", "batch"])
def test_whole_is_chunks_is_steps(cell, options, sizes, isa):
    problem = Case(cell, num_layers=2, options=options, dtype="float32", **sizes).any_problem()
    layer, x = problem.layer, problem.x
    y, state = layer(x, problem.state)
    first, carried = layer(x[:4], problem.state)
    second, carried = layer(x[4:], carried)
    assert_same_bits((np.concatenate([first, second]), carried), (y, state))
    assert_stream_is_whole(problem, y, state)


@each_cell
def test_steps_shared_among_threads(cell):
    case = Case(cell, 400, 640, 2, T=3, B=5, dtype="float32", state=False, options=all_of(cell))
    problem = case.any_problem()
    y = problem.inference()["y"]
    with pyrnn.threads(2):
        stream = problem.layer.stream(batch_size=5)
        assert_same_bits(np.stack([stream.step(x_t) for x_t in problem.x]), y)


@pytest.mark.parametrize(("cell", "proj_size"), [*((cell, 0) for cell in TAKEN), ("lstm", 4)])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_segments_change_no_bit(cell, bidirectional, proj_size, isa):
    """recompute_every: masks are drawn again, and are the same."""
    options = {"num_layers": 2, "bidirectional": bidirectional, "lengths": "ragged", "dropout": 0.3}
    sizes = {"input_size": 5, "hidden_size": 9, "T": 70, "B": 35, "proj_size": proj_size}
    results = []
    for every in (None, 17):
        case = Case(cell, options=all_of(cell), recompute_every=every, **sizes, **options)
        results.append(case.any_problem().training())
    assert_same_bits(*results)


@each_option
def test_a_row_alone_is_inference_in_any_batch(cell, options, isa):
    batch = Case(cell, num_layers=2, options=options, dtype="float32", **SMALL).any_problem()
    y, _ = batch.layer(batch.x)
    for row in (0, 6, 12):
        assert_same_bits(batch.layer(batch.x[:, row])[0], y[:, row], f"row {row}")


@each_cell
def test_masks_follow_the_callers_rows(cell, isa):
    """Sorting by length inside moves no mask: a full row has that of the batch without lengths."""
    case = Case(cell, bidirectional=True, options=all_of(cell), dtype="float32", **SMALL)
    problem = case.any_problem()
    plain = problem.training()[0]
    lengths = np.full(SMALL["B"], SMALL["T"])
    lengths[[0, 3, 8]] = 2, 5, 0
    problem.lengths = lengths
    ragged, full = problem.training()[0], lengths == SMALL["T"]
    assert_same_bits(ragged["y"][:, full], plain["y"][:, full])


@pytest.mark.parametrize(("cell", "options"), SINGLE, ids=str)
def test_off_is_plain(cell, options, isa):
    """Probability 0, or peepholes of weight 0: the bits of the layer without the option."""
    (name, _) = options[0]
    case = Case(cell, num_layers=2, bidirectional=True, **SMALL)
    plain = case.any_problem()
    off = Case(cell, num_layers=2, bidirectional=True, **SMALL, options=((name, OFF[name]),))
    problem = off.any_problem()
    for parameter, p in problem.layer.named_parameters():
        given = dict(plain.layer.named_parameters()).get(parameter)
        p[...] = 0 if given is None else given.data
    for array in ("x", "h0", "c0", "d_y", "d_hn", "d_cn"):
        setattr(problem, array, getattr(plain, array))
    actual, expected = problem.training(), plain.training()
    assert_same_bits(problem.inference(), plain.inference())
    assert_same_bits(actual[0], expected[0])
    kept = {n: g for n, g in actual[1].items() if "peephole" not in n}
    assert_same_bits(kept, expected[1])
