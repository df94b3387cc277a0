"""How the time grows: with threads, with the length of the sequence, with ragged lengths.

python bench/scaling.py --study threads,steps,ragged --peers torch --json out.json
"""

import argparse
import os
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

from cases import CELLS, FIVE, MANY_STEPS, RAGGED, Case, cases
from processes import Entry
from results import make_row, save_family
from turns import Pool, Rounds, contest


def threads_study(peers):
    """The five shapes with 1, 2, 4, ... threads, up to all CPUs."""
    cpus = len(os.sched_getaffinity(0))
    print(f"This process may use {cpus} CPUs: more threads are not measured.", flush=True)
    counts = sorted({1, cpus, *(2**k for k in range(cpus.bit_length()) if 2**k < cpus)})
    for case in cases("training", CELLS, FIVE) + cases("inference", ["LSTM"], FIVE):
        yield {f"{n} thread{'s' * (n > 1)}": Entry("pyrnn", case, n) for n in counts}


def steps_study(peers):
    """Training at B = 8, H = 64, from short to long sequences."""
    for cell in CELLS:
        yield {f"T={T}": Entry("pyrnn", Case("training", cell, 8, T, 64), 2) for T in MANY_STEPS}


def ragged_study(peers):
    """Lengths that are uniform in 1..T against full length, and torch's packed sequences."""
    for case in cases("training", CELLS, RAGGED, ragged=True):
        full = {"full length": Entry("pyrnn", replace(case, ragged=False), 2)}
        others = {"torch": Entry("torch", case, 2)} if "torch" in peers else {}
        yield {"pyrnn": Entry("pyrnn", case, 2)} | full | others


STUDIES = {
    "threads": ("Thread scaling", threads_study),
    "steps": ("Cost per step by the number of steps", steps_study),
    "ragged": ("Ragged lengths, forward and pullback", ragged_study),
}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--study", default=",".join(STUDIES), help="names, with commas")
    parser.add_argument("--peers", default="torch", help="torch or none")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=inf, help="of a case; at least 5 rounds")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    for name in given.study.split(","):
        if name not in STUDIES:
            parser.error(f"--study: {name!r}, expected one of {', '.join(STUDIES)}")
    return given


def line(row):
    """A row in brief: seconds of all entries."""
    times = [f"{label} {s['median'] * 1e3:.3f} ms" for label, s in row["seconds"].items()]
    return f"{row['name']:42} {', '.join(times)}" + (f"  WRONG {row['wrong']}" * bool(row["wrong"]))


def run_study(pool, name, given):
    """Measures and saves one study; returns its rows."""
    title, entries_of = STUDIES[name]
    print(f"\n{title}", flush=True)
    rows, about = [], {}
    for entries in entries_of(given.peers):
        result = contest(pool, entries, Rounds(given.rounds, given.seconds), probe=None)
        rows.append(make_row(result, entries))
        about |= {entries[label].library: facts for label, facts in result.about.items()}
        print(line(rows[-1]), flush=True)
    if given.json:
        save_family(given.json, name, title, rows, about)
    return rows


def main():
    """All studies asked for; status 1 if anyone's results were wrong."""
    given = arguments()
    with Pool() as pool:
        rows = [row for name in given.study.split(",") for row in run_study(pool, name, given)]
    sys.exit(1 if any(row["wrong"] for row in rows) else 0)


if __name__ == "__main__":
    main()
