"""Split conformal prediction: intervals from the errors on held-out windows."""

import math

import numpy as np

from .._base.checks import Array, check_number


def check_level(owner: str, level: float) -> float:
    """A number in (0, 1)."""
    number = check_number(owner, "level", level)
    if not 0 < number < 1:
        raise ValueError(f"{owner}: level is {number}, expected 0 < level < 1")
    return number


def margins(owner: str, scores: Array, level: float) -> Array:
    """(horizon, D): how far from the forecast the interval of a level reaches, on both sides.

    `scores` (N, horizon, D) are the sizes of N held-out errors. The margin is the smallest of them
    that ceil((N + 1) * level) do not exceed: if errors to come are exchangeable with them, they
    stay inside with at least that probability (Vovk et al. 2005; Lei et al. 2018). ValueError if
    there are too few scores.
    """
    level, N = check_level(owner, level), len(scores)
    rank = _ceil((N + 1) * level)
    if rank > N:
        least = _ceil(level / (1 - level))
        raise ValueError(
            f"{owner}: level is {level}, for which {least} held-out windows are needed, there are "
            f"{N}: more data, or a larger calibration"
        )
    reach: Array = np.partition(scores, rank - 1, axis=0)[rank - 1]
    return reach


def _ceil(number: float) -> int:
    """Rounded up, but for rounding errors: 0.9 / (1 - 0.9) is 9."""
    return math.ceil(round(number, 9))
