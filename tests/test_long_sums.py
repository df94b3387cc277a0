"""Promise: the error of a sum does not grow with the number of its terms."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import _core

STEPS = 1_000_000


@pytest.mark.parametrize("value", [0.1, -1 / 3, 1e-20, 12345.678])
def test_pools_of_a_million_equal_steps(value, isa):
    x = np.full((STEPS, 1, 2), value, np.float32)
    wanted = float(x[0, 0, 0])
    total = pyrnn.SumPool(batch_first=False)(x) / np.float32(STEPS)
    mean = pyrnn.MeanPool(batch_first=False)(x)
    np.testing.assert_allclose(total, wanted, rtol=2e-6)
    np.testing.assert_allclose(mean, wanted, rtol=2e-6)


def test_float64_pools_too(isa):
    """One by one, the error of 0.1 is 1.3e-11."""
    x = np.full((STEPS, 1, 1), 0.1)
    assert abs(pyrnn.MeanPool(batch_first=False)(x)[0, 0] - 0.1) < 1e-15


@pytest.mark.parametrize("length", [63, 64, 65, 128, 1000])
def test_what_is_not_finite_stays_what_it_is(length, isa):
    """An infinite step makes the sum infinite, not NaN, whatever chunk it is in."""
    pool = pyrnn.SumPool(batch_first=False)
    for t in {0, 62, 63, 64, length - 1} & set(range(length)):
        x = np.ones((length, 1, 3), np.float32)
        x[t, 0] = np.inf, -np.inf, np.nan
        np.testing.assert_array_equal(pool(x)[0], x[t, 0])


def test_long_rows_have_the_same_bits_in_any_batch(rng, isa):
    x = rng.standard_normal((1000, 4, 19)).astype(np.float32)
    lengths, pool = np.array([1000, 65, 64, 999]), pyrnn.SumPool(batch_first=False)
    y = pool(x, lengths=lengths)
    assert_same_bits(pyrnn.SumPool(batch_first=True)(x.swapaxes(0, 1).copy(), lengths=lengths), y)
    for row, length in enumerate(lengths):
        assert_same_bits(pool(x[:length, row]), y[row])
    with pyrnn.threads(3):
        assert_same_bits(pool(x, lengths=lengths), y)


def test_long_sums_of_many_sizes_are_as_exact_as_float32(rng, isa):
    x = rng.lognormal(0, 3, (200_000, 1, 1)).astype(np.float32)
    exact = x.sum(dtype=np.float64)
    assert abs(pyrnn.SumPool(batch_first=False)(x)[0, 0] / exact - 1) < 2e-6


@pytest.mark.parametrize("columns", [16, 500, 100_000])
@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6])
def test_layer_norm_beside_a_large_offset(columns, offset, rng, isa):
    """Off by no more than the rounding of the mean, half a unit in the last place of the offset."""
    x = (offset + rng.standard_normal((5, columns))).astype(np.float32)
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=1, keepdims=True)
    wanted = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    unit = np.spacing(np.float32(offset)) / centred.std(axis=1).min()
    assert np.abs(pyrnn.LayerNorm(columns)(x) - wanted).max() < 0.75 * unit + 1e-5


def test_layer_norm_of_equal_features_is_finite(isa):
    x = np.full((3, 1000), np.float32(0.1))
    assert np.abs(pyrnn.LayerNorm(1000)(x)).max() < 1e-4


@pytest.mark.parametrize("value", [0.1, -1 / 3, 1e-20, 12345.678])
def test_rows_of_a_million_equal_columns(value, isa):
    """What `sum` of a value over its last axis is computed with."""
    x = np.full((2, STEPS), value, np.float32)
    np.testing.assert_allclose(_core.row_sums(x, 1) / np.float32(STEPS), x[:, 0], rtol=2e-6)
    assert abs(_core.row_sums(np.full((1, STEPS), 0.1), 1)[0] / STEPS - 0.1) < 1e-15


@pytest.mark.parametrize("columns", [1, 255, 256, 257, 1000])
def test_rows_that_are_not_finite_stay_what_they_are(columns, isa):
    for i in {0, 255, 256, columns - 1} & set(range(columns)):
        x = np.ones((3, columns), np.float32)
        x[:, i] = np.inf, -np.inf, np.nan
        np.testing.assert_array_equal(_core.row_sums(x, 1), x[:, i])
