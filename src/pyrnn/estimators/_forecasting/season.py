"""Season: after how many steps series repeat themselves."""

from collections.abc import Sequence

import numpy as np

from ..._base.checks import Array

LEAST = 0.3  # an autocorrelation that may be a season's
NEAR = 0.8  # of the highest: a season's multiples are as high
CYCLES = 3  # that a series has to show of a season
CHANCE = 1e-3  # that noise is taken for a season
UNCLEAR = 1e-3  # the vote of a series without one


def season_of(many: list[Array], calendar: Sequence[int] = ()) -> int:
    """The season that most series (T, D) have, weighted by how clear it is; 1 if none is.

    A season of the `calendar`, such as 12 months, is taken where a series shows it, as there is
    little else that it may be; only then is one sought among all lags, where noise has high peaks,
    too.
    """
    votes: dict[int, float] = {}
    for rows in many:
        for column in rows.T:
            period, clear = _season(column, calendar)
            votes[period] = votes.get(period, 0.0) + clear
    return max(votes, key=lambda period: (votes[period], -period)) if votes else 1


def _season(y: Array, calendar: Sequence[int]) -> tuple[int, float]:
    """(period, how clear) of a series."""
    known = np.isfinite(y)
    if known.sum() < 2 * CYCLES + 3:
        return 1, UNCLEAR
    first, last = np.flatnonzero(known)[[0, -1]]
    y, known = y[first : last + 1], known[first : last + 1]
    y = y / np.abs(y[known]).max().clip(np.finfo(np.float64).tiny)  # whose squares are finite
    t = np.arange(len(y)) - (len(y) - 1) / 2
    y = np.interp(t, t[known], y[known])
    y = y - y.mean() - t * (t @ y) / (t @ t)
    shown = [(period, _shown(y, known, period, CHANCE)) for period in calendar]
    best = max((clear for _, clear in shown), default=0.0)
    if best > 0:
        return next((period, clear) for period, clear in shown if clear >= NEAR * best)
    peak = _highest(y) or _highest(np.diff(y) - np.diff(y).mean())
    chance = CHANCE * CYCLES / len(y)  # the best of all lags
    return peak if peak and _shown(y, known, peak[0], chance) else (1, UNCLEAR)


def _shown(y: Array, known: Array, period: int, level: float) -> float:
    """The share of what a series does within a period that is alike in each, as an adjusted R^2; 0
    if noise would have as much with a probability of `level` or more.

    The F test of stable seasonality (X-11: Shiskin, Young and Musgrave 1967) compares the means of
    the phases, of what a moving average over the period leaves.
    """
    if len(y) < CYCLES * period:
        return 0.0
    sums = np.cumsum(np.append(0.0, y))
    average = (sums[period:] - sums[:-period]) / period
    if period % 2 == 0:
        average = (average[1:] + average[:-1]) / 2
    inner = slice(period // 2, period // 2 + len(average))
    known, phases = known[inner], np.arange(len(average)) % period
    x, phases = (y[inner] - average)[known], phases[known]
    counts = np.bincount(phases, minlength=period)
    free, groups = len(x) - 1, int((counts > 0).sum()) - 1
    if not 0 < groups < free:
        return 0.0
    x = x - x.mean()
    means = np.bincount(phases, x, period) / np.maximum(counts, 1)
    left, total = np.square(x - means[phases]).sum(), np.square(x).sum()
    if total <= 1e-20 * len(x):
        return 0.0
    from scipy.special import betainc

    chance = betainc((free - groups) / 2, groups / 2, left / total)
    return float(1 - left / (free - groups) * free / total) if chance < level else 0.0


def _highest(y: Array) -> tuple[int, float] | None:
    """(lag, height) of the first high peak of the autocorrelation behind its first negative
    value."""
    T = len(y)
    products = np.fft.irfft(np.abs(np.fft.rfft(y, 2 * T)) ** 2, 2 * T)[: T // CYCLES + 2]
    if products[0] <= 1e-9 * T * max(np.abs(y).max(), 1e-150) ** 2:
        return None
    correlation = products / products[0] * T / (T - np.arange(len(products)))
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner >= correlation[:-2]) & (inner > correlation[2:])) + 1
    negative = np.flatnonzero(correlation < 0)
    peaks = peaks[peaks > negative[0]] if len(negative) else peaks[:0]
    best = max(correlation[peaks], default=0.0)
    if best < LEAST:
        return None
    first = peaks[correlation[peaks] >= NEAR * best][0]
    return int(first), float(correlation[first])
