"""Six things that pyrnn is used for, beside its peers: the table and the picture of README.md.

    python bench/uses.py --json bench/results/uses.json

Five are cases as those of layers.py, interleaved with the peers, outputs compared first. The sixth
is a process that imports a library and ends, with the size of what pip installed for it.
"""

import argparse
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from cases import PEERS, Case
from machine import machine, run_details
from processes import Entry
from results import FOLDER, make_row, ratios, spread, versions, write
from turns import Pool, Rounds, by_turns, contest

THREADS = 2
USES = {
    "training a GRU on ragged rows": Case("training", "GRU", 32, 100, 128, ragged=True),
    "training a small LSTM": Case("training", "LSTM", 16, 50, 32),
    "training a large LSTM": Case("training", "LSTM", 64, 25, 512),
    "one step of an LSTM": Case("stream", "LSTM", 1, 1, 128),
    "one long sequence": Case("inference", "LSTM", 1, 10_000, 64),
}
IMPORT = "import"
PACKAGES = {  # what pip installs under other names, or beside it
    "pyrnn": ("pyrnn-cpu", "safetensors", "tqdm"),
    "jax": ("jax", "jaxlib", "scipy", "ml_dtypes", "opt_einsum"),
    "torch": ("torch", "sympy", "networkx", "jinja2", "fsspec", "filelock", "mpmath"),
    "onnxruntime": ("onnxruntime", "protobuf", "flatbuffers", "sympy", "mpmath", "coloredlogs"),
    "openvino": ("openvino", "openvino-telemetry"),
}


def megabytes(library):
    """What the files of a library and of what it needs take, numpy apart."""
    return sum(map(size_of, PACKAGES[library])) / 1e6


def size_of(package):
    """Bytes of a distribution's files; 0 where it is not installed, and not needed then."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return 0
    return sum(path.stat().st_size for f in files if (path := Path(f.locate())).is_file())


def import_seconds(library):
    """Of a process that imports it and ends; numpy is imported by all of them."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import numpy, {library}"], check=True)
    return time.perf_counter() - began


def imports(libraries, rounds):
    """A row for the sixth use."""
    for library in libraries:
        import_seconds(library)  # from the disk
    timers = {name: lambda name=name: import_seconds(name) for name in libraries}
    seconds, _ = by_turns(timers, rounds)
    return {
        "name": "",
        "seconds": {name: spread(times) for name, times in seconds.items()},
        "ratios": ratios(seconds, "pyrnn"),
        "megabytes": {name: megabytes(name) for name in libraries},
    }


def measure(given):
    """All six, as results."""
    rows, about = {}, {}
    with Pool() as pool:
        for use, case in USES.items():
            names = ("pyrnn", *given.peers.split(","))
            entries = {name: Entry(name, case, THREADS) for name in names}
            result = contest(pool, entries, Rounds(given.rounds), probe=None)
            rows[use] = make_row(result, entries)
            about |= result.about
            print(use, {k: v["median"] for k, v in rows[use]["seconds"].items()}, flush=True)
    found = versions(about)
    rows[IMPORT] = imports(list(found), Rounds(given.rounds))
    return {"machine": machine(), **run_details(), "versions": found, "uses": rows}


def main():
    """Measures and saves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default=",".join(PEERS), help="names with commas")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, default=FOLDER / "uses.json")
    given = parser.parse_args()
    results = measure(given)
    if wrong := {use: row["wrong"] for use, row in results["uses"].items() if row.get("wrong")}:
        raise SystemExit(f"results were wrong, and nothing is saved: {wrong}")
    write(given.json, results)


if __name__ == "__main__":
    main()
