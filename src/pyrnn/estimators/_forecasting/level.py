"""Level: whether series keep to one, or go on from where they are."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..._base.checks import Array
from .baselines import filled
from .series import Series

EXCESS = 0.05  # share of values outside, over that of values which come in any order
SEASONS = 3  # that half of a series must have, so that it says anything
FEWEST = 8  # steps of that half


def keep_level(many: list[Series], season: int, horizon: int) -> bool:
    """Whether series keep to a level, so that a network may read and predict their values as they
    are. False if all are too short to tell.

    Their second half stays within the range of the first, as values do which may come in any order:
    of these 2 in n + 1 are outside that of n others. And from origins in it, the mean of all that
    is known is nearer to the steps of the horizon than the last value is. Series are compared by
    shares, and so in no units.
    """
    excess, shares = [], []
    for series in many:
        y = filled(series.y)
        y = y[np.isfinite(y).all(axis=1)]
        half = len(y) // 2
        if half >= max(FEWEST, SEASONS * season, horizon):
            excess.append(_outside(y, half) - 2 / (half + 1))
            shares.append(_share(y, half, horizon))
    return bool(excess and np.mean(excess) < EXCESS and np.mean(shares) < 0.5)


def _outside(y: Array, half: int) -> Array:
    """(D,): the share of the second half of y (T, D) that is outside the range of the first."""
    low, high = y[:half].min(axis=0), y[:half].max(axis=0)
    share: Array = ((y[half:] < low) | (y[half:] > high)).mean(axis=0)
    return share


def _share(y: Array, half: int, horizon: int) -> Array:
    """(D,): of the mean distances of the steps ahead, from the mean of what is known and from the
    last value, the share of the first in both."""
    known = np.arange(half, len(y) - horizon + 1)
    ahead = sliding_window_view(y[half:], horizon, axis=0)  # (N, D, horizon)
    mean = (np.cumsum(y, axis=0)[known - 1] / known[:, None])[..., None]
    last = y[known - 1][..., None]
    to_mean, to_last = (np.abs(ahead - one).mean(axis=(0, 2)) for one in (mean, last))
    both = to_mean + to_last
    share: Array = np.divide(to_mean, both, out=np.zeros_like(both), where=both > 0)
    return share
