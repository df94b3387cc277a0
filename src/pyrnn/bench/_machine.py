"""The machine that figures belong to."""

import platform
from pathlib import Path

_CPU = Path("/sys/devices/system/cpu/cpu0")


def _read(path: Path | str) -> str:
    """A small file's text, or nothing."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def cpu() -> str:
    """Name, family and model of the CPU: the name alone says little on virtual machines."""
    lines = _read("/proc/cpuinfo").partition("\n\n")[0].splitlines()
    fields = {name.strip(): text.strip() for name, _, text in (li.partition(":") for li in lines)}
    name = fields.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return name


def caches() -> str:
    """Those that one core sees: "L1d 48 KiB, L2 2 MiB"."""
    found = []
    for index in sorted((_CPU / "cache").glob("index*")):
        kind = _read(index / "type")
        if kind != "Instruction":
            letter = "d" if kind == "Data" else ""
            kib = int(_read(index / "size").removesuffix("K") or 0)
            size = f"{kib / 1024:g} MiB" if kib >= 1024 else f"{kib} KiB"
            found.append(f"L{_read(index / 'level')}{letter} {size}")
    return ", ".join(found)
