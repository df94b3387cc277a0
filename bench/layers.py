"""Whole layers, family by family: pyrnn alone or interleaved with its peers.

    python bench/layers.py --family training-lstm,stream --peers torch,jax --json out.json

Without --family all of them; without --peers all that are installed; --peers none: pyrnn alone.
"""

import argparse
import sys
from math import inf
from pathlib import Path

from cases import FAMILIES, PEERS
from processes import PROBE, Entry, usable
from results import best_peer, make_row, save_family
from turns import Pool, Rounds, contest


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--family", default=",".join(FAMILIES), help="names, with commas")
    parser.add_argument("--case", default="", help="only cases with this in their name")
    parser.add_argument("--peers", default=",".join(PEERS), help="names with commas, or none")
    parser.add_argument("--threads", type=int, help="instead of the family's")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=inf, help="of a case; at least 5 rounds")
    parser.add_argument("--json", type=Path, help="the results file to put the families into")
    parser.add_argument("--probe", type=Path, default=PROBE, help="pyrnn_bench")
    given = parser.parse_args()
    for name in given.family.split(","):
        if name not in FAMILIES:
            parser.error(f"--family: {name!r}, expected one of {', '.join(FAMILIES)}")
    for name in given.peers.split(","):
        if name not in (*PEERS, "none"):
            parser.error(f"--peers: {name!r}, expected one of {', '.join(PEERS)}, or none")
    return given


def entries_of(case, family, given):
    """pyrnn, then the peers."""
    threads = given.threads or family.threads
    peers = [name for name in given.peers.split(",") if name in family.peers]
    others = {name: Entry(name, case, threads) for name in peers}
    return {"pyrnn": Entry("pyrnn", case, threads, isa=family.isa)} | others


def line(row):
    """A row in brief, for the terminal."""
    if "gflops" not in row:
        return f"{row['name']:42} WRONG {row['wrong']}"
    text = f"{row['name']:42} {row['seconds']['pyrnn']['median'] * 1e6:11.2f} us"
    text += f" {row['gflops']['median']:7.1f} GFLOP/s"
    if "share" in row:
        text += f"  share {row['share']['median']:.3f}"
    if best := best_peer(row):
        text += f"  {best} takes {row['ratios'][best]['median']:.2f} times as long"
    return text + (f"  WRONG {row['wrong']}" if row["wrong"] else "")


def run_family(pool, name, given):
    """Measures and saves one family; returns its rows."""
    family, rows, about = FAMILIES[name], [], {}
    print(f"\n{family.title}, threads: {usable(given.threads or family.threads)}", flush=True)
    for case in family.cases:
        if given.case in str(case):
            entries = entries_of(case, family, given)
            result = contest(pool, entries, Rounds(given.rounds, given.seconds), given.probe)
            rows.append(make_row(result, entries))
            about |= result.about
            print(line(rows[-1]), flush=True)
    if given.json and rows:
        save_family(given.json, name, family.title, rows, about)
    return rows


def main():
    """All families asked for; status 1 if anyone's results were wrong."""
    given = arguments()
    if not given.probe.exists():
        print(f"{given.probe} is not built: no shares of the machine's limits", file=sys.stderr)
    with Pool() as pool:
        rows = [row for name in given.family.split(",") for row in run_family(pool, name, given)]
    wrong = [f"{row['name']}: {who}: {why}" for row in rows for who, why in row["wrong"].items()]
    sys.exit("\n".join(["", "Wrong results, not timed:", *wrong]) if wrong else 0)


if __name__ == "__main__":
    main()
