"""Forecasts the sunspots of the next eleven years (forecasting).

The yearly numbers since 1700 (package statsmodels) rise and fall every eleven years or so, to peaks
of very different height. A GRU reads square roots, whose spread is much the same at any level, and
tells all eleven years at once. It learns the years before 1920 and is tested by forecasts from each
year since, with what is known by then; its settings, also whether least squares is beside it, are
those best by 1850 to 1919 of what had only seen the years before. An AR(9) is a strong rival.
"""

import numpy as np

import fetch
from _common import options, report
from pyrnn.estimators import Forecaster, naive_forecast

FIRST, VALIDATION, TEST, HORIZON, LEVEL = 1700, 1850, 1920, 11, 0.9
ALONE = {"skip": False, "early_stopping": False, "refit": False}
TRIED = [{"lookback": n, "hidden_size": 32} | other for n in (22, 33, 44) for other in ({}, ALONE)]


def load():
    """The numbers of sunspots, one for each year from 1700 on."""
    lines = fetch.read("statsmodels", "*/sunspots.csv").decode().split()[1:]
    years, numbers = zip(*(line.split(",") for line in lines), strict=True)
    if [int(year) for year in years] != list(range(FIRST, FIRST + len(years))):
        raise ValueError("sunspots.csv: expected one row for each year from 1700 on")
    return np.array(numbers, float)


def error(forecasts, actual):
    """The mean absolute error, in sunspots, of roots (N, horizon)."""
    return float(np.abs(numbers(forecasts) - numbers(actual)).mean())


def numbers(roots):
    """Sunspots for their square roots, never fewer than none."""
    return np.square(np.maximum(roots, 0))


def fitted(known, setting, epochs, seed):
    """A forecaster that learnt the square roots `known`, and the errors at their end."""
    forecaster = Forecaster(
        horizon=HORIZON, relative=False, loss="mae", epochs=epochs, random_state=seed, **setting
    )
    return forecaster.fit(known)


def autoregression(known, roots, origins, order=9):
    """Forecasts (N, horizon) of a linear AR(9), the classical model of this series."""
    rows = [[1, *known[t - order : t]] for t in range(order, len(known))]
    weights = np.linalg.lstsq(np.array(rows), known[order:], rcond=None)[0]
    windows = np.stack([roots[t - order : t] for t in origins])
    for _ in range(HORIZON):
        ahead = weights[0] + windows[:, -order:] @ weights[1:]
        windows = np.column_stack([windows, ahead])
    return windows[:, order:]


def draw(forecaster, roots, start, path):
    """The years since `start`, and what each eleven of them were thought to become."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(10, 4), layout="constrained")
    years = np.arange(FIRST, FIRST + len(roots))
    axes.plot(years[start - 44 :], numbers(roots[start - 44 :]), "k.-", lw=1, label="sunspots")
    for origin in range(start, len(roots) - HORIZON + 1, HORIZON):
        if origin > start:
            forecaster.update(roots[origin - HORIZON : origin])
        low, high = numbers(forecaster.interval(LEVEL)).T
        ahead = years[origin : origin + HORIZON]
        label = {} if origin > start else {"label": f"forecast, {LEVEL:.0%} interval"}
        axes.fill_between(ahead, low, high, color="C0", alpha=0.2, lw=0)
        axes.plot(ahead, numbers(forecaster.predict()), "C0", **label)
    axes.set(xlabel="year", ylabel="sunspots", title="Eleven years ahead, from what was known")
    axes.legend(loc="upper left")
    plt.savefig(path, dpi=120)


def main():
    args = options(__doc__, plot="sunspots.png").parse_args()
    roots = np.sqrt(load())
    tried, epochs, seeds = (TRIED[:2], 3, 1) if args.quick else (TRIED, 30, 2)
    begin, start = VALIDATION - FIRST, TEST - FIRST

    def on_validation(setting):
        models = [fitted(roots[:begin], setting, epochs, seed) for seed in range(seeds)]
        results = [model.backtest(roots[:start], start=begin) for model in models]
        return np.mean([error(r.forecasts, r.actual) for r in results])

    setting = min(tried, key=on_validation)
    print(f"best from {VALIDATION} to {TEST - 1}: {setting}")
    errors, covered = [], []
    for seed in range(args.seeds):
        forecaster = fitted(roots[:start], setting, epochs, seed)
        result = forecaster.backtest(roots, start=start, level=LEVEL)
        errors.append(error(result.forecasts, result.actual))
        covered.append(result.coverage.mean())
        print(f"  seed {seed}: error {errors[-1]:.2f}, {covered[-1]:.0%} inside the intervals")
    seasonal, last = (
        error([naive_forecast(roots[:t], HORIZON, s) for t in result.origins], result.actual)
        for s in (11, 1)
    )
    draw(forecaster, roots, start, args.plot)
    linear = error(autoregression(roots[:start], roots, result.origins), result.actual)
    report(
        args,
        task="sunspots, 1 to 11 years ahead",
        model=f"GRU, {setting['hidden_size']} units",
        metric="absolute error",
        results=errors,
        better="lower",
        baseline=("the same as 11 years before", seasonal),
        others=[("last value", last), ("linear AR(9)", linear)],
        remark=f"the {LEVEL:.0%} intervals hold {np.mean(covered):.1%}",
    )


if __name__ == "__main__":
    main()
