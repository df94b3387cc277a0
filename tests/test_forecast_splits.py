"""Promise: scikit-learn scores a forecaster by the steps that follow those it was fitted to."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

from compare import assert_same_bits
from pyrnn.estimators import RollingOrigins
from series import autoregression, forecaster, wave


def test_splits():
    splits = list(RollingOrigins(3, 2).split(np.zeros(10)))
    assert [(train.tolist(), test.tolist()) for train, test in splits] == [
        ([0, 1, 2, 3], [4, 5, 6]),
        ([0, 1, 2, 3, 4, 5, 6], [7, 8, 9]),
    ]
    starts = [test[0] for _, test in RollingOrigins(3, n_splits=4, stride=1).split(range(20))]
    assert starts == [14, 15, 16, 17] and RollingOrigins(3, 4).get_n_splits() == 4
    assert repr(RollingOrigins(3, stride=1)) == "RollingOrigins(horizon=3, stride=1)"


def test_splits_that_do_not_fit():
    with pytest.raises(ValueError, match="X has 6 steps, expected more than 6 = horizon"):
        next(RollingOrigins(2, 3).split(np.zeros(6)))
    next(RollingOrigins(2, 3).split(np.zeros(7)))
    for many in ({"a": wave(50)}, [wave(50)] * 60, (wave(50), wave(50))):
        with pytest.raises(TypeError, match=r"of series, expected one series.*Forecaster.search"):
            next(RollingOrigins(2).split(many))


def test_score():
    """Minus the MASE of all forecasts within the steps that came."""
    y = autoregression(140)
    model = forecaster(epochs=2).fit(y[:120])
    result = model.backtest(y, start=120)
    expected = np.abs(result.forecasts - result.actual).mean() / np.abs(np.diff(y[:120])).mean()
    assert_allclose(model.score(y[120:]), -expected)
    first = np.abs(model.predict(2) - y[120:122]).mean() / np.abs(np.diff(y[:120])).mean()
    assert_allclose(model.score(y[120:122]), -first)


def test_score_of_columns_is_in_units_of_each():
    y = np.stack([autoregression(140), 1000 * autoregression(140, seed=1)], axis=1)
    model = forecaster(epochs=2).fit(y[:136])
    errors = np.abs(model.predict() - y[136:]) / np.abs(np.diff(y[:136], axis=0)).mean(axis=0)
    assert_allclose(model.score(y[136:]), -errors.mean())


def test_score_with_covariates():
    rng = np.random.default_rng(0)
    known = rng.standard_normal((130, 1))
    y = 5 * known[:, 0] + rng.standard_normal(130)
    model = forecaster(epochs=2).fit(y[:120], future=known[:120])
    expected = np.abs(model.predict(future=known[120:124]) - y[120:124]).mean()
    scale = np.abs(np.diff(y[:120])).mean()
    assert_allclose(model.score(y[120:124], future=known[120:124]), -expected / scale)
    with pytest.raises(ValueError, match="y has 3 steps, expected at least 4, as many as future"):
        model.score(y[120:123], future=known[120:123])


def test_what_scikit_learn_would_split_by_series():
    y = autoregression(100)
    model = forecaster(epochs=1).fit([y, y])
    with pytest.raises(TypeError, match=r"Forecaster.score: y is a list of series.*search"):
        model.score([y[:5], y[:5]])
    with pytest.raises(TypeError, match=r"Forecaster.score: y is a dict of series"):
        forecaster(epochs=1).fit({"a": y}).score({"a": y[:5]})


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("cv", [RollingOrigins(4, 2), TimeSeriesSplit(2, test_size=4)])
def test_grid_search(cv, columns):
    """The scores are those of fits to what comes before; the best is fitted to all."""
    y = wave(100) if columns == 1 else np.stack([wave(100), wave(100, 7)], axis=1)
    plain = {"skip": False, "refit": False, "early_stopping": False}
    grid = {"hidden_size": [1, 8]}
    found = GridSearchCV(forecaster(**plain), grid, cv=cv, error_score="raise").fit(y)
    for i, size in enumerate([1, 8]):
        for k, origin in enumerate([92, 96]):
            model = forecaster(hidden_size=size, **plain).fit(y[:origin])
            score = found.cv_results_[f"split{k}_test_score"][i]
            assert_same_bits(score, model.score(y[origin : origin + 4]))
    assert found.best_params_ == {"hidden_size": 8}
    best = forecaster(hidden_size=8, **plain).fit(y)
    assert_same_bits(found.best_estimator_.predict(), best.predict())


def test_cross_val_score():
    y = wave(100)
    scores = cross_val_score(forecaster(), y, cv=RollingOrigins(4, 3))
    assert scores.shape == (3,) and (scores < 0).all()


def test_tables_tell_splits_that_do_not_follow():
    """KFold's first test part comes before what was fitted."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    y = pandas.Series(wave(90), index=pandas.date_range("2024-01-01", periods=90))
    scores = cross_val_score(forecaster(epochs=1), y, cv=RollingOrigins(4, 2))
    assert_allclose(
        scores, cross_val_score(forecaster(epochs=1), wave(90), cv=RollingOrigins(4, 2))
    )
    model = forecaster(epochs=1).fit(y[30:])
    with pytest.raises(ValueError, match="begins at 2024-01-01, expected 2024-03-31") as raised:
        model.score(y[:30])
    assert "RollingOrigins" in raised.value.__notes__[0] and "search" in raised.value.__notes__[0]


def test_a_table_of_series():
    """Its rows are split, each column is a series."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    dates = pandas.date_range("2024-01-01", periods=90)
    y = pandas.DataFrame({"a": wave(90), "b": autoregression(90)}, index=dates)
    scores = cross_val_score(forecaster(epochs=1), y, cv=RollingOrigins(4, 1))
    model = forecaster(epochs=1).fit(y[:86])
    change = y[:86].diff().abs().mean()
    errors = (model.predict() - y[86:]).abs() / change
    assert_allclose(scores, [-errors.to_numpy().mean()])
