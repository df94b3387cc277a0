"""Writes the generated parts of bench/README.md and README.md from the results.

    python bench/report.py --results bench/results --write README.md bench/README.md

Each part stands between <!-- bench: begin NAME --> and <!-- bench: end NAME -->.
"""

import argparse
import re
from pathlib import Path

import layer_tables
import scaling_tables
import uses_table
from cases import FAMILIES
from results import FOLDER, load


class Results:
    """All results files of one folder that belong to the machine of the newest of them.

    What was measured with peers beside it comes before what was measured alone.
    """

    def __init__(self, folder):
        names = ("layers", "peers", "scaling", "kernels")
        files = {name: load(Path(folder) / f"{name}.json") for name in names}
        filled = {name: file for name, file in files.items() if file["families"]}
        self.machine = max(filled.values(), key=newest)["machine"] if filled else {}
        same = {n: f["families"] for n, f in filled.items() if f["machine"] == self.machine}
        measured = same.get("layers", {}) | same.get("scaling", {}) | same.get("peers", {})
        self.layers = {name: found for name, found in measured.items() if name in FAMILIES}
        self.scaling = {name: found for name, found in measured.items() if name not in FAMILIES}
        self.kernels = same.get("kernels", {}).get("kernels", {}).get("rows", [])
        self.uses = uses_table.load(Path(folder) / "uses.json")  # of a machine of its own
        self.pictures = sorted(p.name for p in Path(folder).glob("*.png"))


def newest(file):
    """When a file's last family was measured."""
    return max(family["when"] for family in file["families"].values())


def parts(results):
    """The text of every generated part by name."""
    return {
        "uses": lambda: uses_table.uses(results),
        "overview": lambda: layer_tables.overview(results),
        "layers": lambda: layer_tables.layers(results),
        "scaling": lambda: scaling_tables.scaling(results),
        "kernels": lambda: scaling_tables.kernels(results),
    }


def replace_parts(text, written, path):
    """The text with all parts between its markers written anew."""
    marker = re.compile(r"(<!-- bench: begin (\w+) -->\n).*?(<!-- bench: end \2 -->)", re.DOTALL)
    if not marker.search(text):
        raise SystemExit(f"{path} has no <!-- bench: begin NAME --> ... <!-- bench: end NAME -->")
    if unknown := sorted({name for _, name, _ in marker.findall(text)} - set(written)):
        known = ", ".join(written)
        raise SystemExit(f"{path}: no part is called {', '.join(unknown)}, expected {known}")
    return marker.sub(lambda m: f"{m[1]}{written[m[2]]().strip()}\n{m[3]}", text)


def main():
    """Rewrites the files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=FOLDER)
    parser.add_argument("--write", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    written = parts(Results(given.results))
    for path in given.write:
        path.write_text(replace_parts(path.read_text(), written, path))
        print(path)


if __name__ == "__main__":
    main()
