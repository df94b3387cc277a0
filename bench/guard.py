"""Instructions and cache misses of twelve kernels and calls, against the recorded ones.

    python bench/guard.py            # fails where one has grown by more than 3 %
    python bench/guard.py --write    # records those of this build

valgrind's callgrind counts, with AVX2 and the same caches on every machine, so that a busy machine
gives the same counts as a quiet one. They belong to a compiler: those of others are not compared.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import PROBE

RECORD = Path(__file__).parent / "results" / "guard.json"
ISA = "avx2"
CACHES = ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64"]  # kCommonCaches
GROWTH, MISSES = 1.03, 200  # misses move by tens with where arrays happen to lie


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--probe", type=Path, default=PROBE, help="pyrnn_bench")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--write", action="store_true", help="records instead of comparing")
    return parser.parse_args()


def counts_in(text):
    """(name, counts) of one file of callgrind's, or None for the rest of the program."""
    name = re.search(r"^desc: Trigger: Client Request: (.+)$", text, re.MULTILINE)
    if not name:
        return None
    events = re.search(r"^events: (.+)$", text, re.MULTILINE)[1].split()
    numbers = re.search(r"^totals: (.+)$", text, re.MULTILINE)[1].split()
    count = dict.fromkeys(events, 0) | dict(zip(events, map(int, numbers), strict=False))
    return name[1], {
        "instructions": count["Ir"],
        "misses of L1": count["I1mr"] + count["D1mr"] + count["D1mw"],
        "misses of L2": count["ILmr"] + count["DLmr"] + count["DLmw"],
    }


def count(probe):
    """{name: counts} of this build."""
    with tempfile.TemporaryDirectory(prefix="pyrnn-guard-") as folder:
        command = ["valgrind", "--tool=callgrind", "--cache-sim=yes", *CACHES]
        command += [f"--callgrind-out-file={folder}/counts", probe, "count", "--isa", ISA]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stderr}\n{probe} count: exit status {done.returncode}")
        found = [counts_in(path.read_text()) for path in Path(folder).iterdir()]
    return dict(sorted(pair for pair in found if pair))


def growth(old, new):
    """A line for each count that has grown; kernels that are no longer counted have, too."""
    for name, counts in old.items():
        for what, before in counts.items():
            now = new.get(name, {}).get(what)
            if now is None:
                yield f"{name}: is not counted any more"
                break
            if now > GROWTH * before + MISSES * what.startswith("misses"):
                yield f"{name}: {now:,} {what}, {now / max(before, 1):.2f} times {before:,}"


def main():
    """Compares, or records."""
    given = arguments()
    if not shutil.which("valgrind"):
        print("bench/guard.py: valgrind is not installed: nothing is compared", file=sys.stderr)
        return
    about = subprocess.run([given.probe, "compiler"], capture_output=True, text=True, check=True)
    compiler, counts = about.stdout.strip(), count(given.probe)
    if given.write:
        text = json.dumps({"compiler": compiler, "counts": counts}, indent=1)
        given.record.write_text(text + "\n")
        return
    recorded = json.loads(given.record.read_text())
    if recorded["compiler"] != compiler:
        print(f"bench/guard.py: not compared: recorded with {recorded['compiler']}, not {compiler}")
        return
    for name, now in counts.items():
        before = recorded["counts"].get(name, {})
        line = ", ".join(f"{n:,} {what} ({n - before.get(what, 0):+,})" for what, n in now.items())
        print(f"{name}: {line}")
    if grown := list(growth(recorded["counts"], counts)):
        raise SystemExit("\n".join(["Grown by more than 3 %:", *grown]))


if __name__ == "__main__":
    main()
