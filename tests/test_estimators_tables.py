"""Promise: a table's labels agree with what a forecaster reads by place, or it is an error."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from pyrnn.estimators import naive_forecast
from series import forecaster, wave

T = 60
DAYS = pandas.date_range("2024-01-01", periods=T)
Y = pandas.Series(wave(T), index=DAYS)
TABLE = pandas.DataFrame({"price": np.arange(T) / T, "promo": np.ones(T)}, index=DAYS)
JUMBLED = Y.sample(frac=1, random_state=0)


def quick(**options):
    return forecaster(epochs=1, horizon=2, lookback=4, **options)


def coming(start="2024-03-01", periods=2):
    """A table of what is known of the next days."""
    days = pandas.date_range(start, periods=periods)
    return pandas.DataFrame({"price": [0.5] * periods, "promo": [1.0] * periods}, index=days)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (JUMBLED, "y has the time .* after .*, expected times that rise: sort_index"),
        (JUMBLED.to_frame("a"), "y has the time .* after"),
        (pandas.concat([Y, Y]), "y has the time .* after"),
        (Y.loc[DAYS.repeat(2)], "y has the time 2024-01-01 00:00:00 twice"),
        (Y.drop(DAYS[20:30]), "gap between 2024-01-20 .* and 2024-01-31 .*, expected equal steps"),
        ({"a": Y, "b": JUMBLED}, r"y\['b'\] has the time"),
        ([Y, Y.drop(DAYS[7])], r"y\[1\] has a gap between"),
        (JUMBLED.set_axis(JUMBLED.index.to_period("D")), "y has the time"),
        (JUMBLED.set_axis(JUMBLED.index - DAYS[0]), "y has the time"),
        (JUMBLED.set_axis(JUMBLED.index.strftime("%Y-%m-%d")), "y has the time"),
        (JUMBLED.set_axis(JUMBLED.index.date), "y has the time"),
        (pandas.concat({"a": Y, "b": Y}), "y has rows with 2 labels each, expected one series"),
    ],
)
def test_rows_out_of_order(y, words):
    with pytest.raises(ValueError, match=words):
        quick().fit(y)
    with pytest.raises(ValueError, match=words):
        naive_forecast(y, 2)


@pytest.mark.parametrize("frequency", ["D", "h", "MS", "ME", "QS", "B", "W-WED", "YS", "15min"])
def test_steps_that_are_equal_by_the_calendar(frequency):
    """And an update goes on where the series ended."""
    times = pandas.date_range("1980-01-01", periods=T, freq=frequency)
    y = Y.set_axis(times)
    model = quick().fit(y[:50])
    with pytest.raises(ValueError, match=rf"y begins at {times[51]}, expected {times[50]}"):
        model.update(y[51:])
    known = model.update(y[50:55]).update(y[55:])
    assert (
        known.predict() == quick().fit(y[:50].to_numpy()).update(y[50:].to_numpy()).predict()
    ).all()


def test_labels_that_are_no_times_are_not_read():
    for labels in (np.arange(T)[::-1], list("abcdef" * 10), np.linspace(1, 0, T)):
        model = quick().fit(Y.set_axis(labels))
        assert (model.predict() == quick().fit(Y.to_numpy()).predict()).all()


def test_columns_are_those_of_the_fit():
    model = quick().fit(Y, future=TABLE)
    expected = model.predict(future=coming())
    assert (model.predict(future=coming().to_numpy()) == expected).all()
    for table in (coming()[["promo", "price"]], coming().rename(columns={"promo": "sale"})):
        with pytest.raises(
            ValueError, match=r"future has the columns .*, expected 'price', 'promo'"
        ):
            model.predict(future=table)
    with pytest.raises(ValueError, match="future has the columns"):
        model.backtest(Y, future=TABLE[["promo", "price"]])
    with pytest.raises(ValueError, match="future has the columns"):
        model.update(
            Y.set_axis(DAYS.shift(T)), future=TABLE[["promo", "price"]].set_axis(DAYS.shift(T))
        )
    with pytest.raises(ValueError, match=r"future\['b'\] has the columns .* as future\['a'\]"):
        several = {"a": TABLE, "b": TABLE[["promo", "price"]]}
        quick().fit({"a": Y, "b": Y}, future=several)
    with pytest.raises(ValueError, match="past has the column 'price' twice"):
        quick().fit(Y, past=TABLE[["price", "price"]])
    with pytest.raises(ValueError, match="y has the columns 'promo', 'price'"):
        quick().fit(TABLE).backtest(TABLE[["promo", "price"]])


def test_covariates_have_the_times_of_y():
    for argument in ("past", "future"):
        with pytest.raises(ValueError, match=f"{argument} has the times 2024-01-02 .* as y"):
            quick().fit(Y, **{argument: TABLE.set_axis(DAYS.shift(1))})
    model = quick().fit(Y, future=TABLE)
    with pytest.raises(ValueError, match=r"future begins at 2024-02-29 .*, expected 2024-03-01"):
        model.predict(future=coming("2024-02-29"))
