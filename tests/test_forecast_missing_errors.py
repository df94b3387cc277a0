"""Promise: a value that did not come counts in no error, and baselines do without it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators import Forecaster
from pyrnn.estimators._forecasting.baselines import drift, filled, naive, seasonal_naive
from pyrnn.estimators._forecasting.least_squares import learn_least_squares
from pyrnn.estimators._forecasting.measures import Judged, naive_scale
from pyrnn.estimators._forecasting.series import Series
from pyrnn.estimators._forecasting.transform import Transform
from series import autoregression

NAN = np.nan


def column(*values):
    return np.array(values, dtype=float)[:, None]


def test_the_last_value_stands_for_a_missing_one():
    y = column(NAN, 1, NAN, 3, NAN, NAN)
    assert_array_equal(filled(y), column(NAN, 1, 1, 3, 3, 3))
    origins = np.array([3, 6])
    assert_array_equal(naive(y, origins, 2, 1)[..., 0], [[1, 1], [3, 3]])
    assert_array_equal(seasonal_naive(y, origins, 2, 3)[1, :, 0], [3, 3])
    assert_allclose(drift(y, origins, 2, 1)[1, :, 0], [3.5, 4])  # from 1 at step 2 to 3 at step 6
    assert_allclose(naive_scale(column(1, 2, NAN, 5, 8), 1), [2.0])


def test_measures_are_of_what_came():
    came = np.array([[1.0, NAN], [3.0, 2.0]])[..., None]
    middle = np.array([[2.0, 9.0], [3.0, 5.0]])[..., None]
    parts, unchanged = [middle[..., None]], Transform()
    far, scale = np.full((1, 2, 1), 1.5), np.array([2.0])
    judged = Judged([middle], [far], parts, (0.5,), [came], [scale], unchanged)
    found = judged.measures([np.arange(2)[:, None]], 2)
    assert_allclose(found["mae"], [0.5, 3])
    assert_allclose(found["rmse"], [np.sqrt(0.5), 3])
    assert_allclose(found["mase"], [0.25, 1.5])
    assert_allclose(found["pinball"], [0.25, 1.5])
    assert_allclose(found["coverage"], [1, 0])
    assert_allclose(found["width"], [3, 3])
    nothing = Judged([middle], None, None, (0.5,), [came * NAN], [np.ones(1)], unchanged)
    assert np.isnan(nothing.measures([np.zeros(1, int)], 1)["mae"]).all()


def test_least_squares_learns_from_what_is_known():
    """Nearly as from the whole series, and never from a value that was filled in."""
    y = autoregression(400)[:, None]
    gaps = y.copy()
    gaps[np.random.default_rng(0).random(400) < 0.1] = NAN
    none = np.zeros((400, 0))
    errors = []
    for known in (y, gaps):
        model = learn_least_squares([Series(known, none, none)], 300, 2, 1)
        assert all(np.isfinite(weights).all() for weights in model.weights)
        ahead = model.ahead(0, Series(known, none, none), np.arange(300, 399))
        errors.append(np.abs(ahead[:, 0] - y[300:399]).mean())
    assert np.isfinite(errors).all() and errors[1] < 1.35 * errors[0]


def test_intervals_of_baselines_where_every_stretch_misses_a_step():
    """A shop that is closed on Sundays: no five steps ahead are all there, but each often is."""
    y = np.random.default_rng(0).standard_normal((400, 2))
    y[::5, 0] = np.nan
    forecaster = Forecaster(horizon=5, epochs=1, skip=False, random_state=0).fit(list(y[:300].T))
    result = forecaster.backtest(list(y.T), start=300, level=0.9)
    for baseline in result.baselines.values():
        found = baseline.by_series
        assert np.isfinite(np.asarray(found["width"])).all()
        assert np.all(np.abs(np.asarray(found["coverage"]) - 0.9) < 0.08)
