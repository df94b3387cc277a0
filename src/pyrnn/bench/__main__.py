"""The command line of the package: `python -m pyrnn.bench --help`."""

import argparse
import json
import statistics
import sys
import time
from contextlib import ExitStack, closing
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np

from .. import _core
from .._base.runtime import active_isa, get_num_threads
from . import __doc__ as about
from ._cases import CASES, Case
from ._jobs import PEERS
from ._machine import caches, cpu
from ._worker import Worker

PAUSE = 0.02  # seconds before each turn, in which the last one's idle threads go to sleep
LEAST_ROUNDS = 5
PEAK_SECONDS = 0.005
TOLERANCE = 1e-4  # of an array's largest entry, between float32 libraries over 1,000 steps


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pyrnn.bench", description=about)
    parser.formatter_class = argparse.RawTextHelpFormatter
    installed = [name for name, needs in PEERS.items() if all(map(util.find_spec, needs))]
    parser.add_argument("--seconds", type=float, default=60, help="in all, at least (default: 60)")
    parser.add_argument("--threads", type=int, default=get_num_threads())
    parser.add_argument(
        "--peers", default=",".join(installed), help="to compare with (default: those installed)"
    )
    parser.add_argument("--json", type=Path, help="writes every figure to this file")
    given = parser.parse_args()
    given.peers = [name for name in given.peers.split(",") if name]
    for name in given.peers:
        if name not in PEERS:
            parser.error(f"--peers: {name!r}, expected some of {','.join(PEERS)}")
        if name not in installed:
            parser.error(f"--peers: {name} needs {' and '.join(PEERS[name])} installed")
    if not 1 <= given.threads <= get_num_threads():
        parser.error(f"--threads: {given.threads}, expected 1 to {get_num_threads()}")
    if not given.seconds > 0:
        parser.error(f"--seconds: {given.seconds}, expected more than 0")
    return given


def check(library: str, case: Case, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every array of a library equals pyrnn's, or nothing is timed."""
    for name, array in expected.items():
        error = float(np.abs(found[name] - array).max() / (np.abs(array).max() or 1))
        if not error <= TOLERANCE:
            raise SystemExit(
                f"{case.title}: {name} of {library} and pyrnn differ by {error:.2g} of its largest "
                f"entry, expected {TOLERANCE:g} at most"
            )


def prepare(workers: dict[str, Worker], index: int) -> list[str]:
    """Makes a case ready everywhere; the libraries that do it, pyrnn first."""
    expected = workers["pyrnn"].ask("make", index)
    able = ["pyrnn"]
    for name, worker in workers.items():
        outputs = worker.ask("make", index) if name != "pyrnn" else None
        if outputs is not None:
            check(name, CASES[index], outputs, expected)
            able.append(name)
    return able


def measure(workers: dict[str, Worker], index: int, threads: int, seconds: float) -> dict[str, Any]:
    """A case's median time per library, median ratios to pyrnn's, and share of the peak."""
    able = prepare(workers, index)
    flop = CASES[index].flop()  # which makes a model: not beside a measurement
    rounds: list[dict[str, float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < LEAST_ROUNDS or time.perf_counter() < end:
        first = len(rounds) % len(able)  # another one begins each round
        one = {}
        for name in able[first:] + able[:first]:
            time.sleep(PAUSE)
            one[name] = workers[name].ask("time")
        time.sleep(PAUSE)
        one["peak"] = flop / _core._peak_flops(threads, PEAK_SECONDS)
        rounds.append(one)

    def ratio(name: str) -> float:
        return statistics.median(one[name] / one["pyrnn"] for one in rounds)

    return {
        "title": CASES[index].title,
        "seconds": {name: statistics.median(one[name] for one in rounds) for name in able},
        "over pyrnn": {name: ratio(name) for name in able[1:]},
        "share of the peak": ratio("peak"),
        "rounds": len(rounds),
    }


def as_time(seconds: float) -> str:
    """Three digits: "1.23 us", "45.6 ms"."""
    unit, scale = ("ms", 1e3) if seconds >= 1e-3 else ("us", 1e6)
    return f"{seconds * scale:#.3g}".rstrip(".") + f" {unit}"


def cell(row: dict[str, Any]) -> str:
    """A case in the table: pyrnn's time and share of the peak, the peers' times over it."""
    peers = "".join(f"; {name} {ratio:.1f}x" for name, ratio in row["over pyrnn"].items())
    return f"{as_time(row['seconds']['pyrnn'])}, {row['share of the peak']:.0%}{peers}"


def table(machine: dict[str, str], rows: list[dict[str, Any]]) -> str:
    """The row, below its head."""
    cells = machine | {row["title"]: cell(row) for row in rows}
    lines = [list(cells), ["---"] * len(cells), list(cells.values())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measures, and prints as it goes."""
    given = arguments()
    names = ["pyrnn", *given.peers]
    versions = {"pyrnn": _core.build_info()["version"]}
    versions |= {name: metadata.version(name) for name in given.peers}
    machine = {
        "CPU": cpu(),
        "instruction set": active_isa(),
        "caches": caches() or "unknown",
        "threads": str(given.threads),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    for name, value in machine.items():
        print(f"{name + ':':17}{value}", file=sys.stderr)
    rows = []
    with ExitStack() as open_workers:
        workers = {
            name: open_workers.enter_context(closing(Worker(name, given.threads))) for name in names
        }
        for index, case in enumerate(CASES):
            row = measure(workers, index, given.threads, given.seconds / len(CASES))
            rows.append(row)
            print(f"{case.title:60} {cell(row)}", file=sys.stderr, flush=True)
    print(table(machine, rows), flush=True)
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
