"""Promise: errors of tables name the series, the column, the date, and what was expected."""

import datetime

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from pyrnn.estimators import Forecaster, naive_forecast
from series import forecaster, wave

T = 60
DAYS = pandas.date_range("2024-01-01", periods=T, name="day")
Y = pandas.Series(wave(T), index=DAYS)
JUMBLED = Y.sample(frac=1, random_state=0)
UTC, BERLIN = "UTC", "Europe/Berlin"
LONG = pandas.DataFrame({"shop": ["a"] * T + ["b"] * T, "day": [*DAYS, *DAYS], "sales": [*Y, *Y]})
NAMES = {"id": "shop", "time": "day", "target": "sales"}


def quick(**options):
    return forecaster(epochs=1, horizon=2, lookback=4, hidden_size=4, **options)


def mixed():
    """Times of two zones."""
    return [*DAYS[:30].tz_localize(UTC), *DAYS[30:].tz_localize(BERLIN)]


BAD = [
    (JUMBLED, "y has the time .* after .*, expected times that rise: sort_index"),
    (JUMBLED.to_frame("a"), "y has the time .* after"),
    (pandas.concat([Y, Y]), "y has the time 2024-01-01 after 2024-02-29"),
    (Y.loc[DAYS.repeat(2)], "y has the time 2024-01-01 twice, expected each once, of one series"),
    (Y.drop(DAYS[20:30]), "gap between 2024-01-20 and 2024-01-31, expected equal steps of 1 day"),
    ({"a": Y, "b": JUMBLED}, r"y\['b'\] has the time"),
    ([Y, Y.drop(DAYS[7])], r"y\[1\] has a gap between 2024-01-07 and 2024-01-09"),
    (JUMBLED.set_axis(JUMBLED.index.to_period("D")), "y has the time"),
    (JUMBLED.set_axis(JUMBLED.index - DAYS[0]), "y has the time"),
    (JUMBLED.set_axis(JUMBLED.index.strftime("%Y-%m-%d")), "y has the time"),
    (JUMBLED.set_axis(JUMBLED.index.date), "y has the time"),
    (
        pandas.concat({"x": pandas.concat({"a": Y})}),
        "y has rows with 3 labels each, expected a time",
    ),
    (Y.set_axis([*DAYS[:9], pandas.NaT, *DAYS[10:]]), "y has a row without a time: row 9"),
    (
        Y.set_axis(pandas.Index(mixed(), dtype=object)),
        "y has times in the zones Europe/Berlin, UTC",
    ),
    ({"a": Y, "b": Y.tz_localize(UTC)}, r"y\['b'\] has times in the zone UTC, expected .* without"),
    (
        {"a": Y, "b": Y[:40].asfreq("h", "pad")[:50]},
        r"y\['b'\] has the time 2024-01-01 01:00, expec",
    ),
    ({"a": Y, "b": Y[::7]}, r"y\['b'\] has a gap between 2024-01-01 and 2024-01-08"),
    ({"a": Y, "b": Y.to_numpy()}, "y has tables and arrays, expected one kind"),
    (
        {"a": Y, "b": Y.reset_index(drop=True)},
        r"y\['b'\] has no dates, expected dates as .*\['a'\]",
    ),
    (Y.set_axis(DAYS[:1].union(DAYS[:59] + pandas.Timedelta(400, "D"))), "steps of unlike lengths"),
    (
        pandas.DataFrame({"a": Y, "b": "x"}),
        "y has 'x' in the column 'b' at 2024-01-01, expected num",
    ),
    (Y.astype(object).where(DAYS[5] != DAYS, "3"), "y has '3' in the column None at 2024-01-06"),
    (
        pandas.DataFrame({"day": DAYS, "a": Y.to_numpy()}),
        "has a value of type .* in the column 'day' at step 0, .* time=",
    ),
    (Y.astype(complex), "y has .* in the column None at 2024-01-01, expected numbers"),
    (
        pandas.concat([Y, Y], axis=1, keys=["a", "a"]),
        "y has the column 'a' twice, expected each once",
    ),
    (Y[:0], "y has no rows, expected at least one"),
    (Y.to_frame("a")[[]], r"y has the columns , expected one of a target"),
    (Y.where(DAYS[5] != DAYS, np.inf), r"y is \[inf\] at 2024-01-06, expected finite numbers"),
]


@pytest.mark.parametrize(("y", "words"), BAD, ids=range(len(BAD)))
def test_tables_that_cannot_be_meant(y, words):
    model = quick()
    with pytest.raises((ValueError, TypeError), match=f"^Forecaster: .*{words}"):
        model.fit(y)
    assert vars(model) == vars(quick())
    with pytest.raises((ValueError, TypeError), match=f"^naive_forecast: .*{words}"):
        naive_forecast(y, 2)


def without(**changes):
    return LONG.assign(**changes)


BAD_LONG = [
    (LONG, {"id": "store"}, "y has the columns 'shop', 'day', 'sales', expected 'store' as id"),
    (LONG, {"time": "date"}, "y has the columns .*, expected 'date' as time"),
    (LONG, {"target": "sale"}, "y has the columns .*, expected 'sale' as target"),
    (LONG, {"time": None, "target": "sales"}, "and none of times: time= names it"),
    (without(price=1.0), {"target": None}, "y has the columns .*: target= names those that are"),
    (LONG[::-1], {}, r"y\['b'\] has the time 2024-02-28 after 2024-02-29"),
    (pandas.concat([LONG, LONG[-1:]]), {}, r"y\['b'\] has the time 2024-02-29 twice"),
    (LONG.drop(70), {}, r"y\['b'\] has a gap between 2024-01-10 and 2024-01-12"),
    (without(shop=[None] * 3 + ["a"] * 117), {}, "y has no 'shop' in row 0"),
    (
        without(sales=[1.0] * 70 + ["many"] * 50),
        {},
        "'many' in the column 'sales' of 'b' at 2024-01-11",
    ),
    (
        without(day=["yesterday"] * 120),
        {},
        "y has 'yesterday' as a time, expected dates, texts as in",
    ),
    (LONG, {"id": "day"}, "the column 'day' is named twice, expected one role"),
    (LONG, {"id": 2.5}, "id is 2.5, expected the name of a column"),
    (LONG, {"target": []}, "target is of type list, expected the name of a column, or a list"),
    (Y.to_numpy(), {}, "y is of type ndarray, expected a table: id, time, target, .* name columns"),
]


@pytest.mark.parametrize(("y", "names", "words"), BAD_LONG, ids=range(len(BAD_LONG)))
def test_long_tables_that_cannot_be_meant(y, names, words):
    model = quick()
    with pytest.raises((ValueError, TypeError), match=f"^Forecaster: .*{words}"):
        model.fit(y, **NAMES | names)
    assert vars(model) == vars(quick())


def test_an_id_without_rows():
    model = quick().fit(LONG, **NAMES)
    with pytest.raises(ValueError, match=r"y has other series than in fit: long \['a'\]"):
        model.update(LONG[:T])


def test_a_frame_that_has_not_been_computed():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    lazy = polars.LazyFrame({"a": [1.0, 2.0]})
    with pytest.raises(TypeError, match="y is of type LazyFrame, expected a table: collect"):
        naive_forecast(lazy, 1)


def test_gaps_are_filled_with_missing_values_if_asked():
    gappy = Y.drop(DAYS[20:30])
    many, form = Forecaster(fill_gaps=True)._read_first(gappy, None, None)
    assert form.ends == (T,) and np.isnan(many[0].y[20:30]).all()
    assert (many[0].y[:20, 0] == Y[:20]).all() and (many[0].y[30:, 0] == Y[30:]).all()


def test_times_as_texts_of_datetime():
    """Objects of the standard library are times, too."""
    times = [datetime.datetime(2024, 1, day) for day in range(1, 10)]
    y = pandas.Series(np.arange(9.0), index=pandas.Index(times, dtype=object))
    assert naive_forecast(y, 1).index[0] == pandas.Timestamp("2024-01-10")
