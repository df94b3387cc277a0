#!/usr/bin/env python
"""Whole models in training, interleaved with eager torch: a classifier and a bidirectional tagger.

    python bench/models.py --rounds 15

Ragged token sequences of 5 to 60 steps, 32 to a batch, padded to the longest of the batch; torch
gets them packed. Both start from the same weights and see the same batches, and their losses of the
first batches have to agree before anything is timed. Printed: real tokens per second.
"""

import argparse
import json
import sys
import time

import numpy as np

from processes import HERE, Process, environment_for
from turns import PAUSE

VOCABULARY, EMBEDDED, HIDDEN, BATCH, BATCHES = 200, 32, 64, 32, 16
TASKS = {"classifier": ("LSTM", False, 2), "tagger": ("GRU", True, 10)}  # cell, per step, classes
LEARNING_RATE = 1e-3


def make_batches(per_step, classes):
    """(tokens (B, T), targets (B,) or (B, T), lengths) of one epoch."""
    rng = np.random.default_rng(7)
    for _ in range(BATCHES):
        lengths = rng.integers(5, 61, BATCH)
        shape = (BATCH, lengths.max())
        targets = rng.integers(0, classes, shape if per_step else BATCH)
        yield rng.integers(0, VOCABULARY, shape), targets, lengths


def weights_of(task):
    """Named arrays, by torch's names of the two or three parts."""
    cell, both, classes = TASKS[task]
    rng = np.random.default_rng(8)
    gates = {"LSTM": 4, "GRU": 3}[cell] * HIDDEN
    named = {"embedding.weight": (VOCABULARY, EMBEDDED)}
    for suffix in ("", "_reverse")[: 1 + both]:
        shapes = ((gates, EMBEDDED), (gates, HIDDEN), (gates,), (gates,))
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for name, shape in zip(names, shapes, strict=True):
            named[f"recurrent.{name}_l0{suffix}"] = shape
    named |= {"linear.weight": (classes, HIDDEN * (1 + both)), "linear.bias": (classes,)}
    return {n: rng.uniform(-0.1, 0.1, shape).astype(np.float32) for n, shape in named.items()}


def with_pyrnn(task):
    """A training step with pyrnn: batch -> loss."""
    import pyrnn

    cell, both, classes = TASKS[task]
    recurrent = getattr(pyrnn, cell)(EMBEDDED, HIDDEN, bidirectional=both)
    parts = {"embedding": pyrnn.Embedding(VOCABULARY, EMBEDDED), "recurrent": recurrent}
    parts["linear"] = pyrnn.Linear(HIDDEN * (1 + both), classes)
    for name, part in parts.items():
        prefix = f"{name}."
        mine = {n.removeprefix(prefix): w for n, w in weights_of(task).items() if prefix in n}
        part.load_state_dict(mine)
    middle = [] if both else [pyrnn.LastStep()]
    model = pyrnn.Sequential(parts["embedding"], recurrent, *middle, parts["linear"])
    loss = pyrnn.losses.CrossEntropy()
    optimizer = pyrnn.optim.Adam(LEARNING_RATE)

    def step(tokens, targets, lengths):
        model.zero_grad()
        (y, _), pullback = model.vjp(tokens, lengths=lengths, need_dx=False)
        value, loss_pullback = loss.vjp(y, targets, *((lengths,) if both else ()))
        pullback(loss_pullback())
        optimizer.step(model)
        return float(value)

    return step


def with_torch(task):
    """The same with eager torch and packed sequences."""
    import torch

    cell, both, classes = TASKS[task]
    rnn, functional = torch.nn.utils.rnn, torch.nn.functional
    parts = {"embedding": torch.nn.Embedding(VOCABULARY, EMBEDDED)}
    parts["recurrent"] = getattr(torch.nn, cell)(EMBEDDED, HIDDEN, 1, True, True, 0.0, both)
    parts["linear"] = torch.nn.Linear(HIDDEN * (1 + both), classes)
    model = torch.nn.ModuleDict(parts)
    model.load_state_dict({n: torch.tensor(w) for n, w in weights_of(task).items()})
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)

    def step(tokens, targets, lengths):
        optimizer.zero_grad(set_to_none=True)
        lengths = torch.from_numpy(lengths)
        x = model["embedding"](torch.from_numpy(tokens))
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, state = model["recurrent"](packed)
        targets = torch.from_numpy(targets)
        if both:
            y = rnn.pad_packed_sequence(y, batch_first=True)[0]
            real = torch.arange(y.shape[1]) < lengths[:, None]
            value = functional.cross_entropy(model["linear"](y)[real], targets[real])
        else:
            value = functional.cross_entropy(model["linear"](state[0][0]), targets)
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step


def work(library, task):
    """Answers each line on stdin with the seconds of an epoch and its losses."""
    batches = list(make_batches(*TASKS[task][1:]))
    step = {"pyrnn": with_pyrnn, "torch": with_torch}[library](task)
    for _ in sys.stdin:
        start = time.perf_counter()
        losses = [step(*batch) for batch in batches]
        print(json.dumps([time.perf_counter() - start, losses]), flush=True)


def compare(task, rounds, threads):
    """One task, interleaved; True if pyrnn is faster in the median round."""
    command = [sys.executable, HERE / "models.py", "--work", task]
    environment = environment_for(threads)
    names = ("pyrnn", "torch")
    both = {n: Process([*map(str, command), n], threads, environment) for n in names}
    losses = {n: p.ask("warm up")[1] for n, p in both.items()}
    np.testing.assert_allclose(losses["pyrnn"], losses["torch"], rtol=1e-3)
    seconds = {n: [] for n in both}
    for _ in range(rounds):
        for name, process in both.items():
            time.sleep(PAUSE)
            seconds[name].append(process.ask("epoch")[0])
    for process in both.values():
        process.close()
    tokens = sum(lengths.sum() for _, _, lengths in make_batches(*TASKS[task][1:]))
    ratios = np.divide(seconds["torch"], seconds["pyrnn"])
    low, median, high = np.percentile(ratios, (10, 50, 90))
    rates = {n: tokens / np.median(s) for n, s in seconds.items()}
    print(
        f"{task:11s} pyrnn {rates['pyrnn']:9,.0f} tokens/s, torch {rates['torch']:9,.0f}: "
        f"{median:.2f} times as fast ({low:.2f} to {high:.2f})"
    )
    return median > 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", nargs=2, metavar=("TASK", "LIBRARY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        return work(arguments.work[1], arguments.work[0])
    faster = [compare(task, arguments.rounds, arguments.threads) for task in TASKS]
    return 0 if all(faster) else 1


if __name__ == "__main__":
    sys.exit(main())
