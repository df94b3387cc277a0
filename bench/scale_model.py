"""The model of scale: what a step of k ranks takes, from what one process and two ranks take.

    step(k) = local(rows / k) + 2 (k - 1) / k * bytes / bandwidth
              + (k - 1 + ceil(log2 k)) * message + calls * ceil(log2 k) * gather

local is the work over its rate: the step of one process on a rank's rows, optimizer included. The
sum of the gradients is an Alltoall, k - 1 messages, and an Allgather, log2 k of them; `calls` are
further small gathers.
"""

import math
from dataclasses import dataclass

MODELS = [(25, 512), (100, 256), (50, 64)]  # (T, H) of an LSTM (H -> H) and a Linear (H -> 2)
ROWS = 64  # of a batch whose rows are shared out, and of each rank where work grows with them
RANKS = (1, 2, 4, 8, 16, 32, 64)
WORTH = 1.25  # twice the ranks pay as long as they are this much faster


def gradient_bytes(shape):
    """Bytes of the gradients of a model."""
    hidden = shape[1]
    return 4 * (4 * hidden * (2 * hidden + 2) + 2 * hidden + 2)


@dataclass
class Link:
    """How ranks talk: seconds of a small gather and of each message of a sum, and for gradients of
    some bytes the bandwidth in bytes per second; `calls` gathers in a step."""

    call: float
    message: float
    bandwidths: dict[int, float]
    calls: int = 1

    @classmethod
    def of(cls, call, small, sums):
        """From what two ranks take for a gather, for a small sum and for others by bytes."""
        return cls(call, small / 2, {n: n / max(t - small, 1e-9) for n, t in sums.items()})

    def __str__(self):
        rates = (f"{n / 1e6:.2f} MB {b / 1e9:.2f} GB/s" for n, b in self.bandwidths.items())
        gather, message = 1e6 * self.call, 1e6 * self.message
        return f"a gather {gather:.0f} us, a message of a sum {message:.0f} us; {', '.join(rates)}"


def step_time(local, link, shape, k):
    """Seconds of a step of k ranks, each of which works `local` seconds."""
    if k == 1:
        return local
    size, turns = gradient_bytes(shape), math.ceil(math.log2(k))
    latency = link.calls * turns * link.call + (k - 1 + turns) * link.message
    return local + latency + 2 * (k - 1) / k * size / link.bandwidths[size]


def forecast(local, link):
    """Strong scaling, how many times as fast k ranks are on one batch, and weak scaling, the share
    of its speed that each rank keeps if all have as many rows as one had."""
    lines = ["(T, H)       scaling  " + "".join(f"{k:>7}" for k in RANKS) + "   pays up to"]
    for shape in MODELS:
        alone = local[shape, ROWS]
        strong = [alone / step_time(local[shape, ROWS // k], link, shape, k) for k in RANKS]
        weak = [alone / step_time(alone, link, shape, k) for k in RANKS]
        pays = next(
            (k for k, a, b in zip(RANKS, strong, strong[1:], strict=False) if b < WORTH * a),
            RANKS[-1],
        )
        lines.append(
            f"{shape!s:12} strong  " + "".join(f"{s:7.2f}" for s in strong) + f"   {pays} ranks"
        )
        lines.append(f"{'':12} weak    " + "".join(f"{w:7.2f}" for w in weak))
    return "\n".join(lines)
