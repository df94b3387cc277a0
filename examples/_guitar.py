"""Sounds of strings, and a simulated amplifier for them."""

import numpy as np

RATE, LENGTH = 44100, 2048


def plucks(count, rng):
    """Strings plucked at random times: noise that goes round in a loop (Karplus 1983)."""
    sounds = np.zeros((count, 2 * LENGTH))
    for sound in sounds:
        for _ in range(3):
            period, start = rng.integers(60, 400), rng.integers(LENGTH)
            wave = rng.uniform(-1, 1, period) * rng.uniform(0.2, 1)
            for begin in range(start, len(sound), period):
                end = min(begin + period, len(sound))
                sound[begin:end] += wave[: end - begin]
                wave = 0.498 * (wave + np.roll(wave, 1))
    return sounds


def low_pass(x, hertz):
    """A filter of first order on each row."""
    y, share = np.zeros_like(x), 1 - np.exp(-2 * np.pi * hertz / RATE)
    state = np.zeros(len(x))
    for t, now in enumerate(x.T):
        state = state + share * (now - state)
        y[:, t] = state
    return y


def amplifier(x):
    """What comes out for what goes in."""
    driven = 4 * (x - low_pass(x, 80))
    saturated = np.where(driven > 0, np.tanh(driven), np.tanh(2 * driven) / 2)
    return low_pass(saturated - low_pass(saturated, 30), 4000)


def record(count, seed):
    """Recordings (N, LENGTH, 1) of the input and of the output, the start of each left out."""
    x = plucks(count, np.random.default_rng(seed))
    x, y = x[:, LENGTH:], amplifier(x)[:, LENGTH:]
    return x[..., None].astype(np.float32), y[..., None].astype(np.float32)
