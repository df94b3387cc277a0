"""Promise: bias="single" is a layer whose bias_hh is 0, and which does not have it."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits

LAYERS = {
    "RNN": (pyrnn.RNN, {}),
    "RNN relu": (pyrnn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (pyrnn.LSTM, {}),
    "LSTM with options": (
        pyrnn.LSTM,
        {"peephole": True, "layer_norm": True, "proj_size": 3, "zoneout": 0.2},
    ),
    "LSTM coupled": (pyrnn.LSTM, {"coupled_gates": True, "recurrent_dropout": 0.3}),
    "GRU": (pyrnn.GRU, {"reset_after": False}),
}
SHAPES = [{}, {"num_layers": 2, "bidirectional": True, "recompute_every": 3}]
CASES = list(itertools.product(LAYERS, SHAPES, (np.float32, np.float64)))


def both(name, shape, dtype):
    """A layer with one bias, and the same with a second one of zeros."""
    cls, options = LAYERS[name]
    single, double = (
        cls(5, 7, bias=bias, seed=3, dtype=dtype, **options, **shape) for bias in ("single", True)
    )
    weights = single.state_dict()
    zeros = {n: np.zeros_like(a) for n, a in double.state_dict().items() if n not in weights}
    assert zeros and all(n.startswith("bias_hh") for n in zeros)
    double.load_state_dict(weights | zeros)
    return single, double


def passes(layer, dtype):
    """Values, and all gradients by name."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 9, 5)).astype(dtype)
    lengths = [9, 3, 0, 6]
    y, state = layer(x, lengths=lengths)
    (trained, _), pullback = layer.vjp(x, lengths=lengths, rng=5)
    dx, _ = pullback(rng.standard_normal(trained.shape).astype(dtype))
    return [y, state, trained, dx], {n: p.grad for n, p in layer.named_parameters()}


@pytest.mark.parametrize(("name", "shape", "dtype"), CASES)
def test_it_has_the_bits_of_a_bias_of_zeros(name, shape, dtype):
    single, double = both(name, shape, dtype)
    values, gradients = passes(single, dtype)
    expected, of_both = passes(double, dtype)
    for value, other in zip(values, expected, strict=True):
        assert_same_bits(value, other)
    assert all(n in gradients or n.startswith("bias_hh") for n in of_both)
    for n, gradient in gradients.items():
        assert_same_bits(gradient, of_both[n])


def test_it_counts_as_the_textbooks_do():
    assert pyrnn.RNN(16, 10, bias="single").num_parameters() == 16 * 10 + 10 * 10 + 10
    assert pyrnn.LSTM(3, 4, bias="single").num_parameters() == 4 * (3 * 4 + 4 * 4 + 4)
    assert pyrnn.RNN(1, 3, bias="single").num_parameters() == 15


def test_files_copies_and_streams_keep_it(tmp_path):
    layer = pyrnn.LSTM(3, 4, bias="single", num_layers=2, seed=0)
    x = np.random.default_rng(0).standard_normal((1, 6, 3)).astype(np.float32)
    layer.save(tmp_path / "layer")
    loaded = pyrnn.load(tmp_path / "layer")
    for other in (loaded, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.bias == "single"
        assert_same_bits(other(x)[0], layer(x)[0])
    assert_same_bits(layer.stream().run(x), layer(x)[0])


def test_the_forget_gate_has_it():
    lstm = pyrnn.LSTM(3, 2, bias="single", seed=0)
    pyrnn.init.forget_gate_bias(lstm, 2.0)
    assert (lstm.bias_ih_l0.data[2:4] == 2).all() and not hasattr(lstm, "bias_hh_l0")


def test_what_cannot_have_it_says_so():
    with pytest.raises(
        ValueError, match=r"GRU: bias is 'single'.*reset_after=True: b_hn is inside"
    ):
        pyrnn.GRU(3, 4, bias="single")
    with pytest.raises(ValueError, match=r"bias is 'one', expected"):
        pyrnn.RNN(3, 4, bias="one")
    with pytest.raises(TypeError, match=r"RNN: bias is 2, expected True, False or 'single'"):
        pyrnn.RNN(3, 4, bias=2)
    core = ("gru", "float32", 3, 4, 1, False, True, 0, 0.0, "concat")
    with pytest.raises(ValueError, match="single_bias: given, expected none for cell 'gru'"):
        pyrnn._core.Stack(*core, single_bias=True)
