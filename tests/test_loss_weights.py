"""Promise: every loss takes sample weights and three reductions, which agree with each other."""

import math
from functools import partial

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import _core, losses
from pyrnn._base.targets import sum_in_order
from pyrnn.training._measures import Wanted, vjp_by

N, T, C = 5, 4, 3
LENGTHS = np.array([4, 0, 2, 3, 1])
REAL = np.arange(T) < LENGTHS[:, None]


def crf(**options):
    return pyrnn.CRF(C, dtype=np.float64, seed=0, **options)


LOSSES = {
    "CrossEntropy": losses.CrossEntropy,
    "class weights": partial(losses.CrossEntropy, weight=[0.5, 2.0, 0.1], label_smoothing=0.2),
    "probabilities": partial(losses.CrossEntropy, weight=[0.5, 2.0, 0.1], label_smoothing=0.2),
    "BCEWithLogits": partial(losses.BCEWithLogits, weight=[1, 2, 0.5], pos_weight=3.0),
    "MSE": losses.MSE,
    "MAE": losses.MAE,
    "Huber": losses.Huber,
    "SmoothL1": partial(losses.SmoothL1, 0.5),
    "Quantile": partial(losses.Quantile, [0.2, 0.9]),
    "GaussianNLL": losses.GaussianNLL,
    "StudentTNLL": losses.StudentTNLL,
    "PoissonNLL": losses.PoissonNLL,
    "NegativeBinomialNLL": losses.NegativeBinomialNLL,
    "CRF": crf,
    "CTC": partial(losses.CTC, zero_infinity=True),
}
BY_ROW = ("CRF", "CTC")
each_loss = pytest.mark.parametrize("name", LOSSES)
each_element_loss = pytest.mark.parametrize("name", [n for n in LOSSES if n not in BY_ROW])


def draw(name, rng):
    """y (N, T, ...) and a target for it."""
    y = rng.standard_normal((N, T, C * getattr(LOSSES[name](), "per_target", 1)))
    if name in ("CrossEntropy", "class weights", "CRF"):
        return y, rng.integers(0, C, (N, T))
    if name == "CTC":
        return y, [[1], [], [2, 1], [1, 1], [2]]
    target = rng.random((N, T, C))
    return y, target / target.sum(axis=-1, keepdims=True) if name == "probabilities" else target


def per_element(name, y, target, **options):
    return LOSSES[name](reduction="none")(y, target, LENGTHS, **options)


@each_loss
def test_the_sum_and_the_mean_are_those_of_the_elements(name, rng):
    y, target = draw(name, rng)
    each = per_element(name, y, target)
    made = LOSSES[name]
    assert each.dtype == np.float64 and each.flags.c_contiguous
    assert each.shape == ((N,) if name in BY_ROW else {
        "CrossEntropy": (N, T), "class weights": (N, T), "probabilities": (N, T),
        "Quantile": (N, T, 6),
    }.get(name, (N, T, C)))  # fmt: skip
    assert not each[~REAL if name not in BY_ROW else LENGTHS == 0].any()
    assert made(reduction="sum")(y, target, LENGTHS) == pytest.approx(each.sum(), rel=1e-12)
    mean = made()
    total = mean.batch_weight(y.shape, target, LENGTHS) * (2 if name == "Quantile" else 1)
    if name == "CTC":
        each = each / np.maximum(1, [len(labels) for labels in target])
    assert mean(y, target, LENGTHS) == pytest.approx(each.sum() / total, rel=1e-12)


@each_loss
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_by_finite_differences(name, reduction, weighted, rng):
    y, target = draw(name, rng)
    loss, shape = LOSSES[name](reduction=reduction), (N,) if name in BY_ROW else (N, T)
    options = {"sample_weight": rng.random(shape)} if weighted else {}
    value, pullback = loss.vjp(y, target, LENGTHS, **options)
    np.testing.assert_array_equal(value, loss(y, target, LENGTHS, **options))
    dloss = rng.standard_normal(value.shape) if reduction == "none" else 1.7
    d_y, step = pullback(dloss), 1e-6
    for where in np.ndindex(y.shape):
        sides = []
        for sign in (1, -1):
            moved = y.copy()
            moved[where] += sign * step
            sides.append(np.sum(dloss * loss(moved, target, LENGTHS, **options)))
        assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(d_y[where], abs=2e-8)


@pytest.mark.parametrize("reduction", ["token_mean", "mean", "sum", "none"])
def test_gradient_of_the_parameters_of_a_crf(reduction, rng):
    y, target = draw("CRF", rng)
    loss, weight = crf(reduction=reduction), np.array([1.0, 2.0, 0.0, 0.5, 0.5])
    loss.zero_grad()
    value, pullback = loss.vjp(y, target, LENGTHS, sample_weight=weight)
    dloss = rng.standard_normal(np.shape(value)) if reduction == "none" else 1.7
    pullback(dloss)
    for parameter in loss.parameters():
        for where in np.ndindex(parameter.shape):
            sides, before = [], parameter.data.copy()
            for step in (1e-6, -1e-6):
                parameter[...] = before + step * np.array(np.indices(before.shape)
                    .transpose(*range(1, before.ndim + 1), 0) == where).all(axis=-1)  # fmt: skip
                sides.append(np.sum(dloss * loss(y, target, LENGTHS, sample_weight=weight)))
            parameter[...] = before
            assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(parameter.grad[where], abs=1e-8)


def test_a_factor_of_a_crf_belongs_to_its_sequence(rng, monkeypatch):
    y, target = draw("CRF", rng)
    factors = np.array([np.nan, 1.0, -2.0, 0.0, 0.5])
    y[3] = np.nan  # counts nothing
    alone = [crf(reduction="sum").vjp(y[i : i + 1], target[i : i + 1], LENGTHS[i : i + 1])
             for i in range(N)]  # fmt: skip
    pullback = crf(reduction="none").vjp(y, target, LENGTHS)[1]
    calls, gradients = [], _core.crf_gradients
    monkeypatch.setattr(_core, "crf_gradients", lambda *a: calls.append(a) or gradients(*a))
    dy = pullback(factors)
    assert len(calls) == 1  # whatever the factors are
    for i in (1, 2, 4):
        np.testing.assert_allclose(dy[i], alone[i][1](factors[i])[0], rtol=1e-12, atol=1e-14)
    assert np.isnan(dy[0, : LENGTHS[0]]).all() and (dy[3] == 0).all()


@each_loss
def test_weights_are_copies_of_samples(name, rng):
    """2 counts as two equal samples, 0 as none, and the same for all changes nothing."""
    y, target = draw(name, rng)
    loss, weight = LOSSES[name](), np.array([1, 1, 2, 0, 3])
    rows = np.repeat(np.arange(N), weight)
    copied = [target[i] for i in rows] if name == "CTC" else target[rows]
    found = loss(y, target, LENGTHS, sample_weight=weight)
    assert found == pytest.approx(loss(y[rows], copied, LENGTHS[rows]), rel=1e-12)
    assert loss(y, target, LENGTHS, sample_weight=7 * weight) == pytest.approx(found, rel=1e-12)
    assert loss.batch_weight(y.shape, target, LENGTHS, sample_weight=weight) == pytest.approx(
        loss.batch_weight(y[rows].shape, copied, LENGTHS[rows])
    )
    whole = np.full(N, 0.3)
    assert loss(y, target, LENGTHS, sample_weight=whole) == pytest.approx(loss(y, target, LENGTHS))


@each_element_loss
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_of_steps(name, reduction, rng):
    """Those of a mask: 0 leaves out, without being read, as the mask does; others multiply."""
    y, target = draw(name, rng)
    mask, loss = rng.random((N, T)) < 0.6, LOSSES[name](reduction=reduction)
    expected, pullback = loss.vjp(y, target, LENGTHS, mask=mask)
    d_y = pullback()
    y[~mask] = np.nan
    target[~mask] = -7 if target.dtype.kind == "i" else np.inf
    value, pullback = loss.vjp(y, target, LENGTHS, sample_weight=mask.astype(int))
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(pullback(), d_y, rtol=1e-12)
    counted = loss.counted(y.shape, target, LENGTHS, sample_weight=mask.astype(np.float32))
    np.testing.assert_array_equal(counted.reshape(N, T, -1).all(axis=2), mask & REAL)
    if reduction == "none":
        weight = rng.random((N, T))
        y, target = draw(name, rng)
        each = per_element(name, y, target)
        spread = weight.reshape(N, T, *[1] * (each.ndim - 2))
        found = loss(y, target, LENGTHS, sample_weight=weight)
        np.testing.assert_allclose(found, spread * each, rtol=1e-12)


@each_element_loss
def test_a_step_keeps_its_bits_in_any_padding_and_batch(name, rng):
    y, target = draw(name, rng)
    loss, weight = LOSSES[name](reduction="sum"), rng.random((N, T))
    one = loss.vjp(y, target, LENGTHS, sample_weight=weight)
    wide = [np.concatenate([a, np.full_like(a, 99)], axis=1) for a in (y, target, weight)]
    with pyrnn.threads(2):
        other = loss.vjp(*wide[:2], LENGTHS, sample_weight=wide[2])
    assert one[0] == other[0]
    assert_same_bits(one[1](), other[1]()[:, :T])
    ones = np.ones((N, T))
    plain = loss.vjp(y, target, LENGTHS)
    same = loss.vjp(y, target, LENGTHS, sample_weight=ones)
    assert plain[0] == same[0]
    assert_same_bits(plain[1](), same[1]())


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_certain_probabilities_are_classes(smoothing, dtype, rng):
    y, target = rng.standard_normal((N, T, C)).astype(dtype), rng.integers(0, C, (N, T))
    loss = losses.CrossEntropy(label_smoothing=smoothing)
    expected, pullback = loss.vjp(y, target, LENGTHS)
    value, other = loss.vjp(y, np.eye(C, dtype=dtype)[target], LENGTHS)
    tolerance = 20 * float(np.finfo(dtype).eps)
    assert value == pytest.approx(expected, rel=tolerance)
    np.testing.assert_allclose(other(), pullback(), atol=tolerance)
    y[..., 0] = -np.inf  # a class that cannot be, and is not
    certain = np.broadcast_to(np.array([0.0, 1.0, 0.0], dtype), y.shape)
    assert np.isfinite(losses.CrossEntropy()(y, certain))


@pytest.mark.parametrize(
    ("name", "weight", "error", "words"),
    [
        ("MSE", [1.0], ValueError, r"sample_weight has shape \(1,\), expected \(5, 4, 3\) or"),
        ("MSE", 1.0, TypeError, "sample_weight"),
        ("MSE", [1.0, 1, 1, 1, -1], ValueError, r"sample_weight\[4, 0, 0\] is -1"),
        ("MAE", [1.0, 1, np.nan, 1, 1], ValueError, r"sample_weight\[2, 0, 0\] is nan"),
        ("MAE", [True] * 5, TypeError, "sample_weight has dtype bool"),
        ("CrossEntropy", np.ones((5, 4, 3)), ValueError, r"expected \(5, 4\) or"),
        ("CRF", np.ones((5, 4)), ValueError, r"expected \(5,\), one weight for each sequence"),
        ("CTC", np.ones((5, 4)), ValueError, r"sample_weight has shape \(5, 4\)"),
        ("CTC", [1, 1, 1, 1, np.inf], ValueError, r"sample_weight\[4\] is inf"),
    ],
)
def test_bad_weights(name, weight, error, words, rng):
    y, target = draw(name, rng)
    with pytest.raises(error, match=words) as raised:
        LOSSES[name]()(y, target, LENGTHS, sample_weight=weight)
    assert str(raised.value).startswith(f"{name}: ")


def test_bad_options(rng):
    for made in (losses.MSE, losses.CrossEntropy, losses.CTC, crf):
        with pytest.raises(ValueError, match="reduction is 'men', expected one of"):
            made(reduction="men")
    y, target = draw("MSE", rng)
    pullback = losses.MSE(reduction="none").vjp(y, target)[1]
    with pytest.raises(ValueError, match=r"dloss has shape \(2,\), expected \(5, 4, 3\)"):
        pullback(np.ones(2))
    assert_same_bits(pullback(), losses.MSE(reduction="sum").vjp(y, target)[1]())
    y, target = draw("probabilities", rng)
    for wrong, error, words in (
        (target[..., :2], TypeError, "expected integers, the classes, or probabilities"),
        (target + 1, ValueError, r"target\[0, 0, 0\] is 1.*expected 0 <= target <= 1"),
        (target * np.nan, ValueError, r"target\[0, 0, 0\] is nan"),
    ):
        with pytest.raises(error, match=words):
            losses.CrossEntropy()(y, wrong)
    for value, words in ((-1, "weight holds -1"), ([[1.0]], r"weight has shape \(1, 1\)")):
        with pytest.raises(ValueError, match=words):
            losses.BCEWithLogits(weight=value)
    with pytest.raises(ValueError, match="beta is -1"):
        losses.SmoothL1(-1)
    assert losses.SmoothL1(0)(y, y + 2.0) == pytest.approx(losses.MAE()(y, y + 2.0))


def test_options_are_shown_kept_and_final():
    import copy
    import pickle

    assert repr(losses.MSE()) == "MSE()" and repr(losses.MSE(reduction="sum")) == (
        "MSE(reduction='sum')"
    )
    for copied in (copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))):
        assert copied(losses.SmoothL1(2.0, reduction="none")).reduction == "none"
    with pytest.raises(AttributeError, match=r"MSE\(reduction=...\)|reduction"):
        losses.MSE().reduction = "sum"


def test_a_loss_of_ones_own_has_them_too(rng):
    class Cube(losses.MAE):
        def of_difference(self, difference):
            size = np.abs(difference)
            return size.astype(np.float64) ** 3, 3 * size * difference

    class Own(losses.Loss):
        """Without any of this in mind."""

        def __init__(self):
            pass

        def check_target(self, y_shape, dtype, target):
            return np.asarray(target, np.float64)

        def check_values(self, y_shape, target, real):
            return real

        def total_weight(self, target, real):
            return float(real.sum())

        def terms(self, y, target, real, scale):
            return scale * real * (y - target) ** 2, scale * real * 2 * (y - target)

    y, target = draw("MSE", rng)
    weight = rng.random(N)
    each = Cube(reduction="none")(y, target)
    np.testing.assert_allclose(each, np.abs(y - target) ** 3)
    found = Cube()(y, target, sample_weight=weight)
    assert found == pytest.approx(np.average(each.mean(axis=(1, 2)), weights=weight))
    assert Own()(y, target) == pytest.approx(losses.MSE()(y, target))


def test_a_sum_in_order_adds_one_after_the_other():
    rng = np.random.default_rng(0)
    terms = rng.standard_normal(1001) * 10.0 ** rng.integers(-20, 20, 1001)
    total = 0.5
    for term in terms:
        total += term
    assert sum_in_order(terms, 0.5) == total != math.fsum([0.5, *terms])
    assert sum_in_order(terms[400:], sum_in_order(terms[:400], 0.5)) == total
    assert sum_in_order(terms.reshape(7, 143).T) == np.cumsum(terms.reshape(7, 143).T.ravel())[-1]
    assert (
        sum_in_order(np.zeros(0), 2.0) == 2.0 and sum_in_order(np.array([1e308, 1e308])) == np.inf
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_pullback_knows_the_weight_of_its_batch(reduction):
    """As long as the loss has no `batch_weight` of its own."""

    class Twice(pyrnn.losses.MSE):
        def batch_weight(self, *args, **keywords):
            return 2 * super().batch_weight(*args, **keywords)

    y, target = np.zeros((3, 4, 2), np.float32), np.ones((3, 4, 2), np.float32)
    given = {"lengths": [4, 2, 1], "sample_weight": [0.5, 1.0, 2.0]}
    for loss, factor in ((pyrnn.losses.MSE(reduction=reduction), 1), (Twice(), 2)):
        _, _, weight = vjp_by(loss, y, Wanted(target, given["lengths"], given["sample_weight"]))
        assert weight == loss.batch_weight(y.shape, target, **given) == 12 * factor
