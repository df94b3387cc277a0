"""A training step of a model whose `forward` is recorded, over the same with a vjp by hand.

    python bench/forwards.py --rounds 3000

The bits are compared before anything is timed. Rounds interleave the two.
"""

import argparse
import statistics
import time

import numpy as np

import pyrnn


class Parts(pyrnn.Module):
    """x, normalised, through a GRU and added to itself; then pooled, and a Linear."""

    def __init__(self, width):
        self.norm = pyrnn.LayerNorm(width)
        self.rnn = pyrnn.GRU(width, width, seed=0)
        self.pool = pyrnn.MeanPool()
        self.head = pyrnn.Linear(width, 3, seed=1)


class Recorded(Parts):
    """One method."""

    def forward(self, x, lengths=None):
        y, _ = self.rnn(self.norm(x), lengths=lengths)
        return self.head(self.pool(x + y, lengths=lengths))


class ByHand(Parts):
    """Two, as the tape does it: a gradient for each step."""

    def __call__(self, x, lengths=None):
        y, _ = self.rnn(self.norm(x), lengths=lengths)
        return self.head(self.pool(x + y, lengths=lengths))

    def vjp(self, x, lengths=None, need_dx=True, rng=None):
        a, back_norm = self.norm.vjp(x)
        (y, _), back_rnn = self.rnn.vjp(a, lengths=lengths, rng=rng)
        pooled, back_pool = self.pool.vjp(x + y, lengths=lengths)
        out, back_head = self.head.vjp(pooled)

        def pullback(dout):
            d_sum = back_pool(back_head(dout))
            da, _ = back_rnn(d_sum)
            return d_sum + back_norm(da)

        return out, pullback


class Deep:
    """Two more parts, and a second addition."""

    def __init__(self, width):
        super().__init__(width)
        self.second = pyrnn.GRU(width, width, seed=2)
        self.norm2 = pyrnn.LayerNorm(width)


class DeepRecorded(Deep, Recorded):
    """Eight notes on the tape."""

    def forward(self, x, lengths=None):
        y, _ = self.rnn(self.norm(x), lengths=lengths)
        h = x + y
        z, _ = self.second(self.norm2(h), lengths=lengths)
        return self.head(self.pool(h + z, lengths=lengths))


class DeepByHand(Deep, ByHand):
    """The same."""

    def vjp(self, x, lengths=None, need_dx=True, rng=None):
        a, back_norm = self.norm.vjp(x)
        (y, _), back_rnn = self.rnn.vjp(a, lengths=lengths, rng=rng)
        h = x + y
        b, back_norm2 = self.norm2.vjp(h)
        (z, _), back_second = self.second.vjp(b, lengths=lengths, rng=rng)
        pooled, back_pool = self.pool.vjp(h + z, lengths=lengths)
        out, back_head = self.head.vjp(pooled)

        def pullback(dout):
            d_sum = back_pool(back_head(dout))
            db, _ = back_second(d_sum)
            dh = d_sum + back_norm2(db)
            da, _ = back_rnn(dh)
            return dh + back_norm(da)

        return out, pullback


def step(model, x, dy):
    """The gradients of a training step."""
    model.zero_grad()
    y, pullback = model.vjp(x)
    return [y, pullback(dy), *(p.grad for p in model.parameters())]


def measure(kinds, shape, rounds):
    """Median times (s) of both, after their bits were compared."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    dy = np.ones((shape[0], 3), np.float32)
    models = [kind(shape[-1]) for kind in kinds]
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
    for name, kinds in (("5 notes", (ByHand, Recorded)), ("8 notes", (DeepByHand, DeepRecorded))):
        for shape, count in (((1, 10, 8), rounds), ((32, 50, 64), max(rounds // 10, 5))):
            by_hand, recorded = measure(kinds, shape, count)
            more = recorded - by_hand
            print(
                f"{name}  {shape!s:12}  by hand {by_hand * 1e6:8.1f} us  recorded "
                f"{recorded * 1e6:8.1f} us  {recorded / by_hand:.3f}  {more * 1e6:+.1f} us"
            )


if __name__ == "__main__":
    main()
