"""Two builds of pyrnn interleaved on the same cases: is one faster, beyond the spread? The old one
also competes with itself: what that gives beside 1 is noise.

    python bench/compare.py OLD NEW --family training-lstm,stream

OLD and NEW are Python interpreters that have a pyrnn, or folders that hold a built pyrnn/.
"""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from cases import FAMILIES, geometric_mean
from processes import EndedError, Entry
from results import make_row, ratios, save_family
from turns import Pool, Rounds, contest


def build(text):
    """An interpreter or a site folder, as Entry takes it."""
    path = Path(text)
    if (path / "pyrnn").is_dir():
        return {"site": str(path)}
    if path.is_file():
        return {"python": str(path)}
    expected = "expected an interpreter or a folder that holds pyrnn/"
    raise argparse.ArgumentTypeError(f"{text!r}, {expected}")


def rounds(text):
    """Enough of them that a spread means something."""
    if not text.isdecimal() or int(text) < Rounds.least:
        raise argparse.ArgumentTypeError(f"{text!r}, expected at least {Rounds.least}")
    return int(text)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=build)
    parser.add_argument("new", type=build)
    parser.add_argument("--family", default="training-lstm,training-gru,training-rnn")
    parser.add_argument("--case", default="", help="only cases with this in their name")
    parser.add_argument("--threads", type=int, help="instead of the family's")
    parser.add_argument("--rounds", type=rounds, default=15)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    for name in given.family.split(","):
        if name not in FAMILIES:
            parser.error(f"--family: {name!r}, expected one of {', '.join(FAMILIES)}")
    return given


def refuse_same(pool, entries):
    """One build under two names would say nothing."""
    with suppress(EndedError):  # the contest reports it
        old, new = (
            pool.worker(label, entries[label]).about.get("file") for label in ("old", "new")
        )
        if old and old == new:
            raise SystemExit(f"old and new are the same build, {old}")


def verdict(ratio, control):
    """What old time over new time says, where the old build over itself gives `control`."""
    noise = sorted((1, control["median"]))
    if ratio["p10"] > noise[1]:
        return "faster"
    return "slower" if ratio["p90"] < noise[0] else "no difference beyond the spread"


def line(row):
    """A row in brief."""
    if row["wrong"]:
        return f"{row['name']:42} WRONG {row['wrong']}"
    old, ratio, control = (
        row["seconds"]["old"]["median"] * 1e6,
        row["ratios"]["old"],
        row["control"],
    )
    new = row["seconds"]["new"]["median"] * 1e6
    text = f"{row['name']:42} old {old:10.2f} us  new {new:10.2f} us  old/new {ratio['median']:.3f}"
    text += f" ({ratio['p10']:.3f} to {ratio['p90']:.3f})  old/old {control['median']:.3f}"
    return f"{text} ({control['p10']:.3f} to {control['p90']:.3f})  {verdict(ratio, control)}"


def run_family(pool, name, given):
    """Compares on one family's cases."""
    family, rows, about = FAMILIES[name], [], {}
    print(f"\n{family.title}", flush=True)
    for case in family.cases:
        if given.case in str(case):
            threads = given.threads or family.threads
            # The new build stands first: ratios are over its time.
            entries = {
                label: Entry("pyrnn", case, threads, isa=family.isa, **which)
                for label, which in (("new", given.new), ("old", given.old), ("again", given.old))
            }
            refuse_same(pool, entries)
            result = contest(pool, entries, Rounds(given.rounds), probe=None)
            rows.append(make_row(result, entries))
            if {"old", "again"} <= set(result.seconds):
                rows[-1]["control"] = ratios(result.seconds, "old")["again"]
            about |= result.about
            print(line(rows[-1]), flush=True)
    if given.json and rows:
        save_family(given.json, name, family.title, rows, about)
    return rows


def main():
    """All families asked for; status 1 if a build's results were wrong."""
    given = arguments()
    with Pool() as pool:
        rows = [row for name in given.family.split(",") for row in run_family(pool, name, given)]
    right = [row for row in rows if not row["wrong"]]
    if right:
        mean = geometric_mean([row["ratios"]["old"]["median"] for row in right])
        control = geometric_mean([row["control"]["median"] for row in right])
        print(f"\nold/new, geometric mean of {len(right)} cases: {mean:.3f}; old/old {control:.3f}")
    sys.exit(1 if any(row["wrong"] for row in rows) else 0)


if __name__ == "__main__":
    main()
