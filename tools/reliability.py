#!/usr/bin/env python3
"""Writes the figures of a full run of the tests into RELIABILITY.md.

python tools/reliability.py RESULTS.xml ...    what pytest --junitxml wrote, such as `make verify`
"""

import datetime
import platform
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "RELIABILITY.md"
FIGURES = re.compile(r"(<!-- figures: .*? -->\n).*?(<!-- end of figures -->)", re.DOTALL)
TEST = re.compile(r"`(test_\w+\.py(?:::\w+)*)`")


def promises(text: str) -> dict[str, list[str]]:
    """Each promise of the page's first table, and the tests that stand in its row."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|(.*)$", text, re.MULTILINE)
    return {name: TEST.findall(line) for name, line in rows}


def outcomes(files: list[str]) -> dict[str, Counter[str]]:
    """How the cases of each test ended: "test_x.py::TestY::test_z" -> passed, skipped, failed."""
    ended: dict[str, Counter[str]] = {}
    for file in files:
        for case in ET.parse(file).iter("testcase"):
            *_, name = case.get("classname", "").partition("test_")
            parts = f"test_{name}".split(".")
            test = "::".join([f"{parts[0]}.py", *parts[1:], case.get("name", "").split("[")[0]])
            kinds = {child.tag for child in case}
            how = "failed" if kinds & {"failure", "error"} else "passed"
            ended.setdefault(test, Counter())["skipped" if "skipped" in kinds else how] += 1
    return ended


def counts(tests: list[str], ended: dict[str, Counter[str]]) -> Counter[str]:
    """The same of some tests together; a file or class stands for all that is in it."""
    total: Counter[str] = Counter()
    for test, how in ended.items():
        if any(test == named or test.startswith(f"{named}::") for named in tests):
            total += how
    return total


def table(ended: dict[str, Counter[str]], page: str) -> str:
    """The figures as Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    everything = sum(ended.values(), Counter())
    lines = [
        f"{datetime.date.today()}, {f'commit {commit}, ' if commit else ''}"
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}. "
        "Skipped are cases for instruction sets that the CPU lacks, and those of packages that "
        "were not there.",
        "",
        "| promise | cases passed | skipped | failed |",
        "|---|---|---|---|",
    ]
    rows = {name: counts(tests, ended) for name, tests in promises(page).items()}
    for name, how in (rows | {"all tests": everything}).items():
        lines.append(f"| {name} | {how['passed']:,} | {how['skipped']:,} | {how['failed']:,} |")
    return "\n".join(lines) + "\n"


def main(files: list[str]) -> int:
    if not files:
        print(__doc__, file=sys.stderr)
        return 2
    page = PAGE.read_text()
    figures = table(outcomes(files), page)
    PAGE.write_text(FIGURES.sub(lambda found: f"{found[1]}{figures}{found[2]}", page))
    print(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
