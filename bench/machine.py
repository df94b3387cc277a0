"""The machine and the software that figures belong to."""

import os
import platform
import runpy
from datetime import UTC, datetime
from pathlib import Path

# By its path: the pyrnn that is measured may be another one, or one that cannot be imported.
SHARED = runpy.run_path(str(Path(__file__).parents[1] / "src/pyrnn/bench/_machine.py"))
caches, cpu = SHARED["caches"], SHARED["cpu"]


def machine():
    """What does not change between two runs on one machine."""
    return {
        "cpu": cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


def run_details():
    """When and under which Python."""
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }
