#!/usr/bin/env python
"""What batch-first arrays cost beside time-major ones: the same layer, the same numbers, both
layouts interleaved in one process. A control compares time-major with itself.

    python bench/layouts.py --rounds 300

Arrays are C-contiguous in their layout, as users have them. Printed: batch first over time-major,
the ratio of the fastest calls and of the medians, and the same for the control. On one thread, the
default, the clock is the thread's own, which neighbours disturb less.
"""

import argparse
import time

import numpy as np

import pyrnn

CASES = {  # B, T, units, options, ragged; at (32, 64, 64) a row's steps are 16 KB from the next's
    "(32, 50, 64)": (32, 50, 64, {}, False),
    "(32, 64, 64)": (32, 64, 64, {}, False),
    "(64, 64, 128)": (64, 64, 128, {}, False),
    "(1, 100, 16)": (1, 100, 16, {}, False),
    "(32, 50, 64), ragged": (32, 50, 64, {}, True),
    "(32, 50, 64), two directions": (32, 50, 64, {"bidirectional": True}, False),
    "(32, 64, 64), two layers": (32, 64, 64, {"num_layers": 2}, False),
}


def call(cell, case, batch_first, training):
    """A call of one layer: inference, or zero_grad, the forward pass and the pullback with dx."""
    B, T, units, options, ragged = case
    layer = getattr(pyrnn, cell)(units, units, batch_first=batch_first, seed=0, **options)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((T, B, units), np.float32)
    dy = rng.standard_normal((T, B, layer.num_features), np.float32)
    lengths = rng.integers(T // 10, T + 1, B) if ragged else None
    if batch_first:
        x, dy = (np.ascontiguousarray(array.swapaxes(0, 1)) for array in (x, dy))

    def train():
        layer.zero_grad()
        _, pullback = layer.vjp(x, lengths=lengths)
        pullback(dy)

    return train if training else lambda: layer(x, lengths=lengths)


def seconds(run, repeats, clock):
    """Of one call, after one that is not timed."""
    run()
    start = clock()
    for _ in range(repeats):
        run()
    return (clock() - start) / repeats


def ratios(times, over):
    """(of the fastest, of the medians)"""
    return min(times) / min(over), np.median(times) / np.median(over)


def compare(name, cell, training, given):
    """One case; prints its line."""
    clock = time.thread_time if given.threads == 1 else time.perf_counter
    runs = [call(cell, CASES[name], batch_first, training) for batch_first in (False, True, False)]
    repeats = max(1, int(1e-3 / min(seconds(run, 3, clock) for run in runs)))
    times, order = [[] for _ in runs], np.random.default_rng(0)
    for _ in range(given.rounds):
        for i in order.permutation(3):
            times[i].append(seconds(runs[i], repeats, clock))
    both, control = ratios(times[1], times[0]), ratios(times[2], times[0])
    what = "training" if training else "inference"
    print(
        f"{cell:5}{name:30}{what:10} {1e6 * min(times[0]):9.1f} us  "
        f"{both[0]:.3f} {both[1]:.3f}  control {control[0]:.3f} {control[1]:.3f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", default="LSTM,GRU,RNN")
    parser.add_argument("--case", default="", help="only cases with this in their name")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    pyrnn.set_num_threads(given.threads)
    print("cell case                          what       time-major   fastest median")
    for cell in given.cells.split(","):
        for name in CASES:
            if given.case in name:
                for training in (False, True):
                    compare(name, cell, training, given)


if __name__ == "__main__":
    main()
