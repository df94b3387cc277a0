"""Promise: likelihoods are those of scipy, for any size of counts, scales and dispersions."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pyrnn import losses
from pyrnn.losses._gamma import digamma_step, log_gamma_step

stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
optimize = pytest.importorskip("scipy.optimize")
special = pytest.importorskip("scipy.special")

KINDS = {"StudentTNLL": 3, "NegativeBinomialNLL": 2, "PoissonNLL": 1}


def draw(name, rng, dtype="float64"):
    y = rng.standard_normal((6, 3, 4 * KINDS[name])).astype(dtype)
    target = rng.standard_normal((6, 3, 4)) if name == "StudentTNLL" else rng.poisson(3, (6, 3, 4))
    return y, target.astype(dtype)


def test_student_t_is_scipys(rng):
    y, target = draw("StudentTNLL", rng)
    location, s, d = np.split(y, 3, axis=-1)
    degrees = 2 + np.logaddexp(0, d)
    expected = -stats.t.logpdf(target, degrees, location, np.exp(s / 2))
    found = losses.StudentTNLL(reduction="none")(y, target)
    assert_allclose(found, expected, rtol=1e-12)


def test_negative_binomial_is_scipys(rng):
    y, target = draw("NegativeBinomialNLL", rng)
    log_mean, log_dispersion = np.split(y, 2, axis=-1)
    r = np.exp(-log_dispersion)
    expected = -stats.nbinom.logpmf(target, r, r / (r + np.exp(log_mean)))
    found = losses.NegativeBinomialNLL(full=True, reduction="none")(y, target)
    assert_allclose(found, expected, rtol=1e-10)


def test_poisson_is_scipys_but_for_stirlings_formula(rng):
    y, target = draw("PoissonNLL", rng)
    target += 20
    found = losses.PoissonNLL(full=True, reduction="none")(y, target)
    assert_allclose(found, -stats.poisson.logpmf(target, np.exp(y)), atol=1 / (12 * 20))


def test_many_degrees_are_a_normal_distribution():
    y, target = np.array([[0.5, -1.0, 1e9]]), np.array([2.0])
    value, pullback = losses.StudentTNLL().vjp(y, target)
    expected, other = losses.GaussianNLL(full=True).vjp(y[:, :2], target)
    assert value == pytest.approx(expected, rel=1e-8)
    assert_allclose(pullback()[:, :2], other(), rtol=1e-8)


@pytest.mark.parametrize("log_dispersion", [-15.0, -18.0, -40.0])
@pytest.mark.parametrize("count", [0, 3, 10_000])
def test_no_dispersion_is_poissons(count, log_dispersion):
    log_mean = math.log(count + 1)
    y, target = np.array([[log_mean, log_dispersion]]), np.array([float(count)])
    value, pullback = losses.NegativeBinomialNLL().vjp(y, target)
    expected, other = losses.PoissonNLL().vjp(y[:, :1], target)
    dispersion = max(math.exp(log_dispersion), 1e-8)
    assert value == pytest.approx(expected, abs=dispersion * (count + 1) ** 2)
    found = pullback()[0]
    assert found[0] == pytest.approx(other().item(), abs=dispersion * (count + 1) ** 2)
    assert np.isfinite(found[1])


SIZES = [
    ("NegativeBinomialNLL", [math.log(1e7), -12.0], 1.1e7),
    ("NegativeBinomialNLL", [math.log(1e9), 2.0], 5.0),
    ("NegativeBinomialNLL", [-30.0, -3.0], 0.0),
    ("NegativeBinomialNLL", [-30.0, -30.0], 40.0),
    ("NegativeBinomialNLL", [3.0, 30.0], 7.0),
    ("StudentTNLL", [0.0, -13.0, -5.0], 1e4),
    ("StudentTNLL", [1e6, 20.0, 30.0], 1e6),
    ("StudentTNLL", [0.0, -40.0, 0.0], 1e-9),
    ("PoissonNLL", [math.log(1e7)], 1.1e7),
    ("PoissonNLL", [-30.0], 3.0),
]


@pytest.mark.parametrize(("name", "y", "target"), SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_parameters_have_finite_losses_and_their_gradients(name, y, target, dtype):
    """Those of float32 are those of float64, rounded; float64's agree with differences."""
    loss = getattr(losses, name)()
    given, target = np.array([y], dtype), np.array([target], dtype).reshape(-1)
    target = target[:, None] if name == "PoissonNLL" else target
    value, pullback = loss.vjp(given, target)
    found = pullback()[0]
    assert math.isfinite(value) and np.isfinite(found).all() and found.dtype == dtype
    wide, exact = given.astype(np.float64), target.astype(np.float64)
    assert value == pytest.approx(loss(wide, exact), rel=1e-12)
    for k in range(len(y)):
        step = np.zeros_like(wide)
        step[0, k] = 1e-6
        differences = (loss(wide + step, exact) - loss(wide - step, exact)) / 2e-6
        largest = max(1.0, abs(value))  # whose digits a difference loses
        if not (k == 1 and y[k] < math.log(getattr(loss, "eps", 1))):  # held at eps
            assert found[k] == pytest.approx(differences, rel=1e-5, abs=1e-9 * largest)


@pytest.mark.parametrize(("name", "held"), [("StudentTNLL", 0.01), ("NegativeBinomialNLL", 0.01)])
def test_what_eps_holds_can_leave(name, held):
    """Below eps it counts as eps, and a gradient still leads out."""
    loss = getattr(losses, name)(eps=held)
    y = np.zeros((1, KINDS[name]))
    y[0, 1] = -9.0
    at = y.copy()
    at[0, 1] = math.log(held)
    (value, pullback), (expected, other) = (loss.vjp(a, np.array([9.0])) for a in (y, at))
    found, theirs = pullback()[0], other()[0]
    assert value == pytest.approx(expected) and theirs[1] < 0
    assert_allclose(found[1], theirs[1] * math.exp(-9.0) / held)
    assert_allclose(np.delete(found, 1), np.delete(theirs, 1))


def test_the_least_loss_is_at_what_the_data_were_drawn_from(rng):
    counts = rng.negative_binomial(4, 4 / (4 + 6), 40_000).astype(float)
    best = least(losses.NegativeBinomialNLL(), counts, [0.0, 0.0])
    assert_allclose(np.exp(best), [6, 1 / 4], rtol=0.05)
    values = 3 + 2 * rng.standard_t(4, 40_000)
    location, s, d = least(losses.StudentTNLL(), values, [0.0, 0.0, 0.0])
    assert_allclose([location, np.exp(s / 2), 2 + np.logaddexp(0, d)], [3, 2, 4], rtol=0.08)
    rate = least(losses.PoissonNLL(), counts[:, None], [0.0])
    assert_allclose(np.exp(rate), counts.mean(), rtol=1e-4)


def least(loss, target, start):
    """Where scipy finds the least loss, along its gradient."""

    def at(y):
        value, pullback = loss.vjp(np.tile(y, (len(target), 1)), target)
        return value, pullback().sum(axis=0)

    return optimize.minimize(at, start, jac=True).x


def test_differences_of_gammas():
    """Exact where both logarithms are large: a product of few factors."""
    for x in (1e-8, 0.3, 5.0, 1e3, 1e9, 1e15):
        found = log_gamma_step(np.array(x), np.array(3.0))
        expected = math.log(x) + math.log(x + 1) + math.log(x + 2)
        assert found == pytest.approx(expected, rel=1e-14, abs=1e-14)
        slope = digamma_step(np.array(x), np.array(3.0))
        assert slope == pytest.approx(1 / x + 1 / (x + 1) + 1 / (x + 2), rel=1e-13)
    assert log_gamma_step(np.array(2.5), np.array(0.0)) == 0
    x, k = np.random.default_rng(0).exponential([[1e-3], [1], [30]], (2, 3, 1000))
    assert_allclose(log_gamma_step(x, k), special.gammaln(x + k) - special.gammaln(x), atol=1e-11)
    slopes = special.digamma(x + k) - special.digamma(x)
    assert_allclose(digamma_step(x, k), slopes, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_bad_options(name):
    for bad in (0, -1.0, math.inf):
        with pytest.raises(ValueError, match=f"{name}: eps is"):
            getattr(losses, name)(eps=bad)


@pytest.mark.parametrize(
    ("name", "flag"),
    [("PoissonNLL", "log_input"), ("PoissonNLL", "full"), ("NegativeBinomialNLL", "full")],
)
def test_flags_are_flags(name, flag):
    with pytest.raises(TypeError, match=f"{name}: {flag} is 1"):
        getattr(losses, name)(**{flag: 1})
