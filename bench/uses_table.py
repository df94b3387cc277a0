"""The six uses of README.md as a table."""

import json

from layer_tables import slower
from results import best_peer
from tables import machine_line, table, versions_line

PICTURE = "bench/results/uses.png"


def uses(results):
    """The picture, a row for each use, and where a peer is faster, here and in the full tables."""
    found = results.uses
    if not found:
        return "`make bench-uses` writes them here."
    names = list(found["versions"])
    rows = [[use, *(cell(row, name) for name in names)] for use, row in found["uses"].items()]
    text = f"![the table below as bars]({PICTURE})\n\n"
    text += table(" | ".join(["milliseconds", *names]), rows)
    text += f"\n\n{lost(found['uses'])} {machine_line(found['machine'])} {versions_line(found)}"
    if results.layers:
        text += f"\nIn bench/README.md, measured on {machine_line(results.machine)[:-1]}, "
        text += slower(results)
    return text


def lost(uses):
    """Where a peer is faster."""
    ratios = {use: row["ratios"][best_peer(row)]["median"] for use, row in uses.items()}
    words = [
        f"{use} ({best_peer(uses[use])} takes {ratio:.2f} times pyrnn's time)"
        for use, ratio in ratios.items()
        if ratio < 1
    ]
    return f"A peer is faster in {'; '.join(words)}." if words else "No peer is faster in any."


def cell(row, name):
    """Milliseconds, and megabytes where they belong to it."""
    if name not in row["seconds"]:
        return "–"
    time = row["seconds"][name]["median"] * 1e3
    text = f"{time:,.0f}" if time >= 100 else f"{time:.3g}"
    size = row.get("megabytes", {}).get(name)
    return f"{text} ({size:.3g} MB on disk)" if size else text


def load(path):
    """What uses.py saved, or None."""
    return json.loads(path.read_text()) if path.exists() else None
