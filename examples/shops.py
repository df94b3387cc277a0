"""Forecasts what twenty shops sell in the two weeks up to Christmas (forecasting).

The shops are simulated; their table is like real ones: a row for each shop and day, promotions,
closed days and holidays that are known ahead, the shop's kind, and days without a record. Closed
days are missing values, which teach nothing. One network learns 650 days of all shops, with a
distribution of counts, and is tested from each day of the next three months. The same is asked of
least squares, which add what in the shops acts by factors.
"""

import numpy as np

from _common import options, report
from _shops import shops
from pyrnn.estimators import Forecaster

TEST, HORIZON, LEVEL = "2024-12-11", 14, 0.9
AHEAD = ["promotion", "closed", "holiday"]


def fitted(known, seed, epochs):
    """A forecaster that learnt the table `known`."""
    forecaster = Forecaster(
        horizon=HORIZON,
        likelihood="negative_binomial",
        calendar=("weekday",),
        epochs=epochs,
        random_state=seed,
    )
    columns = {"id": "shop", "time": "day", "target": "sold"}
    return forecaster.fit(known, future=AHEAD, static=["kind"], **columns)


def draw(forecaster, table, path):
    """Some shops: what was known, the forecasts up to Christmas, and what came."""
    import matplotlib.pyplot as plt
    from matplotlib.dates import DateFormatter, WeekdayLocator

    ahead = table[table["day"] >= TEST]
    told = forecaster.predict(future=ahead).merge(forecaster.interval([0.5, LEVEL], future=ahead))
    told = told.merge(ahead.loc[ahead["closed"] == 0, ["shop", "day"]])
    figure, grid = plt.subplots(2, 2, figsize=(11, 6), layout="constrained", sharex=True)
    for shop, axes in zip(table["shop"].unique()[:4], grid.flat, strict=True):
        mine = told[told["shop"] == shop]
        rows = table[(table["shop"] == shop) & (table["day"] <= mine["day"].max())].iloc[-56:]
        come, days = rows["day"] >= TEST, rows["day"]
        for flag, color in (("promotion", "C1"), ("holiday", "C2")):
            span = {"step": "mid", "color": color, "alpha": 0.15, "lw": 0, "label": flag}
            axes.fill_between(days, 0, rows[flag], transform=axes.get_xaxis_transform(), **span)
        for level, alpha in ((LEVEL, 0.2), (0.5, 0.35)):
            ends = (mine[f"sold_{level}_{end}"] for end in ("lower", "upper"))
            span = {"color": "C0", "alpha": alpha, "lw": 0, "label": f"{level:.0%} interval"}
            axes.fill_between(mine["day"], *ends, **span)
        axes.plot(days[~come], rows["sold"][~come], "k.-", ms=4, lw=0.7, label="sold")
        axes.plot(mine["day"], mine["sold"], "C0", lw=2, label="forecast")
        axes.plot(days[come], rows["sold"][come], "ko", ms=4, mfc="w", label="what came")
        axes.set(title=f"{shop}, {rows['kind'].iloc[0]}", ylim=(0, None), xlim=(days.min(), None))
        axes.xaxis.set_major_locator(WeekdayLocator(0))  # Mondays
        axes.xaxis.set_major_formatter(DateFormatter("%d %b"))
        axes.spines[["top", "right"]].set_visible(False)
    figure.supylabel("pieces a day")
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=7, frameon=False
    )
    plt.savefig(path, dpi=120)


def main():
    args = options(__doc__, seeds=3, plot="shops.png").parse_args()
    table = shops(4 if args.quick else 20)
    table["sold"] = table["sold"].mask(table["closed"] == 1)
    known = table[table["day"] < TEST]
    start = known["day"].nunique()
    errors, covered = [], []
    for seed in range(args.seeds):
        forecaster = fitted(known, seed, 1 if args.quick else None)
        result = forecaster.backtest(table, start=start, season=7, level=LEVEL)
        errors.append(result.mase.mean())
        covered.append(result.coverage.mean())
        print(f"  seed {seed}: MASE {errors[-1]:.3f}, {covered[-1]:.0%} inside the intervals")
    print(result.compare()[["mae", "rmse", "mase", "coverage", "width"]].round(3).to_string())
    draw(forecaster, table, args.plot)
    others = [(name, one.mase.mean()) for name, one in result.baselines.items()]
    report(
        args,
        task="sales of 20 shops, 1 to 14 days ahead",
        model=f"GRU, {forecaster.network_[0].rnn[0].hidden_size} units",
        metric="MASE",
        results=errors,
        better="lower",
        baseline=others[-1],
        others=[other for other in others if other[0] == "seasonal naive"],
        remark=f"the {LEVEL:.0%} intervals hold {np.mean(covered):.1%}",
    )


if __name__ == "__main__":
    main()
