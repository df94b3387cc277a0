"""Promise: dates give the calendar, and a row per series what is the same at all its steps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from series import forecaster, wave

T, H = 60, 2
DAYS = pandas.date_range("2024-01-01", periods=T + H, name="day")
WIDE = pandas.DataFrame({"north": wave(T), "south": wave(T, 20)}, index=DAYS[:T])
ABOUT = pandas.DataFrame(
    {"area": [20.0, 30], "kind": ["city", "village"], "open": [True, True]}, WIDE.columns
)


def quick(**options):
    return forecaster(**{"epochs": 1, "horizon": H, "lookback": 4, "hidden_size": 4, **options})


PARTS = {
    "quarter": lambda t: (t.quarter - 1) / 4,
    "month": lambda t: (t.month - 1) / 12,
    "week": lambda t: (t.isocalendar().week.to_numpy(float) - 1) / (365.2425 / 7),
    "dayofyear": lambda t: (t.day_of_year - 1) / np.where(t.is_leap_year, 366, 365),
    "day": lambda t: (t.day - 1) / t.days_in_month,
    "weekday": lambda t: t.day_of_week / 7,
    "hour": lambda t: t.hour / 24,
    "minute": lambda t: t.minute / 60,
}


@pytest.mark.parametrize("place", [None, "America/New_York"])
@pytest.mark.parametrize("step", ["D", "7h", "ME", "13min"])
def test_parts_of_the_calendar(step, place):
    """sin and cos of what pandas says, on the clock of the place; also of the steps to come."""
    times = pandas.date_range("2019-12-20 05:00", periods=400, freq=step, tz=place)
    y = pandas.Series(wave(395), index=times[:395])
    model = quick(calendar=tuple(PARTS)).fit(y)
    ((series,), _), (coming,) = (
        model._read(y, None, None),
        model._coming(model._fitted.form, None, None, past_steps=5, future_steps=5),
    )
    known = np.concatenate([series.future, coming.future])
    turns = np.stack([2 * np.pi * np.asarray(of(times), float) for of in PARTS.values()], axis=1)
    assert_allclose(known[:, 0::2], np.sin(turns), atol=1e-12)
    assert_allclose(known[:, 1::2], np.cos(turns), atol=1e-12)
    assert model.predict().index.equals(times[395:397])


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_a_calendar_tells_what_the_last_steps_do_not(strategy):
    """Sundays are a spike; two steps of lookback see none of it before."""
    days = pandas.date_range("2024-01-01", periods=200)
    y = pandas.Series((days.day_of_week == 6) * 10.0, index=days)
    errors = []
    for calendar in (None, ("weekday",)):
        options = {"strategy": strategy, "lookback": 3, "epochs": 30, "hidden_size": 16}
        model = quick(calendar=calendar, horizon=7, relative=False, **options).fit(y[:-7])
        errors.append(np.abs(model.predict() - y[-7:]).max())
    assert errors[0] > 6 and errors[1] < (2 if strategy == "direct" else 5)


def test_a_calendar_beside_covariates():
    known = pandas.Series(np.arange(T + H) / T, index=DAYS)
    model = quick(calendar=["month"]).fit(WIDE, future=known)
    (series, _), _ = model._read(WIDE, None, known)
    assert series.future.shape == (T, 3) and (series.future[:, 0] == known[:T]).all()
    assert model.predict(future=known).shape == (H, 2)
    assert model.predict().equals(model.predict(future=known))
    with pytest.raises(ValueError, match="future is None, expected 1 covariates as in fit"):
        quick(calendar=["month"]).fit(WIDE, future=known[:T]).predict()


@pytest.mark.parametrize(
    ("calendar", "kind", "words"),
    [
        (("monday",), ValueError, "calendar is 'monday', expected one of"),
        ("month", TypeError, "calendar is 'month', expected a tuple of names"),
        (
            ("month", "month"),
            ValueError,
            r"calendar is \['month', 'month'\], expected each name once",
        ),
    ],
)
def test_calendars_that_are_none(calendar, kind, words):
    with pytest.raises(kind, match=words):
        quick(calendar=calendar).fit(WIDE)
    with pytest.raises(ValueError, match="y has no dates, expected some with calendar="):
        quick(calendar=("month",)).fit(WIDE.to_numpy())


LONG = WIDE.reset_index().melt("day", var_name="shop", value_name="sales")
NAMES = {"id": "shop", "time": "day", "target": "sales"}


def given():
    """The same of one row per series, in each form."""
    yield WIDE, ABOUT, {}
    yield WIDE, ABOUT[::-1], {}
    yield WIDE, ABOUT.T.to_dict(), {}
    yield {name: WIDE[name] for name in WIDE}, ABOUT, {}
    yield [WIDE[name] for name in WIDE], list(ABOUT.T.to_dict().values()), {}
    yield LONG, ABOUT.rename_axis("shop").reset_index(), NAMES
    yield LONG.merge(ABOUT.rename_axis("shop").reset_index(), on="shop"), list(ABOUT), NAMES


@pytest.mark.parametrize("form", range(7))
def test_what_is_the_same_at_all_steps(form):
    """Numbers as they are; texts and flags are groups."""
    y, static, names = list(given())[form]
    model = quick().fit(y, static=static, **names)
    many, read = model._read(y, None, None)
    assert [series.static.tolist() for series in many] == [[20.0], [30.0]]
    assert [series.groups.tolist() for series in many] == [[0, 0], [1, 0]]
    assert read.statics.names == ("area",)
    assert read.statics.groups == (("kind", ("city", "village")), ("open", (True,)))


def test_an_array_of_numbers():
    y = WIDE.to_dict("list")
    model = quick().fit(y, static=[[1, 2], [3, 4]])
    many, _ = model._read(y, None, None)
    assert [series.static.tolist() for series in many] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("static", "words"),
    [
        (ABOUT[:1], "static has no row of 'south', expected one for each series"),
        (pandas.concat([ABOUT, ABOUT]), "static has two rows of 'north', expected one"),
        (ABOUT.assign(area=[1, np.nan]), r"static\['south'\] has no 'area'"),
        (
            ABOUT.assign(area=[1, np.inf]),
            r"static\['south'\] has inf in the column 'area', expected",
        ),
        (
            {"north": {"a": 1}, "south": {"b": 1}},
            r"static\['south'\] has 'b', expected 'a' as the first",
        ),
        (np.zeros((3, 1)), r"static has shape \(3, 1\), expected \(2, numbers\)"),
        (["area"], "y has a column for each series, expected a long table"),
    ],
)
def test_statics_that_do_not_fit(static, words):
    with pytest.raises(ValueError, match=words):
        quick().fit(WIDE, static=static)


def test_a_long_table_says_the_same_of_a_series():
    table = LONG.assign(kind=["city"] * (T + 1) + ["village"] * (T - 1))
    with pytest.raises(
        ValueError, match=r"y\['south'\] has 'city', 'village' in the column 'kind'"
    ):
        quick().fit(table, static="kind", **NAMES)


FORMS = pytest.mark.parametrize("form", [0, 3, 5])
EAST = pandas.DataFrame(
    {"area": [25.0], "kind": ["village"], "open": [True]}, index=pandas.Index(["east"])
)


def of_form(form, wide):
    """A wide table in the form of a fit."""
    if form == 3:
        return {name: wide[name] for name in wide}
    return wide if form == 0 else wide.reset_index().melt("day", None, "shop", "sales")


@FORMS
def test_series_that_were_not_in_the_fit_bring_their_own(form):
    """Those of the fit need none, and may be given others to see what would be."""
    y, static, names = list(given())[form]
    model = quick(skip=False).fit(y, static=static, **names)
    named = {"north": 20.0, "east": 25.0}
    new = of_form(form, WIDE.rename(columns={"south": "east"}))
    with pytest.raises(ValueError, match="static is None, expected 'area', 'kind', 'open' of ser"):
        model.predict(y=new)
    for own in (EAST, EAST.T.to_dict(), pandas.concat([EAST, ABOUT])):
        (many, _) = model._read(new, None, None, own)
        assert [series.static.tolist() for series in many] == [[area] for area in named.values()]
        assert [series.groups.tolist() for series in many] == [[0, 0], [1, 0]]
        assert np.isfinite(values(model.predict(y=new, static=own))).all()
    assert np.isfinite(values(model.interval(0.5, y=new, static=EAST))).all()
    village = ABOUT.assign(kind="village")
    moved = values(model.predict(y=y, static=village))
    assert not np.array_equal(moved, values(model.predict(y=y)))
    assert np.array_equal(values(model.predict(y=y)), values(model.predict(y=y, static=ABOUT)))


@FORMS
def test_steps_that_come_with_new_series(form):
    y, static, names = list(given())[form]
    model = quick().fit(y, static=static, **names)
    coming = pandas.DataFrame({"north": wave(2, T), "south": wave(2, 20 + T)}, index=DAYS[T:])
    coming = coming.assign(east=wave(2, 7))
    model.update(of_form(form, coming), static=EAST)
    statics = model._fitted.form.statics
    assert [one.tolist() for one in statics.values] == [[20.0], [30.0], [25.0]]
    assert [tail.static.shape for tail in model._fitted.tails] == [(4,)] * 3
    assert len({tuple(tail.static) for tail in model._fitted.tails}) == 3


def test_what_does_not_go_on_as_in_fit():
    model = quick().fit(WIDE, static=ABOUT)
    coming = pandas.DataFrame({"north": [10.0], "south": [10.0]}, index=DAYS[T : T + 1])
    with pytest.raises(
        ValueError, match=r"static\['south'\] is .*'city'.*, expected .*'village'.* as in fit"
    ):
        model.update(coming, static=ABOUT.assign(kind="city"))
    with pytest.raises(ValueError, match="static was given, expected None: series of the fit"):
        model.predict(static=ABOUT)
    new = WIDE.rename(columns={"south": "east"})
    with pytest.raises(ValueError, match=r"static\['east'\] has 'sea' in the column 'kind', expec"):
        model.predict(y=new, static=EAST.assign(kind="sea"))
    with pytest.raises(ValueError, match="static was given, expected None as in fit"):
        quick().fit(WIDE).predict(y=WIDE, static=ABOUT)


def values(result):
    """The numbers of forecasts in any form."""
    if isinstance(result, dict):
        return np.concatenate([one.to_numpy().ravel() for one in result.values()])
    return result.select_dtypes(float).to_numpy().T.ravel()


def test_other_series_in_a_list_are_not_those_of_the_same_place():
    """A list of other length has none of the fit's: neither values nor the known future."""
    y = [wave(T), wave(T, 20)]
    model = quick().fit(y, static=[[0.0], [5.0]])
    with pytest.raises(ValueError, match="static is None, expected 0 of series that were not in"):
        model.predict(y=y[:1])
    own = [model.predict(y=y[:1], static=[[area]])[0] for area in (0.0, 5.0)]
    assert not np.array_equal(*own)
