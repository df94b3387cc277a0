"""Simulated time series and quick forecasters for the tests of forecasting."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators import Forecaster


def autoregression(steps, seed=0):
    """y_t = 0.6 y_{t-1} + 0.25 y_{t-2} + N(0, 1) from its stationary state, in units of its own."""
    noise = np.random.default_rng(seed).standard_normal(steps + 200)
    y = np.zeros_like(noise)
    for t in range(2, len(y)):
        y[t] = 0.6 * y[t - 1] + 0.25 * y[t - 2] + noise[t]
    return 50 + 3 * y[200:]


def seasonal(steps, noise, season=12, seed=0):
    """A trend, a season and noise."""
    t, rng = np.arange(steps), np.random.default_rng(seed)
    return 100 + 0.1 * t + 10 * np.sin(2 * np.pi * t / season) + noise * rng.standard_normal(steps)


def wave(steps, start=0):
    return 10 + np.sin((start + np.arange(steps)) / 4)


def forecaster(**options):
    return Forecaster(**{"horizon": 4, "lookback": 12, "epochs": 10, "random_state": 0, **options})
