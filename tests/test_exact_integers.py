"""Promise: on whole numbers every result is exact, on any instruction set and number of threads.

Where nothing is rounded no tolerance hides a wrong index: there is one answer, computed here with
numpy's integers, and every instruction set, number of threads, layout and dtype has to give it.
"""

import numpy as np
import pytest

import pyrnn

# Rows that fill no tile, units that fill no vector; the last ones are shared among threads.
SIZES = [
    (1, 1, 1, 1),
    (3, 5, 2, 3),
    (17, 33, 9, 3),
    (40, 70, 33, 3),
    (64, 130, 70, 4),
]  # I, H, B, T
LAYOUTS = {
    "sample first": lambda a: a,
    "Fortran order": np.asfortranarray,
    "time first in memory": lambda a: a.swapaxes(0, 1).copy().swapaxes(0, 1),
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
}


def two_per_row(rng, n):
    """A matrix with up to two of -1, 0, 1 in each row and column: states stay small."""
    matrix = np.zeros((n, n), np.int64)
    for _ in range(2):
        matrix[np.arange(n), rng.permutation(n)] += rng.integers(-1, 2, n)
    return matrix


def forward_and_back(x, h0, weights, dy, lengths):
    """y, the last h, and the gradients of relu(W_ih x + b_ih + W_hh h + b_hh), in integers."""
    w_ih, w_hh, b_ih, b_hh = weights
    T = x.shape[1]
    real = np.arange(T) < lengths[:, None]
    h, hs = h0, []
    for t in range(T):
        new = np.maximum(x[:, t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh, 0)
        hs.append((h, new))
        h = np.where(real[:, t, None], new, h)
    y = np.where(real[..., None], np.stack([new for _, new in hs], axis=1), 0)
    dx, dh = np.zeros_like(x), np.zeros_like(h)
    gradients = [np.zeros_like(w) for w in weights]
    for t in reversed(range(T)):
        before, new = hs[t]
        da = (dh + dy[:, t]) * (new > 0) * real[:, t, None]
        dx[:, t] = da @ w_ih
        for total, part in zip(
            gradients, (da.T @ x[:, t], da.T @ before, da.sum(0), da.sum(0)), strict=True
        ):
            total += part
        dh = np.where(real[:, t, None], da @ w_hh, dh)
    return [y, h[None], dx, dh[None], *gradients]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relu_layer(sizes, dtype, rng, isa):
    """Forward, backward and a stream, in every layout, on one thread, two and three."""
    I, H, B, T = sizes
    weights = [
        rng.integers(-1, 2, (H, I)),
        two_per_row(rng, H),
        rng.integers(-2, 3, H),
        rng.integers(-2, 3, H),
    ]
    x, h0, dy = (rng.integers(-3, 4, shape) for shape in ((B, T, I), (B, H), (B, T, H)))
    lengths = rng.integers(0, T + 1, B)
    expected = forward_and_back(x, h0, weights, dy, lengths)
    assert max(np.abs(e).max() for e in expected) < 2**24
    layer = pyrnn.RNN(I, H, nonlinearity="relu", dtype=np.dtype(dtype), seed=0)
    for p, w in zip(layer.parameters(), weights, strict=True):
        p[...] = w.astype(dtype)
    for n in (1, 2, 3):
        for name, lay_out in LAYOUTS.items():
            with pyrnn.threads(n):
                layer.zero_grad()
                given = lay_out(x.astype(dtype)), h0[None].astype(dtype), lengths
                (y, h), pullback = layer.vjp(*given)
                dx, dh = pullback(lay_out(dy.astype(dtype)))
                inferred = layer(*given)
            actual = [y, h, dx, dh, *(p.grad for p in layer.parameters())]
            for a, e in zip([*actual, *inferred], [*expected, y, h], strict=True):
                assert np.array_equal(a, e), f"{n} threads, {name}"
    stream = layer.stream(batch_size=B)
    stream.state = h0[None].astype(dtype)
    whole = forward_and_back(x, h0, weights, dy, np.full(B, T))[0]
    assert np.array_equal(stream.run(x.astype(dtype)), whole)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_linear_and_sums(sizes, dtype, rng, isa):
    """Products of every row with every column, and sums over steps."""
    I, O, B, T = sizes
    w, b, x = rng.integers(-9, 10, (O, I)), rng.integers(-9, 10, O), rng.integers(-9, 10, (B, T, I))
    dy = rng.integers(-9, 10, (B, T, O))
    layer = pyrnn.Linear(I, O, dtype=np.dtype(dtype), seed=0)
    layer.weight[...], layer.bias[...] = w.astype(dtype), b.astype(dtype)
    expected = x @ w.T + b, dy @ w, np.einsum("bto,bti->oi", dy, x), dy.sum((0, 1))
    for n in (1, 2, 3):
        for name, lay_out in LAYOUTS.items():
            with pyrnn.threads(n):
                layer.zero_grad()
                y, pullback = layer.vjp(lay_out(x.astype(dtype)))
                dx = pullback(lay_out(dy.astype(dtype)))
                summed = pyrnn.SumPool()(lay_out(x.astype(dtype)))
            actual = y, dx, layer.weight.grad, layer.bias.grad
            for a, e in zip((*actual, summed), (*expected, x.sum(1)), strict=True):
                assert np.array_equal(a, e), f"{n} threads, {name}"
