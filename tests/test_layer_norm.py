"""Promise: LayerNorm computes its equation, with one order for every sum, and is a whole module."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_close, assert_same_bits

DTYPES = ("float32", "float64")
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
SHAPES = [((1, 1), 1), ((9, 17), 1), ((5, 3, 33), 1), ((4, 2, 3), 2), ((2, 1000), 1), ((7,), 1)]


def problem(shape, axes, dtype, **options):
    """A layer over the last axes with drawn parameters, x and dy."""
    rng = np.random.default_rng(0)
    norm = pyrnn.LayerNorm(shape[-axes:], dtype=np.dtype(dtype), **options)
    for p in norm.parameters():
        p[...] = rng.standard_normal(p.shape)
    return norm, *((2 * rng.standard_normal(shape) + 1).astype(dtype) for _ in range(2))


def equation(x, weight, bias, axes, eps=1e-5):
    """y, and the normalised x."""
    over = tuple(range(x.ndim - axes, x.ndim))
    centred = x - x.mean(axis=over, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(axis=over, keepdims=True) + eps)
    return normal * weight + bias, normal


@each_dtype
@pytest.mark.parametrize(("shape", "axes"), SHAPES, ids=str)
def test_output_and_weight_gradients(shape, axes, dtype, isa):
    norm, x, d_y = problem(shape, axes, dtype)
    y, pullback = norm.vjp(x)
    pullback(d_y)
    wide = [np.asarray(a, np.float64) for a in (x, norm.weight, norm.bias, d_y)]
    expected, normal = equation(*wide[:3], axes)
    size, leading = norm.weight.size, tuple(range(x.ndim - axes))
    assert_close({"y": y}, {"y": expected}, dtype, 4 * size)
    assert_same_bits(norm(x), y)
    gradients = {"weight": (wide[3] * normal).sum(axis=leading), "bias": wide[3].sum(axis=leading)}
    actual = {name: p.grad for name, p in norm.named_parameters()}
    assert_close(actual, gradients, dtype, 4 * x.size, backward=True)


@each_dtype
def test_bits(dtype, isa):
    """Threads, the other rows and the leading axes change nothing."""
    results = []
    for n in (1, 2):
        norm, x, d_y = problem((1301, 130), 1, dtype)
        with pyrnn.threads(n):
            y, pullback = norm.vjp(x)
            results.append([y, pullback(d_y), *(p.grad for p in norm.parameters())])
    assert_same_bits(*results)
    y, d_x = results[0][:2]
    for row in (0, 7, 1300):
        alone, pullback = norm.vjp(x[row])
        assert_same_bits(alone, y[row])
        assert_same_bits(pullback(d_y[row]), d_x[row])
    assert_same_bits(norm(x[:1300].reshape(10, 130, 130)), y[:1300].reshape(10, 130, 130))
    assert norm(x[:0]).shape == (0, 130)


def test_padding_in_sequential_changes_nothing(rng):
    """More padding, whatever it holds: outputs and every gradient keep their bits."""

    def run(T, poison):
        model = pyrnn.Sequential(
            pyrnn.LayerNorm(3), pyrnn.GRU(3, 4, seed=0), pyrnn.LayerNorm(4), pyrnn.MeanPool()
        )
        x = np.full((2, T, 3), poison, np.float32)
        x[:, :4] = np.random.default_rng(1).standard_normal((2, 4, 3))
        x[1, 2:] = poison
        (y, _), pullback = model.vjp(x, lengths=[4, 2])
        d_x, _ = pullback(np.ones_like(y))
        return [y, d_x[:, :4], *(p.grad for p in model.parameters())]  # fmt: skip

    expected = run(4, 0.0)
    for T, poison in ((4, np.nan), (9, 1e30), (9, np.inf)):
        assert_same_bits(run(T, poison), expected)


def test_denormals_are_zero(isa):
    """In rows, in the sums of rows, and where the sums of chunks of rows meet; on any thread."""
    tiny = np.float32(1e-39)
    results = []
    for value, n in ((0, 1), (tiny, 1), (tiny, 2)):
        norm, x, d_y = problem((1301, 130), 1, "float32")
        x[5:900], d_y[3], d_y[7] = value, value, value
        with pyrnn.threads(n):
            y, pullback = norm.vjp(x)
            results.append([y, pullback(d_y), *(p.grad for p in norm.parameters())])
    assert_same_bits(results[1:], results[:1] * 2)
    norm, x, d_y = problem((128, 8), 1, "float32")
    d_y[...] = 0
    d_y[0], d_y[-1] = 1.5e-38, -1.2e-38  # of two chunks; their sum is denormal
    norm.vjp(x)[1](d_y)
    assert not norm.bias.grad.any() and d_y[0].sum() > 0


def test_without_affine_or_bias(rng):
    x, d_y = rng.standard_normal((5, 8)), rng.standard_normal((5, 8))
    plain = pyrnn.LayerNorm(8, elementwise_affine=False, dtype=np.float64)
    full = pyrnn.LayerNorm(8, dtype=np.float64)
    unbiased = pyrnn.LayerNorm(8, bias=False, dtype=np.float64)
    assert plain.parameters() == [] and [n for n, _ in unbiased.named_parameters()] == ["weight"]
    results = []
    for norm in (plain, full, unbiased):
        y, pullback = norm.vjp(x)
        results.append([y, pullback(d_y)])
    assert_same_bits(results[1:], results[:1] * 2)
    assert_same_bits(unbiased.weight.grad, full.weight.grad)
    y, pullback = full.vjp(x, need_dx=False)
    assert pullback(d_y) is None


def test_large_offsets_do_not_cancel(isa):
    """Variance about the mean: 1 + 4096 of float32 keeps its digits."""
    x = (4096 + np.arange(8)).astype(np.float32)
    expected, _ = equation(x.astype(np.float64), 1.0, 0.0, 1)
    np.testing.assert_allclose(pyrnn.LayerNorm(8)(x), expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"elementwise_affine": False}])
def test_files_copies_and_config(options, tmp_path):
    norm, x, _ = problem((4, 2, 3), 2, "float64", eps=1e-3, **options)
    model = pyrnn.Sequential(norm, pyrnn.MaxPool())
    model.save(tmp_path / "m.safetensors")
    loaded = pyrnn.load(tmp_path / "m.safetensors")
    for twin in (loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_same_bits(twin(x[0]), model(x[0]))
        assert repr(twin) == repr(model)


def test_in_a_stream(rng):
    """Step by step is the whole sequence."""
    model = pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), pyrnn.LayerNorm(4), pyrnn.Linear(4, 2))
    x = rng.standard_normal((2, 5, 3)).astype(np.float32)
    stream = model.stream(batch_size=2)
    steps = [stream.step(x[:, t]) for t in range(x.shape[1])]
    assert_same_bits(np.stack(steps, axis=1), model(x))


def test_bad_input():
    norm = pyrnn.LayerNorm((2, 3))
    with pytest.raises(ValueError, match=r"x has shape \(4, 3\), expected \(..., 2, 3\)"):
        norm(np.zeros((4, 3), np.float32))
    with pytest.raises(TypeError, match="float64"):
        norm(np.zeros((2, 3)))
    _, pullback = norm.vjp(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="dy has shape"):
        pullback(np.zeros((3, 2), np.float32))
    for bad, error in ((0, ValueError), ((), TypeError), (2.5, TypeError), ([2, -1], ValueError)):
        with pytest.raises(error, match="normalized_shape"):
            pyrnn.LayerNorm(bad)
    for eps in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="eps"):
            pyrnn.LayerNorm(3, eps=eps)
