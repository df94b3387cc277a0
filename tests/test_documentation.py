"""Promise: the Python of README.md and docs/guide.md runs when it is pasted block after block."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOPS = ("src", "tests", "bench", "docs", "examples", "tools", "conda", "licenses", ".ci", ".github")


def blocks(name):
    """The Python blocks of a page, each with its own line numbers."""
    text = (ROOT / name).read_text()
    for match in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        lines_before = text[: match.start(1)].count("\n")
        yield compile("\n" * lines_before + match[1], name, "exec")


@pytest.mark.parametrize(
    ("name", "count", "printed"),
    [
        (
            "README.md",
            3,
            [
                r"right: (0\.[89]\d*|1\.0)\n",
                r"the same: True\n",
                r"forecaster +0\.3\d+\n",
                r"seasonal least squares +0\.4\d+\n",
            ],
        ),
        (
            "docs/guide.md",
            10,
            [
                r"right: (0\.9\d*|1\.0)\n",
                r"MASE: 0\.[34]\d+\n",
                r"forecaster +0\.[34]\d+\n",
                r"seasonal least squares +0\.[45]\d+\n",
            ],
        ),
    ],
)
def test_pages_run(name, count, printed, tmp_path, monkeypatch, capfd):
    """In order and in one namespace, as a reader would; what they print is what they promise."""
    text = (ROOT / name).read_text()
    for package, sign in (("sklearn", "sklearn"), ("pandas", "import pandas")):
        if sign in text:
            pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    codes = list(blocks(name))
    assert len(codes) >= count
    for code in codes:
        exec(code, names)
    out = capfd.readouterr().out
    for pattern in printed:
        assert re.search(pattern, out), out


def paths(text):
    """What stands in backticks and looks like a file or a folder of the repository."""
    for quoted in re.findall(r"`([\w./-]+)`", text):
        if "/" in quoted.rstrip("/") or re.search(r"\w\.(py|pyi|h|cpp|md|txt|toml)$", quoted):
            yield quoted


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions.md"])
def test_paths_exist(name):
    """A file may be named by the end of its path, from the repository's root or below src."""
    files = [p.relative_to(ROOT) for top in TOPS for p in (ROOT / top).rglob("*")]
    known = {"/".join(p.parts[i:]) for p in files for i in range(len(p.parts))}
    known |= {p.name for p in ROOT.iterdir()}
    missing = [p for p in paths((ROOT / name).read_text()) if p.rstrip("/") not in known]
    assert not missing
