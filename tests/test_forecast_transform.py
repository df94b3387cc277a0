"""Promise: transformed y comes back, and what may not be below 0 never is."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from series import forecaster, wave


def growth(steps, seed=0):
    """Multiplied by 1.01 each step, with a season and noise that grow with it."""
    t, rng = np.arange(steps), np.random.default_rng(seed)
    return np.exp(0.01 * t + 0.3 * np.sin(t / 2) + 0.1 * rng.standard_normal(steps))


def near_zero(steps, seed=0):
    return np.maximum(0, np.random.default_rng(seed).standard_normal(steps))


def test_growth_is_followed():
    """A network that learnt from logarithms goes on where the level has never been."""
    y = growth(700)
    options = {"horizon": 3, "lookback": 16, "epochs": 8}
    errors = {}
    for transform in ("log1p", None):
        model = forecaster(transform=transform, **options).fit(y[:500])
        result = model.backtest(y, start=500)
        errors[transform] = np.abs(np.log(result.forecasts / result.actual)).mean()
    assert errors["log1p"] < 0.2
    assert errors["log1p"] < errors[None]


def test_intervals_after_a_transform_are_in_its_units():
    """They grow with the level, and cover it."""
    y = growth(900)
    model = forecaster(transform="log1p", horizon=2, epochs=8).fit(y[:600])
    result = model.backtest(y, start=600, level=0.9)
    assert_allclose(result.coverage, 0.9, atol=0.07)
    lower, upper = np.log1p(model.interval(0.9)).T
    assert_allclose((lower + upper) / 2, np.log1p(model.predict()))


@pytest.mark.parametrize(
    "options",
    [
        {"transform": "log1p"},
        {"positive": True},
        {"positive": True, "likelihood": "normal"},
        {"transform": "log1p", "likelihood": "student_t"},
        {"positive": True, "strategy": "recursive"},
        {"transform": "log1p", "strategy": "recursive", "likelihood": "normal"},
        {"positive": True, "quantiles": (0.05, 0.95)},
        {"likelihood": "poisson"},
        {"likelihood": "negative_binomial", "strategy": "recursive"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_nothing_is_below_zero(options):
    y = near_zero(400)
    y = np.rint(y) if options.get("likelihood") in ("poisson", "negative_binomial") else y
    model = forecaster(epochs=2, **options).fit(y[:300])
    found = [model.predict(), model.interval([0.5, 0.95]), model.sample(100)]
    if "quantiles" in options or "likelihood" in options:
        levels = options.get("quantiles", (0.01, 0.9))
        found.append(model.predict_quantiles(levels=levels))
    result = model.backtest(y, start=300, level=0.95)
    for numbers in [*found, result.forecasts]:
        assert np.isfinite(numbers).all() and (numbers >= 0).all()
    assert (result.coverage > 0.85).all()
    plain = {name: options[name] for name in ("strategy", "quantiles") if name in options}
    free = forecaster(epochs=2, **plain).fit(y[:300])
    assert (free.interval([0.5, 0.95]) < 0).any()  # of which nothing was to be said


def test_without_them_nothing_changes():
    y = wave(200)
    plain, positive = forecaster().fit(y), forecaster(positive=True).fit(y)
    np.testing.assert_array_equal(plain.predict(), positive.predict())
    np.testing.assert_array_equal(plain.interval(0.8), positive.interval(0.8))


@pytest.mark.parametrize(
    ("options", "y", "words"),
    [
        ({"transform": "sqrt"}, wave(99), "transform is 'sqrt'"),
        (
            {"transform": "log1p"},
            wave(99) - 20,
            "y is -10 at step 0, expected numbers >= 0 with tr",
        ),
        ({"positive": True}, {"a": wave(99) - 10}, r"y\['a'\] is -.* at step 13, .* positive=True"),
        ({"positive": 1}, wave(99), "positive is 1"),
    ],
)
def test_bad_fits(options, y, words):
    with pytest.raises((TypeError, ValueError), match=f"Forecaster: {words}"):
        forecaster(epochs=1, **options).fit(y)


def test_later_calls_are_checked_as_well():
    model = forecaster(epochs=1, positive=True).fit(wave(99))
    for call in (model.update, model.backtest):
        with pytest.raises(ValueError, match=r"y is -1 at step 3, expected numbers >= 0"):
            call(np.array([1.0, 1.0, 1.0, -1.0, 2.0]))
