"""Promise: the twin's own gradients are right, so that being equal to it means something.

Every entry against central differences of its forward pass: three layers, both directions, ragged
lengths with a zero, dropout masks between the layers, each way to merge the directions, gradients
of every c. No pyrnn in here.
"""

import numpy as np
import pytest

import reference

LAYERS, I, H, T, B = 3, 2, 3, 4, 3
STEP = np.finfo(np.float64).eps ** (1 / 3)
SIZES = [*((cell, 0) for cell in reference.CELLS), ("lstm", 2)]
SETTINGS = [(*size, bias, "concat") for size in SIZES for bias in (True, False)]
SETTINGS += [("rnn_tanh", 0, True, merge) for merge in ("sum", "mul", "average")]


def make(cell, proj_size, bias, merge, rng):
    gates, width, weights = reference.CELLS[cell].gates, proj_size or H, []
    for layer in range(LAYERS):
        for _ in range(2):
            columns = (2 if merge == "concat" else 1) * width if layer else I
            shapes = [(gates * H, columns), (gates * H, width)] + [(gates * H,)] * 2 * bias
            shapes += [(proj_size, H)] if proj_size else []
            weights += [rng.uniform(-1, 1, shape) for shape in shapes]
    return reference.Stack(cell, weights, LAYERS, True, bias, proj_size, merge)


@pytest.mark.parametrize(("cell", "proj_size", "bias", "merge"), SETTINGS)
def test_finite_differences(cell, proj_size, bias, merge, rng):
    stack = make(cell, proj_size, bias, merge, rng)
    width, c_width = proj_size or H, H if cell == "lstm" else 0
    x = rng.standard_normal((T, B, I))
    h0, c0 = rng.standard_normal((2 * LAYERS, B, width)), rng.random((2 * LAYERS, B, c_width))
    features = (2 if merge == "concat" else 1) * width
    masks = [(rng.random((T, B, features)) < 0.7) / 0.7 for _ in range(LAYERS - 1)]
    y, cells = np.zeros((T, B, features)), np.zeros((T, B, 2 * c_width))
    sent = [rng.standard_normal(a.shape) for a in (y, h0, c0, cells)]

    def loss():
        *outputs, tape = stack.forward(x, h0, c0, [3, 0, 4], masks)
        return sum((a * g).sum() for a, g in zip([*outputs, tape.cells], sent, strict=True))

    *_, tape = stack.forward(x, h0, c0, [3, 0, 4], masks)
    d_x, d_h0, d_c0, grads = stack.backward(tape, *sent)
    pairs = [(x, d_x), (h0, d_h0), (c0, d_c0), *zip(stack.weights, grads, strict=True)]
    largest = max(np.abs(gradient).max(initial=0) for _, gradient in pairs)
    for array, gradient in pairs:
        assert gradient.shape == array.shape
        for where in np.ndindex(array.shape):
            value, sides = array[where], []
            for sign in (1, -1):
                array[where] = value + sign * STEP
                sides.append(loss())
            array[where] = value
            slope = (sides[0] - sides[1]) / (2 * STEP)
            assert abs(slope - gradient[where]) <= 1000 * STEP**2 * largest
