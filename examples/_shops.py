"""Simulated shops: what each sells a day, with promotions, closed days and Christmas.

Everything acts by factors, as in real shops: a promotion doubles what would have been sold, and not
by so many pieces, sells more at weekends, and some of what it sells is missing the days after.
"""

import numpy as np
import pandas as pd

WEEK = {  # what Monday to Sunday sell, over the mean; most shops are closed on Sundays
    "city": (0.9, 0.9, 0.95, 1.0, 1.15, 1.3, 0.8),
    "village": (1.0, 0.95, 0.9, 0.95, 1.2, 1.4, 0.6),
    "station": (1.1, 1.05, 1.05, 1.1, 1.2, 0.8, 0.7),
}


def shops(count=20, days=730, first="2023-03-01", seed=0):
    """A long table: a row for each shop and day, those of a shop in the order of the days.

    `sold` is missing on days of which the till lost the record; `promotion`, `closed` and
    `holiday` (the two weeks up to Christmas) are known ahead; `kind` is the shop's.
    """
    rng = np.random.default_rng(seed)
    dates = pd.date_range(first, periods=days, name="day")
    return pd.concat([_shop(rng, f"shop {i + 1:02}", dates) for i in range(count)])


def _shop(rng, name, dates):
    """The rows of one shop."""
    kind = str(rng.choice(list(WEEK)))
    weekday, year = dates.day_of_week.to_numpy(), dates.day_of_year.to_numpy() / 365.25
    christmas = pd.to_datetime({"year": dates.year, "month": 12, "day": 25}).to_numpy()
    to_christmas = (christmas - dates.to_numpy()) // np.timedelta64(1, "D")
    holiday = (to_christmas > 0) & (to_christmas <= 14)
    sundays = kind != "station" and rng.random() < 0.7
    closed = ((weekday == 6) & sundays) | np.isin(to_christmas, (0, -1)) | (dates.day_of_year == 1)
    promotion = np.zeros(len(dates), bool)
    for start in np.flatnonzero(rng.random(len(dates)) < 1 / 35):
        promotion[start : start + rng.integers(3, 8)] = True
    log = np.log(np.array(WEEK[kind])[weekday]) + rng.normal(0, 0.05, 7)[weekday]
    log += rng.uniform(0.05, 0.2) * np.cos(2 * np.pi * (year - rng.uniform(0.4, 0.6)))
    log += rng.normal(0, 0.15) * np.arange(len(dates)) / 365
    log += holiday * rng.uniform(0.02, 0.05) * (15 - to_christmas)
    log += promotion * (rng.uniform(0.4, 0.8) + 0.2 * (weekday >= 4))
    recent = np.convolve(promotion, np.ones(8) / 7)[: len(dates)] * ~promotion
    log -= rng.uniform(0.2, 0.4) * recent  # who has bought does not come the week after
    drift = np.zeros(len(dates))
    for t in range(1, len(dates)):
        drift[t] = 0.9 * drift[t - 1] + rng.normal(0, 0.05)
    mean = np.exp(rng.normal(4, 0.6) + log + drift)
    sold = rng.poisson(mean * rng.gamma(100, 0.01, len(dates))) * ~closed
    columns = {"shop": name, "kind": kind, "day": dates, "sold": sold.astype(float)}
    columns |= {"promotion": promotion, "closed": closed, "holiday": holiday}
    table = pd.DataFrame(columns)
    table.loc[rng.random(len(dates)) < 0.01, "sold"] = np.nan
    return table.astype({name: int for name in ("promotion", "closed", "holiday")})
