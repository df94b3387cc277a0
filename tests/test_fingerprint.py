"""Promise: the fingerprint of arrays changes with their contents."""

import numpy as np

from pyrnn import _core


def test_a_fingerprint_sees_every_change():
    rng = np.random.default_rng(0)
    array = rng.standard_normal(1003).astype(np.float32)
    seen = {_core.fingerprint([array])}
    assert _core.fingerprint([array.copy()]) in seen
    changes = 0
    for i in range(1003):
        for bit in (0, 13, 22, 23, 30, 31):
            other = array.copy()
            other.view(np.uint32)[i] ^= np.uint32(1 << bit)
            seen.add(_core.fingerprint([other]))
            changes += 1
        for j in (i + 1, i + 2, i + 8, i + 16, i + 32, i + 64, i + 128):
            if j < 1003:  # two signs, two exponents, two places
                for pair in (-array[[i, j]], array[[i, j]] * np.float32([2, 4]), array[[j, i]]):
                    other = array.copy()
                    other[[i, j]] = pair
                    seen.add(_core.fingerprint([other]))
                    changes += 1
    assert len(seen) == changes + 1
    halves = _core.fingerprint([array[:500], array[500:]])
    assert halves not in seen
