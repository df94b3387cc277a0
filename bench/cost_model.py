"""Predicts the time on more threads from one thread's, and checks it where there are cores.

    python bench/cost_model.py [--rounds 7] [--write bench/results/cost_model.md]

docs/threads.md has the model: t(P) = t1(rows of a member) - (1 - 1/P) once, or where members share
units t(P) = t1(all rows)/P + steps * meetings * barrier(P). t1 is measured with one thread.
"""

import argparse
import math
import os
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from statistics import median

import pyrnn
from cases import Case
from processes import Entry
from pyrnn.bench._machine import cpu
from tables import lines_of_table, printed
from turns import Pool, Rounds, contest

CASES = [
    Case(mode, cell, *shape)
    for mode, cell in (("training", "LSTM"), ("training", "GRU"), ("inference", "LSTM"))
    for shape in ((32, 100, 256), (64, 25, 512), (256, 25, 256), (8, 100, 512))
]
THREADS = (2, 4, 16, 64)
BARRIER = 0.3e-6  # seconds, with two members (HISTORY.md); log2(P) times that with P
MEETINGS = {"training": 3, "inference": 1}  # of a step: gates, and in training dh and dG


@cache
def shared(case, threads):
    """(members, rows of each), as the core plans it; all rows where members share their units."""
    stack = getattr(pyrnn, case.cell)(case.H, case.H)._stack
    members, by_units = stack.members(case.B, case.T, threads)
    return members, case.B if by_units else math.ceil(case.B / members)


def predicted(case, threads, alone, once):
    """Seconds; `alone[rows]` of one thread, `once` of what a call does for any number of rows."""
    members, rows = shared(case, threads)
    if rows < case.B:
        return alone[rows] - (1 - 1 / members) * once
    meetings = case.T * MEETINGS[case.mode]
    return alone[case.B] / members + meetings * BARRIER * math.log2(members)


def row(pool, case, rounds):
    """Cells of the table."""
    cores = len(os.sched_getaffinity(0))
    counts = {case.B} | {shared(case, n)[1] for n in THREADS}
    entries = {f"alone {B}": Entry("pyrnn", replace(case, B=B), 1) for B in sorted(counts)}
    entries["once"] = Entry("pyrnn", replace(case, B=1, T=1), 1)
    entries |= {f"threads {n}": Entry("pyrnn", case, n) for n in THREADS if n <= cores}
    result = contest(pool, entries, Rounds(rounds), None)
    times = {label: median(seconds) for label, seconds in result.seconds.items()}
    alone = {B: times[f"alone {B}"] for B in counts}
    whole, cells = alone[case.B], []
    for n in THREADS:
        guess = predicted(case, n, alone, times["once"])
        members, rows = shared(case, n)
        cell = f"{whole / guess:.1f} ({members} by {'rows' if rows < case.B else 'units'})"
        if real := times.get(f"threads {n}"):
            cell += f", measured {whole / real:.2f}: {guess / real - 1:+.0%}"
        cells.append(cell)
    return [f"{case.mode}, {case}", f"{whole * 1e3:.2f}", *cells]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", type=Path, help="a Markdown file for the table")
    given = parser.parse_args()
    lines = [
        "# More threads, predicted from one",
        "",
        "`python bench/cost_model.py`: how many times as fast as one thread, by the model of",
        "[docs/threads.md](../../docs/threads.md); in brackets how many members share the call,",
        "and what they share; where there are cores, what was measured, and by how much the",
        f"predicted time differs from the measured one. {cpu()}, {pyrnn.active_isa()}, medians",
        f"of {given.rounds} rounds.",
        "",
    ]
    head = f"case | 1 thread, ms | {' | '.join(f'{n} threads' for n in THREADS)}"
    with Pool() as pool:
        rows = (row(pool, case, given.rounds) for case in CASES)
        lines = printed(chain(lines, lines_of_table(head, rows)))
    if given.write:
        given.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
