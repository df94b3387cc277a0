"""Promise: RNN's nonlinearity is the function that it names, forward and back through time.

tanh and relu are cells of all tests; sigmoid and identity run through the same kernels.
"""

import numpy as np
import pytest

import pyrnn
from compare import assert_close, assert_same_bits, assert_same_for_threads

FUNCTIONS = {  # of the sum, and the derivative of the result h
    "tanh": (np.tanh, lambda h: 1 - h**2),
    "relu": (lambda a: np.maximum(a, 0), lambda h: (h > 0) * 1.0),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda h: h * (1 - h)),
    "identity": (lambda a: a, np.ones_like),
}
NEW = ("sigmoid", "identity")
LENGTHS = [6, 2, 0, 5]


def layer_and_x(name, dtype=np.float64, **options):
    """A layer of 7 units, and an x of 4 rows and 6 steps of 5 features."""
    layer = pyrnn.RNN(5, 7, nonlinearity=name, seed=1, dtype=dtype, **options)
    return layer, np.random.default_rng(2).standard_normal((4, 6, 5)).astype(dtype)


def by_hand(name, layer, x, dy):
    """y, dx and the gradients of the weights, step by step in numpy; rows end at LENGTHS."""
    f, derivative = FUNCTIONS[name]
    w_ih, w_hh, b_ih, b_hh = (p.data.astype(np.float64) for p in layer.parameters())
    real = np.arange(6)[:, None] < np.array(LENGTHS)
    h = np.zeros((7, 4, 7))  # h[t] is before step t
    for t in range(6):
        new = f(x[:, t] @ w_ih.T + b_ih + h[t] @ w_hh.T + b_hh)
        h[t + 1] = np.where(real[t][:, None], new, h[t])
    y = np.where(real[..., None], h[1:], 0).swapaxes(0, 1)
    dx, d_h = np.zeros_like(x), np.zeros((4, 7))
    d_ih, d_hh, d_b = np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(7)
    for t in reversed(range(6)):
        d_a = np.where(real[t][:, None], (d_h + dy[:, t]) * derivative(h[t + 1]), 0)
        dx[:, t] = d_a @ w_ih
        d_ih, d_hh, d_b = d_ih + d_a.T @ x[:, t], d_hh + d_a.T @ h[t], d_b + d_a.sum(0)
        d_h = np.where(real[t][:, None], d_a @ w_hh, d_h)
    return y, dx, [d_ih, d_hh, d_b, d_b]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(isa, name, dtype):
    layer, x = layer_and_x(name, dtype)
    (y, _), pullback = layer.vjp(x, lengths=LENGTHS)
    dy = np.random.default_rng(3).standard_normal(y.shape).astype(dtype)
    dx, _ = pullback(dy)
    names = ("y", "inference", "dx", "w_ih", "w_hh", "b_ih", "b_hh")
    grads = [parameter.grad for parameter in layer.parameters()]
    found = (y, layer(x, lengths=LENGTHS)[0], dx, *grads)
    expected_y, expected_dx, gradients = by_hand(name, layer, x, dy)
    expected = (expected_y, expected_y, expected_dx, *gradients)
    as_dicts = (dict(zip(names, arrays, strict=True)) for arrays in (found, expected))
    assert_close(*as_dicts, dtype, terms=6 * 12 * 4, backward=True)


@pytest.mark.parametrize("name", NEW)
def test_bits_do_not_depend_on_threads_chunks_or_batch(name):
    layer, x = layer_and_x(name, np.float32, num_layers=2)
    assert_same_for_threads(lambda: layer(x)[0])
    y = layer(x)[0]
    stream = layer.stream(4)
    assert_same_bits(np.concatenate([stream.run(x[:, :4]), stream.run(x[:, 4:])], axis=1), y)
    assert_same_bits(layer(x[2:3])[0], y[2:3])
    (again, _), _ = layer.vjp(x, recompute_every=2)
    assert_same_bits(again, y)


@pytest.mark.parametrize("name", NEW)
def test_options_of_all_cells_and_files(name, tmp_path):
    layer, x = layer_and_x(name, np.float32, zoneout=0.3, recurrent_dropout=0.2, bidirectional=True)
    (y, _), pullback = layer.vjp(x, rng=0)
    dx, _ = pullback(np.ones_like(y))
    assert np.isfinite(dx).all()
    layer.save(tmp_path / "layer")
    loaded = pyrnn.load(tmp_path / "layer")
    assert loaded.nonlinearity == name
    assert_same_bits(loaded(x)[0], layer(x)[0])


def test_decoders_take_only_the_cells_of_classes():
    with pytest.raises(ValueError, match="cell is 'rnn_sigmoid'"):
        pyrnn.AttentionDecoder(3, 4, 5, cell="rnn_sigmoid")
