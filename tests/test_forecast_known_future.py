"""Promise: what a table knows of the future beyond y is kept, and used as far as it goes."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from pyrnn.estimators import load
from series import forecaster, wave

T, H, MORE = 60, 2, 7
DAYS = pandas.date_range("2024-01-01", periods=T + MORE, name="day")
WIDE = pandas.DataFrame({"north": wave(T + 4), "south": wave(T + 4, 20)}, index=DAYS[: T + 4])
FIRST = WIDE[:T]
PLANS = pandas.DataFrame({"promo": np.arange(T + MORE) % 5 == 0}, index=DAYS)


def quick(**options):
    return forecaster(**{"epochs": 2, "horizon": H, "lookback": 4, "hidden_size": 4, **options})


def forms():
    """y of some steps and future of all in the same form, and the names of columns."""
    days = {"time": "day", "id": "shop", "target": "y"}
    plans = {"north": PLANS, "south": PLANS}
    long = PLANS.reset_index().merge(pandas.Series(["north", "south"], name="shop"), how="cross")

    def melted(wide):
        return wide.reset_index().melt("day", var_name="shop", value_name="y")

    yield lambda wide: wide, PLANS, {}
    yield lambda wide: {name: wide[name] for name in wide}, plans, {}
    yield lambda wide: wide["north"], PLANS["promo"], {}
    yield melted, long, days
    yield melted, PLANS.reset_index(), days


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
@pytest.mark.parametrize("form", range(5))
def test_predict_and_update_know_what_fit_was_given(form, strategy, tmp_path):
    of, future, names = list(forms())[form]
    model = quick(strategy=strategy, calendar=["weekday"]).fit(of(FIRST), future=future, **names)
    same(model.predict(), model.predict(future=future))
    same(model.interval(0.5), model.interval(0.5, future=future))
    model.save(tmp_path / "model.safetensors")
    model = load(tmp_path / "model.safetensors")
    other = load(tmp_path / "model.safetensors")
    model.update(of(WIDE[T:]))
    same(model.predict(), other.update(of(WIDE[T:]), future=future).predict(future=future))


def test_it_goes_as_far_as_it_was_given():
    model = quick(strategy="recursive").fit(FIRST, future=PLANS[:-2])
    same(model.predict(MORE - 2), model.predict(MORE - 2, future=PLANS))
    words = (
        r"future\['north'\], as far as it has been given, has rows from 2024-03-01 to 2024-03-05, "
        "expected 2024-03-01 to 2024-03-06"
    )
    with pytest.raises(ValueError, match=words):
        model.predict(MORE - 1)
    model.update(WIDE[T:], future=PLANS)
    same(model.predict(MORE - 4), model.predict(MORE - 4, future=PLANS))
    model = quick().fit(FIRST, future=PLANS[:T])
    with pytest.raises(ValueError, match="future is None, expected 1 covariates as in fit"):
        model.predict()
    with pytest.raises(ValueError, match="future is None, expected 1 covariates as in fit"):
        model.update(WIDE[T:])


def test_what_comes_later_replaces_what_was_known():
    """And what it does not reach is still known."""
    changed = PLANS.assign(promo=~PLANS["promo"])
    model = quick().fit(FIRST, future=PLANS)
    model.update(WIDE[T : T + 2], future=changed[T : T + 3])
    whole = pandas.concat([changed[: T + 3], PLANS[T + 3 :]])
    same(model.predict(), model.predict(future=whole))
    assert not model.predict().equals(model.predict(future=PLANS))


def test_gaps_end_what_is_known_or_are_missing():
    holes = PLANS.drop(DAYS[T + 1])
    model = quick().fit(FIRST, future=holes)
    with pytest.raises(ValueError, match="to 2024-03-01, expected 2024-03-01 to 2024-03-02"):
        model.predict()
    filled = quick(fill_gaps=True).fit(FIRST, future=holes)
    with pytest.warns(UserWarning, match="future has 1 missing values|missing values where"):
        forecasts = filled.predict()
    with pytest.warns(UserWarning, match="missing values where"):
        same(forecasts, filled.predict(future=holes))


def test_new_series_need_their_own():
    model = quick().fit({"a": FIRST["north"]}, future={"a": PLANS})
    new = {"a": WIDE["north"][T:], "b": FIRST["south"]}
    with pytest.raises(ValueError, match="future is None, expected 1 covariates as in fit"):
        model.update(new)
    model.update(new, future={"a": PLANS, "b": PLANS})
    same(model.predict(), model.predict(future={"a": PLANS, "b": PLANS}))


def test_arrays_have_as_many_steps_as_y():
    with pytest.raises(ValueError, match=r"future has shape \(67, 1\), expected \(60, 1\)"):
        quick().fit(wave(T), future=PLANS.to_numpy(float))


def same(one, other):
    """The same tables."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            same(one[name], other[name])
    else:
        assert one.equals(other)
