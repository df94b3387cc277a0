"""Promise: a linear part begins at least squares; what is not given is chosen from the data."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from children import run
from compare import assert_same_bits
from pyrnn.estimators import Forecaster
from pyrnn.estimators._forecasting.division import divided
from pyrnn.estimators._forecasting.rollout import last_of
from pyrnn.estimators._forecasting.series import Series
from pyrnn.estimators._forecasting.windows import Cutter
from pyrnn.layers._autoregression import Autoregression
from series import autoregression, forecaster, seasonal


def drawn(**options):
    """An autoregression with weights, and x for it."""
    rng = np.random.default_rng(0)
    part = Autoregression(4, 3, lags=5, lagged=2, relative=1, **options)
    for parameter in part.parameters():
        parameter[...] = rng.standard_normal(parameter.shape)
    return part, rng.standard_normal((2, 9, 4)).astype(np.float32)


def test_autoregression_is_its_equation():
    part, x = drawn()
    y, state = part(x)
    for one, out in zip(x, y, strict=True):
        assert_allclose(out[4:], part.rows(one) @ part.weight.data + part.bias.data, rtol=1e-4)
    t, W = 7, part.weight.data
    lags = np.concatenate(
        [np.array([x[0, t - k, 0] - x[0, t, 0], x[0, t - k, 1]]) for k in (4, 3, 2, 1)]
    )
    assert_allclose(part.rows(x[0])[t - 4], [*lags, x[0, t, 1], *x[0, t, 2:]], rtol=1e-6)
    assert W.shape == (11, 3) and state.shape == (2, 4, 2)
    level = np.array([100, 0, 0, 0], np.float32)
    assert_allclose(part(x + level)[0], y, atol=1e-3)  # differences know no level


def test_autoregression_goes_on_from_its_state():
    part, x = drawn()
    whole, last = part(x)
    first, state = part(x[:, :6])
    second, end = part(x[:, 6:], state=state)
    assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-5, atol=1e-6)
    assert_same_bits(end, last)


def test_default_is_as_good_as_least_squares():
    """On data where that is at the noise already."""
    horizon, lags, known = 6, 24, 500
    ratios = []
    for seed in range(2):
        y = seasonal(600, 1.0, seed=seed)
        lagged, ahead = (
            sliding_window_view(y, lags)[:-horizon],
            sliding_window_view(y, horizon)[lags:],
        )
        rows = np.column_stack([np.ones(len(lagged)), lagged])
        learnt = known - lags - horizon + 1
        weights = np.linalg.lstsq(rows[:learnt], ahead[:learnt], rcond=None)[0]
        linear = np.abs(rows[known - lags :] @ weights - ahead[known - lags :]).mean()
        model = Forecaster(horizon=horizon, random_state=seed).fit(y[:known])
        ratios.append(model.backtest(y, start=known).mae.mean() / linear)
    assert np.mean(ratios) < 1.03


def test_choices():
    """Lookback, width and epochs of the data, as the documentation says."""
    model = Forecaster(horizon=3, epochs=1, random_state=0).fit(seasonal(400, 0.1))
    assert model._fitted.cutter.lookback == 32  # a tenth of 0.8 * 400 steps
    rnn, part = model.network_[0].rnn, model.network_[0].skip
    assert rnn[0].hidden_size == 16 and part.lags == 32
    short = Forecaster(horizon=3, epochs=1, random_state=0).fit(seasonal(90, 0.1))
    assert short._fitted.cutter.lookback == 13  # a season and one
    assert len(Forecaster(horizon=3, random_state=0).fit(seasonal(90, 0.1)).history_) <= 100


@pytest.mark.parametrize("options", [{}, {"skip": False}, {"quantiles": (0.1, 0.9)}])
def test_refit_learns_what_was_held_out(options):
    """The last steps count in the forecasts."""
    y = autoregression(150)
    kept, fitted = (forecaster(refit=r, epochs=3, **options).fit(y) for r in (False, True))
    assert not np.array_equal(kept.predict(), fitted.predict())
    assert kept._fitted.residuals[0].shape == fitted._fitted.residuals[0].shape


def test_what_decides_when_to_stop():
    """The calibration, or without it a tenth; with early_stopping=False all else is trained on."""
    many, form = [Series(np.zeros((200, 1)), np.zeros((200, 0)), np.zeros((200, 0)))], None
    cutter = Cutter(lookback=12, horizon=4, direct=True, relative=True)

    def division(**options):
        (own,) = divided(forecaster(**options), cutter, many, form)
        return own.learnt, own.stops, own.calibrated

    assert division() == (160, 40, 40)
    assert division(calibration=0) == (180, 20, 0)
    assert division(calibration=0, early_stopping=False) == (200, 0, 0)
    assert division(validation_fraction=0.25) == (110, 50, 40)


@pytest.mark.parametrize("options", [{}, {"skip": False}, {"dropout": 0.5}, {"quantiles": (0.1,)}])
@pytest.mark.parametrize("steps", [1, 5, 12, 20])
def test_the_last_step_alone_has_the_bits_of_all(steps, options):
    model = forecaster(epochs=1, **options).fit(autoregression(150))
    x = np.random.default_rng(0).standard_normal((40, steps, 1)).astype(np.float32)
    assert_same_bits(last_of(model.network_, x), model.network_(x)[:, -1])


def test_without_skip_there_is_no_linear_part():
    model = forecaster(skip=False, epochs=1).fit(autoregression(150))
    assert model.network_[0].input_size == 1


def test_a_network_is_read_without_the_estimators(tmp_path):
    """So it can be used where scikit-learn is not installed."""
    model = forecaster(epochs=1).fit(seasonal(120, 0.1))
    path = tmp_path / "network.safetensors"
    model.network_.save(path)
    code = f"""
        import sys
        import pyrnn
        print(float(pyrnn.load({str(path)!r})(np.ones((1, 12, 1), "f4")).sum()))
        assert not any(name.startswith("pyrnn.estimators") for name in sys.modules)
    """
    (total,) = run(code)
    assert float(total) == float(model.network_(np.ones((1, 12, 1), "f4")).sum())
