"""Promise: rows of pandas that have two labels, a series and a time, are a long table."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from pyrnn.estimators import load, naive_forecast
from series import forecaster, wave

T, H = 60, 2
DAYS = pandas.date_range("2024-01-01", periods=T + H, name="day")
NAMES = {"id": "shop", "time": "day", "target": "sales"}
FLAT = pandas.DataFrame(
    {
        "shop": ["north"] * (T + H) + ["south"] * (T + H),
        "day": [*DAYS, *DAYS],
        "sales": [*wave(T + H), *100 * wave(T + H, 20)],
        "price": np.arange(2 * (T + H)) % 7,
    }
)
WHOLE = FLAT.set_index(["shop", "day"])
KNOWN = WHOLE[WHOLE.index.get_level_values("day") < DAYS[T]]
SALES = KNOWN["sales"]


def quick(**options):
    return forecaster(**{"epochs": 1, "horizon": H, "lookback": 4, "hidden_size": 4, **options})


@pytest.fixture(scope="module")
def flat():
    """A forecaster of the same series, whose names and times are columns."""
    known = FLAT[FLAT["day"] < DAYS[T]]
    return quick().fit(known.drop(columns="price"), **NAMES)


@pytest.mark.parametrize("order", [["shop", "day"], ["day", "shop"]])
@pytest.mark.parametrize("lone", [True, False])
def test_results_have_the_labels_of_the_data(order, lone, flat):
    y = SALES.reorder_levels(order) if lone else SALES.to_frame().reorder_levels(order)
    model = quick().fit(y)
    forecasts = model.predict()
    assert type(forecasts) is type(y) and list(forecasts.index.names) == order
    expected = flat.predict().set_index(["shop", "day"])["sales"]
    own = forecasts if lone else forecasts["sales"]
    assert own.reorder_levels(["shop", "day"]).equals(expected)
    assert own.reorder_levels(["shop", "day"]).loc["south"].index.equals(DAYS[T:])
    ends = model.interval(0.6)
    assert list(ends) == [("sales", "lower"), ("sales", "upper")]
    assert list(ends["sales", "lower"]) == list(flat.interval(0.6)["sales_lower"])
    result = model.backtest(y, start=50)
    levels = ["shop", "origin", "day"] if order[0] == "shop" else ["origin", "day", "shop"]
    assert list(result.forecasts.index.names) == levels
    assert list(result.by_series.index) == ["north", "south"]
    assert type(naive_forecast(y, 2)) is type(y)


def test_periods_and_labels_without_names():
    y = SALES.copy()
    y.index = pandas.MultiIndex.from_arrays(
        [[1] * T + [2] * T, pandas.PeriodIndex([*DAYS[:T], *DAYS[:T]], freq="D")]
    )
    forecasts = quick().fit(y).predict()
    assert list(forecasts.index.names) == [None, None]
    assert list(forecasts.loc[2].index) == list(DAYS[T:].to_period("D"))


def test_whole_numbers_are_times_where_they_are_named():
    y = SALES.copy()
    y.index = pandas.MultiIndex.from_product([[1, 2], range(T)], names=["shop", "step"])
    with pytest.raises(ValueError, match="labels 'shop', 'step', expected a series and its dates"):
        quick().fit(y)
    for names in ({"time": "step"}, {"id": "shop"}, {"id": "shop", "time": "step"}):
        assert list(quick().fit(y, **names).predict().loc[2].index) == [T, T + 1]


def test_covariates_by_label_and_in_columns(flat):
    future, past = WHOLE[["price"]], KNOWN[["price"]]
    by_table = quick().fit(SALES, past=past, future=future)
    in_columns = quick().fit(KNOWN, target="sales", future=["price"])
    assert by_table.predict(future=future).shape == (2 * H,)
    assert in_columns.predict(future=future).shape == (2 * H, 1)
    beside = quick().fit(SALES, future=FLAT.drop(columns="sales"), id="shop", time="day")
    assert beside.predict(future=future).equals(quick().fit(SALES, future=future).predict())
    with pytest.raises(ValueError, match="future has no rows of 'south' in the index 'shop'"):
        quick().fit(SALES, future=future.loc[["north"]])
    with pytest.raises(ValueError, match=r"target= names those that are forecast"):
        quick().fit(KNOWN)


def test_static_values_and_steps_that_come(flat):
    about = pandas.DataFrame({"area": [1.0, 2.0]}, index=["north", "south"])
    model = quick().fit(SALES, static=about)
    coming = WHOLE["sales"][WHOLE.index.get_level_values("day") >= DAYS[T]]
    new = pandas.concat([coming, SALES.loc[["north"]].rename({"north": "east"})])
    with pytest.raises(ValueError, match="static is None, expected 'area' of series that were not"):
        model.update(new)
    forecasts = model.update(new, static=about.rename({"north": "east"})[:1]).predict()
    assert list(forecasts.loc["east"].index) == list(DAYS[T:])
    assert forecasts.loc["north"].index[0] == DAYS[-1] + pandas.Timedelta(1, "D")


def test_labels_are_kept_in_files(tmp_path):
    model = quick().fit(SALES)
    model.save(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors").predict().equals(model.predict())


def three(y):
    return pandas.concat({"region": y}, names=["region"])


BAD = [
    (three(SALES), {}, "rows with 3 labels each, expected a time, or a series and a time"),
    (SALES, {"id": "area"}, "y has the columns 'sales', expected 'area' as id"),
    (KNOWN.reset_index("shop").set_index("price", append=True), {"id": "shop"}, "the labels 'day'"),
    (SALES[::-1], {}, r"y\['south'\] has the time 2024-02-28 after 2024-02-29"),
    (pandas.concat([SALES, SALES]), {}, r"y\['north'\] has the time 2024-01-01 after 2024-02-29"),
    (SALES.drop(("south", DAYS[5])), {}, r"y\['south'\] has a gap between 2024-01-05 and"),
    (SALES.where(SALES.index != ("south", DAYS[5]), np.inf), {}, r"\[inf\] at 2024-01-06"),
    (SALES.astype(object).where(SALES.index != ("south", DAYS[5]), "x"), {}, "of 'south' at 2024-"),
    (SALES.rename({"south": None}), {}, "y has no 'shop' in row 60"),
    (SALES.rename(index={"north": DAYS[0], "south": DAYS[1]}), {}, None),
]


@pytest.mark.parametrize(("y", "names", "words"), BAD, ids=range(len(BAD)))
def test_tables_that_cannot_be_meant(y, names, words):
    words = words or "rows with the labels .*, expected a series and its dates"
    with pytest.raises((ValueError, TypeError), match=f"^Forecaster: .*{words}"):
        quick().fit(y, **names)
