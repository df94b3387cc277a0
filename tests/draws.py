"""The random numbers of a case: lengths, and the masks that the core draws for the states."""

import numpy as np

import reference
from pyrnn import _core

ZONE_H, ZONE_C, DROP = 1, 2, 3  # kinds of masks, each with random numbers of its own


def draw_lengths(kind, T, B, rng):
    """Lengths of one kind; ragged ones hold T at least once, so that no step is padding for all."""
    if kind == "none":
        return None
    if kind == "full" or not B:
        return np.full(B, T)
    lengths = rng.integers(1, T + 1, B)
    lengths[rng.integers(B)] = T
    if kind == "zeros":
        lengths[rng.integers(B)] = 0
    return lengths


def state_masks(case, seed, draw):
    """Zoneout's and recurrent dropout's masks of a vjp, per layer and direction."""
    options = dict(case.options)

    def mask(kind, layer, direction, p, steps, width):
        ones = np.ones((steps, case.B, width))
        stream = ((2 * kind + direction) << 32) + layer
        return _core.dropout(ones, p, seed, draw, stream, 1) if p else ones

    def masks(layer, direction):
        place, H, P = (layer, direction), case.hidden_size, case.output_size
        keep_h = mask(ZONE_H, *place, options.get("zoneout", 0.0), case.T, P) > 0
        keep_c = np.ones((case.T, case.B, 0))
        if case.cell == "lstm":
            keep_c = mask(ZONE_C, *place, options.get("zoneout_cell", 0.0), case.T, H) > 0
        drop = mask(DROP, *place, options.get("recurrent_dropout", 0.0), 1, P)[0]
        return reference.Masks(keep_h.astype(float), keep_c.astype(float), drop)

    places = np.ndindex(case.num_layers, case.directions)
    return [masks(layer, direction) for layer, direction in places]
