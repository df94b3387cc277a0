"""Season: after how many steps series repeat themselves."""

import numpy as np

from ..._base.checks import Array

LEAST = 0.3  # an autocorrelation that is a season's
NEAR = 0.8  # of the highest peak: a season's multiples are peaks as high
CYCLES = 3  # that a series has to show of a season
UNCLEAR = 1e-3  # the vote of a series without one


def season_of(many: list[Array]) -> int:
    """The season that most series (T, D) have, weighted by how clear it is; 1 if none is."""
    votes: dict[int, float] = {}
    for rows in many:
        for column in rows.T:
            period, clear = _season(column[np.isfinite(column)])
            votes[period] = votes.get(period, 0.0) + clear
    return max(votes, key=lambda period: (votes[period], -period)) if votes else 1


def _season(y: Array) -> tuple[int, float]:
    """(period, how clear) of a series without its trend, or of its differences."""
    if len(y) < 2 * CYCLES + 3:
        return 1, UNCLEAR
    t = np.arange(len(y)) - (len(y) - 1) / 2
    y = y / max(np.abs(y).max(), np.finfo(np.float64).tiny)  # whose squares are finite
    flat = y - y.mean() - t * (t @ y) / (t @ t)
    return _highest(flat) or _highest(np.diff(y) - np.diff(y).mean()) or (1, UNCLEAR)


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
