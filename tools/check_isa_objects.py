#!/usr/bin/env python3
"""Checks that no code compiled for one instruction set can be linked in where another is meant.

    python tools/check_isa_objects.py BUILD_FOLDER

Each kernel object (CMakeFiles/kernels_<isa>.dir) must define one external function, named after
its instruction set, and nothing that a linker may merge with a twin from another object (weak and
unique symbols) or that runs when the library is loaded (.init_array). Needs nm and objdump.
"""

import subprocess
import sys
from pathlib import Path


def run(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def external_symbols(path: Path) -> list[tuple[str, str]]:
    """(type letter, name) of all that the object shows to the linker, undefined symbols apart."""
    lines = run("nm", "-C", "--defined-only", "--extern-only", str(path))
    words = [line.split(maxsplit=2) for line in lines]  # address, type, name
    return [(kind, name) for _, kind, name in words]


def complaints(path: Path, isa: str) -> list[str]:
    """What is wrong with one object file, a line each."""
    symbols = external_symbols(path)
    functions = [name for kind, name in symbols if kind == "T"]
    found = [
        f"{kind} {name}: not a plain external function" for kind, name in symbols if kind != "T"
    ]
    if len(functions) != 1:
        found.append(f"{len(functions)} external functions, expected one: {functions}")
    found += [f"T {name}: not named after {isa}" for name in functions if isa not in name]
    found += [
        f"section {line.split()[1]}"
        for line in run("objdump", "-h", str(path))
        if ".init_array" in line
    ]
    return [f"{path}: {what}" for what in found]


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folders = sorted(Path(sys.argv[1]).rglob("kernels_*.dir"))
    objects = [
        (path, folder.stem.removeprefix("kernels_"))
        for folder in folders
        for path in sorted(folder.rglob("*.o"))
    ]
    if not objects:
        print(f"no kernel objects under {sys.argv[1]}", file=sys.stderr)
        return 2
    found = [line for path, isa in objects for line in complaints(path, isa)]
    print("\n".join(found) or f"{len(objects)} kernel objects are sealed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
