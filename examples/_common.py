"""What the examples share: their options, the sets of data, and the line with the result."""

import argparse
import json

import numpy as np


def options(doc, seeds=5, plot=None):
    """A parser with what every example takes; the first line of `doc` describes it."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=seeds, help="runs to take the mean of")
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it works")
    if plot:
        parser.add_argument("--plot", default=plot, help="file for the picture")
    return parser


def split(count, *shares, seed=0):
    """Rows for training and for each share, such as 0.1 for validation and 0.1 for the test.

    Always the same ones for the same seed: seeds of the training must not change the test.
    """
    rows = np.random.default_rng(seed).permutation(count)
    sizes = [round(share * count) for share in shares]
    return np.split(rows, np.cumsum([count - sum(sizes), *sizes])[:-1])


def deviation(results):
    """The sample standard deviation over the seeds, 0 of one seed."""
    return float(np.std(results, ddof=1)) if len(results) > 1 else 0.0


def report(args, *, task, model, metric, results, baseline, others=(), remark="", better="higher"):
    """Prints the mean over the seeds beside the baseline, and all of it as one line of JSON.

    `baseline` is (name, value) of what has to be beaten; `others` are further ones to compare with,
    a `remark` is what else was measured. Returns whether it is beaten.
    """
    mean, spread = float(np.mean(results)), deviation(results)
    beaten = bool(mean > baseline[1] if better == "higher" else mean < baseline[1])
    print(f"\n{task}: {metric}, {better} is better")
    print(f"  {model}: {mean:.4g} (seeds 0 to {len(results) - 1}, deviation {spread:.2g})")
    for name, value in (baseline, *others):
        print(f"  {name}: {value:.4g}")
    if remark:
        print(f"  {remark}")
    print(f"{model} {'beats' if beaten else 'DOES NOT BEAT'} {baseline[0]}.")
    line = {"task": task, "model": model, "metric": metric, "better": better, "beaten": beaten}
    line |= {"results": [float(r) for r in results], "quick": args.quick}
    line |= {"baseline": list(baseline), "others": [list(other) for other in others]}
    line |= {"remark": remark}
    print(json.dumps(line, default=float))
    return beaten
