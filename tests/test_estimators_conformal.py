"""Promise: conformal intervals cover as they say; forecasters tell what does not fit."""

import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators._forecasting.conformal import Scores
from series import autoregression, forecaster, wave


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_coverage(strategy):
    """Within 3 points on 10,000 points of an autoregression, at each step ahead."""
    model = forecaster(strategy=strategy, horizon=6, epochs=4, relative=False)
    model.fit(autoregression(10_000))
    y = autoregression(10_000, seed=1)
    for level in (0.5, 0.8, 0.9, 0.95):
        result = model.backtest(y, level=level)
        assert len(result.origins) > 9_900
        assert_allclose(result.coverage, level, atol=0.03)
    best = 3 * np.sqrt(np.cumsum(np.square([1, 0.6, 0.61, 0.516, 0.4621, 0.40626])))
    assert_allclose(result.rmse, best, rtol=0.05)  # the errors that no forecast can avoid


def test_coverage_of_many_series():
    """Of different units and lengths: each has intervals in its own."""
    scales = (1.0, 1000.0, 0.001)
    lengths = (900, 1200, 1500)
    pairs = list(zip(scales, lengths, strict=True))
    model = forecaster(epochs=4).fit([s * autoregression(n, i) for i, (s, n) in enumerate(pairs)])
    fresh = [s * autoregression(3000, i + 10) for i, s in enumerate(scales)]
    assert_allclose(model.backtest(fresh, level=0.9).coverage, 0.9, atol=0.04)
    widths = [np.ptp(ends, axis=1)[0] for ends in model.interval(0.9)]
    assert_allclose(np.array(widths) / scales, widths[0], rtol=0.25)


def test_margins_are_ranked_errors():
    scores = np.random.default_rng(0).permutation(99).astype(float)[:, None, None] + 1
    for level, expected in ((0.9, 90), (0.95, 95), (0.5, 50), (0.99, 99)):
        assert Scores([scores]).margins("f", 0, level).item() == expected == math.ceil(100 * level)
    assert Scores([scores[:9]]).margins("f", 0, 0.9).item() == scores[:9].max()
    with pytest.raises(ValueError, match=r"f has 8 held-out windows, level 0.9 needs 9"):
        Scores([scores[:8]]).margins("f", 0, 0.9)
    with pytest.raises(ValueError, match=r"f has 99 held-out windows, level 0.999 needs 999"):
        Scores([scores]).margins("f", 0, 0.999)


def test_a_series_has_the_margins_of_its_own_errors():
    """Where it has too few, the errors of all, in units of the largest error of each."""
    rng = np.random.default_rng(0)
    calm, wild = (scale * np.abs(rng.standard_normal((99, 1, 1))) for scale in (1.0, 50.0))
    for i, own in enumerate((calm, wild)):
        assert Scores([calm, wild]).margins("f", i, 0.9).item() == np.sort(own, axis=None)[89]
    few = wild[:5]
    relative = [e / np.delete(s, i).max() for s in (calm, few) for i, e in enumerate(s.flat)]
    expected = np.sort(relative)[93:95].mean() * few.max()  # of rank 105 * 0.9 = 94.5
    assert_allclose(Scores([calm, few]).margins("f", 1, 0.9).item(), expected)
    with pytest.raises(ValueError, match=r"f has 1 held-out windows, level 0.9 needs 9, or 2"):
        Scores([calm, wild[:1]]).margins("f", 1, 0.9)
    nothing = np.zeros((5, 1, 1))  # a series that was forecast without any error
    assert Scores([calm, nothing]).margins("f", 1, 0.9).item() == 0


def test_coverage_of_unlike_series():
    """Smooth and noisy ones in one fit: each kind is covered as said."""
    t, rng = np.arange(400), np.random.default_rng(0)
    waves = [np.sin(2 * np.pi * t / 12 + rng.random() * 6) for _ in range(6)]
    smooth = [y + 0.02 * rng.standard_normal(400) for y in waves]
    many = smooth + [rng.standard_normal(400) for _ in range(6)]
    model = forecaster(epochs=2, horizon=2).fit([y[:250] for y in many])
    for kind in (slice(0, 6), slice(6, 12)):
        reach = [np.ptp(ends, axis=1) / 2 for ends in model.interval(0.9)[kind]]
        result = model.backtest(many, start=250)
        pairs = zip(result.forecasts[kind], result.actual[kind], reach, strict=True)
        assert np.mean([np.abs(f - a) <= far for f, a, far in pairs]) > 0.85


def test_interval_is_around_the_forecast():
    model = forecaster().fit(autoregression(500))
    wide, narrow, middle = model.interval(0.95), model.interval(0.6, 2), model.predict()
    assert wide.shape == (4, 2) and narrow.shape == (2, 2)
    assert_allclose(wide.mean(axis=1), middle)
    assert (wide[:2, 0] < narrow[:, 0]).all() and (narrow[:, 1] < wide[:2, 1]).all()


Y, X = wave(100), np.ones((100, 2))
INF = np.where(np.arange(100) == 7, np.inf, Y)
BAD_FIT = [
    ({"y": []}, {}, r"y has shape \(0,\)"),
    ({"y": {}}, {}, "y has no series"),
    ({"y": [Y, []]}, {}, r"y\[1\] has shape \(0,\)"),
    ({"y": [Y, np.ones((9, 2))]}, {}, "expected one kind"),
    ({"y": np.ones((4, 4, 4))}, {}, r"y has shape \(4, 4, 4\)"),
    ({"y": {"a": Y, "b": INF}}, {}, r"y\['b'\] is \[inf\] at step 7"),
    ({"y": Y[:2]}, {}, "y has 2 steps, expected at least 3 to train on"),
    ({"y": Y[:1]}, {"relative": False}, "y has 1 steps, expected at least 2 to train on"),
    (
        {"y": Y[:2]},
        {"horizon": 6, "lookback": 8, "strategy": "recursive"},
        "y has 2 steps, expected at least 3 to train on",
    ),
    ({"y": Y, "past": X[:99]}, {}, r"past has shape \(99, 2\), expected \(100, 2\)"),
    ({"y": Y, "future": X[:99]}, {}, r"future has shape \(99, 2\), expected \(100, 2\)"),
    ({"y": [Y, Y], "past": [X]}, {}, "past has 1 series, expected 2"),
    ({"y": {"a": Y}, "future": {"b": X}}, {}, "future is a dict of 'b', expected a dict"),
    ({"y": Y, "past": INF}, {}, r"past is \[inf\] at step 7"),
    ({"y": Y}, {"horizon": 0}, "horizon is 0"),
    (
        {"y": Y},
        {"horizon": 100},
        "horizon is 100, expected less than 100, the steps of the longest",
    ),
    ({"y": Y}, {"lookback": 0}, "lookback is 0"),
    (
        {"y": Y},
        {"lookback": 1, "relative": True},
        "lookback is 1, expected at least 2 with relative=True",
    ),
    (
        {"y": Y},
        {"lookback": 1, "strategy": "recursive", "relative": True},
        "lookback is 1, expected at least 2",
    ),
    ({"y": np.ma.masked_array(Y, Y > 1)}, {}, "y is a MaskedArray, expected a plain array"),
    ({"y": Y, "past": X * 1e300}, {}, "past holds numbers as large as 1e.300"),
    ({"y": Y}, {"strategy": "both"}, "strategy is 'both'"),
    ({"y": Y}, {"scale": "log"}, "scale is 'log'"),
    ({"y": Y}, {"loss": "best"}, "loss is 'best'"),
    ({"y": Y}, {"cell": "tree"}, "cell is 'tree'"),
    ({"y": Y}, {"calibration": 1.5}, "calibration is 1.5"),
    ({"y": Y}, {"quantiles": (0.1, 1.0)}, "levels"),
    ({"y": Y}, {"quantiles": (0.1,), "strategy": "recursive"}, "need strategy='direct'"),
    ({"y": Y}, {"quantiles": (0.1,), "strategy": "recursive", "horizon": 1}, "need strategy"),
    ({"y": Y * 1e200}, {}, "numbers as large as 1.*e.201"),
    ({"y": Y * 1e60}, {"scale": None}, "y is .* when scaled"),
    ({"y": Y}, {"early_stopping": True, "validation_fraction": 0.01}, "holds out 1 of 100"),
]


@pytest.mark.parametrize(("data", "options", "words"), BAD_FIT, ids=range(len(BAD_FIT)))
def test_bad_input_leaves_nothing_half_fitted(data, options, words):
    """Neither a new forecaster nor one that was fitted before is changed."""
    model = forecaster(epochs=1, **options)
    with pytest.raises((TypeError, ValueError), match=words):
        model.fit(**data)
    assert set(vars(model)) == set(model.get_params())
    fitted = forecaster(epochs=1).fit(Y).set_params(**options)
    before = pickle.dumps(fitted)
    with pytest.raises((TypeError, ValueError), match=words):
        fitted.fit(**data)
    assert pickle.dumps(fitted) == before


BAD_CALLS = [
    (lambda f: f.predict(5), "horizon is 5, expected at most 4"),
    (lambda f: f.predict(0), "horizon is 0"),
    (lambda f: f.predict(past=X[:4]), "past was given, expected None"),
    (lambda f: f.predict(future=X[:4]), "future was given, expected None as in fit"),
    (lambda f: f.predict_quantiles(), "quantiles was None in fit"),
    (lambda f: f.interval(1.0), "level is 1.0"),
    (lambda f: f.interval(0.99), "y has 17 held-out windows, level 0.99 needs 99"),
    (lambda f: f.update([Y]), r"other series than in fit: list \[0\], expected array"),
    (lambda f: f.update(Y[:0]), r"y has shape \(0,\)"),
    (lambda f: f.update(INF), "y is .*inf.* at step 7"),
    (lambda f: f.update(Y[:3], epochs=1), "y has 3 steps, expected at least 4 to train on"),
    (lambda f: f.backtest(Y[:15]), "y has 15 steps, expected at least 16 = start . horizon"),
    (lambda f: f.backtest(Y[:15], horizon=1), "at least 16 = start . the fitted horizon"),
    (lambda f: f.backtest(Y, start=3), "start is 3"),
    (lambda f: f.backtest(Y, season=12), "start > 12 = season"),
    (lambda f: f.backtest(Y, stride=0), "stride is 0"),
    (lambda f: f.backtest(np.ones((50, 2))), "y is of shape"),
]


@pytest.mark.parametrize(("call", "words"), BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_bad_calls_change_nothing(call, words):
    model = forecaster(epochs=1).fit(Y)
    before = pickle.dumps(model)
    with pytest.raises((TypeError, ValueError), match=words):
        call(model)
    assert pickle.dumps(model) == before
    with pytest.raises(ValueError, match="not fitted"):
        call(forecaster())


def test_covariates_of_predict():
    direct = forecaster(epochs=1).fit(Y, past=X[:, :1], future=X)
    with pytest.raises(ValueError, match="future is None, expected 2 covariates as in fit"):
        direct.predict()
    with pytest.raises(ValueError, match=r"future has shape \(3, 2\), expected \(4, 2\)"):
        direct.predict(3, future=X[:3])
    assert direct.predict(3, future=X[:4]).shape == (3,)
    recursive = forecaster(epochs=1, strategy="recursive").fit(Y, past=X[:, :1], future=X)
    assert recursive.predict(9, future=X[:9], past=X[:9, :1]).shape == (9,)
    with pytest.raises(ValueError, match=r"past has shape \(4, 1\), expected \(9, 1\)"):
        recursive.predict(9, future=X[:9], past=X[:4, :1])
    with pytest.raises(ValueError, match="horizon is 9, expected at most 4"):
        recursive.interval(0.5, 9, future=X[:9])
    with pytest.raises(ValueError, match="past is None, expected 1 covariates as in fit"):
        direct.update(Y, future=X)
