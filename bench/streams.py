#!/usr/bin/env python
"""A step of a model's stream over the step of its recurrent layer alone, by turns.

    python bench/streams.py --rounds 31 --threads 1

One row, LSTM(1, H) or GRU(1, H) and Linear(H, 1), with a new array for y. Beside them the same
parts stepped in Python, as in a model with a part that the core does not know; and 64 rows, of
which 4 are active. The bits are compared before anything is timed. `excess` is the model's time
less 1.35 times the layer's, which is to be at most 0.4 us.
"""

import argparse
import statistics
import time

import numpy as np

import pyrnn

SIZES = 8, 16, 20, 32, 64, 128, 256
ROWS, ACTIVE = 64, 4
TURN = 2e-3  # seconds of a turn


class Passed(pyrnn.Module):
    """y = x, in Python."""

    stepwise = True

    def __call__(self, x):
        return x


def contestants(cell, hidden):
    """{name: a step}."""
    layer, head = cell(1, hidden, seed=0), pyrnn.Linear(hidden, 1, seed=1)
    model, slow = pyrnn.Sequential(layer, head), pyrnn.Sequential(layer, head, Passed())
    x, rows = np.ones((1, 1), np.float32), np.ones((ROWS, 1), np.float32)
    assert np.array_equal(model.stream().step(x), slow.stream().step(x))
    active = np.arange(ROWS) % (ROWS // ACTIVE) == 0
    steps = {
        "layer": (layer.stream().step, x),
        "model": (model.stream().step, x),
        "in Python": (slow.stream().step, x),
        f"{ROWS} rows": (model.stream(ROWS).step, rows),
        f"{ACTIVE} of {ROWS}": (model.stream(ROWS).step, rows, None, None, active),
    }
    return {name: (step, arguments) for name, (step, *arguments) in steps.items()}


def seconds(step, arguments, times):
    begin = time.perf_counter()
    for _ in range(times):
        step(*arguments)
    return (time.perf_counter() - begin) / times


def measure(steps, rounds):
    """{name: microseconds in each round}."""
    times = {name: max(1, int(TURN / seconds(*step, 20))) for name, step in steps.items()}
    found = {name: [] for name in steps}
    for k in range(rounds):
        names = [*steps][k % len(steps) :] + [*steps][: k % len(steps)]
        for name in names:
            found[name].append(1e6 * seconds(*steps[name], times[name]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    pyrnn.set_num_threads(options.threads)
    names = [*contestants(pyrnn.GRU, 8)]
    print("| cell, H |", " | ".join(f"{name}, us" for name in names), "| model / layer | excess |")
    print("|---" * (len(names) + 3) + "|")
    for cell in (pyrnn.LSTM, pyrnn.GRU):
        for hidden in SIZES:
            found = measure(contestants(cell, hidden), options.rounds)
            pairs = [*zip(found["model"], found["layer"], strict=True)]
            ratio = statistics.median(model / layer for model, layer in pairs)
            excess = statistics.median(model - 1.35 * layer for model, layer in pairs)
            cells = " | ".join(f"{statistics.median(found[name]):.2f}" for name in names)
            print(f"| {cell.__name__}, {hidden} | {cells} | {ratio:.2f} | {excess:+.2f} |")


if __name__ == "__main__":
    main()
