"""Promise: what is missing is no target, no part of a scale, no score; the network is told."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators import Forecaster, load

SMALL = {"horizon": 3, "hidden_size": 8, "epochs": 3, "random_state": 0}


def waves(steps=200, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return 10 + 3 * np.sin(np.arange(steps) * 2 * np.pi / 12) + noise * rng.standard_normal(steps)


def with_gaps(y, share=0.3, seed=1):
    gone = np.random.default_rng(seed).random(y.shape) < share
    return np.where(gone, np.nan, y)


def test_a_wave_with_gaps_is_forecast_nearly_as_well():
    y = waves(303)
    options = SMALL | {"epochs": 40, "lookback": 24, "hidden_size": 16}
    whole = Forecaster(**options).fit(y[:300]).predict()
    gaps = Forecaster(**options).fit(with_gaps(y[:300])).predict()
    assert np.abs(whole - y[300:]).max() < 0.5
    assert np.abs(gaps - y[300:]).max() < 1.0


def test_the_shares_of_what_is_missing_are_told():
    y, past = waves(100), waves(100, 0.5)[:, None]
    y[10:30] = np.nan
    past[:5] = np.nan
    forecaster = Forecaster(**SMALL).fit(y, past=past)
    assert forecaster.missing_ == {"y": 0.2, "past": 0.05}
    both = Forecaster(**SMALL).fit({"a": y, "b": waves(100)})
    assert both.missing_ == {"y": {"a": 0.2, "b": 0.0}}


def test_scales_are_those_of_what_was_observed():
    y = waves(100, 0.3)
    y[20:40] = np.nan
    scaling = Forecaster(**SMALL, calibration=0, early_stopping=False).fit(y)._fitted.scales.y[0]
    assert np.isclose(scaling.center[0], np.nanmean(y))
    assert np.isclose(scaling.scale[0], np.nanstd(y))


def test_a_missing_target_teaches_nothing(monkeypatch):
    """Its weight is 0, so what stands in its place does not matter."""
    forecaster = Forecaster(**SMALL, skip=False).fit(with_gaps(waves(60), 0.2))
    fitted, y = forecaster._fitted, with_gaps(waves(60), 0.2)
    x, target, weight = fitted.cutter.training([fitted.scaled(0, _series(y))])
    assert weight is not None and np.isfinite(x).all() and np.isfinite(target).all()
    assert (target[weight == 0] == 0).all() and 0.1 < (weight == 0).mean() < 0.6


def _series(y):
    from pyrnn.estimators._forecasting.series import Series

    return Series(y[:, None], np.zeros((len(y), 0)), np.zeros((len(y), 0)))


def test_errors_of_what_is_missing_count_nowhere():
    y = waves(200, 0.2)
    forecaster = Forecaster(**SMALL).fit(y)
    holes = y.copy()
    holes[150] = np.nan
    with pytest.warns(UserWarning, match="y has 1 missing values where fit had none"):
        tested = forecaster.backtest(holes, level=0.8)
    assert np.isfinite(tested.mae).all() and np.isfinite(tested.coverage).all()
    low, high = Forecaster(**SMALL).fit(with_gaps(y, 0.1)).interval(0.8).T
    assert np.isfinite(low).all() and (low < high).all()


def test_data_without_gaps_have_no_flags():
    forecaster = Forecaster(**SMALL, skip=False).fit(waves(), past=waves(noise=1)[:, None])
    assert forecaster._fitted.cutter.flagged == ((), (), ())
    assert forecaster.network_[0].input_size == 2
    told = Forecaster(**SMALL, skip=False).fit(with_gaps(waves()))
    assert told.network_[0].input_size == 2


def test_gaps_that_the_fit_did_not_have_are_told():
    forecaster = Forecaster(**SMALL).fit(waves())
    with pytest.warns(UserWarning, match="y has 2 missing values where fit had none"):
        forecaster.update(np.array([10.0, np.nan, np.nan, 11.0]))
    assert np.isfinite(forecaster.predict()).all()


def test_a_filler_of_the_users_is_read():
    def zero(column):
        return np.nan_to_num(column, nan=0.0)

    y = with_gaps(waves(), 0.2)
    flags, zeros = Forecaster(**SMALL).fit(y), Forecaster(**SMALL, missing=zero).fit(y)
    assert np.abs(flags.predict() - zeros.predict()).max() > 1e-6
    fitted = zeros._fitted
    shown = fitted.scales.y[0].undo(fitted.tails[0].shown()[0])
    gone = np.isnan(fitted.tails[0].y)
    assert gone.any() and np.allclose(shown[gone], 0)


def test_a_filler_that_looks_ahead_is_refused():
    def mean(column):
        return np.where(np.isnan(column), np.nanmean(column), column)

    with pytest.raises(ValueError, match="expected a function that looks back alone"):
        Forecaster(**SMALL, missing=mean).fit(with_gaps(waves(noise=1)))


@pytest.mark.parametrize(
    ("missing", "error", "match"),
    [
        ("zero", TypeError, "missing is 'zero', expected 'flag' or a function"),
        (lambda column: column[1:], ValueError, r"missing gives an array of shape"),
        (lambda column: column * np.inf, ValueError, r"missing gives an array of shape"),
    ],
)
def test_bad_fillers(missing, error, match):
    with pytest.raises(error, match=match):
        Forecaster(**SMALL, missing=missing).fit(with_gaps(waves()))


def test_a_series_without_a_value_is_named():
    with pytest.raises(ValueError, match=r"y\['b'\] has no observed value"):
        Forecaster(**SMALL).fit({"a": waves(), "b": np.full(200, np.nan)})
    both = np.stack([waves(), np.full(200, np.nan)], 1)
    with pytest.raises(ValueError, match="y has no observed value in column 1"):
        Forecaster(**SMALL).fit(both)


def test_infinite_numbers_stay_refused():
    y = waves()
    y[7] = np.inf
    with pytest.raises(ValueError, match=r"y is \[inf\] at step 7, expected finite numbers"):
        Forecaster(**SMALL).fit(y)


def test_short_series_are_trained_on_as_they_are():
    """One of fewer steps than the lookback gives one window; it is forecast like the others."""
    forecaster = Forecaster(**SMALL, lookback=20).fit({"long": waves(), "short": waves(12)})
    forecasts = forecaster.predict()
    assert forecasts["short"].shape == (3,) and np.isfinite(forecasts["short"]).all()


def test_series_too_short_to_train_on_are_named():
    with pytest.warns(UserWarning, match=r"left out: y\['b'\] \(2 steps\)"):
        Forecaster(**SMALL).fit({"a": waves(), "b": waves(2)})
    with pytest.raises(ValueError, match="y has 2 steps, expected at least"):
        Forecaster(**SMALL).fit(waves(2))


def test_a_gap_at_the_end_is_bridged():
    y = waves(100)
    y[-4:] = np.nan
    forecaster = Forecaster(**SMALL, strategy="recursive").fit(y)
    assert np.isfinite(forecaster.predict(9)).all()


def test_a_file_has_gaps_but_no_functions(tmp_path):
    y, path = with_gaps(waves()), tmp_path / "f"
    forecaster = Forecaster(**SMALL).fit(y)
    forecaster.save(path)
    again = load(path)
    assert again.missing_ == forecaster.missing_
    assert np.array_equal(again.predict(), forecaster.predict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled = Forecaster(**SMALL, missing=lambda column: np.nan_to_num(column)).fit(y)
    with pytest.raises(TypeError, match=r"Forecaster\.save cannot hold parameters/missing"):
        filled.save(path)
