"""Forecasts the S&P 500 one day ahead: how much it will move, and where to (forecasting).

Volatility is the day's range, log(high / low), on a log scale: days of great movement follow each
other, so a GRU that reads ranges and returns can tell tomorrow's. The return itself, log(close /
close before), by the same network from the same numbers, is said to be no more than noise: what
always says 0 is hard to beat. Days from 1999 to 2018 are in the package arch. The network learns
those before 2009 for 2009 to 2012, by which its settings are chosen, then those before 2013 for the
rest, the test. Rivals: a moving average, its decay chosen likewise; least squares on 22 such days.
"""

import gzip

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import fetch
from _common import options, report
from pyrnn.estimators import Forecaster

SIZES = [{"hidden_size": h, "epochs": n} for h in (8, 16, 32) for n in (2, 5, 10)]
TRIED = [size | {"skip": linear} for size in SIZES for linear in (True, False)]
DAYS, DECAYS = 22, (0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97)


def load():
    """The year, the log range and the return in % of each day."""
    text = gzip.decompress(fetch.read("arch", "*/sp500.csv.gz")).decode()
    rows = [line.split(",") for line in text.splitlines()[1:]]
    years = np.array([int(row[0].split("/")[-1]) for row in rows])
    high, low, close = np.array([row[2:5] for row in rows], float).T
    return years[1:], np.log(np.log(high / low))[1:], 100 * np.diff(np.log(close))


def forecast(y, past, start, end, setting, seed):
    """Each day's y from `start` to `end`, told the day before by what learnt those before."""
    fixed = {"lookback": DAYS, "relative": False, "calibration": 0, "early_stopping": False}
    model = Forecaster(random_state=seed, **fixed, **setting).fit(y[:start], past[:start])
    return model.backtest(y[:end], past[:end], start=start).forecasts[:, 0]


def ewma(y, decay):
    """The exponentially weighted mean of y up to each day."""
    means = y.copy()
    for t in range(1, len(y)):
        means[t] = decay * means[t - 1] + (1 - decay) * y[t]
    return means


def rmse(forecasts, actual):
    """The root of the mean squared error."""
    return float(np.sqrt(np.square(forecasts - actual).mean()))


def measured(args, y, past, bounds):
    """The best model by validation days, its errors on test days, and the last forecasts."""
    begin, start, end = bounds
    tried = [{"hidden_size": 8, "epochs": 1}] if args.quick else TRIED

    def on_validation(setting):
        told = [forecast(y, past, begin, start, setting, s) for s in range(1 if args.quick else 2)]
        return np.mean([rmse(ahead, y[begin:start]) for ahead in told])

    setting = min(tried, key=on_validation)
    errors = []
    for seed in range(args.seeds):
        ahead = forecast(y, past, start, end, setting, seed)
        errors.append(rmse(ahead, y[start:end]))
        print(f"  {setting}, seed {seed}: error {errors[-1]:.4f}", flush=True)
    return {"model": f"GRU, {setting['hidden_size']} units", "results": errors}, ahead


def rivals(y, past, bounds):
    """(name, error on test days) of what forecasts without a network."""
    begin, start, end = bounds
    windows = np.hstack([sliding_window_view(a[: end - 1], DAYS) for a in (y, past)])
    rows = np.column_stack([np.ones(len(windows)), windows])  # of those before day 22, 23, ...
    weights = np.linalg.lstsq(rows[: start - DAYS], y[DAYS:start], rcond=None)[0]
    decay = min(DECAYS, key=lambda d: rmse(ewma(y, d)[begin - 1 : start - 1], y[begin:start]))
    forecasts = {
        "last value": y[start - 1 : end - 1],
        f"mean of {DAYS} days": windows[start - DAYS :, :DAYS].mean(axis=1),
        f"EWMA, decay {decay}": ewma(y, decay)[start - 1 : end - 1],
        "least squares": rows[start - DAYS :] @ weights,
    }
    return [(name, rmse(ahead, y[start:end])) for name, ahead in forecasts.items()]


def draw(ranges, forecasts, path):
    """The ranges of 2018, and what they were thought to become."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(10, 4), layout="constrained")
    axes.plot(100 * np.exp(ranges), "k.", ms=3, label="range of the day")
    axes.plot(100 * np.exp(forecasts), "C0", label="forecast the day before")
    axes.set(xlabel="trading day of 2018", ylabel="log(high / low) in %", yscale="log")
    axes.set_yticks([0.3, 0.5, 1, 2, 4], labels=["0.3", "0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.legend()
    plt.savefig(path, dpi=120)


def main():
    args = options(__doc__, plot="stocks.png").parse_args()
    years, ranges, returns = (array[-2700 * args.quick :] for array in load())
    bounds = begin, start, end = *np.searchsorted(years, (2009, 2013)), len(years)
    print(f"{begin:,} days, {start - begin:,} of validation, {end - start:,} of test")
    result, ahead = measured(args, ranges, returns, bounds)
    draw(ranges[years == 2018], ahead[years[start:] == 2018], args.plot)
    last, *others = rivals(ranges, returns, bounds)
    result |= {"metric": "RMSE of the log range", "baseline": last, "others": others}
    report(args, task="volatility of the S&P 500, next day", better="lower", **result)
    result, _ = measured(args, returns, ranges, bounds)
    result |= {"metric": "RMSE in %", "baseline": ("always 0", rmse(0, returns[start:]))}
    result["others"] = rivals(returns, ranges, bounds)
    report(args, task="return of the S&P 500, next day", better="lower", **result)


if __name__ == "__main__":
    main()
