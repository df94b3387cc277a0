"""Promise: losses are means over the real elements, with their gradients; padding is never read."""

import math
from functools import partial

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses


def cross_entropy(y, target):
    """-log softmax(y)[target], row by row."""
    shifted = y - y.max(axis=-1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_softmax, target[..., None], axis=-1)[..., 0]


def bce(y, target):
    """-target log s(y) - (1 - target) log(1 - s(y)), s the logistic function."""
    return np.logaddexp(0, y) - target * y


def mse(y, target):
    return (y - target) ** 2


def mae(y, target):
    return np.abs(y - target)


def huber(y, target):
    """With delta 0.5: a parabola, and a line from 0.5 on that touches it."""
    d = np.abs(y - target)
    return np.where(d < 0.5, d**2 / 2, 0.5 * d - 0.125)


def smooth_l1(y, target):
    """With beta 0.5: Huber's over it."""
    return huber(y, target) / 0.5


def quantile(y, target):
    """Levels 0.2 and 0.9, each with its half of y."""
    pairs = zip((0.2, 0.9), np.split(y, 2, axis=-1), strict=True)
    return np.stack([np.where(target > v, q, 1 - q) * np.abs(target - v) for q, v in pairs], -1)


def gaussian(y, target):
    """-log of a normal density without its constant; y is the means and the log variances."""
    mean, log_variance = np.split(y, 2, axis=-1)
    return 0.5 * (log_variance + (target - mean) ** 2 / np.exp(log_variance))


def student_t(y, target):
    """-log of Student's density; y is the locations, log squared scales, and what gives degrees."""
    location, log_square, d = np.split(y, 3, axis=-1)
    nu = 2 + np.log1p(np.exp(d))
    ratio = (target - location) ** 2 / (nu * np.exp(log_square))
    constant = log_gamma((nu + 1) / 2) - log_gamma(nu / 2) - np.log(np.pi * nu) / 2
    return log_square / 2 - constant + (nu + 1) / 2 * np.log1p(ratio)


def poisson(y, target):
    """-log of a Poisson probability but for log(target!), y is the log rate."""
    return np.exp(y) - target * y


def negative_binomial(y, target):
    """The same of a negative binomial one; y is the logarithms of means and dispersions."""
    log_mean, log_dispersion = np.split(y, 2, axis=-1)
    r, share = np.exp(-log_dispersion), 1 / (1 + np.exp(log_mean + log_dispersion))
    ways = log_gamma(target + r) - log_gamma(r)
    return -(ways + r * np.log(share) + target * np.log(1 - share))


log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])
LOSSES = {
    "CrossEntropy": (losses.CrossEntropy, cross_entropy),
    "BCEWithLogits": (losses.BCEWithLogits, bce),
    "MSE": (losses.MSE, mse),
    "MAE": (losses.MAE, mae),
    "Huber": (partial(losses.Huber, 0.5), huber),
    "SmoothL1": (partial(losses.SmoothL1, 0.5), smooth_l1),
    "Quantile": (partial(losses.Quantile, [0.2, 0.9]), quantile),
    "GaussianNLL": (losses.GaussianNLL, gaussian),
    "StudentTNLL": (losses.StudentTNLL, student_t),
    "PoissonNLL": (losses.PoissonNLL, poisson),
    "NegativeBinomialNLL": (losses.NegativeBinomialNLL, negative_binomial),
}
each_loss = pytest.mark.parametrize("name", LOSSES)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def draw(name, rng, dtype="float64", shape=(3, 5, 7)):
    """y and a target for it, of shape (N, T, C); more features where y holds several a target."""
    per_target = getattr(LOSSES[name][0](), "per_target", 1)
    y = rng.standard_normal((*shape[:-1], per_target * shape[-1])).astype(dtype)
    if name == "CrossEntropy":
        return y, rng.integers(0, shape[-1], shape[:-1])
    return y, rng.random(shape).astype(dtype)


@each_loss
@each_dtype
@pytest.mark.parametrize("shape", [(1, 1), (9, 17), (5, 3, 7), (4, 33, 2)], ids=str)
def test_value_is_the_mean(name, dtype, shape, rng, isa):
    cls, equation = LOSSES[name]
    y, target = draw(name, rng, dtype, shape)
    expected = equation(y.astype(np.float64), target).mean()
    tolerance = 20 * float(np.finfo(dtype).eps)
    assert cls()(y, target) == pytest.approx(expected, rel=tolerance, abs=tolerance)
    assert cls().vjp(y, target)[0] == cls()(y, target)


@each_loss
def test_gradient_by_finite_differences(name, rng):
    cls, _ = LOSSES[name]
    y, target = draw(name, rng, shape=(2, 3, 4))
    _, pullback = cls().vjp(y, target, lengths=[3, 1])
    d_y, step = pullback(), 1e-6
    for where in np.ndindex(y.shape):
        sides = []
        for sign in (1, -1):
            moved = y.copy()
            moved[where] += sign * step
            sides.append(cls()(moved, target, lengths=[3, 1]))
        assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(d_y[where], abs=1e-9)


@each_loss
@each_dtype
def test_lengths_take_the_mean_over_real_steps(name, dtype, rng):
    cls, equation = LOSSES[name]
    y, target = draw(name, rng, dtype)
    lengths, real = [2, 0, 5], np.arange(5) < np.array([2, 0, 5])[:, None]
    expected = equation(y.astype(np.float64), target)[real].mean()
    value, pullback = cls().vjp(y, target, lengths=lengths)
    assert value == pytest.approx(expected, rel=20 * float(np.finfo(dtype).eps))
    d_y = pullback()
    assert not d_y[~real].any() and d_y[real].any(axis=-1).all()


@each_loss
@pytest.mark.parametrize("poison", [np.nan, np.inf, -1e30])
def test_padding_is_never_read(name, poison, rng):
    """Logits and targets beyond the lengths may be anything."""
    cls, _ = LOSSES[name]
    y, target = draw(name, rng)
    padding = np.arange(5) >= np.array([2, 0, 5])[:, None]
    expected = cls().vjp(y, target, lengths=[2, 0, 5])
    y[padding] = poison
    target[padding] = 99 if name == "CrossEntropy" else poison
    value, pullback = cls().vjp(y, target, lengths=[2, 0, 5])
    assert value == expected[0]
    assert_same_bits(pullback(), expected[1]())


@each_loss
def test_nothing_real_is_zero(name, rng):
    cls, _ = LOSSES[name]
    y, target = draw(name, rng)
    value, pullback = cls().vjp(y, target, lengths=[0, 0, 0])
    assert value == 0 and not pullback().any()
    value, pullback = cls().vjp(y[:, :0], target[:, :0])
    assert value == 0 and pullback().shape == (3, 0, y.shape[-1])


@each_loss
@each_dtype
def test_threads_and_more_padding_give_the_same_bits(name, dtype, rng, isa):
    cls, _ = LOSSES[name]
    y, target = draw(name, rng, dtype, (37, 40, 65))
    lengths = rng.integers(0, 31, 37)
    results = []
    for n, T in ((1, 40), (2, 40), (2, 30)):
        with pyrnn.threads(n):
            value, pullback = cls().vjp(y[:, :T], target[:, :T], lengths=lengths)
            results.append((value, pullback()[:, :30]))
    for value, d_y in results[1:]:
        assert value == results[0][0]
        assert_same_bits(d_y, results[0][1])


@each_loss
@each_dtype
def test_terms_are_added_step_by_step_whatever_the_strides(name, dtype, rng):
    """The mean is that of (T, N, ...) flattened, for C-contiguous arrays, views and slices."""
    cls, _ = LOSSES[name]
    y, target = draw(name, rng, dtype, (37, 41, 5))
    flat = [np.concatenate(list(array.swapaxes(0, 1))) for array in (y, target)]  # (T * N, ...)
    expected, pullback = cls().vjp(*flat)
    d_y = pullback().reshape(41, 37, -1).swapaxes(0, 1)
    doubled = np.repeat(y, 2, axis=0)[::2]
    for given in (y, np.ascontiguousarray(y.swapaxes(0, 1)).swapaxes(0, 1), doubled):
        value, pullback = cls().vjp(given, target)
        assert value == expected
        assert_same_bits(pullback(), d_y)


def test_the_sample_comes_first_there_is_no_other_word():
    for cls, _ in LOSSES.values():
        with pytest.raises(TypeError):
            cls(batch_first=True)


def test_ignore_index(rng):
    y, target = draw("CrossEntropy", rng)
    target[2, 1] = target[0, 3] = -100
    real = target != -100
    value, pullback = losses.CrossEntropy().vjp(y, target)
    assert value == pytest.approx(cross_entropy(y, np.where(real, target, 0))[real].mean())
    assert not pullback()[~real].any()
    zero = losses.CrossEntropy(ignore_index=0)
    kept = (target != 0) & real
    target[~real] = 0
    assert zero(y, target) == pytest.approx(cross_entropy(y, target)[kept].mean())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_logits_stay_finite(dtype, isa):
    y = np.array([[1e4, 0.0], [0.0, 1e4], [-1e4, 0.0]], dtype)
    value, pullback = losses.CrossEntropy().vjp(y, [0, 0, 1])
    assert value == pytest.approx(1e4 / 3, rel=1e-6)
    np.testing.assert_allclose(pullback(), [[0, 0], [-1 / 3, 1 / 3], [0, 0]], atol=1e-6)
    target = np.array([[1, 0], [1, 0], [0, 0]], dtype)
    value, pullback = losses.BCEWithLogits().vjp(y, target)
    expected = bce(y.astype(np.float64), target).mean()
    assert value == pytest.approx(expected, rel=1e-6) and np.isfinite(pullback()).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_row_leaves_the_others_gradients_alone(bad, rng):
    y, target = draw("CrossEntropy", rng)
    _, pullback = losses.CrossEntropy().vjp(y, target)
    expected = pullback()
    y[2, 1, 3] = bad
    value, pullback = losses.CrossEntropy().vjp(y, target)
    others = np.ones((3, 5), bool)
    others[2, 1] = False
    assert not np.isfinite(value)
    assert_same_bits(pullback()[others], expected[others])


def test_pullback_scales_and_is_spent(rng):
    y, target = draw("MSE", rng)
    expected = losses.MSE().vjp(y, target)[1]()
    pullback = losses.MSE().vjp(y, target)[1]
    np.testing.assert_allclose(pullback(3.0), 3 * expected, rtol=1e-15)
    with pytest.raises(RuntimeError, match=r"once|before|used"):
        pullback()


@pytest.mark.parametrize(
    ("name", "y", "target", "error", "words"),
    [
        ("CrossEntropy", (4, 3), [0, 1, 2, 3], ValueError, r"target\[3\] is 3"),
        ("CrossEntropy", (4, 3), [0, -1, 2, 1], ValueError, r"target\[1\] is -1"),
        ("CrossEntropy", (4, 3), [0, 1], ValueError, r"shape \(2,\)"),
        ("CrossEntropy", (4, 3), [0.0, 1.0, 2.0, 1.0], TypeError, "integer"),
        ("CrossEntropy", (4, 0), [0, 0, 0, 0], ValueError, "C >= 1"),
        ("MSE", (4, 3), [[0.0] * 3], ValueError, r"shape \(1, 3\)"),
        ("MSE", (1, 2), [[0.0, np.nan]], ValueError, r"target\[0, 1\] is nan"),
        ("BCEWithLogits", (1, 2), [[0.0, 1.5]], ValueError, r"target\[0, 1\] is 1.5"),
        ("MAE", (1, 2), [[0.0, np.inf]], ValueError, r"target\[0, 1\] is inf"),
        ("Huber", (2,), [0.0, 1.0, 2.0], ValueError, r"shape \(3,\)"),
        ("Quantile", (4, 3), [0.0] * 4, ValueError, "2 numbers for each target"),
        ("GaussianNLL", (1, 2), [np.nan], ValueError, r"target\[0, 0\] is nan"),
        ("StudentTNLL", (4, 2), [0.0] * 4, ValueError, "3 numbers for each target"),
        ("PoissonNLL", (2,), [1.0, -1.0], ValueError, r"target\[1\] is -1.0, .* number >= 0"),
        ("NegativeBinomialNLL", (1, 2), [-2.0], ValueError, r"target\[0, 0\] is -2.0"),
    ],
)
def test_bad_targets(name, y, target, error, words):
    with pytest.raises(error, match=words):
        LOSSES[name][0]()(np.zeros(y), target)


@each_loss
def test_bad_y_and_lengths(name, rng):
    cls, _ = LOSSES[name]
    y, target = draw(name, rng)
    with pytest.raises(TypeError, match="float16"):
        cls()(y.astype(np.float16), target)
    for lengths in ([1, 2], [6, 0, 0], [-1, 0, 0]):
        with pytest.raises(ValueError, match="lengths"):
            cls()(y, target, lengths=lengths)
    if name != "CrossEntropy":
        with pytest.raises(TypeError, match="float32"):
            cls()(y, target.astype(np.float32))


@pytest.mark.parametrize("bad", ["x", None, [1.0], True, np.ones(2)])
def test_a_bad_dloss_leaves_the_pullback_as_it_was(bad, rng):
    y, target = draw("MSE", rng)
    crf, emissions = pyrnn.CRF(3, seed=0), np.zeros((2, 4, 3), np.float32)
    for name, make in (
        ("MSE", lambda: losses.MSE().vjp(y, target)[1]),
        ("CRF", lambda: crf.vjp(emissions, np.zeros((2, 4), int))[1]),
    ):
        expected, pullback = make()(), make()
        with pytest.raises(TypeError, match=rf"^{name}: dloss is .*, expected a number"):
            pullback(bad)
        assert_same_bits(pullback(), expected)


def test_what_counts_is_told_of_targets_of_either_width():
    for dtype in (np.float32, np.float64):
        assert losses.MSE().counted((3,), np.ones(3, dtype)).all()
    with pytest.raises(TypeError, match=r"^MSE: target has dtype int64, expected float32 or"):
        losses.MSE().counted((3,), [1, 2, 3])


def test_integer_probabilities_are_refused_with_the_conversion():
    one_hot = np.eye(3, dtype=np.int64)[[0, 2]]
    with pytest.raises(
        ValueError, match=r"dtype int64, expected \(2,\) for class .* are floats: t"
    ):
        losses.CrossEntropy()(np.zeros((2, 3)), one_hot)
    of_floats = losses.CrossEntropy()(np.zeros((2, 3)), one_hot.astype(np.float32))
    assert of_floats == pytest.approx(np.log(3))


def test_an_unwritten_method_is_named():
    class Half(losses.Loss):
        def check_target(self, y_shape, dtype, target):
            return np.asarray(target)

    with pytest.raises(NotImplementedError, match="Half does not define check_values"):
        Half()(np.zeros(2), np.zeros(2))
    with pytest.raises(NotImplementedError, match="Bare does not define reset"):
        type("Bare", (pyrnn.metrics.Metric,), {})()
