"""Promise: the options of the losses are torch's: class weights, smoothing, pos_weight, delta."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses

DTYPES = ("float32", "float64")
WEIGHT = [0.3, 0.0, 2.1, 0.7]


def nll(y):
    """-log softmax over the last axis."""
    shifted = y - y.max(axis=-1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted


def smoothed(y, target, weight, smoothing, real):
    """The weighted mean, summed class by class."""
    w, n, C = np.asarray(weight, np.float64), nll(y), y.shape[-1]
    at_target = w[target] * np.take_along_axis(n, target[..., None], -1)[..., 0]
    terms = (1 - smoothing) * at_target + smoothing / C * (n * w).sum(axis=-1)
    return terms[real].sum() / w[target][real].sum()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_weighted_and_smoothed_cross_entropy(weight, smoothing, dtype, rng, isa):
    y = rng.standard_normal((5, 6, 4)).astype(dtype)
    target, lengths = rng.integers(0, 4, (5, 6)), np.array([6, 0, 3, 1, 5])
    target[0, 0] = 3  # with ignore_index 3
    real = (np.arange(6) < lengths[:, None]) & (target != 3)
    loss = losses.CrossEntropy(weight=weight, label_smoothing=smoothing, ignore_index=3)
    value, pullback = loss.vjp(y, target, lengths)
    expected = smoothed(y.astype(np.float64), target, weight or [1] * 4, smoothing, real)
    assert value == pytest.approx(expected, rel=30 * float(np.finfo(dtype).eps))
    assert not pullback()[~real].any()
    total = np.asarray(weight or [1] * 4, float)[target[real]].sum()
    assert loss.batch_weight(y.shape, target, lengths) == pytest.approx(total, rel=1e-14)
    assert loss.count(y.shape, target, lengths) == real.sum()


def test_batch_weights_make_the_mean_of_batches_that_of_all(rng):
    """For plain means the weight is the number of elements; for class weights their sum."""
    y, target = rng.standard_normal((12, 4)), rng.integers(0, 4, 12)
    for loss in (losses.CrossEntropy(), losses.CrossEntropy(weight=WEIGHT, label_smoothing=0.1)):
        cuts = [slice(0, 5), slice(5, 6), slice(6, 12)]
        weights = [loss.batch_weight(y[cut].shape, target[cut]) for cut in cuts]
        mean = np.average([loss(y[cut], target[cut]) for cut in cuts], weights=weights)
        assert mean == pytest.approx(loss(y, target), rel=1e-14)


def test_all_weights_zero_is_nothing_real(rng):
    loss = losses.CrossEntropy(weight=[1.0, 0.0])
    value, pullback = loss.vjp(rng.standard_normal((3, 2)), [1, 1, 1])
    assert value == 0 and not pullback().any()


def test_options_change_no_bit_over_threads_and_padding(rng, isa):
    y, target = rng.standard_normal((37, 40, 65), np.float32), rng.integers(0, 65, (37, 40))
    lengths, results = rng.integers(0, 31, 37), []
    loss = losses.CrossEntropy(weight=rng.random(65), label_smoothing=0.1)
    for n, T in ((1, 40), (2, 40), (2, 30)):
        padded = np.where(np.arange(T)[:, None] < lengths[:, None, None], y[:, :T], np.nan)
        with pyrnn.threads(n):
            value, pullback = loss.vjp(padded, target[:, :T], lengths=lengths)
        results.append((value, pullback()[:, :30]))
    for value, d_y in results[1:]:
        assert value == results[0][0]
        assert_same_bits(d_y, results[0][1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pos_weight", [3.0, [0.5, 2.0, 0.0]])
def test_pos_weight(pos_weight, dtype, rng):
    y, target = rng.standard_normal((7, 3)).astype(dtype), rng.random((7, 3)).astype(dtype)
    wide, w = y.astype(np.float64), np.asarray(pos_weight)
    expected = w * target * np.logaddexp(0, -wide) + (1 - target) * np.logaddexp(0, wide)
    value = losses.BCEWithLogits(pos_weight=pos_weight)(y, target)
    assert value == pytest.approx(expected.mean(), rel=20 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("options", [{}, {"pos_weight": 3.0, "weight": [0.5, 2.0, 1.0]}], ids=str)
def test_smoothing_of_bce_is_that_of_its_target(options, rng):
    y, target = rng.standard_normal((7, 3)), np.round(rng.random((7, 3)))
    smoothed = losses.BCEWithLogits(label_smoothing=0.2, **options).vjp(y, target)
    by_hand = losses.BCEWithLogits(**options).vjp(y, 0.8 * target + 0.1)
    assert smoothed[0] == pytest.approx(by_hand[0], rel=1e-14)
    np.testing.assert_allclose(smoothed[1](), by_hand[1](), rtol=1e-13, atol=1e-16)


def test_small_losses_keep_their_digits():
    """A sure and right prediction: no large terms cancel, whatever the sign."""
    y = np.array([[30.0], [-30.0]], np.float32)
    value = losses.BCEWithLogits()(y, np.array([[1.0], [0.0]], np.float32))
    assert value == pytest.approx(np.exp(-30.0), rel=1e-5)


def test_quantile_layouts(rng):
    """(..., Q) for one target each, (..., Q*F) level by level for F."""
    loss = losses.Quantile([0.1, 0.5, 0.9])
    y, target = rng.standard_normal((4, 6)), rng.standard_normal((4, 2))
    both, gradient = (a() if callable(a) else a for a in loss.vjp(y, target))
    parts = [loss.vjp(y[:, f::2].copy(), target[:, f]) for f in range(2)]
    assert both == pytest.approx(np.mean([value for value, _ in parts]))
    for f, (_, pullback) in enumerate(parts):
        np.testing.assert_allclose(gradient[:, f::2], pullback() / 2, rtol=1e-14)
    assert losses.Quantile(0.5)(y, np.zeros_like(y)) == pytest.approx(np.abs(y).mean() / 2)


def test_quantile_is_least_at_the_quantile(rng):
    target = rng.exponential(size=4001)
    for level in (0.1, 0.5, 0.9):
        at = [losses.Quantile(level)(np.full((4001, 1), q), target)
              for q in np.quantile(target, [level - 0.05, level, level + 0.05])]  # fmt: skip
        assert at[1] == min(at)


def test_gaussian_variance_has_a_floor():
    """Below eps the variance is eps, and a gradient still leads out."""
    y, target = np.array([[0.0, -50.0]]), np.array([2.0])
    value, pullback = losses.GaussianNLL(eps=0.01).vjp(y, target)
    assert value == pytest.approx(0.5 * (np.log(0.01) + 4 / 0.01))
    d_mean, d_log_variance = pullback()[0]
    assert d_mean == pytest.approx(-2 / 0.01) and d_log_variance < 0
    full = losses.GaussianNLL(full=True)(np.zeros((1, 2)), np.zeros(1))
    assert full == pytest.approx(np.log(2 * np.pi) / 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["MSE", "MAE", "Huber", "Quantile", "GaussianNLL"])
def test_a_bad_element_leaves_the_others_gradients_alone(name, bad, rng):
    loss = losses.Quantile(0.3) if name == "Quantile" else getattr(losses, name)()
    y = rng.standard_normal((5, 2 if name == "GaussianNLL" else 1))
    target = rng.standard_normal(5)
    expected = loss.vjp(y, target)[1]()
    y[2, 0] = bad
    value, pullback = loss.vjp(y, target)
    d_y = pullback()
    assert not np.isfinite(value)
    others = np.arange(5) != 2
    assert_same_bits(d_y[others], expected[others])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: losses.CrossEntropy(weight=[-1.0, 1.0]), "weight holds -1"),
        (lambda: losses.CrossEntropy(weight=[np.nan]), "weight holds nan"),
        (lambda: losses.CrossEntropy(weight=[[1.0]]), r"weight has shape \(1, 1\)"),
        (lambda: losses.CrossEntropy(weight=[1, 2])(np.zeros((1, 3)), [0]), r"expected \(3,\)"),
        (lambda: losses.CrossEntropy(label_smoothing=1.5), "label_smoothing"),
        (lambda: losses.BCEWithLogits(pos_weight=-1), "pos_weight holds -1"),
        (lambda: losses.BCEWithLogits(label_smoothing=-0.1), "label_smoothing is -0.1"),
        (lambda: losses.BCEWithLogits(pos_weight=[1.0, 2.0])(np.zeros((1, 3)), np.zeros((1, 3))),
         r"expected \(3,\)"),
        (lambda: losses.Huber(0), "delta is 0"),
        (lambda: losses.Quantile([]), "levels"),
        (lambda: losses.Quantile([0.5, 1.0]), "levels"),
        (lambda: losses.GaussianNLL(eps=0), "eps is 0"),
    ],
)  # fmt: skip
def test_bad_options(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_compute_the_same(copied, rng):
    y, target = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    loss = losses.CrossEntropy(weight=WEIGHT, label_smoothing=0.2, ignore_index=1)
    assert copied(loss)(y, target) == loss(y, target) and repr(copied(loss)) == repr(loss)
