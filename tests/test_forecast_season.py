"""Promise: a season is what dates suggest and data show, else what data show beyond chance."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from pyrnn.estimators import Forecaster
from pyrnn.estimators._forecasting.season import season_of
from pyrnn.estimators._forecasting.times import Asked, parse_frequency
from series import seasonal

START = np.array(["2020-01-01"], "M8[us]")


def two_years(years, size):
    """Months that are alike in each year, and a difference of that size between odd and even
    years."""
    rng = np.random.default_rng(0)
    every, odd = rng.standard_normal(12), size * rng.standard_normal(12)
    noise = 0.1 * rng.standard_normal(12 * years)
    return np.tile(np.concatenate([every + odd, every - odd]), years // 2) + noise


def lookback(y):
    """That of short series: a season and one, at least 8."""
    return Forecaster(horizon=1, epochs=1, random_state=0).fit(y)._fitted.cutter.lookback


@pytest.mark.parametrize("season", [4, 7, 12, 24])
def test_the_highest_peak_without_dates(season):
    assert season_of([seasonal(300, 2.0, season)[:, None]]) == season


def test_no_season():
    rng = np.random.default_rng(0)
    assert season_of([rng.standard_normal((300, 1))]) == 1
    assert season_of([rng.standard_normal((300, 1)).cumsum(axis=0)]) == 1
    assert season_of([np.ones((50, 1)), np.full((3, 1), 2.0)]) == 1
    assert season_of([np.arange(50.0)[:, None] / 7], [4, 12]) == 1


@pytest.mark.parametrize("calendar", [(), (12,)])
def test_what_noise_shows_is_no_season(calendar):
    """Half of such short series have a high peak of the autocorrelation, by chance."""
    rng = np.random.default_rng(0)
    every = [rng.standard_normal((60, 1)) for _ in range(300)]
    assert sum(season_of([y], calendar) > 1 for y in every) <= 2
    assert sum(season_of([y.cumsum(axis=0)], calendar) > 1 for y in every) <= 12


@pytest.mark.parametrize(
    ("freq", "seasons"),
    [
        ("MS", (12,)),
        ("QE-FEB", (4,)),
        ("2MS", (6,)),
        ("YS", ()),
        ("W-SUN", (52,)),
        ("2W", (26,)),
        ("D", (7,)),
        ("2D", ()),
        ("B", (5,)),
        ("h", (24, 168)),
        ("30min", (2, 48, 336)),
        ("7min", (1440,)),
        ("s", (60, 3600, 86400, 604800)),
        (1, ()),
    ],
)
def test_seasons_of_the_calendar(freq, seasons):
    asked = parse_frequency("Forecaster", freq)
    assert isinstance(asked, Asked)
    assert asked.completed(np.arange(1) if freq == 1 else START).seasons() == seasons


def test_dates_say_which_of_several_seasons():
    """Data alone show best what repeats itself every two years; a year is as good as that."""
    y = two_years(years=14, size=0.5)
    months = pandas.Series(y, pandas.date_range("2010-01-31", periods=len(y), freq="ME"))
    assert (lookback(y), lookback(months)) == (25, 13)
    assert season_of([y[:, None]]) == 24 and season_of([y[:, None]], [12]) == 12


def test_a_season_of_the_dates_that_data_do_not_show_is_not_taken():
    rng = np.random.default_rng(0)
    weeks = pandas.date_range("2010-01-03", periods=200, freq="W")
    noise = pandas.Series(rng.standard_normal(200), weeks)
    assert lookback(noise) == 16  # a tenth of what is learnt
    years = pandas.Series(seasonal(200, 5.0, season=52), weeks)
    assert lookback(years) == 53


def test_a_cycle_that_is_no_season_of_the_dates_is_found():
    years = pandas.period_range("1800", periods=200, freq="Y")
    assert lookback(pandas.Series(seasonal(200, 2.0, season=11), years)) == 16
    assert season_of([seasonal(200, 2.0, season=11)[:, None]], ()) == 11
    assert season_of([seasonal(200, 2.0, season=11)[:, None]], [12]) == 11


def test_of_two_seasons_the_shorter_unless_the_longer_is_much_clearer():
    """Hours of a day that are alike, but on Sundays."""
    rng = np.random.default_rng(0)
    day, hours = np.sin(2 * np.pi * np.arange(24) / 24), 24 * 7 * 8
    week = np.concatenate([np.tile(day, 6), 0.8 * day])
    y = np.tile(week, 8) + 0.1 * rng.standard_normal(hours)
    assert season_of([y[:, None]], [24, 168]) == 24
    week = np.concatenate([rng.standard_normal(24) for _ in range(7)])
    y = np.tile(week, 8) + 0.1 * rng.standard_normal(hours)
    assert season_of([y[:, None]], [24, 168]) == 168


def test_missing_values_keep_their_places():
    y = seasonal(120, 3.0)[:, None]
    y[np.random.default_rng(0).random(120) < 0.3] = np.nan
    assert season_of([y], [12]) == 12
