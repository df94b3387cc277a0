"""Promise: every test that RELIABILITY.md and docs/faults.md name exists; no case has none."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
sys.path.insert(0, str(ROOT / "tools"))  # as for a script that is run there
reliability = importlib.import_module("reliability")
PAGES = ("RELIABILITY.md", "docs/faults.md")


def defined(name):
    """The tests in a file, and its classes: "test_x.py", "test_x.py::TestY::test_z"."""
    yield name
    for node in ast.parse((TESTS / name).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield f"{name}::{node.name}"
        if isinstance(node, ast.ClassDef):
            yield f"{name}::{node.name}"
            yield from (
                f"{name}::{node.name}::{f.name}"
                for f in node.body
                if isinstance(f, ast.FunctionDef)
            )


KNOWN = {test for path in TESTS.glob("test_*.py") for test in defined(path.name)}


@pytest.mark.parametrize("page", PAGES)
def test_named_tests_exist(page):
    named = reliability.TEST.findall((ROOT / page).read_text())
    assert len(named) > 50
    assert not set(named) - KNOWN


def test_every_promise_has_tests():
    promises = reliability.promises((ROOT / "RELIABILITY.md").read_text())
    assert len(promises) == 15 and all(promises.values())


def test_all_hundred_cases_are_there():
    """Each with a test, or with the reason why there can be none."""
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \| (.*) \|$", (ROOT / PAGES[1]).read_text(), re.M)
    assert [int(number) for number, *_ in rows] == list(range(1, 101))
    without = [number for number, _, tests in rows if not reliability.TEST.findall(tests)]
    assert without == ["42"]


def test_listed_faults_can_be_made():
    """`make test-mutations` changes what stands in the sources now, and runs tests that exist."""
    faults = importlib.import_module("mutations_list").MUTATIONS
    assert sum(len(of_source) for _, of_source in faults.values()) >= 60
    for source, (tests, of_source) in faults.items():
        text = (ROOT / "src" / "cpp" / source).read_text()
        assert not set(tests.split()) - KNOWN
        for name, (there, instead) in of_source.items():
            assert there in text, f"tools/mutations_list.py: {name}: no {there!r} in {source} now"
            assert there != instead, name


RESULTS = """<testsuites><testsuite>
<testcase classname="tests.test_bits" name="test_any_number_of_threads[avx2]"/>
<testcase classname="tests.test_bits" name="test_call_order[avx512]"><skipped/></testcase>
<testcase classname="tests.test_bad_input.TestShapes" name="test_dy"><failure/></testcase>
<testcase classname="tests.test_linear" name="test_other"/>
</testsuite></testsuites>"""


def test_figures_are_those_of_the_results(tmp_path, monkeypatch, capsys):
    (tmp_path / "results.xml").write_text(RESULTS)
    page = tmp_path / "RELIABILITY.md"
    page.write_text((ROOT / "RELIABILITY.md").read_text())
    monkeypatch.setattr(reliability, "PAGE", page)
    for _ in range(2):  # the second run replaces what the first one wrote
        assert reliability.main([str(tmp_path / "results.xml")]) == 0
    text = page.read_text()
    for row in (
        "| Same bits | 1 | 1 | 0 |",
        "| Clear errors | 0 | 0 | 1 |",
        "| all tests | 2 | 1 | 1",
    ):
        assert text.count(row) == 1
    assert "No full run" not in text and text.endswith("<!-- end of figures -->\n")
    assert reliability.main([]) == 2
