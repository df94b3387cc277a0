"""Differences of log Γ and of its derivative, which stay exact where both are large.

Stirling's series from x + STEPS on (Abramowitz & Stegun 1972, 6.1.41 and 6.3.18), and below it the
recurrence Γ(x + 1) = x Γ(x). Every term is a difference by itself: log Γ(1e9 + 3) - log Γ(1e9)
would keep 8 digits if each were rounded first.
"""

import numpy as np

from .._base.checks import Array

TOGETHER = 5  # factors of which one logarithm is taken
STEPS = 10  # from which x on the series has all digits of float64
SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def log_gamma_step(x: Array, k: Array) -> Array:
    """log Γ(x + k) - log Γ(x) for x > 0 and k >= 0."""
    low, high = x + STEPS, x + k + STEPS
    step: Array = (low - 0.5) * np.log1p(k / low) + k * np.log(high) - k
    step += _series(high) - _series(low)
    for first in range(0, STEPS, TOGETHER):
        factors = np.ones_like(step)
        for j in range(first, first + TOGETHER):
            factors *= 1 + k / (x + j)
        step -= np.log(factors)
    return step


def digamma_step(x: Array, k: Array) -> Array:
    """ψ(x + k) - ψ(x), the derivative by x, for x > 0 and k >= 0."""
    low, high = x + STEPS, x + k + STEPS
    step: Array = np.log1p(k / low) + 0.5 * k / (low * high)
    step += _slopes(high) - _slopes(low)
    for j in range(STEPS):
        step += k / ((x + j) * (x + k + j))
    return step


def _series(x: Array) -> Array:
    """What Stirling's formula leaves of log Γ(x)."""
    square, total = 1 / (x * x), np.zeros_like(x)
    for coefficient in reversed(SERIES):
        total = total * square + coefficient
    series: Array = total / x
    return series


def _slopes(x: Array) -> Array:
    """Its derivative."""
    square, total = 1 / (x * x), np.zeros_like(x)
    for power, coefficient in reversed(list(enumerate(SERIES))):
        total = total * square - (2 * power + 1) * coefficient
    slopes: Array = total * square
    return slopes
