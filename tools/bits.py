#!/usr/bin/env python3
"""Hashes everything that pyrnn computes, to prove that a change of the code keeps every bit.

    python tools/bits.py --older --json before.json          # with the old commit installed
    python tools/bits.py --json after.json                   # with the new one
    python tools/bits.py --compare before.json after.json    # lists what differs; exit code 1

It prints one hash for each instruction set and case, and one of all of them. A case is a layer, a
loss, an optimizer, ... with some options, a dtype and an order of axes. Its hash covers outputs,
states, gradients and ten training steps: batched, ragged by lengths and by mask, one row, one
sequence, on one thread and on two. `--only GRU` takes the cases with that word in their name,
`--seed` changes all numbers. About a minute on two quiet cores.

Weights and inputs come from the script's own generator, so both commits get the same ones. Compare
on one machine with one numpy: both influence bits. Each instruction set runs in a process of its
own, because PYRNN_ISA is read at import.

The script runs unchanged on commits before and after x became batch first (bits_cases/setting.py
knows the differences); with `--older` it leaves out the cases whose options a commit does not have
yet, and the comparison calls them missing. All arrays are hashed time-major. The cases are in the
tables of tools/bits_cases; tests/test_bits_tool.py fails for an option that no case has.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

import pyrnn
from bits_cases import cases
from bits_cases.setting import At

THREADS = (1, 2)


def hashes(only="", seed=0, older=False):
    """{name: hash} of the cases with `only` in their name, on this process's instruction set; of an
    older commit, of those that it can make."""
    result = {}
    for case, work, dtypes, orders in cases():
        for dtype, batch_first in [(d, order) for d in dtypes for order in orders]:
            order = ["time first", "batch first"][batch_first] if len(orders) > 1 else ""
            name = ", ".join(filter(None, [case, dtype, order]))
            if only in name:
                with suppress(*(AttributeError, TypeError, ValueError) if older else ()):
                    result[name] = hash_of(case, work, np.dtype(dtype), batch_first, seed)
    return result


def hash_of(case, work, dtype, batch_first, seed):
    """A case's hash; both orders of axes have the same numbers to work on."""
    sha = hashlib.sha256()
    for threads in THREADS:
        rng = np.random.default_rng([seed, zlib.crc32(case.encode())])
        with pyrnn.threads(threads), warnings.catch_warnings(action="ignore"):
            feed(sha, work(At(rng, dtype, batch_first)))
    return sha.hexdigest()[:16]


def feed(sha, value):
    """Puts every bit of a nest of arrays and numbers into a hash."""
    if isinstance(value, dict):
        value = [entry for pair in sorted(value.items()) for entry in pair]
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = list(value)  # its bytes are addresses
    if isinstance(value, list | tuple):
        sha.update(f"[{len(value)}".encode())
        for entry in value:
            feed(sha, entry)
    elif isinstance(value, np.ndarray | np.generic):
        sha.update(f"{value.dtype.str}{value.shape}".encode())
        sha.update(np.ascontiguousarray(value).tobytes())
    elif value is None or isinstance(value, str | int | float):
        sha.update(repr(value).encode())
    else:
        raise TypeError(
            f"feed: value is of type {type(value).__name__}, expected arrays and numbers"
        )


def total(results):
    return hashlib.sha256(json.dumps(results, sort_keys=True).encode()).hexdigest()[:16]


def measure(only, seed, older):
    """{isa: {name: hash}}, each instruction set in a process of its own."""
    results = {}
    for isa in pyrnn.available_isas():
        command = [sys.executable, __file__, "--child", "--only", only, "--seed", str(seed)]
        command += ["--older"] * older
        environment = os.environ | {"PYRNN_ISA": isa}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        results[isa] = json.loads(done.stdout)
        for name, value in results[isa].items():
            print(f"{value}  {isa}  {name}")
    print(f"{total(results)}  total")
    return results


def compare(paths):
    """Prints what differs between two files; the exit code."""
    before, after = (json.loads(Path(path).read_text()) for path in paths)
    differ = 0
    for isa in sorted(before | after):
        old, new = before.get(isa, {}), after.get(isa, {})
        for name in sorted(old | new):
            if old.get(name) != new.get(name):
                print(f"{isa}  {name}: {old.get(name, 'missing')} -> {new.get(name, 'missing')}")
                differ += 1
    print(f"{differ} of {sum(map(len, before.values()))} differ")
    return 1 if differ else 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the hashes")
    parser.add_argument("--only", default="", metavar="WORD", help="cases with this in their name")
    parser.add_argument("--seed", type=int, default=0, help="of all numbers")
    parser.add_argument("--compare", nargs=2, metavar="FILE", help="two files of --json")
    parser.add_argument("--older", action="store_true", help="leave out what it cannot make yet")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.compare:
        return compare(options.compare)
    if options.child:
        print(json.dumps(hashes(options.only, options.seed, options.older)))
        return 0
    results = measure(options.only, options.seed, options.older)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
