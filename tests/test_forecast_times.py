"""Promise: forecasts have the dates that follow those of the data, written as these are."""

import datetime

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from pyrnn.estimators import naive_forecast
from pyrnn.estimators._forecasting.times import infer_frequency

T = 40
PLACES = [None, "Europe/Berlin", "America/New_York", datetime.UTC]
STEPS = [
    *("D", "2D", "h", "7h", "15min", "s", "250ms", "B", "W-WED", "2W-MON", "MS", "ME", "3MS"),
    *("BMS", "BME", "QS", "QE", "QS-FEB", "QE-NOV", "BQE", "YS", "YE", "YS-MAY", "YE-JUN", "BYE"),
]


def dated(times):
    return pandas.Series(np.arange(float(len(times))), index=times)


def follow(times, steps=3, **options):
    """The dates of forecasts."""
    return naive_forecast(dated(times), steps, **options).index


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("step", STEPS)
def test_steps_of_the_calendar(step, place):
    """Also after a gap, and before 1970."""
    times = pandas.date_range("1965-01-01 00:00", periods=T, freq=step, tz=place)
    known, coming = times[:-3], times[-3:]
    assert follow(known).equals(coming)
    assert follow(known, freq=step).equals(coming)
    if not step.startswith("2W"):
        assert follow(known, freq=times.freq).equals(coming)
    wall = known.tz_localize(None).to_numpy().astype("M8[us]")
    utc = known.tz_convert(None).to_numpy().astype("M8[us]") if place else wall
    kept = np.delete(np.arange(len(known)), [3, 4, 20])
    assert infer_frequency(wall[kept], utc[kept]) == infer_frequency(wall, utc)


@pytest.mark.parametrize("step", ["D", "W-SUN", "M", "Q-DEC", "Y-MAR", "h"])
def test_periods(step):
    times = pandas.period_range("2020-01", periods=T, freq=step)
    assert follow(times[:-3]).equals(times[-3:])
    assert follow(times[:1]).equals(times[1:4])  # one alone says how long it is


@pytest.mark.parametrize(
    "step", [("D", "2024-03-28"), ("h", "2024-03-30 22:00"), ("D", "2024-10-25")]
)
def test_clocks_that_change(step):
    """Daily data are daily on the clock of their place, hourly data on that of the world."""
    times = pandas.date_range(step[1], periods=10, freq=step[0], tz="Europe/Berlin")
    for known in range(2, 8):
        assert follow(times[:known]).equals(times[known : known + 3])


@pytest.mark.parametrize(
    ("times", "coming"),
    [
        (["2024-01-30", "2024-01-31"], ["2024-02-01", "2024-02-02"]),
        (["2024-01-01 22:00", "2024-01-01 23:00"], ["2024-01-02 00:00", "2024-01-02 01:00"]),
        (["2024-11", "2024-12"], ["2025-01", "2025-02"]),
        (
            [datetime.date(2024, 1, 30), datetime.date(2024, 1, 31)],
            [datetime.date(2024, 2, 1), datetime.date(2024, 2, 2)],
        ),
        (pandas.to_timedelta([5, 7], "h"), pandas.to_timedelta([9, 11], "h")),
        ([1700, 1701], [1702, 1703]),
    ],
)
def test_times_are_written_as_they_came(times, coming):
    assert follow(times, 2).tolist() == list(coming)


def test_times_in_nanoseconds_and_seconds_stay_so():
    for unit in ("s", "ms", "us", "ns"):
        times = pandas.date_range("2024-01-01", periods=5, freq="D").as_unit(unit)
        assert follow(times).dtype == times.dtype


def test_what_is_no_time_counts_steps():
    """Labels that are not in order are no years."""
    for labels in (
        list("abcde"),
        [4, 3, 2, 1, 0],
        np.linspace(0, 1, 5),
        ["2001", "2002"] * 2 + ["x"],
    ):
        assert follow(labels, 2).tolist() == [5, 6]
    assert follow([1, 2, 3, 4, 5], 2).tolist() == [6, 7]


def test_a_frequency_says_what_few_dates_do_not():
    times = pandas.DatetimeIndex(["2024-01-31"])
    assert follow(times, 2, freq="ME").tolist() == list(
        pandas.to_datetime(["2024-02-29", "2024-03-31"])
    )
    with pytest.raises(ValueError, match="y has one row, expected freq="):
        follow(times)
    times = pandas.DatetimeIndex(["2024-01-01", "2024-02-01"])
    assert follow(times, 1)[0] == pandas.Timestamp("2024-03-01")
    assert follow(times[1:], 1, freq="31D")[0] == pandas.Timestamp("2024-03-03")


@pytest.mark.parametrize(
    ("freq", "kind", "words"),
    [
        ("fortnight", ValueError, "freq is 'fortnight', expected a number and a unit: 'D', 'B'"),
        ("0D", ValueError, "freq is '0D'"),
        ("W-JAN", ValueError, "freq is 'W-JAN'"),
        (2.5, TypeError, "freq is 2.5, expected a text"),
        ("W-MON", ValueError, "y has the time 2024-01-02, expected steps of 7 days"),
        ("MS", ValueError, "y has the time 2024-01-03, expected steps of 1 month"),
        (1, ValueError, "y has dates as times, which freq is a number for"),
    ],
)
def test_frequencies_that_do_not_fit(freq, kind, words):
    with pytest.raises(kind, match=words):
        follow(pandas.date_range("2024-01-02", periods=5), freq=freq)
    with pytest.raises(ValueError, match="y has no dates, expected some with freq="):
        naive_forecast(np.arange(5.0), 1, freq="D")
