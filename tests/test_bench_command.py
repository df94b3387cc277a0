"""Promise: python -m pyrnn.bench compares outputs before it times, and prints a row of Markdown."""

import json
import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn.bench import __main__ as command
from pyrnn.bench._cases import CASES, Case
from pyrnn.bench._jobs import PEERS, job

INSTALLED = [name for name, needs in PEERS.items() if all(map(util.find_spec, needs))]


def run(*arguments):
    """The command in a process of its own."""
    package = str(Path(pyrnn.__file__).parent.parent)
    environment = dict(os.environ, PYTHONPATH=package, PYRNN_NUM_THREADS="1")
    line = [sys.executable, "-m", "pyrnn.bench", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One short run with all peers that are installed: standard output, and the file of figures."""
    path = tmp_path_factory.mktemp("bench") / "figures.json"
    done = run("--seconds", "0.01", "--json", path)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def test_a_row_below_its_head(measured):
    lines = measured[0].splitlines()
    head, rule, row = ([c.strip() for c in line.strip("|").split(" | ")] for line in lines)
    assert head[5:] == [case.title for case in CASES]
    assert set(rule) == {"---"}
    assert len(row) == len(head)
    assert row[head.index("instruction set")] == pyrnn.active_isa()
    assert row[head.index("threads")] == "1"
    assert pyrnn.__version__ in row[head.index("versions")]
    assert all(" ms, " in cell or " us, " in cell for cell in row[5:])


def test_figures(measured):
    for case, row in zip(CASES, measured[1]["cases"], strict=True):
        seconds, ratios = row["seconds"], row["over pyrnn"]
        assert min(seconds.values()) > 0
        assert row["share of the peak"] > 0
        assert row["rounds"] >= 5
        expected = set(INSTALLED)
        expected -= {"onnxruntime"} if case.mode == "training" else set()
        expected -= {"jax"} if case.ragged else set()
        assert set(ratios) == expected == set(seconds) - {"pyrnn"}


@pytest.mark.parametrize("library", INSTALLED)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_peers_give_the_same_arrays(library, case):
    """With as many arrays: a training step has the gradient of every weight."""
    theirs = job(library, case, 1)
    if theirs is None:
        pytest.skip(f"{library} does not do it")
    found, expected = theirs.outputs(), job("pyrnn", case, 1).outputs()
    assert set(found) == set(expected)
    assert len(expected) == 1 + (case.mode == "training") * len(case.model().parameters())
    command.check(library, case, found, expected)


def test_other_arrays_are_not_timed():
    case = CASES[1]
    expected = job("pyrnn", case, 1).outputs()
    for name in expected:
        found = dict(expected)
        found[name] = found[name] + np.float32(1e-3) * np.abs(found[name]).max()
        with pytest.raises(SystemExit, match=f"{name} of torch and pyrnn differ by 0.001"):
            command.check("torch", case, found, expected)
    found = dict(expected, y=np.full_like(expected["y"], np.nan))
    with pytest.raises(SystemExit, match="y of torch"):
        command.check("torch", case, found, expected)


def test_work_is_counted():
    """A multiply-add is two; of real steps; a training step is three passes."""
    case = Case("inference", "GRU", B=2, T=3, I=5, H=7)
    assert case.flop() == 2 * (3 * 7 * (5 + 7) + 7) * 6
    assert Case("training", "GRU", 2, 3, 5, 7).flop() == 3 * case.flop()
    two = Case("inference", "LSTM", 2, 3, 5, 7, layers=2, directions=2)
    assert two.flop() == 2 * (2 * 28 * (5 + 7) + 2 * 28 * (14 + 7) + 14) * 6
    ragged = Case("inference", "GRU", 4, 4, 5, 7, ragged=True)
    assert sorted(ragged.lengths()) == [1, 2, 3, 4]
    assert ragged.flop() == Case("inference", "GRU", 1, 10, 5, 7).flop()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--peers", "tensorflow"],
            "--peers: 'tensorflow', expected some of torch,jax,onnxruntime",
        ),
        (["--threads", "0"], "--threads: 0, expected 1 to 1"),
        (["--seconds", "nan"], "--seconds: nan, expected more than 0"),
    ],
)
def test_bad_arguments(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_peak():
    """Its arguments are bounded: nothing waits for ever."""
    assert pyrnn._core._peak_flops(1, 0.01) > 1e8
    for arguments, message in (
        ((0, 0.01), "threads: 0"),
        ((1, 0.0), "seconds: 0"),
        ((1, 2.0), "seconds: 2"),
    ):
        with pytest.raises(ValueError, match=message):
            pyrnn._core._peak_flops(*arguments)
