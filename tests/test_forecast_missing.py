"""Promise: what is missing stays so: in losses, intervals, updates and before the first value."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from compare import assert_same_bits
from pyrnn.losses import MSE, Quantile
from series import autoregression, forecaster, wave

NAN = np.nan
BOTH = pytest.mark.parametrize("strategy", ["direct", "recursive"])


def holes(y, share, seed=0, until=None):
    """Without a share of its values; the last steps may stay whole."""
    gone = np.random.default_rng(seed).random(len(y)) < share
    gone[until:] = False if until is not None else gone[until:]
    return np.where(gone, NAN, y)


def test_what_stands_for_missing_targets_counts_nowhere():
    """Neither in the loss nor in its gradient."""
    model = forecaster(epochs=1, quantiles=(0.1, 0.9)).fit(holes(wave(120), 0.3))
    fitted = model._fitted
    series = fitted.scaled(0, model._read(holes(wave(120), 0.3), None, None)[0][0])
    x, target, weight = fitted.cutter.training([series])
    other = target + 1000 * (1 - weight)
    rng = np.random.default_rng(0)
    for loss, times in ((MSE(), 1), (Quantile((0.1, 0.5, 0.9)), 3)):
        y = rng.standard_normal((*target.shape[:-1], times * target.shape[-1])).astype(np.float32)
        (value, pullback), (same, again) = (
            loss.vjp(y, t, sample_weight=weight) for t in (target, other)
        )
        assert_same_bits([value, pullback()], [same, again()])
    assert (weight == 0).any() and np.isfinite(x).all()


def test_intervals_are_of_observed_errors():
    """Half of what they are made from is missing, and they cover what comes as they say."""
    y = holes(autoregression(4000), 0.5)
    model = forecaster(epochs=2, relative=False).fit(y)
    (scores,) = model._fitted.scores
    known = np.isfinite(scores).sum(axis=0)
    assert (known > 300).all() and (known < 500).all()
    result = model.backtest(autoregression(4000, seed=1), level=0.9)
    assert_allclose(result.coverage, 0.9, atol=0.05)


@BOTH
def test_update_goes_on_after_a_gap_longer_than_a_window(strategy):
    """The last value before it is known still: forecasts are those of a backtest there."""
    y = holes(autoregression(260), 0.2, until=200)
    y[190:225] = NAN
    model = forecaster(epochs=2, lookback=8, strategy=strategy).fit(y[:200])
    model.update(y[200:211]).update(y[211:220])
    assert_same_bits(model.predict(), model.backtest(y, start=220).forecasts[0])
    assert np.isfinite(model.predict()).all()


def test_nothing_is_forecast_before_the_first_value():
    y = autoregression(200)
    y[:50] = NAN
    forecasts = forecaster(epochs=1).fit(y).backtest(y, start=40).forecasts
    assert np.isnan(forecasts[:11]).all() and np.isfinite(forecasts[11:]).all()


def test_gaps_in_covariates():
    """A covariate that foretells y, where it is known."""
    rng = np.random.default_rng(0)
    known = rng.standard_normal((800, 1))
    y = 5 * known[:, 0] + 0.1 * rng.standard_normal(800)
    gone = holes(known[:, 0], 0.3, seed=1)[:, None]
    model = forecaster(epochs=25, lookback=8).fit(y[:600], future=gone[:600])
    result = model.backtest(y, future=gone, start=600)
    steps = result.origins[:, None] + np.arange(4)
    told = ~np.isnan(gone[steps, 0])
    errors = np.abs(result.forecasts - result.actual)
    assert errors[told].mean() < 2 < 3 < errors[~told].mean()
