"""Promise: the benchmarks check results before they time, and say what was measured and missed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyrnn

BENCH = Path(__file__).parent.parent / "bench"
FAMILY = ["--family", "training-small-nets", "--case", "RNN B=1 T=100 H=16", "--rounds", "3"]
PEAK = 50.0
PROBE = f"""#!{sys.executable}
import sys
for line in sys.stdin:
    print('{{"fma_gflops": {PEAK}, "read_gbytes": 10.0}}', flush=True)
"""


def run(script, *arguments, path=None):
    """A script of bench/ in a process of its own, with `path` in front of its PYTHONPATH."""
    package = Path(pyrnn.__file__).parent.parent
    paths = [str(p) for p in (path, package, os.environ.get("PYTHONPATH")) if p]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with the results of one small case, measured against a probe with a known peak."""
    folder = tmp_path_factory.mktemp("results")
    probe = folder / "probe"
    probe.write_text(PROBE)
    probe.chmod(0o755)
    done = run("layers.py", *FAMILY, "--json", folder / "layers.json", "--probe", probe)
    assert done.returncode == 0, done.stderr
    return folder


def test_rows_say_what_was_measured(results):
    file = json.loads((results / "layers.json").read_text())
    assert file["machine"]["cpu"] and file["machine"]["cpus"] >= 1
    family = file["families"]["training-small-nets"]
    assert family["versions"]["pyrnn"]["isa"] in pyrnn.available_isas()
    (row,) = family["rows"]
    assert row["rounds"] == 3 and row["threads"] == 2
    assert not row["wrong"] and 0 < row["precision"]["pyrnn"] < 3e-5
    seconds = row["seconds"]["pyrnn"]
    assert 0 < seconds["p10"] <= seconds["median"] <= seconds["p90"] < 1
    flop = 3 * 2 * 16 * 32 * 100  # three passes over W_ih and W_hh, 100 steps
    assert row["gflops"]["median"] == pytest.approx(flop / seconds["median"] / 1e9, rel=1e-3)
    assert row["share"]["median"] == pytest.approx(row["gflops"]["median"] / PEAK, rel=1e-3)
    assert set(row["ratios"]) == set(row["seconds"]) - {"pyrnn"}


def test_report_and_plots(results, tmp_path):
    page = tmp_path / "page.md"
    marks = "\n".join(
        f"<!-- bench: begin {name} -->\nold\n<!-- bench: end {name} -->"
        for name in ("summary", "layers", "scaling", "kernels")
    )
    page.write_text(f"before\n{marks}\nafter\n")
    assert run("plots.py", "--results", results).returncode == 0
    assert (results / "share.png").stat().st_size > 5000
    done = run("report.py", "--results", results, "--write", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| RNN B=1 T=100 H=16 |" in text and "Training, small nets" in text


def test_a_document_without_marks_is_refused(results, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing to fill in")
    done = run("report.py", "--results", results, "--write", page)
    assert done.returncode != 0 and "bench: begin" in done.stderr
    assert page.read_text() == "nothing to fill in"


@pytest.mark.parametrize("factor", ["1.001", "float('nan')"])
def test_a_wrong_result_is_refused_before_timing(factor, tmp_path):
    """A pyrnn whose pullback is off by a thousandth."""
    (tmp_path / "sitecustomize.py").write_text(
        "import pyrnn\n"
        "right = pyrnn.Pullback.__call__\n"
        "def wrong(self, *given):\n"
        "    dx, dstate = right(self, *given)\n"
        f"    return dx * {factor}, dstate\n"
        "pyrnn.Pullback.__call__ = wrong\n"
    )
    results = tmp_path / "layers.json"
    given = [*FAMILY, "--peers", "none", "--json", results]
    done = run("layers.py", *given, path=tmp_path)
    assert done.returncode != 0 and "dx is off by" in done.stderr
    (row,) = json.loads(results.read_text())["families"]["training-small-nets"]["rows"]
    assert "dx" in row["wrong"]["pyrnn"]
    assert not row["seconds"] and "gflops" not in row


def test_a_build_that_crashes_is_reported(tmp_path):
    (tmp_path / "pyrnn.py").write_text("raise SystemExit('broken build')\n")
    given = [sys.executable, tmp_path, *FAMILY]
    done = run("compare.py", *given)
    assert done.returncode != 0 and "broken build" in done.stderr


def test_compare(tmp_path):
    done = run("compare.py", sys.executable, sys.executable, *FAMILY)
    assert done.returncode == 0, done.stderr
    assert "old/new, geometric mean of 1 cases" in done.stdout
