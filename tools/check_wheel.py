#!/usr/bin/env python3
"""Checks a repaired wheel: its size, its contents, and that it works in an empty environment.

python tools/check_wheel.py WHEEL LARGEST_BYTES [--contents]    the last word: without installing it
"""

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

SMOKE_TEST = Path(__file__).parent / "smoke_test.py"


def check_contents(wheel: Path) -> None:
    """The package, the libraries that auditwheel added, the metadata; nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    strange = {
        top
        for top in tops
        if top not in ("pyrnn", "pyrnn_cpu.libs") and not top.endswith(".dist-info")
    }
    if strange:
        sys.exit(f"{wheel.name}: holds {sorted(strange)} beside the package")
    for needed in ("pyrnn/py.typed", "pyrnn/_core.pyi", "LICENSE", "licenses/pybind11.txt"):
        if not any(name.endswith(needed) for name in names):
            sys.exit(f"{wheel.name}: lacks {needed}")


def run_in_empty_environment(wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", wheel.resolve()], check=True)
        subprocess.run([python, SMOKE_TEST.resolve()], check=True, cwd=folder)


def main() -> None:
    wheel, largest = Path(sys.argv[1]), int(sys.argv[2])
    size = wheel.stat().st_size
    if size > largest:
        sys.exit(f"{wheel.name}: {size} bytes, expected at most {largest}")
    if "-linux_" in wheel.name:
        sys.exit(f"{wheel.name}: not repaired, its tag says nothing of the systems that it runs on")
    check_contents(wheel)
    if "--contents" not in sys.argv:
        run_in_empty_environment(wheel)
    print(f"{wheel.name}: {size} bytes, as it should be")


if __name__ == "__main__":
    main()
