"""Promise: the network reads what is the same at all steps of a series."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators import Forecaster, load

SMALL = {"lookback": 3, "hidden_size": 8, "epochs": 2, "random_state": 0, "scale": None}
COUNT = 10
SIGNS = np.where(np.arange(COUNT) % 2, 1.0, -1.0)


def drifting():
    """Series that rise or fall by 0.5 a step, hidden in noise of their changes."""
    rng = np.random.default_rng(0)
    steps = rng.standard_normal((COUNT, 300)) + 0.5 * SIGNS[:, None]
    return [np.cumsum(own) for own in steps]


def changes(model, y):
    return np.array([forecast[0] for forecast in model.predict()]) - [own[-1] for own in y]


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("kind", ["numbers", "groups"])
def test_the_drift_of_each_series_is_known_by_its_static(kind, skip):
    y, options = drifting(), SMALL if skip else SMALL | {"epochs": 15}
    words = np.where(SIGNS > 0, "up", "down")
    static = [
        {"kind": float(s) if kind == "numbers" else w} for s, w in zip(SIGNS, words, strict=True)
    ]
    told = changes(Forecaster(**options, skip=skip).fit(y, static=static), y)
    untold = changes(Forecaster(**options, skip=skip).fit(y), y)
    assert np.abs(told - 0.5 * SIGNS).max() < np.abs(untold - 0.5 * SIGNS).max()
    assert (np.sign(told) == SIGNS).all() and np.abs(told - 0.5 * SIGNS).mean() < 0.3


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_all_ways_read_it(strategy, tmp_path):
    y = drifting()
    static = [{"size": float(i), "kind": "ab"[i % 2]} for i in range(COUNT)]
    model = Forecaster(horizon=3, strategy=strategy, **SMALL).fit(y, static=static)
    assert model.network_[0].rnn[0].input_size == 1 + 1 + 2
    model.save(tmp_path / "f")
    again = load(tmp_path / "f")
    assert np.array_equal(again.predict(), model.predict())
    tested = model.backtest(y, start=200, stride=20)
    assert np.isfinite(tested.mae).all()
    model.update([np.ones(2)] * COUNT)
    assert np.isfinite(model.predict()).all()
