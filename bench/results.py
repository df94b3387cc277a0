"""Rows of results: how they come out of a contest, and the JSON files that keep them."""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from machine import machine, run_details

FOLDER = Path(__file__).parent / "results"


def spread(values):
    """Median, and the range without the lowest and highest tenth."""
    p10, median, p90 = np.percentile(values, (10, 50, 90))
    return {"median": float(median), "p10": float(p10), "p90": float(p90)}


def ratios(seconds, base):
    """Every other entry's time over the base's, round by round, of {label: times}."""
    own = seconds[base]
    return {
        label: spread(np.divide(times, own)) for label, times in seconds.items() if label != base
    }


def shares(case, seconds, limits):
    """How near each round came to the limit measured in it."""
    least = [case.least_seconds(r["fma_gflops"], r["read_gbytes"]) for r in limits]
    return spread(np.divide(least, seconds))


def make_row(contest, entries):
    """One row; the first entry is pyrnn's, and the limits are for its case and threads."""
    base, entry = next(iter(entries.items()))
    row = {
        "name": str(entry.case),
        "case": asdict(entry.case),
        "threads": entry.threads,
        "limit": entry.case.limit(),
        "isa": contest.about.get(base, {}).get("isa"),
        "rounds": max(map(len, contest.seconds.values()), default=0),
        "seconds": {label: spread(times) for label, times in contest.seconds.items()},
        "precision": contest.precision,
        "wrong": contest.wrong,
        "skipped": contest.skipped,
    }
    if base in contest.seconds:
        own = contest.seconds[base]
        row["gflops"] = spread(entry.case.flop() / np.array(own) / 1e9)
        row["ratios"] = ratios(contest.seconds, base)
        if contest.limits:
            for name in ("fma_gflops", "read_gbytes"):
                row[name] = spread([r[name] for r in contest.limits])
            row["share"] = shares(entry.case, own, contest.limits)
        if contest.kernel:
            row["kernel_seconds"] = spread(contest.kernel)
            row["over_kernel"] = spread(np.subtract(own, contest.kernel))
    return row


def best_peer(row):
    """The label of the fastest other entry, or None."""
    others = row.get("ratios")
    return min(others, key=lambda label: others[label]["median"]) if others else None


def versions(about):
    """{library: what it says of itself}, of those that are installed; not where on this machine."""
    return {
        label: {name: fact for name, fact in facts.items() if name != "file"}
        for label, facts in about.items()
        if "missing" not in facts
    }


def load(path):
    """A results file, or an empty one."""
    try:
        results = json.loads(Path(path).read_text())
    except FileNotFoundError:
        return {"machine": machine(), "families": {}}
    if not isinstance(results, dict) or not {"machine", "families"} <= set(results):
        raise SystemExit(f"{path} does not say which machine its figures belong to: remove it")
    return results


def save_family(path, name, title, rows, about):
    """Puts one family's rows into a file; those from another machine go."""
    results = load(path)
    if results["machine"] != machine():
        results = {"machine": machine(), "families": {}}
    details = {"title": title, **run_details(), "versions": versions(about)}
    results["families"][name] = details | {"rows": rows}
    write(path, results)


def write(path, results):
    """Whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(rounded(results), file, indent=1)
        file.write("\n")
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def rounded(value):
    """Floats to five digits: more is noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    return [rounded(entry) for entry in value] if isinstance(value, list) else value
