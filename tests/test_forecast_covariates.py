"""Promise: covariates are joined by date and by name, never by place."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from compare import assert_same_bits
from pyrnn.estimators import Forecaster
from series import forecaster, wave

T, H = 60, 2
DAYS = pandas.date_range("2024-01-01", periods=T + H, name="day")
rng = np.random.default_rng(0)
KNOWN = pandas.DataFrame(
    {"price": rng.random(T + H), "promo": rng.integers(0, 2, T + H)}, index=DAYS
)
Y = pandas.Series(wave(T), index=DAYS[:T], name="sales")
WIDE = pandas.DataFrame({"north": wave(T), "south": 100 * wave(T, 20)}, index=DAYS[:T])


def quick(**options):
    return forecaster(**{"epochs": 1, "horizon": H, "lookback": 4, "hidden_size": 4, **options})


def by_place(y, argument="future", **options):
    """What arrays give, which go by place."""
    values = KNOWN.to_numpy(float)
    model = quick(**options).fit(np.asarray(y), **{argument: values[:T]})
    return model.predict(**({"future": values[T:]} if argument == "future" else {}))


def test_by_date_and_by_name():
    """More rows, columns in another order: the same forecasts."""
    model = quick().fit(Y, future=KNOWN)
    expected = by_place(Y)
    longer = KNOWN.reindex(pandas.date_range("2023-12-01", "2024-06-01"), fill_value=9.0)
    swapped = KNOWN[["promo", "price"]]
    for coming in (KNOWN[T:], KNOWN, longer, swapped, KNOWN[T:].to_numpy(float)):
        assert_same_bits(model.predict(future=coming).to_numpy(), expected)
    assert_same_bits(quick().fit(Y, past=longer).predict().to_numpy(), by_place(Y, "past"))
    again = quick().fit(Y[:50], future=KNOWN).update(Y[50:], future=swapped)
    assert_same_bits(
        again.predict(future=swapped).to_numpy(),
        quick()
        .fit(Y[:50], future=KNOWN)
        .update(Y[50:], future=KNOWN)
        .predict(future=KNOWN)
        .to_numpy(),
    )
    one, other = (model.backtest(Y, future=table, start=50).forecasts for table in (KNOWN, swapped))
    assert one.equals(other)


def test_one_table_for_all_series():
    both = {name: KNOWN for name in WIDE}
    expected = quick().fit(WIDE, future=both).predict(future=both)
    assert quick().fit(WIDE, future=KNOWN).predict(future=KNOWN).equals(expected)
    y = {name: WIDE[name] for name in WIDE}
    named = quick().fit(y, future=KNOWN).predict(future=KNOWN)
    assert named["south"].equals(expected["south"])


def test_a_table_with_the_names_of_series_has_one_covariate_of_each():
    table = pandas.DataFrame({"south": KNOWN["promo"], "north": KNOWN["price"]})
    each = {name: table[name] for name in WIDE}
    expected = quick().fit(WIDE, future=each).predict(future=each)
    assert quick().fit(WIDE, future=table).predict(future=table).equals(expected)


def rows_of(name, factor):
    """A long table of one series, its covariates a multiple of those known."""
    table = (KNOWN * factor).reset_index().assign(shop=name)
    return table.assign(sales=np.append(WIDE[name], [np.nan] * H))


LONG = pandas.concat([rows_of("north", 1), rows_of("south", 2)], ignore_index=True)
NAMES = {"id": "shop", "time": "day", "target": "sales"}


def libraries():
    yield LONG
    try:
        import narwhals  # noqa: F401
        import polars
    except ImportError:
        return
    yield polars.DataFrame({name: LONG[name].to_numpy() for name in LONG})


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_columns_of_the_table_of_y(strategy):
    """Named once, in fit; then whole tables are given."""
    known = {"north": KNOWN.to_numpy(float), "south": 2 * KNOWN.to_numpy(float)}
    past, future = ({k: v[:, [i]] for k, v in known.items()} for i in (1, 0))
    options = {"strategy": strategy}
    fitted = quick(**options).fit(
        {name: WIDE[name].to_numpy() for name in WIDE},
        **{
            "past": {k: v[:T] for k, v in past.items()},
            "future": {k: v[:T] for k, v in future.items()},
        },
    )
    expected = np.concatenate(
        list(fitted.predict(future={k: v[T:] for k, v in future.items()}).values())
    )
    for table in libraries():
        y, coming = (table[table["day"] <= DAYS[T - 1]] if table is LONG else table[:0]), table
        if table is not LONG:
            import polars

            y = table.filter(polars.col("day") <= DAYS[T - 1])
        model = quick(**options).fit(y, past=["promo"], future=["price"], **NAMES)
        assert_same_bits(model.predict(future=coming)["sales"].to_numpy(), expected)
        result = model.backtest(y, start=50)
        assert len(result.mae) == H and np.isfinite(result.mae).all()


def test_one_target_among_columns():
    table = KNOWN.reset_index().assign(sales=np.append(Y, [0.0] * H))
    model = quick().fit(table[:T], time="day", target="sales", future=["price", "promo"])
    assert_same_bits(model.predict(future=table)["sales"].to_numpy(), by_place(Y))
    assert list(model.predict(future=table[T:]).columns) == ["day", "sales"]
    indexed = table.set_index("day")
    model = quick().fit(indexed[:T], target="sales", future=["price", "promo"])
    assert_same_bits(model.predict(future=indexed)["sales"].to_numpy(), by_place(Y))
    model.update(indexed[T:])
    with pytest.raises(
        ValueError, match=r"future has rows from .* to 2024-03-02, expected 2024-03-03 to"
    ):
        model.predict(future=indexed)


def test_a_target_is_no_covariate_of_itself():
    table = KNOWN.reset_index().assign(sales=np.append(Y, [0.0] * H))
    with pytest.raises(
        ValueError, match="future has the column 'sales', which is forecast: future= "
    ):
        quick().fit(table[:T], time="day", target="sales", future=table)


def test_errors_of_covariates():
    with pytest.raises(ValueError, match="future is None, expected 2 covariates as in fit"):
        quick().fit(Y, future=KNOWN[:T]).predict()
    model = quick().fit(Y, future=KNOWN)
    for table, words in (
        (
            KNOWN.rename(columns={"promo": "sale"}),
            "future has the columns 'price', 'sale', expected ",
        ),
        (
            KNOWN.assign(sale=1.0),
            "future has the columns 'price', 'promo', 'sale', expected 'price'",
        ),
        (
            KNOWN[:-1],
            "future has rows from 2024-01-01 to 2024-03-01, expected 2024-03-01 to 2024-03-02",
        ),
        (KNOWN[T + 1 :], "future has rows from 2024-03-02 to 2024-03-02, expected 2024-03-01"),
        (
            KNOWN.tz_localize("UTC"),
            "future has times in the zone UTC, expected times without a zone",
        ),
        (
            KNOWN.reset_index(drop=True),
            "future has no dates, expected dates as y; arrays need none",
        ),
        (
            KNOWN.set_axis(DAYS + pandas.Timedelta(1, "h")),
            "future has the time 2024-01-01 01:00, exp",
        ),
        (
            KNOWN.sample(frac=1, random_state=0),
            "future has the time .* after .*, expected times that",
        ),
        (
            KNOWN.astype({"promo": str}),
            "future has '1' in the column 'promo' at 2024-01-0., expected",
        ),
        (KNOWN[T:].to_numpy(float)[:1], r"future has shape \(1, 2\), expected \(2, 2\)"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            model.predict(future=table)
    with pytest.raises(
        ValueError, match="past has no row of 2024-01-11, expected one for each step"
    ):
        quick().fit(Y, past=KNOWN.drop(DAYS[10]))
    with pytest.raises(ValueError, match="past was given, expected None as in fit"):
        model.backtest(Y, past=KNOWN, future=KNOWN)
    with pytest.raises(ValueError, match=r"future\['south'\] has the columns 'price', expected"):
        quick().fit(WIDE, future={"north": KNOWN, "south": KNOWN[["price"]]})
    with pytest.raises(ValueError, match="future has no rows of 'south' in the column 'shop'"):
        y = LONG[LONG["day"] < DAYS[T]].drop(columns=["price", "promo"])
        quick().fit(y, future=LONG[LONG["shop"] == "north"].drop(columns="sales"), **NAMES)
    assert not vars(Forecaster()).get("_fitted")


def test_the_known_future_goes_on_in_another_table():
    """Of series that come with steps ahead: those of y's table, then those after it."""
    table = KNOWN.reset_index().assign(sales=np.append(Y, [0.0] * H))
    model = quick().fit(table[:T], time="day", target="sales", future=["price"])
    for coming in (table[T:], table):
        (series,), form = model._read(table[:T], None, coming, ahead=H)
        assert series.future[:, 0].tolist() == KNOWN["price"].tolist() and form.ends == (T,)
    with pytest.raises(
        ValueError, match=r"y has rows from .* to 2024-03-01, expected 2024-01-01 to"
    ):
        model._read(table[:T], None, table[T:-1], ahead=H)
