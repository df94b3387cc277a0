"""The kernels' figures of pyrnn_bench, kept with the machine and the time they belong to.

    python bench/kernels.py --quick --json bench/results/kernels.json

What else is given (--quick, --isa, --kernel) goes to pyrnn_bench.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import PROBE
from results import save_family


def main():
    """Measures and saves; with the status of pyrnn_bench if that fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--probe", type=Path, default=PROBE, help="pyrnn_bench")
    parser.add_argument("--json", type=Path, required=True)
    given, others = parser.parse_known_args()
    if not given.probe.exists():
        raise SystemExit(f"{given.probe} is not built: make bench builds it")
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        command = [given.probe, "kernels", *others, "--json", file.name]
        if status := subprocess.run(command).returncode:
            sys.exit(status)
        save_family(given.json, "kernels", "Kernels", json.load(file), {})


if __name__ == "__main__":
    main()
