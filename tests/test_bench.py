"""Promise: the benchmarks check results before they time, and say what was measured and missed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyrnn

BENCH = Path(__file__).parent.parent / "bench"
FAMILY = ["--family", "training-small-nets", "--case", "RNN B=1 T=100 H=16", "--rounds", "5"]
ALONE = [*FAMILY, "--peers", "none"]
THREADS = min(2, len(os.sched_getaffinity(0)))
PEAK, KERNEL = 50.0, 1e-7
PROBE = f"""#!{sys.executable}
import sys
answers = {{
    "probe": '{{"fma_gflops": {PEAK}, "read_gbytes": 10.0}}',
    "stream": '{{"seconds": {KERNEL}}}',
}}
for line in sys.stdin:
    print(answers[sys.argv[1]], flush=True)
"""


def run(script, *arguments, path=None):
    """A script of bench/ in a process of its own, with `path` in front of its PYTHONPATH."""
    package = Path(pyrnn.__file__).parent.parent
    paths = [str(p) for p in (path, package, os.environ.get("PYTHONPATH")) if p]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def program(path, text):
    """The path of a script that can be run."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def only_row(path):
    """The row of a file with one family of one case."""
    (family,) = json.loads(path.read_text())["families"].values()
    (row,) = family["rows"]
    return row


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with the results of one small case, measured against a probe with a known peak."""
    folder = tmp_path_factory.mktemp("results")
    probe = program(folder / "probe", PROBE)
    done = run("layers.py", *FAMILY, "--json", folder / "layers.json", "--probe", probe)
    assert done.returncode == 0, done.stderr
    return folder


def test_rows_say_what_was_measured(results):
    file = json.loads((results / "layers.json").read_text())
    assert file["machine"]["cpu"] and file["machine"]["cpus"] >= 1
    own = file["families"]["training-small-nets"]["versions"]["pyrnn"]
    assert own["isa"] in pyrnn.available_isas() and "file" not in own
    row = only_row(results / "layers.json")
    assert row["rounds"] == 5 and row["threads"] == THREADS
    assert not row["wrong"] and 0 < row["precision"]["pyrnn"] < 3e-5
    seconds = row["seconds"]["pyrnn"]
    assert 0 < seconds["p10"] <= seconds["median"] <= seconds["p90"]
    flop = 3 * 2 * 16 * 32 * 100  # three passes over W_ih and W_hh, 100 steps
    assert row["gflops"]["median"] == pytest.approx(flop / seconds["median"] / 1e9, rel=1e-3)
    assert row["share"]["median"] == pytest.approx(row["gflops"]["median"] / PEAK, rel=1e-3)
    assert set(row["ratios"]) == set(row["seconds"]) - {"pyrnn"}


def test_report_and_plots(results, tmp_path):
    page = tmp_path / "page.md"
    marks = "\n".join(
        f"<!-- bench: begin {name} -->\nold\n<!-- bench: end {name} -->"
        for name in ("uses", "layers", "scaling", "kernels")
    )
    page.write_text(f"before\n{marks}\nafter\n")
    assert run("plots.py", "--results", results).returncode == 0
    assert (results / "share.png").stat().st_size > 5000
    done = run("report.py", "--results", results, "--write", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| RNN B=1 T=100 H=16 |" in text and "Training, small nets" in text


def test_a_stream_is_held_against_its_step_in_cpp(tmp_path):
    probe = program(tmp_path / "probe", PROBE)
    given = ["--family", "stream", "--case", "GRU B=1 H=16", "--rounds", "5", "--peers", "none"]
    done = run("layers.py", *given, "--json", tmp_path / "layers.json", "--probe", probe)
    assert done.returncode == 0, done.stderr
    row = only_row(tmp_path / "layers.json")
    assert row["kernel_seconds"]["median"] == KERNEL
    over = row["seconds"]["pyrnn"]["median"] - KERNEL
    assert row["over_kernel"]["median"] == pytest.approx(over, rel=1e-3)


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
    done = run("layers.py", *ALONE, "--json", tmp_path / "layers.json", path=tmp_path)
    assert done.returncode != 0 and "dx is off by" in done.stderr
    row = only_row(tmp_path / "layers.json")
    assert "dx" in row["wrong"]["pyrnn"]
    assert not row["seconds"] and "gflops" not in row


ENDINGS = {
    "at its start": ("pyrnn.py", "raise SystemExit('gone')\n"),
    "at the truth": ("torch.py", "raise SystemExit('gone')\n"),
    "in a turn": (
        "sitecustomize.py",
        "import itertools, os, pyrnn\n"
        "right, calls = pyrnn.Pullback.__call__, itertools.count()\n"
        "def ending(self, *given):\n"
        "    if next(calls) == 3:  # after the comparison and two calls to know how long one is\n"
        "        os.write(2, b'gone')\n"
        "        os._exit(3)\n"
        "    return right(self, *given)\n"
        "pyrnn.Pullback.__call__ = ending\n",
    ),
}


@pytest.mark.parametrize("when", ENDINGS)
def test_a_process_that_ends_is_reported(when, tmp_path):
    name, text = ENDINGS[when]
    (tmp_path / name).write_text(text)
    done = run("layers.py", *ALONE, "--json", tmp_path / "layers.json", path=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "pyrnn: " in done.stderr and "gone" in done.stderr
    row = only_row(tmp_path / "layers.json")
    assert "gone" in row["wrong"]["pyrnn"] and not row["seconds"]


def test_a_probe_that_ends_costs_the_share_alone(tmp_path):
    probe = program(tmp_path / "probe", f"#!{sys.executable}\nraise SystemExit('gone')\n")
    done = run("layers.py", *ALONE, "--json", tmp_path / "layers.json", "--probe", probe)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    row = only_row(tmp_path / "layers.json")
    assert "gone" in row["wrong"]["probe"] and "share" not in row and row["rounds"] == 5


def test_a_python_without_pyrnn_is_refused(tmp_path):
    (tmp_path / "pyrnn.py").write_text("raise ImportError('not here')\n")
    done = run("layers.py", *ALONE, path=tmp_path)
    assert done.returncode == 1 and "has no pyrnn to be measured: not here" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_build_that_crashes_is_reported(tmp_path):
    (tmp_path / "pyrnn").mkdir()
    (tmp_path / "pyrnn" / "__init__.py").write_text("raise SystemExit('broken build')\n")
    done = run("compare.py", sys.executable, tmp_path, *FAMILY)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "WRONG {'new'" in done.stdout and "broken build" in done.stdout


def test_compare(tmp_path):
    shutil.copytree(Path(pyrnn.__file__).parent, tmp_path / "pyrnn")
    done = run("compare.py", sys.executable, tmp_path, *FAMILY)
    assert done.returncode == 0, done.stderr
    assert "old/new, geometric mean of 1 cases" in done.stdout and "; old/old" in done.stdout


@pytest.mark.parametrize(
    ("new", "more", "words"),
    [
        (sys.executable, [], "old and new are the same build"),
        (BENCH, [], "expected an interpreter or a folder that holds pyrnn/"),
        (sys.executable, ["--rounds", "4"], "expected at least 5"),
    ],
)
def test_compare_refuses(new, more, words):
    done = run("compare.py", sys.executable, new, *FAMILY, *more)
    assert done.returncode != 0 and words in done.stderr and "Traceback" not in done.stderr


def test_memory():
    """What a step of an RNN adds holds y, dx and the values of tanh, and no copy of each."""
    steps, rows_and_units = (100, 300), 32 * 256 * 4
    peaks = []
    for T in steps:
        done = run("memory.py", "--child", "pyrnn", "RNN", T, 1)
        assert done.returncode == 0, done.stderr
        peaks.append(json.loads(done.stdout))
    assert 2.5 < (peaks[1] - peaks[0]) / (rows_and_units * (steps[1] - steps[0])) < 5
