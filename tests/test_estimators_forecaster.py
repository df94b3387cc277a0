"""Promise: a forecaster learns from series of any form, with covariates, and goes on with them."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from compare import assert_same_bits
from pyrnn.estimators import naive_forecast
from series import autoregression, forecaster, wave

BOTH = pytest.mark.parametrize("strategy", ["direct", "recursive"])


@BOTH
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_a_wave(strategy, cell):
    options = {"relative": strategy == "direct", "epochs": 30}
    model = forecaster(strategy=strategy, cell=cell, **options).fit(wave(300))
    assert_allclose(model.predict(), wave(4, 300), atol=0.15)
    assert_same_bits(model.predict(2), model.predict()[:2])


def test_recursion_reaches_any_horizon():
    options = {"lookback": 16, "epochs": 60, "relative": False}
    model = forecaster(strategy="recursive", **options).fit(wave(400))
    assert_allclose(model.predict(25), wave(25, 400), atol=0.3)


@BOTH
def test_forms(strategy):
    """A list, a dict, columns: forecasts in the same form; a series alone in a list is itself."""
    y, z = wave(200), wave(150, 50) * 1000
    options = {"strategy": strategy, "epochs": 2}
    alone = forecaster(**options).fit(y).predict()
    assert alone.shape == (4,)
    assert_same_bits(forecaster(**options).fit([y]).predict(), [alone])
    column = forecaster(**options).fit(y[:, None]).predict()
    assert_same_bits(column, alone[:, None])
    listed = forecaster(**options).fit([y, z]).predict()
    named = forecaster(**options).fit({"y": y.tolist(), "z": z.tolist()}).predict()
    assert isinstance(listed, list) and list(named) == ["y", "z"]
    assert_same_bits(list(named.values()), listed)
    assert abs(listed[0].mean() - 10) < 2 and abs(listed[1].mean() - 10_000) < 2000
    both = forecaster(**options).fit(np.stack([wave(200), -wave(200)], axis=1))
    assert both.predict().shape == (4, 2) and both.interval(0.8).shape == (4, 2, 2)
    assert (both.predict()[:, 0] > 0).all() and (both.predict()[:, 1] < 0).all()


@pytest.mark.parametrize("scale", ["standard", "robust"])
def test_scales_are_of_each_series(scale):
    """The same series in other units: the same forecasts in these units."""
    y = autoregression(200)
    model = forecaster(scale=scale, epochs=3).fit([y, 1e6 * y - 1e8])
    first, second = model.predict()
    assert_allclose(second, 1e6 * first - 1e8, rtol=1e-4)
    raw = forecaster(scale=None, epochs=3).fit([y, 1e6 * y - 1e8]).predict()
    assert not np.allclose(raw[1], 1e6 * raw[0] - 1e8, rtol=1e-4)


def test_robust_scales_bear_outliers():
    y = wave(300)
    y[[30, 150]] = 1e6
    spread = {s: forecaster(scale=s, epochs=1).fit(y)._fitted.scales.y[0].scale[0] for s in SCALES}
    assert spread["robust"] < 2 and spread["standard"] > 1e4


SCALES = ("standard", "robust")


@BOTH
def test_known_future_covariates(strategy):
    """Noise that a covariate foretells: without it the error is the noise."""
    rng = np.random.default_rng(0)
    known = rng.standard_normal((600, 1))
    y = 5 * known[:, 0] + 0.1 * rng.standard_normal(600)
    told, untold = (forecaster(strategy=strategy, epochs=15) for _ in range(2))
    told.fit(y[:500], future=known[:500])
    errors = told.backtest(y, future=known, start=500).rmse
    assert (errors < 1.5).all() and (untold.fit(y[:500]).backtest(y, start=500).rmse > 4).all()
    ahead = told.predict(future=known[500:504])
    assert_same_bits(ahead, told.backtest(y, future=known, start=500).forecasts[0])
    assert np.abs(ahead - y[500:504]).max() < 3


@BOTH
def test_past_covariates(strategy):
    """A covariate that y repeats four steps later: the first steps ahead are known."""
    rng = np.random.default_rng(0)
    leading = rng.standard_normal((600, 1))
    y = np.roll(leading[:, 0], 4) + 0.05 * rng.standard_normal(600)
    model = forecaster(strategy=strategy, epochs=30, lookback=8).fit(y[:500], past=leading[:500])
    result = model.backtest(y, past=leading, start=500)
    assert result.rmse[0] < 0.5 and result.rmse[:4].mean() < 0.7
    if strategy == "recursive":
        told = model.predict(8, past=leading[500:508])
        held = model.predict(8)
        assert_same_bits(told[:1], held[:1])  # the first step needs nothing that comes
        assert np.abs(told - y[500:508]).mean() < 0.7 * np.abs(held - y[500:508]).mean()


def test_quantiles():
    """Sorted, about as often exceeded as they say; the forecast is the median."""
    model = forecaster(quantiles=(0.9, 0.1), epochs=8).fit(autoregression(4000))
    quantiles = model.predict_quantiles()
    assert quantiles.shape == (4, 2) and (quantiles[:, 0] < quantiles[:, 1]).all()
    assert ((quantiles[:, 0] < model.predict()) & (model.predict() < quantiles[:, 1])).all()
    y = autoregression(2000, seed=1)
    origins = np.arange(20, 1990)
    ((series,), _), fitted = model._read(y, None, None), model._fitted
    ahead = fitted.ahead(0, fitted.scaled(0, series), origins, 4)
    came = y[origins[:, None] + np.arange(4)]
    assert (np.diff(ahead, axis=-1) >= 0).all()
    for level, k in ((0.1, 0), (0.5, 1), (0.9, 2)):
        assert_allclose((came < ahead[:, :, 0, k]).mean(axis=0), level, atol=0.04)


@BOTH
def test_update_goes_on(strategy):
    """Forecasts after new steps are those of a backtest there; the old forecaster's are not."""
    y = [autoregression(300), autoregression(250, seed=1)]
    model = forecaster(strategy=strategy, epochs=2).fit([s[:200] for s in y])
    before, weights = model.predict(), model.network_.state_dict()
    model.update([s[200:230] for s in y]).update([s[230:246] for s in y])
    result = model.backtest(y, start=246)
    assert_same_bits(model.predict(), [forecasts[0] for forecasts in result.forecasts])
    assert not np.array_equal(before[0], model.predict()[0])
    assert_same_bits(model.network_.state_dict(), weights)


def test_update_with_epochs_learns():
    """What was a walk has become a wave."""
    model = forecaster(epochs=2).fit(autoregression(300))
    frozen = pickle.loads(pickle.dumps(model))
    new = 50 + 8 * np.sin(np.arange(200) / 4)
    came = 50 + 8 * np.sin(np.arange(200, 204) / 4)
    errors = [
        np.abs(m.update(new, epochs=n).predict() - came).max()
        for m, n in ((frozen, 0), (model, 30))
    ]
    assert errors[1] < 0.5 * errors[0]


def test_backtest_knows_nothing_of_what_comes():
    y = autoregression(300)
    model = forecaster(epochs=2).fit(y[:200])
    poisoned = np.where(np.arange(300) < 250, y, 1e9)
    one, other = (model.backtest(s, start=230, stride=5) for s in (y, poisoned))
    early = one.origins <= 250
    assert early.sum() == 5 and len(one.origins) == 14
    assert_same_bits(one.forecasts[early], other.forecasts[early])
    assert_same_bits(one.actual[0], y[230:234])


def test_backtest_with_refit():
    """Each origin's forecast is that of a forecaster fitted there."""
    y = [autoregression(120), autoregression(130, seed=1)]
    model = forecaster(epochs=2).fit(y)
    result = model.backtest(y, start=100, stride=8, refit=True, level=0.8)
    for origin, first, second in zip(result.origins[0], *result.forecasts, strict=True):
        expected = forecaster(epochs=2).fit([s[:origin] for s in y]).predict()
        assert_same_bits([first, second], expected)
    assert result.coverage.shape == (4,)


def test_refit_has_the_parameters_of_the_fit():
    y = autoregression(120)
    model = forecaster(epochs=2).fit(y)
    expected = model.backtest(y, start=100, stride=8, refit=True).forecasts
    model.set_params(horizon=2, hidden_size=3, epochs=1)
    assert_same_bits(model.backtest(y, start=100, stride=8, refit=True).forecasts, expected)


def test_series_of_a_dict_go_by_name():
    """In whatever order they come; what does not fit is told."""
    y, z = autoregression(120), wave(120)
    model = forecaster(epochs=1).fit({"y": y, "z": z})
    one, other = (model.backtest(s, start=100) for s in ({"y": y, "z": z}, {"z": z, "y": y}))
    assert_same_bits(list(other.forecasts.values()), list(one.forecasts.values()))
    assert_same_bits(other.forecasts["z"], one.forecasts["z"])
    with pytest.raises(ValueError, match=r"y has other series than in fit: dict \['y'\]"):
        model.update({"y": y})
    with pytest.raises(ValueError, match=r"y is of shape \(steps, columns\), expected \(steps,\)"):
        model.update({"y": y[:, None], "z": z[:, None]})


def test_errors_of_a_backtest():
    """Against their definitions, by hand."""
    y = np.stack([autoregression(150), autoregression(150, seed=1)], axis=1)
    model = forecaster(epochs=1).fit(y)
    result = model.backtest(y, start=50, stride=7, horizon=3, season=2)
    assert result.forecasts.shape == result.actual.shape == (14, 3, 2)
    errors = result.forecasts - result.actual
    scale = np.abs(y[2:50] - y[:48]).mean(axis=0)
    assert_allclose(result.mae, np.abs(errors).mean(axis=(0, 2)))
    assert_allclose(result.rmse, np.sqrt((errors**2).mean(axis=(0, 2))))
    assert_allclose(result.mase, (np.abs(errors) / scale).mean(axis=(0, 2)))
    assert result.coverage is None and "rmse" in repr(result)


def test_a_seed_decides_everything():
    y = autoregression(200)
    options = {"dropout": 0.2, "num_layers": 2, "epochs": 2, "early_stopping": True, "skip": False}
    first, second = (forecaster(**options).fit(y).predict() for _ in range(2))
    assert_same_bits(first, second)
    assert not np.array_equal(first, forecaster(**options, random_state=1).fit(y).predict())


def test_early_stopping():
    y = np.random.default_rng(0).standard_normal(300)
    model = forecaster(early_stopping=True, patience=2, epochs=200).fit(y)
    assert len(model.history_) == int(np.argmin(model.history_.val_loss)) + 1 + 2 < 100


def test_relative_bears_a_shift_of_the_level():
    """A walk that has left the range of the training data by far."""
    y = np.random.default_rng(0).standard_normal(400).cumsum()
    y[300:] += 500
    errors = [
        forecaster(relative=r, strategy=s, skip=False)
        .fit(y[:300])
        .backtest(y, start=330)
        .mae.mean()
        for r in (True, False)
        for s in ("direct", "recursive")
    ]
    assert max(errors[:2]) < 10 < 100 < min(errors[2:])


def test_naive_forecast():
    y = np.arange(10.0)
    assert naive_forecast(y, 3).tolist() == [9, 9, 9]
    assert naive_forecast(y, 5, season=3).tolist() == [7, 8, 9, 7, 8]
    named = naive_forecast({"a": y, "b": -y}, 2, season=2)
    assert named["b"].tolist() == [-8, -9]
    assert naive_forecast(np.stack([y, -y], axis=1), 2).tolist() == [[9, -9], [9, -9]]
    with pytest.raises(ValueError, match="y has 10 steps, expected at least 11 = season"):
        naive_forecast(y, 1, season=11)
