"""Promise: series that were not in the fit are forecast, and short ones, as if they had been."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from compare import assert_same_bits
from series import autoregression, forecaster

NAN = np.nan
BOTH = pytest.mark.parametrize("strategy", ["direct", "recursive"])
KNOWN = [autoregression(150, seed) for seed in range(3)]


@BOTH
def test_a_series_of_the_fit_given_again_has_its_forecast(strategy):
    """To rounding, where the scales agree: all of it was trained on."""
    model = forecaster(epochs=2, strategy=strategy, calibration=0).fit(KNOWN)
    before = pickle.dumps(model)
    forecasts = model.predict()
    for y, expected in zip(KNOWN, forecasts, strict=True):
        assert_allclose(model.predict(y=y), expected, rtol=1e-6)
    named = model.predict(y={"a": KNOWN[2], "b": KNOWN[0]})
    assert_allclose([named["a"], named["b"]], [forecasts[2], forecasts[0]], rtol=1e-6)
    assert_allclose(model.predict(2, y=KNOWN[:2]), [f[:2] for f in forecasts[:2]], rtol=1e-6)
    assert pickle.dumps(model) == before


def test_a_series_is_scaled_by_itself():
    """In other units, the same forecast in these; whatever the fit had."""
    y = autoregression(100, seed=9)
    for model in (forecaster(epochs=2).fit(KNOWN), forecaster(epochs=2).fit(KNOWN[0])):
        one, other = model.predict(y=[y, 1e6 * y - 1e8])
        assert_allclose(other, 1e6 * one - 1e8, rtol=1e-5)
        assert_same_bits(model.predict(y=y), one)


@BOTH
def test_covariates_begin_where_y_does(strategy):
    """Those of the future go on as far as is forecast."""
    rng = np.random.default_rng(0)
    past, future = rng.standard_normal((160, 1)), rng.standard_normal((160, 2))
    data = {"past": past[:150], "future": future[:150]}
    model = forecaster(epochs=2, strategy=strategy, calibration=0).fit(KNOWN[0], **data)
    y = {"y": KNOWN[0]}
    given = model.predict(**y, past=past[:150], future=future[:154])
    assert_allclose(given, model.predict(future=future[150:154]), rtol=1e-6)
    with pytest.raises(ValueError, match=r"future has shape \(150, 2\), expected \(154, 2\)"):
        model.predict(**y, past=past[:150], future=future[:150])
    with pytest.raises(ValueError, match=r"past has shape \(149, 1\), expected \(150, 1\)"):
        model.predict(**y, past=past[:149], future=future[:154])
    with pytest.raises(ValueError, match="past is None, expected 1 covariates as in fit"):
        model.predict(**y, future=future[:154])


def test_past_covariates_may_be_thought_on():
    """Where each step follows from the one before: else the last values are kept."""
    rng = np.random.default_rng(0)
    past = rng.standard_normal((156, 1))
    model = forecaster(epochs=2, strategy="recursive", calibration=0).fit(KNOWN[0], past=past[:150])
    for h in (4, 6):
        given = model.predict(h, y=KNOWN[0], past=past[: 150 + h])
        assert_allclose(given, model.predict(h, past=past[150 : 150 + h]), rtol=1e-6)
        held = model.predict(h, y=KNOWN[0], past=past[:150])
        assert_allclose(held, model.predict(h), rtol=1e-6)
        assert np.abs(given - held).max() > 0
    with pytest.raises(ValueError, match=r"past has shape \(151, 1\), expected \(150, 1\)"):
        model.predict(y=KNOWN[0], past=past[:151])
    many = model.predict(y=[KNOWN[0], KNOWN[1][:120]], past=[past[:154], past[:124]])
    assert_allclose(many[0], model.predict(4, past=past[150:154]), rtol=1e-6)
    direct = forecaster(epochs=1).fit(KNOWN[0], past=past[:150])
    with pytest.raises(ValueError, match=r"past has shape \(154, 1\), expected \(150, 1\)"):
        direct.predict(y=KNOWN[0], past=past[:154])


def test_past_covariates_with_dates_may_be_thought_on():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    days = pandas.date_range("2024-01-01", periods=156)
    past = pandas.DataFrame({"visits": np.random.default_rng(0).standard_normal(156)}, index=days)
    y = pandas.Series(KNOWN[0], index=days[:150])
    model = forecaster(epochs=2, strategy="recursive", calibration=0).fit(y, past=past)
    given = model.predict(6, y=y, past=past)
    assert given.index.equals(days[150:])
    assert_allclose(given, model.predict(6, past=past), rtol=1e-6)
    assert_allclose(model.predict(6, y=y, past=past[:150]), model.predict(6), rtol=1e-6)


def test_what_does_not_fit_is_told():
    model = forecaster(epochs=1).fit(KNOWN)
    for y, words in (
        (np.full(9, NAN), "y has no observed value among 9 steps"),
        ({"a": KNOWN[0], "b": np.full(9, NAN)}, r"y\['b'\] has no observed value among 9 steps"),
        (KNOWN[0][:, None], r"y is of shape \(steps, columns\), expected \(steps,\) as in fit"),
        ([], "y"),
    ):
        with pytest.raises(ValueError, match=words):
            model.predict(y=y)
    with pytest.warns(UserWarning, match="y has 1 missing values where fit had none"):
        model.predict(y=np.where(np.arange(20) == 3, NAN, KNOWN[0][:20]))


def test_quantiles_and_intervals():
    """An unknown series has the errors of all, in units of their scales."""
    y = [s * autoregression(n, i) for i, (s, n) in enumerate(((1, 600), (1000, 700)))]
    model = forecaster(epochs=4, quantiles=(0.1, 0.9)).fit(y)
    new = 0.001 * autoregression(400, seed=7)
    quantiles = model.predict_quantiles(y=new)
    assert quantiles.shape == (4, 2) and (quantiles[:, 0] < quantiles[:, 1]).all()
    ends = model.interval(0.9, y=new)
    assert_allclose(ends.mean(axis=1), model.predict(y=new), rtol=1e-6)
    fitted = model._fitted
    parts = zip(fitted.scores, fitted.scales.y, strict=True)
    pool = np.sort(np.concatenate([e / s.scale for e, s in parts])[..., 0], axis=0)
    rank = (len(pool) + 1) * 0.9 - 1  # from 0
    below = int(rank)
    far = (pool[below] + (rank - below) * (pool[below + 1] - pool[below])) * new.std()
    assert_allclose(np.ptp(ends, axis=1) / 2, far, rtol=1e-6)


def test_intervals_cover_unknown_series():
    model = forecaster(epochs=4, relative=False).fit([autoregression(2000, s) for s in range(3)])
    result = model.backtest({"new": 1000 * autoregression(3000, seed=8)}, start=500, level=0.9)
    assert_allclose(result.coverage, 0.9, atol=0.05)
    assert list(result.forecasts) == ["new"]


def test_backtest_of_series_that_were_not_there():
    """In units of what was known at the first origin: nothing of what comes."""
    model = forecaster(epochs=2).fit({"a": KNOWN[0], "b": KNOWN[1]})
    new = 7 * KNOWN[2] - 100
    result = model.backtest({"b": KNOWN[1], "c": new}, start=100)
    assert_same_bits(
        result.forecasts["b"],
        model.backtest({"a": KNOWN[0], "b": KNOWN[1]}, start=100).forecasts["b"],
    )
    assert_allclose(result.forecasts["c"][0], model.predict(y=new[:100]), rtol=1e-6)
    poisoned = np.where(np.arange(150) < 120, new, 1e9)
    other = model.backtest({"c": poisoned}, start=100).forecasts["c"]
    assert_same_bits(other[:21], result.forecasts["c"][:21])
    refitted = model.backtest({"c": new}, start=140, stride=4, refit=True).forecasts["c"]
    assert_same_bits(refitted[0], forecaster(epochs=2).fit({"c": new[:140]}).predict()["c"])


@BOTH
def test_a_short_series_has_the_same_bits_beside_others(strategy):
    """And however much of a window it leaves empty: its steps alone are read."""
    short = KNOWN[0][:5]
    model = forecaster(epochs=2, strategy=strategy, lookback=16).fit(KNOWN)
    alone = model.predict(y=short)
    assert np.isfinite(alone).all()
    assert_same_bits(model.predict(y=[KNOWN[1], short, KNOWN[2][:3]])[1], alone)
    fitted = model._fitted
    view = fitted.on(*_read(model, short), [None])
    series = view.scaled(0, _read(model, short)[1][0])
    (window,) = fitted.cutter.before(series, np.array([5]))
    assert len(window) == 5  # nothing is read before its first step


def _read(model, y):
    many, form = model._read(y, None, None, ahead=4)
    return form, many


def test_short_series_are_trained_on():
    """40 waves of 14 steps, two periods each, less than a window of 16."""
    t = np.arange(18) + 3 * np.arange(40)[:, None]
    waves = 10 + np.sin(0.9 * t)
    model = forecaster(epochs=60, batch_size=8, lookback=16, calibration=0, relative=False)
    model.fit(list(waves[:, :14]))
    assert np.abs(model.predict() - waves[:, 14:]).mean() < 0.05  # of the last value: 1.0


def test_series_too_short_to_train_on_are_named():
    """They are forecast all the same, and have intervals."""
    short = {"b": KNOWN[0][:2], "c": KNOWN[0][:1]}
    with pytest.warns(UserWarning, match=r"left out: y\['b'\] \(2 steps\), y\['c'\] \(1 steps\)"):
        model = forecaster(epochs=2, relative=True).fit({"a": KNOWN[1], **short})
    alone = forecaster(epochs=2).fit({"a": KNOWN[1]})
    assert_same_bits(model.predict()["a"], alone.predict()["a"])
    assert_allclose(model.predict()["b"], alone.predict(y=short["b"]), rtol=1e-6)
    assert_allclose(model.interval(0.8)["c"], alone.interval(0.8, y=short["c"]), rtol=1e-6)
    with pytest.raises(ValueError, match=r"y\['b'\] has 2 steps, expected at least 3"):
        forecaster().fit(short)


@pytest.mark.parametrize("epochs", [0, 2])
def test_new_series_in_an_update(epochs):
    """Beside all of the fit, in whatever order; from then on they are known."""
    model = forecaster(epochs=2).fit({"a": KNOWN[0][:100], "b": KNOWN[1][:100]})
    alone = pickle.loads(pickle.dumps(model))
    new = {"c": KNOWN[2][:100], "a": KNOWN[0][100:110], "b": KNOWN[1][100:110]}
    forecasts = model.update(new, epochs=epochs).predict()
    assert list(forecasts) == ["a", "b", "c"] == list(model.missing_["y"])
    if not epochs:
        assert_allclose(forecasts["c"], alone.predict(y=new["c"]), rtol=1e-6)
        alone.update({"a": new["a"], "b": new["b"]})
        assert_same_bits([forecasts[k] for k in "ab"], list(alone.predict().values()))
        assert_allclose(model.interval(0.9)["c"], alone.interval(0.9, y=new["c"]), rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.update({"a": KNOWN[0][110:], "b": KNOWN[1][110:], "c": KNOWN[2][100:]})
    result = model.backtest({"a": KNOWN[0], "b": KNOWN[1], "c": KNOWN[2]}, start=146)
    assert_same_bits(
        model.backtest({"c": KNOWN[2]}, start=146).forecasts, {"c": result.forecasts["c"]}
    )
    with pytest.raises(ValueError, match=r"other series than in fit: dict \['c'\]"):
        model.update({"c": KNOWN[2]})


def test_a_wide_table_of_one_series_is_one():
    """After a fit of several columns, a frame with one is forecast as a frame of several."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(dict(zip("abc", KNOWN, strict=True)))
    table.index = pandas.date_range("2024-01-01", periods=150)
    model = forecaster(epochs=1).fit(table[["a", "b"]])
    several, one = model.predict(y=table[["c", "b"]]), model.predict(y=table[["c"]])
    assert one.equals(several[["c"]]) and list(one.columns) == ["c"]
    assert model.predict(y=table[["b"]]).equals(several[["b"]])
    lone = model.predict(y=table["c"])
    assert_allclose(lone, one["c"])
    assert lone.index.equals(one.index)
