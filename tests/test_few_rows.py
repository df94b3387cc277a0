"""Promise: gradients of a few rows, added straight to `.grad`, have the bits of the sums of many.

A layer whose x has one column more, of zeros, takes the sums where that column would begin a vector
of its own: what it gives of all the other weights has to be the same. So columns are as many as the
elements of a vector of 4, 8 or 16; vectors of two never take the sums.
"""

import numpy as np
import pytest

import pyrnn

CELLS = {
    "RNN": pyrnn.RNN,
    "LSTM": pyrnn.LSTM,
    "GRU": pyrnn.GRU,
    "GRU, reset before": lambda *sizes, **options: pyrnn.GRU(*sizes, reset_after=False, **options),
    "LSTM, peephole": lambda *sizes, **options: pyrnn.LSTM(*sizes, peephole=True, **options),
}


def gradients(make, arrays, x, d_y, lengths, threads):
    """By name, after two calls: the second adds to what the first has left. -0 at first."""
    layer = make(x.shape[2])
    for name, parameter in layer.named_parameters():
        parameter[...] = 0
        parameter[tuple(slice(n) for n in arrays[name].shape)] = arrays[name]
        parameter.grad[...] = -0.0
    with pyrnn.threads(threads):
        for _ in range(2):
            _, pullback = layer.vjp(x, lengths=lengths)
            pullback(d_y)
    return {name: np.array(p.grad) for name, p in layer.named_parameters()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("T", "B", "ragged"), [(1, 1, False), (1, 32, False), (5, 7, False), (6, 5, True)]
)
@pytest.mark.parametrize(
    ("columns", "hidden"), [(4, 8), (4, 15), (8, 15), (8, 16), (16, 16), (16, 79)]
)
@pytest.mark.parametrize("cell", CELLS)
def test_the_bits_of_the_sums(cell, columns, hidden, T, B, ragged, threads, dtype, isa):
    rng = np.random.default_rng(columns + T)
    options = {"bidirectional": True, "num_layers": 2, "batch_first": False, "dtype": dtype}

    def make(columns):
        return CELLS[cell](columns, hidden, **options)

    weights = {
        name: rng.standard_normal(p.shape) / np.sqrt(hidden)
        for name, p in make(columns).named_parameters()
    }
    x = rng.standard_normal((T, B, columns)).astype(dtype)
    x[0, 0] = -0.0
    d_y = rng.standard_normal((T, B, 2 * hidden)).astype(dtype)
    d_y[:, 0] = 0
    lengths = rng.integers(0, T + 1, B) if ragged else None
    wide = np.concatenate([x, np.zeros((T, B, 1), dtype)], axis=2)
    few = gradients(make, weights, x, d_y, lengths, threads)
    many = gradients(make, weights, wide, d_y, lengths, threads)
    for name, gradient in few.items():
        same = many[name][tuple(slice(n) for n in gradient.shape)]
        assert gradient.tobytes() == same.tobytes(), name
