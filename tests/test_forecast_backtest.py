"""Promise: a backtest says by series, step and origin what forecasts and baselines are worth."""

import pickle
import sys
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare import assert_same_bits
from series import autoregression, forecaster, wave

MEASURES = ["mae", "rmse", "mase", "pinball", "coverage", "width"]
BASELINES = ["naive", "seasonal naive", "drift", "seasonal least squares"]


@pytest.fixture(scope="module")
def many():
    return {"a": autoregression(150), "b": 1000 * autoregression(160, seed=1)}


@pytest.fixture(scope="module")
def result(many):
    model = forecaster(epochs=2).fit(many)
    return model.backtest(many, start=100, stride=3, season=4, level=0.8)


def by_hand(result, many, name, rows):
    """The measures of some rows of a series' origins, or of all."""
    ahead, came = result.forecasts[name][rows], result.actual[name][rows]
    errors, scale = came - ahead, np.abs(many[name][4:100] - many[name][:96]).mean()
    i = list(many).index(name)
    low, high = np.moveaxis(result._judged.ends(i)[rows][:, :, 0], -1, 0)
    losses = [np.maximum(q * e, (q - 1) * e) for q, e in ((0.1, came - low), (0.9, came - high))]
    return {
        "mae": np.abs(errors).mean(),
        "rmse": np.sqrt((errors**2).mean()),
        "mase": np.abs(errors).mean() / scale,
        "pinball": np.mean([*losses, np.abs(errors) / 2]),
        "coverage": ((low <= came) & (came <= high)).mean(),
        "width": (high - low).mean(),
    }


def test_by_series(result, many):
    pytest.importorskip("pandas", reason="pandas is not installed")
    table = result.by_series
    assert table.index.name == "series" and table.index.tolist() == ["a", "b"]
    assert list(table.columns) == MEASURES
    for name in many:
        expected = by_hand(result, many, name, slice(None))
        assert_allclose(table.loc[name].to_numpy(), list(expected.values()))


def test_by_origin(result, many):
    pytest.importorskip("pandas", reason="pandas is not installed")
    table = result.by_origin
    assert table.index.tolist() == list(range(100, 157, 3))
    late = by_hand(result, many, "b", slice(-1, None))
    assert_allclose(table.loc[154].to_numpy(), list(late.values()))
    both = [by_hand(result, many, name, slice(2, 3)) for name in many]
    assert_allclose(table.loc[106, "mase"], np.mean([one["mase"] for one in both]))


def test_by_step(result):
    pytest.importorskip("pandas", reason="pandas is not installed")
    table = result.by_step
    assert table.index.tolist() == [1, 2, 3, 4]
    for name in ("mae", "rmse", "mase", "coverage"):
        assert_same_bits(table[name].to_numpy(), getattr(result, name))


def test_columns_are_told_apart():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    y = np.stack([autoregression(100), wave(100)], axis=1)
    one = forecaster(epochs=1).fit(y).backtest(y, start=80)
    assert one.by_series.index.equals(pandas.Index([0, 1], name="column"))
    assert_allclose(one.by_series["mae"], np.abs(one.forecasts - one.actual).mean(axis=(0, 1)))
    several = forecaster(epochs=1).fit([y, -y]).backtest([y, -y], start=80)
    assert several.by_series.index.tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_without_a_level_there_are_no_intervals():
    y = autoregression(100)
    result = forecaster(epochs=1).fit(y).backtest(y, start=80)
    assert list(result.by_step) == MEASURES[:4] and result.coverage is None
    assert_allclose(result.by_step["pinball"], result.mae / 2)


def test_pinball_loss_is_of_the_quantiles_of_the_fit():
    y = autoregression(120)
    model = forecaster(epochs=1, quantiles=(0.2, 0.7)).fit(y)
    result = model.backtest(y, start=110, stride=20)
    known = forecaster(epochs=1, quantiles=(0.2, 0.7)).fit(y).update(y[:110])
    e = y[110:114, None] - known.predict_quantiles()
    losses = np.maximum(e * (0.2, 0.7), e * (-0.8, -0.3)).mean(axis=1)
    assert_allclose(result.by_step["pinball"], losses)


def test_baselines(result, many):
    """Against their definitions, from each origin."""
    assert list(result.baselines) == BASELINES
    for name, y in many.items():
        origins = result.origins[list(many).index(name)]
        naive, seasonal, drift = (result.baselines[k].forecasts[name] for k in BASELINES[:3])
        for row, t in enumerate(origins):
            assert_allclose(naive[row], y[t - 1])
            assert_allclose(seasonal[row], y[t - 4 : t])
            slope = (y[t - 1] - y[0]) / (t - 1)
            assert_allclose(drift[row], y[t - 1] + slope * np.arange(1, 5))
    assert_same_bits(result.baselines["drift"].actual["b"], result.actual["b"])


def test_least_squares_knows_a_law():
    """y_t = 0.9 y_{t-1} - 0.5 y_{t-2} + 3 f_t without noise, in any units: no error is left."""
    f = np.random.default_rng(0).standard_normal((120, 1))
    y = np.zeros(120)
    for t in range(2, len(y)):
        y[t] = 0.9 * y[t - 1] - 0.5 * y[t - 2] + 3 * f[t, 0]
    many, known = [y, 1000 * y - 7], [f, f]
    model = forecaster(horizon=1, epochs=1).fit(many, future=known)
    best = model.backtest(many, future=known, start=100).baselines["seasonal least squares"]
    for came, ahead in zip(best.actual, best.forecasts, strict=True):
        assert_allclose(ahead, came, rtol=1e-9, atol=1e-9)


def test_least_squares_knows_a_season():
    """One longer than its lags."""
    y = np.tile(np.random.default_rng(0).standard_normal(40), 6)
    noisy = y + 0.01 * np.random.default_rng(1).standard_normal(240)
    result = forecaster(epochs=1).fit(noisy[:200]).backtest(noisy, start=200, season=40)
    assert result.baselines["seasonal least squares"].mae.max() < 0.05
    assert result.baselines["naive"].mae.min() > 0.3


def test_least_squares_knows_nothing_of_what_comes():
    y = autoregression(150)
    model = forecaster(epochs=1).fit(y)
    poisoned = np.where(np.arange(150) < 120, y, 1e9)
    for refit in (False, True):
        options = {"start": 100, "stride": 10, "season": 4, "level": 0.8, "refit": refit}
        one, other = (model.backtest(s, **options).baselines for s in (y, poisoned))
        for name in BASELINES:
            assert_same_bits(one[name].forecasts[:3], other[name].forecasts[:3])
            assert_same_bits(one[name]._judged.ends(0)[:3], other[name]._judged.ends(0)[:3])
    frozen = model.backtest(y, **options | {"refit": False}).baselines["seasonal least squares"]
    anew = one["seasonal least squares"]
    assert_same_bits(anew.forecasts[0], frozen.forecasts[0])
    assert not np.array_equal(anew.forecasts[1], frozen.forecasts[1])


def test_intervals_of_baselines_cover():
    y = autoregression(3000)
    result = forecaster(epochs=1).fit(y[:200]).backtest(y, start=1500, season=4, level=0.8)
    for baseline in result.baselines.values():
        assert_allclose(baseline.coverage, 0.8, atol=0.05)


def test_intervals_of_baselines_that_know_too_little():
    y = autoregression(60)
    result = forecaster(epochs=1).fit(y).backtest(y, start=13, season=3, level=0.9)
    assert np.isnan(result.baselines["naive"].coverage).all()
    assert np.isfinite(result.baselines["naive"].mae).all()


def test_compare(result):
    pytest.importorskip("pandas", reason="pandas is not installed")
    table = result.compare()
    assert table.index.tolist() == ["forecaster", *BASELINES] and list(table) == MEASURES
    assert_allclose(table.loc["forecaster", "coverage"], result.coverage.mean(), atol=0.02)
    steps = result.compare("step")
    assert len(steps) == 20
    assert_allclose(steps.loc[(3, "drift"), "mase"], result.baselines["drift"].mase[2])
    series = result.compare("series").loc["b"]
    assert_allclose(series.loc["naive", "mae"], result.baselines["naive"].by_series["mae"]["b"])
    with pytest.raises(ValueError, match="by is 'month', expected"):
        result.compare("month")


def test_without_pandas(monkeypatch, result):
    """Tables are dicts of arrays."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = result.by_series
    assert list(table) == ["series", *MEASURES] and table["series"].tolist() == ["a", "b"]
    assert len(result.compare("step")["model"]) == 20


def test_a_copy_is_the_same(result):
    copied = pickle.loads(pickle.dumps(result))
    assert_same_bits(copied.compare()["mase"], result.compare()["mase"])


def test_a_backtest_holds_little_beside_its_forecasts():
    """Neither what came, which is in the series, nor what measures are made of."""
    many = [autoregression(150, seed) for seed in range(30)]
    model = forecaster(horizon=14, epochs=1).fit(many)
    tracemalloc.start()
    result = model.backtest(many, level=0.8)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert len(result.by_series) == 30
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    forecasts = 30 * (150 - 12 - 14 + 1) * 14 * 8
    assert sum(some.nbytes for some in result.forecasts) == forecasts
    assert held < 1.6 * forecasts and peak - held < forecasts


def test_a_comparison_holds_no_forecasts_of_baselines():
    """These are made one after the other, and are the same if they are there already."""
    pytest.importorskip("pandas", reason="pandas is not installed")
    many = [autoregression(150, seed) for seed in range(30)]
    result = forecaster(horizon=14, epochs=1).fit(many).backtest(many, level=0.8)
    forecasts = sum(some.nbytes for some in result.forecasts)
    tracemalloc.start()
    table = result.compare("series")
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 0.2 * forecasts and peak < 3.5 * forecasts
    other = pickle.loads(pickle.dumps(result))
    del other.__dict__["_measured"]
    assert list(other.baselines) == BASELINES
    assert_same_bits(other.compare("series")["mae"], table["mae"])


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_forecasts_of_many_series_have_the_bits_of_each_alone(strategy):
    """Some begin later than the lookback, and the longest has more origins than go together."""
    many = [autoregression(steps, seed) for seed, steps in enumerate((30, 1300, 40, 25))]
    model = forecaster(horizon=3, epochs=1, strategy=strategy).fit(many)
    fitted = model._fitted
    series, _ = model._read(many, None, None)
    known = [fitted.scaled(i, one) for i, one in enumerate(series)]
    origins = [np.arange(5, len(one) - 2) for one in known]
    together = list(fitted.ahead_of(known, origins, 3))
    for i, ahead in enumerate(together):
        assert_same_bits(ahead, fitted.ahead(i, known[i], origins[i], 3))
        few = np.array([7, 20])
        assert_same_bits(ahead[few - 5], fitted.ahead(i, known[i], few, 3))
