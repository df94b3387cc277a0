"""Promise: every example runs as it stands on its small setting; the table has its result."""

import importlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "examples"
TOOLS = {"fetch", "table"}
EXAMPLES = [p for p in sorted(FOLDER.glob("[!_]*.py")) if p.stem not in TOOLS]


sys.path.insert(0, str(FOLDER))  # as for a script that is run there
fetch, table, scores = map(importlib.import_module, ("fetch", "table", "_scores"))


def needs(path):
    """The archives that an example, or a helper that it imports, reads."""
    text = path.read_text()
    helpers = re.findall(r"^from (_\w+) import", text, re.MULTILINE)
    text += "".join((FOLDER / f"{name}.py").read_text() for name in helpers)
    return set(re.findall(r'fetch\.read(?:_all)?\(\s*"([^"]+)"', text))


def test_every_example_is_in_the_table():
    assert {path.stem for path in EXAMPLES} == set(table.EXAMPLES)


def test_data_are_pinned_with_their_hashes():
    used = set().union(*map(needs, EXAMPLES))
    assert used == set(fetch.requirements())
    for line in fetch.requirements().values():
        assert re.fullmatch(r"\S+==\S+( --hash=sha256:[0-9a-f]{64})+", line)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_runs(path, tmp_path):
    """In an empty folder, with no display and no warnings, within a minute; ends with a result."""
    for package in needs(path):
        if fetch.cached(package) is None:
            pytest.skip(f"{package} is not there: python examples/fetch.py downloads it")
    signs = {
        "sklearn": "sklearn|bag_of_words|pyrnn.estimators",
        "babel": "from babel|from _messages",
    }
    signs |= {"pandas": "import pandas|from _shops", "sb3_contrib": "from sb3_contrib"}
    signs |= {"espeakng_loader": "from _speech"}
    for package, sign in signs.items():
        if re.search(sign, path.read_text()):
            pytest.importorskip(package)
    command = [sys.executable, "-W", "error", str(path), "--quick"]
    env = os.environ | {"MPLBACKEND": "Agg", "HOME": str(tmp_path)}
    options = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True, "timeout": 60}
    child = subprocess.run(command, **options)
    assert child.returncode == 0, child.stderr[-3000:]
    result = json.loads(child.stdout.splitlines()[-1]) | {"versions": table.versions(path.stem)}
    assert result["quick"] and result["results"] and result["task"] in table.row(path.stem, result)
    pictures = re.findall(r"\w+\.(?:png|mid)\b", path.read_text())
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == set(pictures)


def test_shops_close_at_christmas():
    """On the same dates in leap years, too."""
    pytest.importorskip("pandas")
    from _shops import shops

    days = shops(3, days=3 * 365, first="2023-01-01").set_index("day")
    weekdays = days[days.index.day_of_week < 6]
    every = [f"12-{day}" for day in range(11, 25)]
    for year in (2023, 2024, 2025):
        closed, holiday = (rows.loc[str(year)] for rows in (weekdays, days))
        closed, holiday = closed[closed["closed"] == 1], holiday[holiday["holiday"] == 1]
        assert set(closed.index.strftime("%m-%d")) <= {"01-01", "12-25", "12-26"}, year
        assert len(set(closed.index.strftime("%m-%d"))) >= 2, year
        assert sorted(set(holiday.index.strftime("%m-%d"))) == every, year


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda p: p.stem)
def test_examples_stay_short(path):
    assert len(path.read_text().splitlines()) < 120


def test_table_shows_the_kept_results():
    """The README's table is what table.py makes of results.json."""
    text, results = table.README.read_text(), json.loads(table.RESULTS.read_text())
    assert table.with_table(text, results) == text
    assert not any(result["quick"] for rows in results.values() for result in rows)
    assert set(results) == set(table.EXAMPLES)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[1] == "|---" * 8 + "|" and all(line.count("|") == 9 for line in lines)


def test_table_says_what_is_not_beaten():
    result = {"task": "a", "model": "b", "metric": "c", "better": "lower", "results": [2.0, 4.0]}
    result |= {"baseline": ["d", 2.5], "others": [], "remark": "", "beaten": False, "versions": {}}
    assert "| **3.000** ± 1.4 (2 seeds) | d: 2.5 | **no** | – |" in table.row("spam", result)


def test_a_row_names_the_versions_of_its_data(monkeypatch):
    """Those of data.txt, or of what is installed; what is generated has none."""
    monkeypatch.setitem(table.EXAMPLES, "spam", ("many-to-one", "music21, numpy, made, Bach"))
    result = json.loads(table.RESULTS.read_text())["spam"][0]
    result |= {"versions": table.versions("spam")}
    assert result["versions"] == {"music21": "9.9.2", "numpy": np.__version__}
    assert f"(music21 9.9.2, numpy {np.__version__}, made, Bach) |" in table.row("spam", result)


def test_archives_are_read_in_memory(tmp_path, monkeypatch):
    """One within another, and nothing is written wherever a member's name points."""
    monkeypatch.chdir(tmp_path)
    inner, outer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as opened:
        for name, text in (("../b.txt", b"bad"), ("a.txt", b"good")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            opened.addfile(member, io.BytesIO(text))
    with zipfile.ZipFile(outer, "w") as opened:
        opened.writestr("data/inner.tar.gz", inner.getvalue())
    ((name, data),) = fetch.members(outer.getvalue(), "*.tar.gz").items()
    assert name == "data/inner.tar.gz"
    assert fetch.members(data, "*.txt") == {"../b.txt": b"bad", "a.txt": b"good"}
    assert not list(tmp_path.iterdir())


def test_a_score_becomes_notes(monkeypatch):
    """Chords share a start, backup goes back, rests take time, grace notes none."""
    monkeypatch.syspath_prepend(FOLDER)
    note = "<note>{}<pitch><step>{}</step><octave>4</octave></pitch><duration>{}</duration></note>"
    measure = [
        "<attributes><divisions>4</divisions></attributes>",
        note.format("", "C", 4) + note.format("<chord/>", "E", 4),
        "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>",
        "<note><rest/><duration>2</duration></note>" + note.format("", "B", 2),
        "<backup><duration>8</duration></backup>" + note.format("", "A", 8),
    ]
    part = ElementTree.fromstring(f"<part><measure>{''.join(measure)}</measure></part>")
    found = list(scores.notes(part))
    assert found == [(0, 2, 60), (0, 2, 64), (3, 4, 71), (0, 4, 69)]
