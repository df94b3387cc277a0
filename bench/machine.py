"""The machine and the software that figures belong to."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

CPU = Path("/sys/devices/system/cpu/cpu0")


def read(path):
    """A small file's text, or nothing."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def cpu():
    """Name, family and model of the CPU: the name alone says little on virtual machines."""
    lines = read("/proc/cpuinfo").partition("\n\n")[0].splitlines()
    fields = dict((part.strip() for part in line.partition(":")[::2]) for line in lines)
    name = fields.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return name


def caches():
    """Those that one core sees: "L1d 48 KiB, L2 2 MiB"."""
    found = []
    for index in sorted((CPU / "cache").glob("index*")):
        kind = read(index / "type")
        if kind != "Instruction":
            letter = "d" if kind == "Data" else ""
            kib = int(read(index / "size").removesuffix("K") or 0)
            size = f"{kib / 1024:g} MiB" if kib >= 1024 else f"{kib} KiB"
            found.append(f"L{read(index / 'level')}{letter} {size}")
    return ", ".join(found)


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
