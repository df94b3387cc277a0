"""Promise: a search finds parameters that forecast well, and tells what it tried."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from scipy import stats

from compare import assert_same_bits
from series import autoregression, forecaster, wave


@pytest.fixture(params=["optuna", "random"])
def sampler(request, monkeypatch):
    if request.param == "optuna":
        pytest.importorskip("optuna", reason="Optuna is not installed")
    else:
        monkeypatch.setitem(sys.modules, "optuna", None)
    return request.param


def states(found):
    return list(found.trials["state"])


def test_finds_what_forecasts_well(sampler):
    """A network that learns, not one whose rate is 0; fitted to all."""
    y, model = [wave(90), 100 * wave(80, 9)], forecaster(skip=False)
    space = {"learning_rate": [0.0, 0.005], "hidden_size": (4, 8)}
    found = model.search(space, y, n_trials=6, n_splits=2)
    assert found.sampler == sampler and found.best_params_["learning_rate"] == 0.005
    best = forecaster(skip=False, **found.best_params_).fit(y)
    assert_same_bits(found.best_forecaster_.predict(), best.predict())
    assert model.hidden_size is None and not hasattr(model, "_fitted")
    assert "6 trials" in repr(found)


def test_the_error_is_that_of_forecasts_from_rolling_origins():
    y, z = autoregression(90), 1000 * autoregression(100, seed=1)
    options = {"n_trials": 1, "n_splits": 3, "stride": 2}
    found = forecaster(epochs=2).search({"hidden_size": [4]}, {"y": y, "z": z}, **options)
    errors = []
    for back in (8, 6, 4):
        known = {"y": y[:-back], "z": z[:-back]}
        model = forecaster(epochs=2, hidden_size=4).fit(known)
        for name, series in (("y", y), ("z", z)):
            came = series[len(series) - back :][:4]
            change = np.abs(np.diff(known[name])).mean()
            errors.append(np.abs(model.predict()[name] - came).mean() / change)
    assert_allclose(found.trials["mase"], [np.mean(errors)])
    assert_allclose(found.best_score_, -np.mean(errors))


def test_a_seed_decides_everything(sampler):
    y = autoregression(60)
    space = {"hidden_size": (1, 30), "learning_rate": stats.loguniform(1e-4, 1e-1)}

    def tried(seed):
        model = forecaster(epochs=1, random_state=seed)
        return np.array(model.search(space, y, n_trials=3).trials["learning_rate"])

    assert_same_bits(tried(0), tried(0))
    assert not (tried(0) == tried(1)).any()


def test_a_poor_trial_is_broken_off(sampler):
    """One that explodes, after four good ones; it is told, and never the best."""
    y = wave(80)
    space = {"learning_rate": stats.uniform(0.001, 0.05), "hidden_size": (2, 8)}
    plain = {"skip": False, "early_stopping": False, "refit": False}  # what may go wrong
    found = forecaster(epochs=2, **plain).search(space, y, n_trials=12, n_splits=3)
    assert set(states(found)) == {"complete", "pruned"}
    origins = np.array(found.trials["origins"])
    for state, count in zip(states(found), origins, strict=True):
        assert count == 3 or state == "pruned"
    complete = np.array(states(found)) == "complete"
    assert_allclose(found.best_score_, -np.array(found.trials["mase"])[complete].min())
    assert origins.min() < 3 and states(found)[:4] == ["complete"] * 4


def test_failed_trials_are_told(sampler):
    y = autoregression(60)
    space = {"lookback": [8, 1], "quantiles": [(0.1, 0.9), None]}
    model = forecaster(epochs=1, relative=True)
    with pytest.warns(UserWarning, match=r"search: \d of 8 trials failed, the first with"):
        found = model.search(space, y, n_trials=8, n_splits=1)
    failed = [state == "failed" for state in states(found)]
    assert failed == [lookback == 1 for lookback in found.trials["lookback"]]
    messages = [text for text, state in zip(found.trials["message"], failed, strict=True) if state]
    assert all("expected at least" in text for text in messages) and any(failed)
    assert found.best_params_["lookback"] == 8
    with pytest.raises(ValueError, match=r"all 2 trials failed, the first: .*expected at least"):
        model.search({"lookback": [1]}, y, n_trials=2)


def test_space():
    """Whole numbers of integers and discrete distributions; ends are reached."""
    from pyrnn.estimators._forecasting.space import read_space

    names = ("a", "b", "c", "d")
    given = {"a": (1, 3), "b": (0.5, 2.5), "c": stats.randint(2, 4), "d": ["x", None, (1, 2)]}
    space = read_space("Forecaster.search", given, names)
    drawn = {name: [space[name].at(share) for share in (0.0, 0.5, 0.999)] for name in names}
    assert drawn["a"] == [1, 2, 3] and drawn["d"] == ["x", None, (1, 2)]
    assert drawn["b"] == [0.5, 1.5, pytest.approx(2.498)]
    assert drawn["c"] == [2, 2, 3] and all(type(value) is int for value in drawn["c"])


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "space is empty"),
        ({"hidden": [1]}, "space has 'hidden', expected"),
        ({"horizon": [1, 2]}, "space has 'horizon', expected"),
        ({"hidden_size": []}, r"space\['hidden_size'\] is empty"),
        ({"hidden_size": 3}, r"space\['hidden_size'\] is 3, expected a list of values, a range"),
        ({"hidden_size": (1, 2, 3)}, "expected a list of values, a range"),
        ({"hidden_size": (8, 1)}, r"is \(8, 1\), expected \(low, high\) with low <= high"),
        ({"dropout": (0.0, np.inf)}, "both finite"),
        ({"relative": (False, True)}, "expected a list of values"),
    ],
)
def test_a_bad_space(space, words):
    with pytest.raises((TypeError, ValueError), match=words):
        forecaster(epochs=1).search(space, wave(60))


def test_series_that_are_too_short():
    with pytest.raises(ValueError, match=r"y\[1\] has 13 steps, expected at least 14 = 2 \+"):
        forecaster(epochs=1).search({"hidden_size": [1]}, [wave(60), wave(13)])
