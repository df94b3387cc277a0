"""Whole training steps of torch models: as they are, and after `pyrnn.torch.replace_rnns`.

    python bench/torch_training.py --threads 2 --rounds 20 [--only tagger]
    python bench/torch_training.py --overhead

Both models have the same weights and data; their gradients are compared before anything is timed.
Rounds interleave the two. `--overhead` is the time of pyrnn.torch.GRU, forward and backward, less
that of pyrnn's own vjp and pullback, less that of an operator registered the same way that does
nothing, and what it costs to see that weights have not changed.
"""

import argparse
import copy
import statistics
import time

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import pyrnn
import pyrnn.torch


class LanguageModel(nn.Module):
    """Two layers of GRU in both directions, V = 100, H = 256, over ids (32, 100)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 256)
        self.rnn = nn.GRU(256, 256, 2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(512, 100)
        self.ids = torch.randint(100, (32, 100))

    def loss(self):
        logits = self.head(self.rnn(self.embedding(self.ids))[0])
        return nn.functional.cross_entropy(logits.flatten(0, 1), self.ids.flatten())


class Tagger(nn.Module):
    """A packed LSTM in both directions, H = 128, over 32 sentences of 5 to 60 words."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(1000, 64)
        self.rnn = nn.LSTM(64, 128, bidirectional=True)
        self.head = nn.Linear(256, 20)
        lengths = np.random.default_rng(0).integers(5, 61, 32)
        self.lengths = torch.from_numpy(np.sort(lengths)[::-1].copy())
        self.words = torch.randint(1000, (60, 32))
        self.tags = torch.randint(20, (int(lengths.sum()),))

    def loss(self):
        packed = pack_padded_sequence(self.embedding(self.words), self.lengths)
        return nn.functional.cross_entropy(self.head(self.rnn(packed)[0].data), self.tags)


class Policy(nn.Module):
    """An LSTM policy, H = 128: 32 acting calls of one step, then an update of (T 16, B 8)."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(16, 128)
        self.head = nn.Linear(128, 4)
        self.seen = torch.randn(16, 8, 16)

    def loss(self):
        with torch.no_grad():
            state = None
            for step in range(32):
                y, state = self.rnn(self.seen[step % 16 : step % 16 + 1], state)
                self.head(y)
        return self.head(self.rnn(self.seen)[0]).square().mean()


class RecurrentPPO(nn.Module):
    """An update over 8 environments and 128 steps, H = 256, with episodes that start inside.

    With torch's layer the steps are a loop as soon as a state has to begin anew; with pyrnn's they
    are one call with `resets`.
    """

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(16, 256)
        self.head = nn.Linear(256, 4)
        self.seen = torch.randn(128, 8, 16)
        self.starts = torch.rand(128, 8) < 1 / 30

    def loss(self):
        if isinstance(self.rnn, pyrnn.torch.LSTM):
            y, _ = self.rnn(self.seen, resets=self.starts)
        else:
            state = torch.zeros(1, 8, 256), torch.zeros(1, 8, 256)
            steps = []
            for x, start in zip(self.seen, self.starts, strict=True):
                keep = (~start).float()[None, :, None]
                y, state = self.rnn(x[None], (state[0] * keep, state[1] * keep))
                steps.append(y)
            y = torch.cat(steps)
        return self.head(y).square().mean()


class Forecaster(nn.Module):
    """A GRU, H = 32, that forecasts 32 short series of 50 steps."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 32, batch_first=True)
        self.head = nn.Linear(32, 1)
        self.series, self.target = torch.randn(32, 50, 4), torch.randn(32, 1)

    def loss(self):
        return nn.functional.mse_loss(self.head(self.rnn(self.series)[0][:, -1]), self.target)


class Padded(nn.Module):
    """A float32 LSTM, H = 256, on (32, 100) of equally long rows: torch's best case."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(256, 256, batch_first=True)
        self.x = torch.randn(32, 100, 256)

    def loss(self):
        return self.rnn(self.x)[0].square().mean()


MODELS = {
    "language model": (LanguageModel, 1.5),
    "tagger": (Tagger, 6),
    "policy": (Policy, 2),
    "recurrent PPO": (RecurrentPPO, 4),
    "forecaster": (Forecaster, 4),
    "padded LSTM": (Padded, 1.1),
}


def interleaved(functions, rounds):
    """Times (s) of each function, round after round."""
    times = [[] for _ in functions]
    for round_ in range(-2, rounds):
        for which, function in enumerate(functions):
            start = time.perf_counter()
            function()
            if round_ >= 0:
                times[which].append(time.perf_counter() - start)
    return times


def train_step(model, optimizer):
    """One step of an unchanged script."""

    def step():
        optimizer.zero_grad()
        model.loss().backward()
        optimizer.step()

    return step


def compare(name, rounds):
    """The row of a model: torch's time over pyrnn's, after their gradients were compared."""
    make, target = MODELS[name]
    torch.manual_seed(0)
    theirs = make()
    ours = copy.deepcopy(theirs)
    pyrnn.torch.replace_rnns(ours)
    gradients = []
    for model in (theirs, ours):
        model.loss().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for a, b in zip(*gradients, strict=True):
        assert (a - b).abs().max() <= 1e-4 * a.abs().max(), f"{name}: other gradients"
    models = theirs, ours
    steps = [train_step(m, torch.optim.Adam(m.parameters(), 1e-4)) for m in models]
    a, b = interleaved(steps, rounds)
    median, least = statistics.median(a) / statistics.median(b), min(a) / min(b)
    print(
        f"{name:15} torch {statistics.median(a) * 1e3:8.2f} ms  pyrnn "
        f"{statistics.median(b) * 1e3:8.2f} ms  {median:5.2f} (fastest {least:5.2f})  "
        f"target {target}",
        flush=True,
    )


class Empty(torch.autograd.Function):
    """As many tensors in and out as a layer's, and no work."""

    @staticmethod
    def forward(ctx, x, *weights):
        ctx.save_for_backward(x, *weights)
        return torch.empty(3), torch.empty(3)

    @staticmethod
    def backward(ctx, *_):
        return None, *(torch.empty_like(w) for w in ctx.saved_tensors[1:])


def overhead(rounds):
    """What a call costs beside the work and torch's own price of an operator."""
    library = torch.library.Library("pyrnn_bench", "DEF")
    library.define("empty(Tensor x, Tensor[] weights) -> (Tensor, Tensor)")
    library.impl("empty", lambda x, weights: Empty.apply(x, *weights), "Autograd")
    pyrnn.set_num_threads(1)
    torch.set_num_threads(1)
    for T, B, size in ((1, 1, 8), (10, 4, 8), (50, 32, 32), (16, 8, 128)):
        layer = pyrnn.torch.GRU(size, size)
        twin = pyrnn.GRU(size, size, batch_first=False, seed=0)
        weights, x = list(layer.parameters()), torch.randn(T, B, size)
        dy, small = torch.ones(T, B, size), torch.ones(3)
        arrays = x.numpy(), dy.numpy()

        def own(twin=twin, arrays=arrays):
            _, pullback = twin.vjp(arrays[0], need_dx=False)
            pullback(arrays[1])

        def empty(x=x, weights=weights, small=small):
            y, _ = torch.ops.pyrnn_bench.empty(x, weights)
            torch.autograd.grad(y, weights, small)

        def whole(layer=layer, x=x, weights=weights, dy=dy):
            torch.autograd.grad(layer(x)[0], weights, dy)

        a, b, c = interleaved([own, empty, whole], rounds * 20)
        a, b, c = (float(np.percentile(t, 5)) * 1e6 for t in (a, b, c))
        print(
            f"GRU (T {T}, B {B}, H {size})  vjp and pullback {a:.1f} us  empty operator {b:.1f}  "
            f"pyrnn.torch {c:.1f}: {c - a - b:+.1f} us",
            flush=True,
        )
    for size in (16, 128, 256):
        freshness(size, rounds)


def freshness(size, rounds):
    """What it costs to see that weights are those that were packed."""
    layer = pyrnn.torch.LSTM(size, size)
    weights = [parameter.detach().numpy() for parameter in layer.parameters()]
    step, sequence = torch.randn(1, 1, size), torch.randn(100, 1, size)
    with torch.no_grad():
        calls = [
            lambda: pyrnn._core.fingerprint(weights),
            lambda: layer(step),
            lambda: layer(sequence),
        ]
        look, one, hundred = (min(t) * 1e6 for t in interleaved(calls, rounds * 20))
    print(
        f"LSTM {size}, B 1: {look:.1f} us to look at the weights, of {one:.1f} us for a call "
        f"of one step, {hundred:.1f} us for a hundred",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="models with this in their name")
    parser.add_argument("--overhead", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    pyrnn.set_num_threads(given.threads)
    if given.overhead:
        overhead(given.rounds)
        return
    for name in MODELS:
        if given.only in name:
            compare(name, given.rounds)


if __name__ == "__main__":
    main()
