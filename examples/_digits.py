"""Digits that many voices say, and how many of them are understood."""

import numpy as np

from _speech import log_mel

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ACCENTS = [
    "en", "en-US", "en-GB-scotland", "en-GB-x-rp", "en-GB-x-gbclan", "en-029", "en-US-nyc",
]  # fmt: skip
VOICES = [  # those with a breath in them sound otherwise in each run: f2, f3, f5, Alicia, Reed, ...
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f4", "klatt", "klatt2", "klatt4",
    "adam", "Andrea", "Andy", "Annie", "belinda", "benjamin", "boris", "david", "ed",
    "edward", "Gene", "grandpa", "ian", "iven", "john", "Lee", "linda", "Mario", "max",
    "michel", "Mike", "norbert", "paul", "robert", "shelby", "steph", "travis",
]  # fmt: skip


def say(speak, digits, voices, rng):
    """The spectrum of digits, said by one of the voices, chosen by lot as all else."""
    voice = f"{rng.choice(ACCENTS)}+{VOICES[rng.choice(voices)]}"
    manner = {"rate": rng.integers(130, 230), "pitch": rng.integers(25, 75), "range_": 50}
    sound = speak(" ".join(WORDS[d] for d in digits), voice, **manner)
    loud = np.sqrt(np.mean(sound**2)) * 10 ** (-rng.uniform(6, 25) / 20)  # 6 to 25 dB below
    noise = loud * rng.standard_normal(len(sound)).astype(np.float32)
    return log_mel(sound + noise, speak.rate)


def utterances(speak, count, voices, rng):
    """(spectra, digits)."""
    digits = [rng.integers(0, 10, rng.integers(3, 7)) for _ in range(count)]
    return [say(speak, d, voices, rng) for d in digits], digits


def edits(told, right):
    """How many digits have to be put in, taken out or changed."""
    row = np.arange(len(right) + 1)
    for i, a in enumerate(told, 1):
        before, row = row, np.zeros_like(row)
        row[0] = i
        for j, b in enumerate(right, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
    return int(row[-1])


def error(told, right):
    """Edits for each digit that was said, in %."""
    wrong = sum(edits(a, b) for a, b in zip(told, right, strict=True))
    return 100 * wrong / sum(map(len, right))
