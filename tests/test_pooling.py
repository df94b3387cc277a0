"""Promise: pools over time see a row's real steps and nothing else."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits

POOLS = {
    "SumPool": lambda rows: rows.sum(axis=0),
    "MeanPool": lambda rows: rows.mean(axis=0),
    "MaxPool": lambda rows: rows.max(axis=0),
}
each_pool = pytest.mark.parametrize("name", POOLS)
LENGTHS = [5, 0, 3, 1]


def draw(rng, dtype=np.float64):
    return rng.standard_normal((4, 5, 3)).astype(dtype)


@each_pool
@pytest.mark.parametrize("batch_first", [None, False, True])
def test_equation_row_by_row(name, batch_first, rng, isa):
    x, pool = draw(rng), getattr(pyrnn, name)(batch_first=batch_first)
    given = x.swapaxes(0, 1) if batch_first is False else x
    y = pool(given, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        expected = POOLS[name](x[row, :length]) if length else np.zeros(3)
        np.testing.assert_allclose(y[row], expected, rtol=1e-14)
    np.testing.assert_allclose(pool(given), POOLS[name](x.swapaxes(0, 1)), rtol=1e-14)
    np.testing.assert_allclose(pool(x[0]), POOLS[name](x[0]), rtol=1e-14)
    assert_same_bits(pool(given, lengths=[5] * 4), pool(given))


@each_pool
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e300])
def test_padding_never_matters(name, poison, rng):
    pool, x = getattr(pyrnn, name)(), draw(rng)
    y, pullback = pool.vjp(x, lengths=LENGTHS)
    expected = [y, pullback(np.ones_like(y))]
    padding = np.arange(5) >= np.array(LENGTHS)[:, None]
    x[padding] = poison
    y, pullback = pool.vjp(x, lengths=LENGTHS)
    d_x = pullback(np.ones_like(y))
    assert_same_bits([y, d_x], expected)
    assert not d_x[padding].any()


@each_pool
def test_a_row_has_the_same_bits_alone_and_in_any_layout(name, rng, isa):
    """Long rows of one feature, too, which numpy would sum pairwise."""
    x = rng.standard_normal((5, 300, 1)).astype(np.float32)
    lengths, pool = np.array([300, 7, 129, 0, 64]), getattr(pyrnn, name)()
    y = pool(x, lengths=lengths)
    for row, length in enumerate(lengths):
        assert_same_bits(pool(x[row : row + 1], lengths=[length])[0], y[row])
        assert_same_bits(pool(x[row, :length]), y[row])
    by_time = np.ascontiguousarray(x.swapaxes(0, 1))
    assert_same_bits(pool(by_time.swapaxes(0, 1), lengths=lengths), y)
    assert_same_bits(getattr(pyrnn, name)(batch_first=False)(by_time, lengths=lengths), y)


@each_pool
def test_threads_give_the_same_bits(name, rng):
    x, lengths = rng.standard_normal((40, 50, 70), np.float32), rng.integers(0, 51, 40)
    results = []
    for n in (1, 2):
        with pyrnn.threads(n):
            y, pullback = getattr(pyrnn, name)().vjp(x, lengths=lengths)
            results.append([y, pullback(y)])
    assert_same_bits(*results)


def test_max_goes_to_the_first_of_equals_and_keeps_nan(isa):
    x = np.array([[1.0, 2.0], [1.0, np.nan], [0.0, 3.0]])
    y, pullback = pyrnn.MaxPool().vjp(x)
    assert_same_bits(y, np.array([1.0, np.nan]))
    assert_same_bits(pullback(np.array([5.0, 7.0])), np.array([[5.0, 0], [0, 7.0], [0, 0]]))


@each_pool
def test_without_steps_or_rows(name):
    pool = getattr(pyrnn, name)()
    for shape, expected in (((4, 0, 3), (4, 3)), ((0, 5, 3), (0, 3)), ((0, 3), (3,))):
        y, pullback = pool.vjp(np.zeros(shape))
        assert y.shape == expected and not y.any()
        assert pullback(np.ones(expected)).shape == shape


@each_pool
def test_in_sequential(name, rng, tmp_path):
    """Lengths and masks reach it; nothing that needs time may follow; files and copies."""
    model = pyrnn.Sequential(
        pyrnn.GRU(3, 4, bidirectional=True, seed=0), getattr(pyrnn, name)(), pyrnn.Linear(8, 2)
    )
    x = draw(rng, np.float32)
    y = model(x, lengths=LENGTHS)
    assert y.shape == (4, 2)
    alone = model(x[2:3, :3])
    assert_same_bits(y[2:3], alone)
    mask = np.zeros((4, 5), bool)
    mask[2, 1:4] = True
    shifted = np.roll(x, 1, axis=1)
    assert_same_bits(model(shifted, mask=mask)[2:3], alone)
    model.save(tmp_path / "m.safetensors")
    loaded = pyrnn.load(tmp_path / "m.safetensors")
    for twin in (loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_same_bits(twin(x), model(x))
    with pytest.raises(ValueError, match=f"which a {name} in front has taken away"):
        pyrnn.Sequential(getattr(pyrnn, name)(), pyrnn.LastStep())
    with pytest.raises(TypeError, match="whole sequences"):
        pyrnn.Sequential(getattr(pyrnn, name)()).stream()
    with pytest.raises(ValueError, match="batch_first"):
        pyrnn.Sequential(pyrnn.GRU(3, 4, batch_first=True), getattr(pyrnn, name)(batch_first=False))


@each_pool
def test_bad_input(name, rng):
    pool, x = getattr(pyrnn, name)(), draw(rng)
    for lengths in ([5, 5, 5], [6, 0, 0, 0], [-1, 0, 0, 0]):
        with pytest.raises(ValueError, match="lengths"):
            pool(x, lengths=lengths)
    with pytest.raises(ValueError, match=f"{name}: x has shape"):
        pool(x[0, 0])
    with pytest.raises(TypeError, match="x has dtype int64"):
        pool(x.astype(int))
    _, pullback = pool.vjp(x)
    with pytest.raises(ValueError, match="dy has shape"):
        pullback(x)
    with pytest.raises(TypeError, match="batch_first"):
        getattr(pyrnn, name)(batch_first=1)
