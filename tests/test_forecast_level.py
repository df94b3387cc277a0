"""Promise: changes are read of series that go on from where they are, values of those that keep to
a level."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators import load
from pyrnn.estimators._forecasting.level import keep_level
from pyrnn.estimators._forecasting.series import Series
from series import forecaster, seasonal

NONE = np.zeros((0, 0))


def markov(phi, steps, seed):
    """y_t = phi y_{t-1} + N(0, 1)."""
    noise = np.random.default_rng(seed).standard_normal(steps + 100)
    y = np.zeros_like(noise)
    for t in range(1, len(y)):
        y[t] = phi * y[t - 1] + noise[t]
    return y[100:]


def share(make, season=1, horizon=4):
    """Of 50 draws, how many keep to a level."""
    drawn = [[Series(np.c_[make(seed)], NONE, NONE)] for seed in range(50)]
    return np.mean([keep_level(one, season, horizon) for one in drawn])


def flat(steps, seed=0):
    """A season without a trend."""
    return seasonal(steps, 1.0, seed=seed) - 0.1 * np.arange(steps)


@pytest.mark.parametrize("steps", [150, 600])
def test_what_keeps_to_a_level(steps):
    assert share(lambda seed: markov(0.0, steps, seed)) > 0.85
    assert share(lambda seed: markov(0.5, steps, seed), horizon=14) > 0.8
    assert share(lambda seed: flat(steps, seed), 12) > 0.8


@pytest.mark.parametrize("steps", [150, 600])
def test_what_goes_on_from_where_it_is(steps):
    assert share(lambda seed: markov(1.0, steps, seed)) < 0.1
    assert share(lambda seed: markov(0.97, steps, seed)) < 0.1
    assert share(lambda seed: markov(0.0, steps, seed) + 5 * np.arange(steps) / steps) < 0.1
    assert share(lambda seed: seasonal(steps, 1.0, seed=seed), 12) == 0
    assert share(lambda seed: flat(steps, seed), 12, horizon=1) == 0  # the next step is near


def test_units_and_gaps_do_not_matter():
    y = flat(200)
    holes = np.where(np.arange(200) % 7 == 3, np.nan, y)
    assert all(share(lambda _, one=one: one, 12) == 1 for one in (y, 1e6 * y - 1e9, holes))
    assert share(lambda _: np.append([np.nan] * 50, y), 12) == 1


def test_series_too_short_or_constant():
    assert not share(lambda seed: markov(0.0, 12, seed))
    assert share(lambda _: np.ones(50)) == 1
    assert not keep_level([Series(np.zeros((0, 1)), NONE, NONE)], 1, 1)


def test_all_series_decide_together():
    walks = [Series(np.c_[markov(1.0, 100, seed)], NONE, NONE) for seed in range(20)]
    still = [Series(np.c_[markov(0.0, 100, seed)], NONE, NONE) for seed in range(20)]
    assert not keep_level(walks, 1, 4) and keep_level(still, 1, 4)
    assert not keep_level(walks + still[:5], 1, 4) and keep_level(still + walks[:1], 1, 4)


def test_forecasters_choose(tmp_path):
    rises, stays = seasonal(200, 1.0), flat(200)
    for y, expected in ((rises, True), (stays, False)):
        model = forecaster(epochs=1, skip=False).fit(y)
        assert model._fitted.cutter.relative is expected
        same = forecaster(epochs=1, skip=False, relative=expected).fit(y)
        assert (same.predict() == model.predict()).all()
        model.save(tmp_path / "model.safetensors")
        assert load(tmp_path / "model.safetensors").relative is None
    assert forecaster(epochs=1).fit(stays)._fitted.cutter.relative is True
    assert forecaster(epochs=1, lookback=1).fit(rises)._fitted.cutter.relative is False
    with pytest.raises(TypeError, match="relative is 'yes', expected"):
        forecaster(relative="yes").fit(rises)


def test_the_network_alone_is_better_where_it_knows_the_level():
    """A wave that is cut off at 0: whatever comes first in a window says little of its level."""
    t, errors = np.arange(700), []
    y = np.maximum(np.sin(2 * np.pi * t / 24), 0) ** 3 * (1 + 0.3 * markov(0.0, 700, 1))
    for relative in (None, True):
        options = {"lookback": 48, "horizon": 12, "epochs": 12, "hidden_size": 16}
        model = forecaster(skip=False, relative=relative, **options).fit(y[:500])
        errors.append(model.backtest(y, start=500, stride=5).mae.mean())
    assert errors[0] < 0.95 * errors[1]
