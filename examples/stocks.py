"""Forecasts the S&P 500 one day ahead: how much it will move, and where to (forecasting).

Volatility is the day's range, log(high / low), on a log scale: days of great movement follow each
other, so a GRU that reads ranges and returns can tell tomorrow's. The return itself, log(close /
close before), by the same network from the same numbers, is said to be no more than noise: what
always says 0 is hard to beat. Days from 1999 to 2018 are in the package arch. The network learns
those before 2009 for 2009 to 2012, by which its settings are chosen, then those before 2013 for
2013 to 2018, the test. A moving average, its decay chosen likewise, is a rival for volatility.
"""

import gzip

import numpy as np

import fetch
from _common import options, report
from pyrnn.estimators import Forecaster

TRIED = [{"hidden_size": h, "epochs": n} for h in (8, 16, 32) for n in (2, 5, 10)]
DECAYS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97)


def load():
    """The year, the log range and the return in % of each day."""
    text = gzip.decompress(fetch.read("arch", "*/sp500.csv.gz")).decode()
    rows = [line.split(",") for line in text.splitlines()[1:]]
    years = np.array([int(row[0].split("/")[-1]) for row in rows])
    high, low, close = np.array([row[2:5] for row in rows], float).T
    return years[1:], np.log(np.log(high / low))[1:], 100 * np.diff(np.log(close))


def forecast(y, past, start, end, setting, seed):
    """Each day's y from `start` to `end`, told the day before by what learnt those before."""
    model = Forecaster(lookback=22, relative=False, calibration=0, random_state=seed, **setting)
    model.fit(y[:start], past[:start])
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
    """The best model on validation days, its errors on test days and forecasts; the best EWMA."""
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
    decay = min(DECAYS, key=lambda d: rmse(ewma(y, d)[begin - 1 : start - 1], y[begin:start]))
    mean = (f"EWMA, decay {decay}", rmse(ewma(y, decay)[start - 1 : end - 1], y[start:end]))
    return f"GRU, {setting['hidden_size']} units", errors, ahead, mean


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
    model, errors, ahead, mean = measured(args, ranges, returns, bounds)
    draw(ranges[years == 2018], ahead[years[start:] == 2018], args.plot)
    now, month = ranges[start:], np.convolve(ranges, np.ones(22) / 22)[start - 1 : end - 1]
    report(
        args,
        task="volatility of the S&P 500, next day",
        model=model,
        metric="RMSE of the log range",
        results=errors,
        better="lower",
        baseline=("last value", rmse(ranges[start - 1 : -1], now)),
        others=[("mean of 22 days", rmse(month, now)), mean],
    )
    model, errors, _, mean = measured(args, returns, ranges, bounds)
    now = returns[start:]
    report(
        args,
        task="return of the S&P 500, next day",
        model=model,
        metric="RMSE in %",
        results=errors,
        better="lower",
        baseline=("always 0", rmse(0, now)),
        others=[("last value", rmse(returns[start - 1 : -1], now)), mean],
    )


if __name__ == "__main__":
    main()
