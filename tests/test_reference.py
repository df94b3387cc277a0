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
SETTINGS = [(*size, bias, "concat", {}, not bias) for size in SIZES for bias in (True, False)]
SETTINGS += [("rnn_tanh", 0, True, merge, {}, False) for merge in ("sum", "mul", "average")]
OPTIONS = [
    (0, True, {"peephole": True}, True),
    (0, False, {"coupled_gates": True, "cell_clip": 0.4}, True),
    (2, True, {"coupled_gates": True, "peephole": True, "layer_norm": True}, True),
    (2, False, {"peephole": True, "layer_norm": True}, False),
    (0, True, {"layer_norm": True}, True),
]
SETTINGS += [("lstm", proj, bias, "concat", *rest) for proj, bias, *rest in OPTIONS]
SETTINGS += [("gru", 0, True, "concat", {"layer_norm": True}, True)]


def make(cell, proj_size, bias, merge, options, rng):
    empty = reference.Stack(cell, [], LAYERS, True, bias, proj_size, merge, options)
    gates, width, weights = empty.make_cell().gates, proj_size or H, []
    vectors = {"peephole": (gates - 1) * H, "ln_ih": gates * H, "ln_hh": gates * H}
    for layer in range(LAYERS):
        for _ in range(2):
            columns = (2 if merge == "concat" else 1) * width if layer else I
            shapes = [(gates * H, columns), (gates * H, width)] + [(gates * H,)] * 2 * bias
            shapes += [(proj_size, H)] if proj_size else []
            shapes += [(vectors.get(name, H),) for name in empty.names()[len(shapes) :]]
            weights += [rng.uniform(-1, 1, shape) for shape in shapes]
    return reference.Stack(cell, weights, LAYERS, True, bias, proj_size, merge, options)


def draw_state_masks(width, c_width, rng):
    """Zoneout's and recurrent dropout's, of every layer and direction."""

    def masks():
        keep_h, keep_c = rng.random((T, B, width)) < 0.7, rng.random((T, B, c_width)) < 0.7
        return reference.Masks(keep_h * 1.0, keep_c * 1.0, rng.uniform(0.5, 1.5, (B, width)))

    return [masks() for _ in range(2 * LAYERS)]


@pytest.mark.parametrize(
    ("cell", "proj_size", "bias", "merge", "options", "state_masks"), SETTINGS, ids=str
)
def test_finite_differences(cell, proj_size, bias, merge, options, state_masks, rng):
    stack = make(cell, proj_size, bias, merge, options, rng)
    width, c_width = proj_size or H, H if cell == "lstm" else 0
    x = rng.standard_normal((T, B, I))
    h0, c0 = rng.standard_normal((2 * LAYERS, B, width)), rng.random((2 * LAYERS, B, c_width))
    features = (2 if merge == "concat" else 1) * width
    masks = [(rng.random((T, B, features)) < 0.7) / 0.7 for _ in range(LAYERS - 1)]
    drawn = masks, draw_state_masks(width, c_width, rng) if state_masks else None
    y, cells = np.zeros((T, B, features)), np.zeros((T, B, 2 * c_width))
    sent = [rng.standard_normal(a.shape) for a in (y, h0, c0, cells)]

    def loss():
        *outputs, tape = stack.forward(x, h0, c0, [3, 0, 4], *drawn)
        return sum((a * g).sum() for a, g in zip([*outputs, tape.cells], sent, strict=True))

    *_, tape = stack.forward(x, h0, c0, [3, 0, 4], *drawn)
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
