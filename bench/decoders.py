#!/usr/bin/env python
"""CRF in training, interleaved with pytorch-crf: loss and gradients of emissions and parameters.

    python bench/decoders.py --rounds 15

32 sequences of 60 steps and 20 tags by default. Both start from the same parameters; loss and
gradients have to agree before anything is timed. Printed: milliseconds of a forward and backward
pass. pytorch-crf (`pip install pytorch-crf`) and torch have to be installed.
"""

import argparse
import importlib.util
import json
import sys
import time

import numpy as np

from processes import HERE, Process, environment_for
from turns import PAUSE

REPEATS = 10  # passes in a turn


def problem(B, T, K):
    """Emissions (T, B, K), target (T, B), and (transitions, start, end)."""
    rng = np.random.default_rng(3)
    emissions = rng.standard_normal((T, B, K)).astype(np.float32)
    parameters = [rng.uniform(-0.1, 0.1, n).astype(np.float32) for n in ((K, K), K, K)]
    return emissions, rng.integers(0, K, (T, B)), parameters


def with_pyrnn(emissions, target, parameters):
    """A pass: -> the loss, and the gradients of emissions and parameters; memory as torchcrf's."""
    import pyrnn

    crf = pyrnn.CRF(emissions.shape[-1])
    for parameter, values in zip(crf.parameters(), parameters, strict=True):
        parameter[...] = values

    def run():
        crf.zero_grad()
        value, pullback = crf.vjp(emissions.swapaxes(0, 1), target.T)
        d_emissions = pullback().swapaxes(0, 1)
        return value, [d_emissions, *(p.grad for p in crf.parameters())]

    return run


def with_torchcrf(emissions, target, parameters):
    """The same with pytorch-crf."""
    import torch
    import torchcrf

    crf = torchcrf.CRF(emissions.shape[-1])
    ordered = [crf.transitions, crf.start_transitions, crf.end_transitions]
    for parameter, values in zip(ordered, parameters, strict=True):
        parameter.data = torch.from_numpy(values)
    x, tags = torch.from_numpy(emissions).requires_grad_(), torch.from_numpy(target)

    def run():
        for tensor in (x, *ordered):
            tensor.grad = None
        value = -crf(x, tags, reduction="token_mean")
        value.backward()
        return value.item(), [x.grad.numpy(), *(p.grad.numpy() for p in ordered)]

    return run


def work(library, sizes):
    """Answers "results" with loss and gradients, other lines with the seconds of a pass."""
    run = {"pyrnn": with_pyrnn, "torchcrf": with_torchcrf}[library](*problem(*sizes))
    for line in sys.stdin:
        if "results" in line:
            value, gradients = run()
            answer = [value, [g.tolist() for g in gradients]]
        else:
            start = time.perf_counter()
            for _ in range(REPEATS):
                run()
            answer = (time.perf_counter() - start) / REPEATS
        print(json.dumps(answer), flush=True)


def compare_crf(sizes, rounds, threads):
    """The CRF, interleaved; True if pyrnn is at least five times as fast in the median round."""
    command = [sys.executable, HERE / "decoders.py", "--sizes", *sizes, "--work"]
    environment = environment_for(threads)
    names = ("pyrnn", "torchcrf")
    both = {n: Process([*map(str, command), n], threads, environment) for n in names}
    results = {n: process.ask("results") for n, process in both.items()}
    np.testing.assert_allclose(results["pyrnn"][0], results["torchcrf"][0], rtol=1e-5)
    for mine, other in zip(results["pyrnn"][1], results["torchcrf"][1], strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5 * np.abs(other).max())
    seconds = {n: [] for n in both}
    for _ in range(rounds):
        for name, process in both.items():
            time.sleep(PAUSE)
            seconds[name].append(process.ask("pass"))
    for process in both.values():
        process.close()
    low, median, high = np.percentile(
        np.divide(seconds["torchcrf"], seconds["pyrnn"]), (10, 50, 90)
    )
    mine, other = (1e3 * np.median(seconds[n]) for n in names)
    print(
        f"crf {tuple(sizes)}: pyrnn {mine:.3f} ms, pytorch-crf {other:.2f} ms: "
        f"{median:.1f} times as fast ({low:.1f} to {high:.1f})"
    )
    return median >= 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", nargs=3, type=int, default=(32, 60, 20), metavar=("B", "T", "K"))
    parser.add_argument("--work", metavar="LIBRARY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        return work(arguments.work, arguments.sizes)
    missing = [name for name in ("torch", "torchcrf") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: {' and '.join(missing)} not installed (pip install torch pytorch-crf)")
        return 0
    return 0 if compare_crf(arguments.sizes, arguments.rounds, arguments.threads) else 1


if __name__ == "__main__":
    sys.exit(main())
