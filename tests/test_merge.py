"""Promise: `merge` makes one output of both directions, in every layer, as Keras' merge_mode does.

The twin covers options (covering.py draws a merge mode for every bidirectional case).
"""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from compare import assert_same_bits

MODES = ("sum", "mul", "average")
SIZES = {"input_size": 5, "hidden_size": 19, "T": 9, "B": 13, "lengths": "zeros"}
LARGE = {"input_size": 70, "hidden_size": 97, "T": 19, "B": 35, "lengths": "zeros"}
WIDE = {"input_size": 40, "hidden_size": 600, "T": 3, "B": 2}

each_mode = pytest.mark.parametrize("merge", MODES)


def make(cell, merge, **options):
    return Case(cell, bidirectional=True, merge=merge, **{**SIZES, **options})


def merged(merge, y):
    """The two halves of a concatenated output as one."""
    a, b = np.split(y, 2, axis=2)
    return a * b if merge == "mul" else (a + b) / 2 if merge == "average" else a + b


@each_mode
@pytest.mark.parametrize("cell", CELLS)
def test_merges_the_output_of_concat(cell, merge, isa):
    """One layer: the same weights and states, y merged; each direction's state is left alone."""
    problem = make(cell, merge).any_problem()
    concat = make(cell, "concat").any_problem()
    concat.lengths = problem.lengths  # drawn after d_y, whose size differs
    outputs, expected = problem.inference(), concat.inference()
    assert problem.d_y.shape[2] == problem.layer.num_features == 19
    expected["y"] = merged(merge, expected["y"])
    assert_same_bits(outputs, expected)


@each_mode
@pytest.mark.parametrize("sizes", [SIZES, LARGE, WIDE], ids=["small", "large", "wide"])
def test_two_layers_are_one_after_the_other(merge, sizes, isa):
    """Each layer merges, so the next one has H inputs; values and gradients."""
    both = make("gru", merge, num_layers=2, **sizes).any_problem()
    weights, layers = both.layer.state_dict(), []
    for k, size in enumerate((both.case.input_size, both.case.hidden_size)):
        layer = make("gru", merge, **{**sizes, "input_size": size}).layer()
        layer.load_state_dict({n: weights[n.replace("_l0", f"_l{k}")] for n in layer.state_dict()})
        layers.append(layer)
    y, pullbacks = both.x, []
    for k, layer in enumerate(layers):
        (y, _), pullback = layer.vjp(y, both.h0[2 * k : 2 * k + 2], both.lengths)
        pullbacks.append(pullback)
    outputs, gradients = both.training(("y",))
    assert_same_bits(y, outputs["y"])
    d = both.d_y
    for pullback in reversed(pullbacks):
        d, _ = pullback(d)
    assert_same_bits(d, gradients["d_x"])
    for k, layer in enumerate(layers):
        for name, p in layer.named_parameters():
            assert_same_bits(p.grad, gradients[name.replace("_l0", f"_l{k}")], name)


@each_mode
@pytest.mark.parametrize("sizes", [LARGE, WIDE], ids=["rows", "units"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_same_bits_for_any_number_of_threads(merge, sizes, dropout, isa):
    case = make("lstm", merge, num_layers=2, dtype="float32", dropout=dropout, cells=True, **sizes)
    results = []
    for n in (1, 2, 3):
        problem = case.any_problem()  # anew: each vjp draws its own dropout
        with pyrnn.threads(n):
            results.append((problem.inference(), problem.training()))
    assert_same_bits(results[1:], results[:1] * 2)


@each_mode
@pytest.mark.parametrize("sizes", [LARGE, WIDE], ids=["rows", "units"])
def test_with_segments_and_any_number_of_threads(merge, sizes, isa):
    """The other direction's h is computed again, segment by segment."""
    sizes = {**sizes, "T": 20, "hidden_size": sizes["hidden_size"] // 2}
    case = make("lstm", merge, num_layers=2, dtype="float32", dropout=0.4, cells=True, **sizes)
    expected = case.any_problem().training()
    for n in (1, 2, 3):
        problem = replace(case, recompute_every=16).any_problem()
        with pyrnn.threads(n):
            assert_same_bits(problem.training(), expected, f"{n} threads")


def test_saved_pickled_and_described(tmp_path):
    layer = make("lstm", "average", num_layers=2).layer()
    assert "merge='average'" in repr(layer)
    x = np.random.default_rng(0).standard_normal((4, 2, 5))
    layer.save(tmp_path / "layer.safetensors")
    for copy in (pyrnn.load(tmp_path / "layer.safetensors"), pickle.loads(pickle.dumps(layer))):
        assert copy.config() == layer.config()
        assert_same_bits(copy(x), layer(x))
    assert "merge" not in repr(make("lstm", "concat").layer())


@each_mode
def test_last_step_needs_the_directions_apart(merge):
    """A merged output does not tell where each direction ends: Sequential says so."""
    layer = pyrnn.GRU(3, 4, bidirectional=True, merge=merge, seed=0)
    for both in (True, False):
        with pytest.raises(ValueError, match=rf"module 2 \(LastStep\).*merge='{merge}'"):
            pyrnn.Sequential(layer, pyrnn.Dropout(0.1), pyrnn.LastStep(bidirectional=both))
    x = np.random.default_rng(0).standard_normal((5, 2, 3)).astype("f4")
    y = pyrnn.Sequential(layer, pyrnn.Linear(4, 2, seed=0))(x)
    assert y.shape == (5, 2, 2)


def test_bad_input():
    with pytest.raises(ValueError, match="GRU: merge is 'sum', expected 'concat' with bidirec"):
        pyrnn.GRU(3, 4, merge="sum")
    with pytest.raises(ValueError, match="LSTM: merge is 'ave'"):
        pyrnn.LSTM(3, 4, bidirectional=True, merge="ave")
    with pytest.raises(TypeError, match="RNN: merge is"):
        pyrnn.RNN(3, 4, bidirectional=True, merge=None)
