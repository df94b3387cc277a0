"""pyrnn.set_precision("bf16") beside float32 and torch's three bfloat16 modes, by turns.

    python bench/precision.py [--threads 1 2] [--rounds 9] [--write bench/results/precision.md]

The table has pyrnn's time with bf16, and the times of the others over it. The error, in its column
and in brackets, is the largest one of y, dx and all gradients over the largest entry of each array,
against float64.
"""

import argparse
from itertools import chain, product
from pathlib import Path

import pyrnn
from cases import CELLS, Case
from processes import Entry, usable
from pyrnn.bench._machine import cpu
from results import ratios, spread
from tables import lines_of_table, printed
from turns import Pool, Rounds, contest

SHAPES = {  # (B, T, H)
    "training": ((32, 50, 64), (32, 100, 256), (64, 25, 512), (1, 100, 64)),
    "inference": ((32, 50, 64), (32, 100, 256), (64, 25, 512), (1, 100, 64), (1, 100, 512)),
}
OURS = "pyrnn_bf16"
OTHERS = ("pyrnn", "torch_bf16", "torch_autocast", "torch_onednn_bf16")


def row(pool, case, threads, rounds):
    """Cells of the table: milliseconds of ours, its error, and each other's ratio (error)."""
    result = contest(
        pool, {name: Entry(name, case, threads) for name in (OURS, *OTHERS)}, Rounds(rounds), None
    )
    if OURS not in result.seconds:
        raise SystemExit(f"{case}: {result.wrong or result.skipped}")
    ours, over = spread(result.seconds[OURS])["median"], ratios(result.seconds, OURS)
    cells = [f"{ours * 1e3:.2f}", f"{result.precision[OURS]:.1g}"]
    for name in OTHERS:
        if name in over:
            cells.append(f"{over[name]['median']:.2f} ({result.precision[name]:.1g})")
        else:
            cells.append(result.wrong.get(name) or result.skipped[name])
    return cells


def table(pool, threads, rounds):
    """The lines of one number of threads, printed as they come."""
    head = f"mode | case | pyrnn bf16, ms | error | {' | '.join(OTHERS)}"
    cases = [
        Case(mode, cell, *shape)
        for mode, shapes in SHAPES.items()
        for cell, shape in product(CELLS, shapes)
    ]
    rows = ([case.mode, str(case), *row(pool, case, threads, rounds)] for case in cases)
    return printed(chain(["", f"## Threads: {threads}", ""], lines_of_table(head, rows)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", type=Path, help="a Markdown file for the tables")
    given = parser.parse_args()
    lines = [
        "# Matrix products in bfloat16",
        "",
        '`python bench/precision.py`: milliseconds with `pyrnn.set_precision("bf16")`, and the',
        "time of the others over it: pyrnn in float32; torch with everything in bfloat16, under",
        "autocast, and with its switch for oneDNN. The error, in its column and in brackets, is",
        f"the largest one over the largest entry of each array. {cpu()}, {pyrnn.active_isa()},",
        f"medians of {given.rounds} rounds.",
    ]
    with Pool() as pool:
        for threads in dict.fromkeys(map(usable, given.threads)):
            lines += table(pool, threads, given.rounds)
    if given.write:
        given.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
