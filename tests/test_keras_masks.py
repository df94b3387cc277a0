"""Promise: what keras.load makes hands masks on, also in pieces."""

import numpy as np
import pytest

import pyrnn

pytest.importorskip("h5py", reason="h5py is not installed: make test installs it")
import pyrnn.keras


def test_masks_are_not_lost_in_a_sequential():
    """A slice hands masks on, too, and a plain Sequential refuses what makes them."""
    parts = pyrnn.keras.Masking(), pyrnn.GRU(3, 4, seed=0), pyrnn.Linear(4, 2, seed=1)
    model = pyrnn.keras.MaskedSequential(*parts, pyrnn.Softmax())
    logits = model[:-1]
    assert isinstance(logits, pyrnn.keras.MaskedSequential)
    x = np.ones((2, 5, 3), np.float32)
    x[0, 1:3] = 0
    np.testing.assert_array_equal(pyrnn.Softmax()(logits(x)), model(x))
    with pytest.raises(ValueError, match=r"module 0 \(Masking\) .*MaskedSequential does"):
        pyrnn.Sequential(*parts)
