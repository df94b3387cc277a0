"""Promise: tables in, tables out: with the names and dates that the data had."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from compare import assert_same_bits
from pyrnn.estimators import naive_forecast
from series import forecaster, wave

T, H = 60, 2
DAYS = pandas.date_range("2024-01-01", periods=T + H, name="day")
NEXT = DAYS[T:]
SHOPS = {"north": wave(T), "south": 100 * wave(T, 20)}
WIDE = pandas.DataFrame(SHOPS, index=DAYS[:T])
LONG = WIDE.reset_index().melt("day", var_name="shop", value_name="sales")
NAMES = {"id": "shop", "time": "day", "target": "sales"}


def quick(**options):
    return forecaster(**{"epochs": 1, "horizon": H, "lookback": 4, "hidden_size": 4, **options})


def polars_of(table):
    """A table of polars with the same columns."""
    polars = pytest.importorskip("polars", reason="polars is not installed")
    pytest.importorskip("narwhals", reason="narwhals is not installed")
    return polars.DataFrame({name: table[name].to_numpy() for name in table})


@pytest.fixture(scope="module")
def arrays():
    """A forecaster of the same series as arrays."""
    return quick().fit(SHOPS)


def test_a_wide_table_has_a_series_in_each_column(arrays):
    model = quick().fit(WIDE)
    forecasts = model.predict()
    assert forecasts.index.equals(NEXT) and forecasts.index.name == "day"
    assert_same_bits(dict(forecasts), {k: pandas.Series(v) for k, v in arrays.predict().items()})
    ends = model.interval(0.6)
    assert list(ends) == [(s, end) for s in SHOPS for end in ("lower", "upper")]
    assert_same_bits(ends["south"].to_numpy(), arrays.interval(0.6)["south"])
    several = model.interval([0.5, 0.6])
    assert list(several)[:2] == [("north", 0.5, "lower"), ("north", 0.5, "upper")]
    assert_same_bits(several["south"][0.6].to_numpy(), arrays.interval(0.6)["south"])


def test_quantiles_are_columns():
    model = quick(quantiles=[0.9, 0.1]).fit(WIDE)
    assert list(model.predict_quantiles()) == [(s, q) for s in SHOPS for q in (0.1, 0.9)]


def test_a_series(arrays):
    one = WIDE["north"]
    model = quick().fit(one)
    expected = quick().fit(SHOPS["north"])
    forecasts = model.predict()
    assert isinstance(forecasts, pandas.Series)
    assert forecasts.name == "north" and forecasts.index.equals(NEXT)
    assert_same_bits(forecasts.to_numpy(), expected.predict())
    ends = model.interval(0.6)
    assert list(ends) == [("north", "lower"), ("north", "upper")]
    assert_same_bits(ends.to_numpy(), expected.interval(0.6))
    unnamed = quick().fit(one.rename(None)).predict()
    assert unnamed.name is None and unnamed.equals(forecasts.rename(None))


def test_joint_columns_are_one_series():
    model, expected = quick().set_params(joint=True).fit(WIDE), quick().fit(WIDE.to_numpy())
    assert_same_bits(model.predict().to_numpy(), expected.predict())
    assert list(model.predict()) == list(SHOPS)
    assert_same_bits(model.interval(0.6)["south"].to_numpy(), expected.interval(0.6)[:, 1])
    swapped = model.backtest(WIDE[["south", "north"]], start=50)  # by name, not by place
    assert_same_bits(swapped.mae, expected.backtest(WIDE.to_numpy(), start=50).mae)


@pytest.mark.parametrize("as_dict", [True, False])
def test_dicts_and_lists_of_tables(as_dict):
    """Each with its own dates; a table of several columns is one series of them."""
    tables = [
        WIDE.rename(columns={"north": "a", "south": "b"}),
        WIDE[20:].set_axis(["a", "b"], axis=1),
    ]
    tables[1].index = DAYS[:40]
    y = dict(zip("xy", tables, strict=True)) if as_dict else tables
    model = quick().fit(y)
    forecasts = model.predict()
    first, second = forecasts.values() if as_dict else forecasts
    assert type(forecasts) is type(y)
    assert (
        first.index.equals(NEXT) and second.index.equals(DAYS[40:42]) and list(second) == ["a", "b"]
    )
    expected = quick().fit([table.to_numpy() for table in tables]).predict()
    assert_same_bits([first.to_numpy(), second.to_numpy()], expected)


def as_pandas(table):
    return pandas.DataFrame({name: table[name].to_numpy() for name in table.columns})


@pytest.mark.parametrize("library", [lambda table: table, polars_of], ids=["pandas", "polars"])
def test_a_long_table(library, arrays):
    """Rows of all series mixed, in the order of time."""
    y = library(LONG.sort_values("day", kind="stable").reset_index(drop=True))
    model = quick().fit(y, **NAMES)
    forecasts = model.predict()
    assert type(forecasts) is type(y)
    assert list(forecasts.columns) == ["shop", "day", "sales"]
    assert list(forecasts["shop"]) == ["north"] * H + ["south"] * H
    assert list(forecasts["day"]) == [*NEXT, *NEXT]
    assert_same_bits(forecasts["sales"].to_numpy(), np.concatenate(list(arrays.predict().values())))
    ends = model.interval([0.5, 0.6])
    expected = ["sales_0.5_lower", "sales_0.5_upper", "sales_0.6_lower", "sales_0.6_upper"]
    assert list(ends.columns)[2:] == expected
    result = model.backtest(y, start=50)
    assert list(result.forecasts.columns) == ["shop", "origin", "day", "sales"]
    table = as_pandas(result.actual)
    row = table[(table["shop"] == "south") & (table["origin"] == DAYS[49])]
    assert list(row["day"]) == list(DAYS[50:52]) and list(row["sales"]) == list(
        SHOPS["south"][50:52]
    )


def test_a_column_of_times_beside_those_of_series(arrays):
    y = WIDE.reset_index()
    for table in (y, polars_of(y)):
        forecasts = quick().fit(table, time="day").predict()
        assert type(forecasts) is type(table) and list(forecasts.columns) == ["day", *SHOPS]
        assert list(forecasts["day"]) == list(NEXT)
        assert_same_bits(forecasts["south"].to_numpy(), arrays.predict()["south"])
    one = quick().fit(y, time="day", target="south").predict()
    assert list(one.columns) == ["day", "south"]
    assert naive_forecast(y, 1, time="day", target=["south"]).equals(
        naive_forecast(y[["day", "south"]], 1, time="day")
    )


def test_a_table_of_polars_without_times(arrays):
    forecasts = quick().fit(polars_of(WIDE)).predict()
    assert forecasts.columns == list(SHOPS)
    assert_same_bits(forecasts["south"].to_numpy(), arrays.predict()["south"])


def test_types_of_polars_stay():
    """Dates, times with zones and units, whole numbers; names of series in few bits."""
    polars = pytest.importorskip("polars", reason="polars is not installed")
    pytest.importorskip("narwhals", reason="narwhals is not installed")
    days = polars.Series("t", DAYS[:T].to_numpy()).cast(polars.Datetime("ms"))
    times = [
        *(days, days.cast(polars.Date), days.dt.replace_time_zone("Europe/Berlin")),
        *(polars.Series("t", np.arange(T), polars.Int32).cast(polars.Int64),),
        days.dt.to_string("%Y-%m-%d"),
    ]
    for time in times:
        ids = polars.Series("i", [7] * T, polars.Int16)
        table = polars.DataFrame([time.alias("t"), ids, polars.Series("v", SHOPS["north"])])
        forecast = naive_forecast(table, 2, id="i", time="t", target="v")
        assert forecast.schema == polars.Schema(
            {"i": ids.dtype, "t": time.dtype, "v": polars.Float64}
        )
        expected = naive_forecast(table[:-2], 2, id="i", time="t", target="v")
        assert expected["t"].equals(table["t"][-2:])


def test_a_backtest_says_when():
    model = quick().fit(WIDE)
    result = model.backtest(WIDE, start=50, stride=3)
    assert result.forecasts.index.names == ["origin", "day"]
    origins = result.forecasts.index.get_level_values("origin").unique()
    assert list(origins) == list(DAYS[49 : T - H : 3])  # the last time known
    for origin, rows in result.actual.groupby(level="origin"):
        assert rows.droplevel(0).equals(WIDE[origin:][1 : 1 + H])
    assert_allclose((result.forecasts - result.actual).abs().mean().mean(), result.mae.mean())


def test_updates_move_the_dates():
    model, expected = quick().fit(WIDE[:40]), quick().fit(WIDE[:40].to_dict("list"))
    for start, stop in ((40, 50), (50, T)):
        model.update(WIDE[start:stop])
        expected.update(WIDE[start:stop].to_dict("list"))
    assert model.predict().index.equals(NEXT)
    assert_same_bits(model.predict()["south"].to_numpy(), expected.predict()["south"])
    with pytest.raises(
        ValueError, match=r"y.* begins at 2024-03-02, expected 2024-03-01, the step"
    ):
        model.update(WIDE.set_axis(DAYS[:T] + pandas.Timedelta(61, "D")))
    assert model.predict().index.equals(NEXT)


def test_columns_go_by_name():
    model = quick().fit(WIDE)
    one, other = (
        model.backtest(WIDE[names], start=50) for names in (["north", "south"], ["south", "north"])
    )
    assert one.forecasts.equals(other.forecasts)
    with pytest.raises(
        ValueError, match=r"y has other series than in fit: wide \['north', 'west'\]"
    ):
        model.update(WIDE.rename(columns={"south": "west"}))


def test_arrays_after_tables_go_by_place():
    model = quick().fit(WIDE["north"][:50])
    after = model.update(SHOPS["north"][50:]).predict()
    assert after.index.equals(NEXT)
    assert after.equals(quick().fit(WIDE["north"][:50]).update(WIDE["north"][50:]).predict())


def test_numbers_of_any_type():
    """Whole numbers, flags, those that pandas and polars may lack, decimals."""
    from decimal import Decimal

    whole = pandas.Series(np.arange(T) % 7, index=DAYS[:T])
    expected = naive_forecast(whole.astype(float), 3)
    for other in (whole.astype("Int64"), whole.astype("float32"), whole.map(Decimal)):
        assert naive_forecast(other, 3).equals(expected)
    assert naive_forecast(whole > 3, 1).iloc[0] == float(whole.iloc[-1] > 3)


def test_a_table_of_pandas_needs_no_narwhals():
    program = (
        "import sys, pandas, numpy, pyrnn.estimators as e\n"  # of which scikit-learn may import it
        "sys.modules['narwhals'] = None\n"
        "y = pandas.DataFrame({'a': numpy.arange(9.0)}, pandas.date_range('2024', periods=9))\n"
        "print(e.naive_forecast(y, 1).index[0].date())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["2024-01-10"]


def test_a_table_of_polars_without_narwhals(monkeypatch):
    table = polars_of(WIDE)
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(
        ImportError, match=r'y: tables other than .* pip install "pyrnn-cpu\[tables\]"'
    ):
        naive_forecast(table, 1)


@pytest.mark.parametrize("y", [WIDE, WIDE["north"].tz_localize("Europe/Berlin"), LONG], ids=str)
def test_dates_are_kept_in_files(y, tmp_path):
    from pyrnn.estimators import load

    names = NAMES if y is LONG else {}
    static = None if y is not WIDE else {"north": {"kind": "city"}, "south": {"kind": "sea"}}
    model = quick(calendar=["weekday"]).fit(y, static=static, **names)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.interval(0.6).equals(model.interval(0.6))
    assert again.backtest(y, start=50).forecasts.equals(model.backtest(y, start=50).forecasts)


def test_paths_are_columns(arrays):
    paths = quick().fit(WIDE).sample(3)
    assert list(paths) == [(s, i) for s in SHOPS for i in range(3)] and paths.index.equals(NEXT)
    assert_same_bits(paths["south"].to_numpy().T, arrays.sample(3)["south"])


def test_pictures_and_tables_of_errors_have_dates_and_names():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from pyrnn.estimators import plot_forecast

    model = quick().set_params(joint=True).fit(WIDE[:50])
    panels = plot_forecast(model, WIDE[:50], truth=WIDE[50:]).axes
    assert [axes.get_title("left") for axes in panels] == list(SHOPS)
    known, forecast = (
        next(n for n in panels[0].lines if n.get_label() == k) for k in ("known", "forecast")
    )
    assert list(known.get_xdata()) == list(DAYS[20:50].to_numpy())  # at least 30 steps
    assert list(forecast.get_xdata()) == list(DAYS[49 : 50 + H].to_numpy())
    with pytest.raises(ValueError, match="truth begins at 2024-02-21, expected 2024-02-20, the"):
        plot_forecast(model, truth=WIDE[51:])
    assert list(model.backtest(WIDE, start=50).by_series.index) == list(SHOPS)
