"""A training step of a model whose `forward` is recorded, over the same with a vjp by hand.

    python bench/forwards.py --rounds 3000

The bits are compared before anything is timed. Rounds interleave the two.
"""

import argparse
import statistics
import time

import numpy as np

import pyrnn


class Residuals(pyrnn.Module):
    """x, normalised, through a GRU and added to itself, `depth` times; pooled, and a Linear."""

    def __init__(self, width, depth):
        self.norms = pyrnn.Sequential(*(pyrnn.LayerNorm(width) for _ in range(depth)))
        self.rnns = pyrnn.Sequential(*(pyrnn.GRU(width, width, seed=i) for i in range(depth)))
        self.pool = pyrnn.MeanPool()
        self.head = pyrnn.Linear(width, 3, seed=depth)


class Recorded(Residuals):
    """One method."""

    def forward(self, x, lengths=None):
        for norm, rnn in zip(self.norms, self.rnns, strict=True):
            x = x + rnn(norm(x), lengths=lengths)[0]
        return self.head(self.pool(x, lengths=lengths))


class ByHand(Residuals):
    """The training that the tape finds, a gradient for each step."""

    def vjp(self, x, lengths=None, need_dx=True, rng=None):
        backs = []
        for norm, rnn in zip(self.norms, self.rnns, strict=True):
            normed, back_norm = norm.vjp(x)
            (y, _), back_rnn = rnn.vjp(normed, lengths=lengths, rng=rng)
            x = x + y
            backs.append((back_norm, back_rnn))
        pooled, back_pool = self.pool.vjp(x, lengths=lengths)
        out, back_head = self.head.vjp(pooled)

        def pullback(dout):
            dx = back_pool(back_head(dout))
            for back_norm, back_rnn in reversed(backs):
                dx = dx + back_norm(back_rnn(dx)[0])
            return dx

        return out, pullback


def step(model, x, dy):
    """The gradients of a training step."""
    model.zero_grad()
    y, pullback = model.vjp(x)
    return [y, pullback(dy), *(p.grad for p in model.parameters())]


def measure(depth, shape, rounds):
    """Median times (s) by hand and recorded, after their bits were compared."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    dy = np.ones((shape[0], 3), np.float32)
    models = [kind(shape[-1], depth) for kind in (ByHand, Recorded)]
    for a, b in zip(*(step(m, x, dy) for m in models), strict=True):
        assert np.array_equal(a, b), "the two give other bits"
    times = [[], []]
    for round_ in range(rounds):
        for which in (0, 1) if round_ % 2 else (1, 0):
            start = time.perf_counter()
            step(models[which], x, dy)
            times[which].append(time.perf_counter() - start)
    return [statistics.median(t) for t in times]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=3000, help="of (1, 10, 8); a tenth of (32, 50, 64)"
    )
    rounds = parser.parse_args().rounds
    pyrnn.set_num_threads(1)
    for depth in (1, 2):
        name = f"{3 * depth + 2} notes"  # of a norm, a GRU and a sum each, a pool and a Linear
        for shape, count in (((1, 10, 8), rounds), ((32, 50, 64), max(rounds // 10, 5))):
            by_hand, recorded = measure(depth, shape, count)
            more = recorded - by_hand
            print(
                f"{name}  {shape!s:12}  by hand {by_hand * 1e6:8.1f} us  recorded "
                f"{recorded * 1e6:8.1f} us  {recorded / by_hand:.3f}  {more * 1e6:+.1f} us"
            )


if __name__ == "__main__":
    main()
