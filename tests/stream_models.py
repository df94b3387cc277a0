"""Random models for the tests of streams, and parts that the core does not know."""

import numpy as np

import pyrnn

CELLS = (
    lambda i, h, **kw: pyrnn.LSTM(i, h, **kw),
    lambda i, h, **kw: pyrnn.GRU(i, h, **kw),
    lambda i, h, **kw: pyrnn.RNN(i, h, **kw),
    lambda i, h, **kw: pyrnn.LSTM(i, 2 * h, proj_size=h, **kw),
    lambda i, h, **kw: pyrnn.GRU(i, h, reset_after=False, num_layers=2, **kw),
    lambda i, h, **kw: pyrnn.LSTM(i, h, layer_norm=True, zoneout=0.25, **kw),
)
SAME = (
    lambda n, dtype: pyrnn.Tanh(),
    lambda n, dtype: pyrnn.ReLU(),
    lambda n, dtype: pyrnn.Sigmoid(),
    lambda n, dtype: pyrnn.Softmax(),
    lambda n, dtype: pyrnn.Identity(),
    lambda n, dtype: pyrnn.Dropout(0.5),
    lambda n, dtype: pyrnn.LayerNorm(n, dtype=dtype),
    lambda n, dtype: pyrnn.LayerNorm(n, elementwise_affine=False, dtype=dtype),
    lambda n, dtype: pyrnn.LayerNorm(n, bias=False, dtype=dtype),
)


class Doubled(pyrnn.Module):
    """A user's module, which the core does not know."""

    stepwise = True

    def __call__(self, x):
        return x + x


class Halved(Doubled):
    """What it gets; in Python."""

    def __call__(self, x):
        return x


def drawn_parts(rng, features, dtype, count):
    """Random parts for x of so many features."""
    parts = []
    for _ in range(count):
        kind, width = rng.integers(0, 4), int(rng.choice([1, 3, 8, 17, 40]))
        if kind == 0:
            cell = CELLS[rng.integers(len(CELLS))]
            parts.append(cell(features, width, dtype=dtype, seed=int(rng.integers(99))))
        elif kind == 1:
            bias, seed = bool(rng.integers(2)), int(rng.integers(99))
            parts.append(pyrnn.Linear(features, width, bias=bias, dtype=dtype, seed=seed))
        elif kind == 2:
            inner, width = drawn_parts(rng, features, dtype, int(rng.integers(1, 3)))
            parts.append(pyrnn.Sequential(*inner))
        else:
            width = features
            parts.append(SAME[rng.integers(len(SAME))](features, dtype))
        features = width
    return parts, features


def drawn(seed, *more):
    """(model of random parts, x (N, T, F) or ids (N, T))."""
    rng = np.random.default_rng(seed)
    dtype, features, ids = rng.choice(["f4", "f8"]), int(rng.choice([1, 5, 16])), rng.random() < 0.3
    parts, _ = drawn_parts(rng, features, dtype, int(rng.integers(1, 6)))
    N, T = int(rng.choice([1, 2, 9])), 7
    x = rng.standard_normal((N, T, features)).astype(dtype)
    if ids:
        parts = [pyrnn.Embedding(11, features, dtype=dtype, seed=seed), *parts]
        x = rng.integers(0, 11, (N, T))
    else:
        parts = [pyrnn.Linear(features, features, dtype=dtype, seed=seed), *parts]
    return pyrnn.Sequential(*parts, *more), x
