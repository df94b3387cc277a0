"""Promise: intervals of any levels cover each series as they say, by errors that they name."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators._forecasting.conformal import Scores, source_of
from series import autoregression, forecaster, wave

LEVELS = [0.5, 0.8, 0.95]


def unlike_series(steps, *seed):
    """A smooth wave, one with noise, a noisy autoregression in large units, and noise whose size
    has outliers."""
    rng, t = np.random.default_rng(seed or 0), np.arange(steps)
    season = np.sin(2 * np.pi * t / 12)
    drift = np.zeros(steps)
    for k, noise in enumerate(rng.standard_normal(steps)):
        drift[k] = 0.7 * drift[k - 1] + noise
    return {
        "smooth": 5 + season + 0.02 * rng.standard_normal(steps),
        "noisy": 5 + season + rng.standard_normal(steps),
        "drifting": 1000 * (10 + drift),
        "outliers": season + rng.standard_t(3, steps),
    }


def counted(result, model, level):
    """The share of values inside the intervals, for each series."""
    shares = {}
    for name, ends in model.interval(level).items():
        far = np.ptp(ends, axis=-1) / 2
        shares[name] = np.mean(np.abs(result.actual[name] - result.forecasts[name]) <= far)
    return shares


@pytest.mark.parametrize("refit", [False, True])
def test_every_series_is_covered(refit):
    """1,000 calibration steps and 2,000 origins each, within 4 points of each level."""
    many = unlike_series(3_260)
    options = {"calibration": 1_000 / 1_250, "refit": refit}
    model = forecaster(horizon=2, lookback=12, epochs=3, **options)
    model.fit({name: y[:1_250] for name, y in many.items()})
    result = model.backtest({name: y[1_238:] for name, y in many.items()}, start=12)
    for level in LEVELS:
        assert set(model.interval_source(level).values()) == {"own"}
        for name, share in counted(result, model, level).items():
            assert len(result.forecasts[name]) >= 2_000
            assert share == pytest.approx(level, abs=0.04), (name, level)


@pytest.mark.parametrize("quantiles", [None, (0.1, 0.9)])
def test_errors_after_a_refit_are_of_what_was_not_fitted(quantiles):
    """The last third of the calibration's errors is of a fit that knows no step it forecasts."""
    options = {"calibration": 0.3, "early_stopping": False, "epochs": 1, "quantiles": quantiles}
    ahead = []
    for last in (-1000, 1000):
        series = np.append(autoregression(149), last)
        (errors,) = forecaster(horizon=2, **options).fit(series)._fitted.residuals
        ahead.append(sliding_window_view(series, 2)[105:] - errors[..., 0])
    assert len(ahead[0]) == 44
    assert_allclose(ahead[0][30:], ahead[1][30:], rtol=1e-6)
    assert np.abs(ahead[0][:30] - ahead[1][:30]).max() > 1


def test_short_series_are_covered_on_the_mean():
    """With too few errors of their own the noisy and the smooth are each covered on the mean."""
    shares = {"smooth": [], "noisy": []}
    for draw in range(6):
        many = {(name, k): y for k in range(10) for name, y in unlike_series(360, draw, k).items()}
        many = {key: y for key, y in many.items() if key[0] in shares}
        model = forecaster(horizon=2, lookback=12, epochs=6, calibration=0.25)
        model.fit({key: y[:60] for key, y in many.items()})
        assert set(model.interval_source(0.95).values()) == {"pooled"}
        assert set(model.interval_source(0.8).values()) == {"own"}
        result = model.backtest(many, start=60)
        for (name, _), share in counted(result, model, 0.95).items():
            shares[name].append(share)
    for kind, every in shares.items():
        assert np.mean(every) == pytest.approx(0.95, abs=0.04), kind


@pytest.mark.parametrize("columns", [None, 3])
def test_several_levels_at_once(columns):
    y = wave(300) if columns is None else np.stack([wave(300, k) for k in range(columns)], axis=1)
    y = y + 0.1 * np.random.default_rng(0).standard_normal(y.shape)
    model = forecaster(epochs=2).fit(y)
    every = model.interval(LEVELS)
    assert every.shape == (*model.predict().shape, 3, 2)
    for k, level in enumerate(LEVELS):
        assert_array_equal(every[..., k, :], model.interval(level))
    assert_array_equal(model.interval((0.8,)), every[..., 1:2, :])
    assert_array_equal(model.interval(np.array(LEVELS)), every)
    lower, upper = np.moveaxis(every, -1, 0)
    assert (np.diff(lower, axis=-1) <= 0).all() and (np.diff(upper, axis=-1) >= 0).all()


def test_the_source_has_the_form_of_y():
    y = wave(100)
    assert forecaster(epochs=1).fit(y).interval_source(0.9) == "own"
    assert forecaster(epochs=1).fit([y, y]).interval_source(0.95) == ["pooled", "pooled"]
    named = forecaster(epochs=1).fit({"long": wave(200), "short": wave(40)})
    assert named.interval_source(0.9) == {"long": "own", "short": "pooled"}


@pytest.mark.parametrize("N", [11, 14, 17, 18, 33])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_few_errors_cover_as_asked(N, level):
    """Not more than the level and 1 point, as the next rank would: 17 of 18 at a level of 0.9."""
    rng = np.random.default_rng(N)
    errors = np.abs(rng.standard_normal((N, 20_000, 1)))
    inside = np.abs(rng.standard_normal((20_000, 1))) <= Scores([errors]).margins("f", 0, level)
    assert level - 0.01 < inside.mean() < level + 0.017


def test_missing_errors_count_nowhere():
    """Each step and column has the margin of the errors that are known there."""
    rng = np.random.default_rng(0)
    own, other = np.abs(rng.standard_normal((2, 60, 3, 2)))
    own[rng.random(own.shape) < 0.3] = np.nan
    found = Scores([own, other]).margins("f", 0, 0.9)
    for k in np.ndindex(3, 2):
        known = own[(slice(None), *k)]
        known = known[np.isfinite(known)][:, None, None]
        assert found[k] == Scores([known]).margins("f", 0, 0.9)
    few = own[:12]  # so few that those of all are taken, which have no missing ones
    pooled = Scores([few, other]).margins("f", 0, 0.9)
    assert np.isfinite(pooled).all() and (pooled > 0).all()
    assert source_of(few, 0.9) == "pooled" and source_of(own, 0.9) == "own"
    few[:, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"f has 0 held-out windows, level 0.9 needs 9, or 2"):
        Scores([few, other]).margins("f", 0, 0.9)


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ([0.5, 1.0], "level is 1.0, expected 0 < level < 1"),
        ([], "level is empty, expected at least one number"),
        (["a"], "level"),
        (0.0, "level is 0.0"),
    ],
)
def test_bad_levels(level, words):
    model = forecaster(epochs=1).fit(wave(100))
    with pytest.raises((TypeError, ValueError), match=f"Forecaster: {words}"):
        model.interval(level)
    if np.ndim(level) == 0:
        with pytest.raises(ValueError, match=words):
            model.interval_source(level)
