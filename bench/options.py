"""What the options of the cells cost: a training step with one, over that of the plain cell.

    python bench/options.py --hidden 256 --batch 32 --threads 1 --rounds 15

Both layers are timed in turn in one process, A B, B A, ...; the ratio is that of a round, and the
table has its median and quartiles. tests/test_cell_options.py holds all of them to the twin.
"""

import argparse
import time

import numpy as np

import pyrnn

EVERY = {"zoneout": 0.1, "recurrent_dropout": 0.2}
OPTIONS = {
    "RNN": EVERY,
    "GRU": EVERY | {"layer_norm": True},
    "LSTM": {
        **EVERY,
        "zoneout_cell": 0.1,
        "peephole": True,
        "coupled_gates": True,
        "cell_clip": 3.0,
        "layer_norm": True,
    },
}
LIMITS = {"layer_norm": 1.5}  # of the ratio; 1.3 for the others


def training(cell, given, **options):
    """A call that is one training step: zero_grad, forward pass, pullback with dx."""
    layer = getattr(pyrnn, cell)(given.hidden, given.hidden, batch_first=False, seed=0, **options)
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, given.steps, given.batch, given.hidden), np.float32)

    def call():
        layer.zero_grad()
        _, pullback = layer.vjp(x)
        pullback(dy)

    return call


def seconds(call):
    """Of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratios(plain, optional, rounds):
    """The second call's time over the first's, round by round; one round is for warming up."""
    found = []
    for k in range(rounds + 1):
        order = (plain, optional) if k % 2 else (optional, plain)
        times = {call: seconds(call) for call in order}
        found.append(times[optional] / times[plain])
    return found[1:]


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cell", choices=OPTIONS, action="append", help="all, if not given")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


def main():
    """The table."""
    given = arguments()
    pyrnn.set_num_threads(given.threads)
    for cell in given.cell or OPTIONS:
        for name, value in OPTIONS[cell].items():
            calls = training(cell, given), training(cell, given, **{name: value})
            low, middle, high = np.percentile(ratios(*calls, given.rounds), (25, 50, 75))
            verdict = "" if middle <= LIMITS.get(name, 1.3) else "  over its limit"
            print(f"{cell:5} {name:18} {middle:5.2f}  ({low:.2f} to {high:.2f}){verdict}")


if __name__ == "__main__":
    main()
