"""Promise: the instruction set is the best one or the one asked for, never silently another."""

import os
import subprocess
import sys

import numpy as np
import pytest

import pyrnn
from cases import CELLS, ISAS, Case
from compare import assert_close
from pyrnn import _core


def run(code, **environment):
    env = {k: v for k, v in os.environ.items() if k != "PYRNN_ISA"} | environment
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


def test_best_first_and_best_by_default():
    available = pyrnn.available_isas()
    assert available == [name for name in ISAS if name in available]
    assert available[-1] == ISAS[-1], "every machine runs the baseline"
    result = run("import pyrnn; print(pyrnn.active_isa())")
    assert result.stdout.split() == [available[0]], result.stderr


def test_available_isas_follow_the_cpu():
    """Compared with what the kernel says about the CPU, not with pyrnn's own detection."""
    with open("/proc/cpuinfo") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), None)
    if flags is None:
        pytest.skip("no x86 flags in /proc/cpuinfo")
    needed = {
        "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
        "avx2": {"avx2", "fma"},
        "baseline": set(),
    }
    assert pyrnn.available_isas() == [n for n, flag in needed.items() if flag <= set(flags)]


@pytest.mark.parametrize("name", pyrnn.available_isas())
def test_environment_forces_an_isa(name):
    result = run("import pyrnn; print(pyrnn.active_isa())", PYRNN_ISA=name)
    assert result.stdout.split() == [name], result.stderr


@pytest.mark.parametrize("name", ["sse9", "AVX2 ", "neon" if "neon" not in ISAS else "avx2"])
def test_unknown_isa_is_an_error_at_import(name):
    """ValueError that names what came and what there is; not a fallback, not a crash."""
    code = "try:\n import pyrnn\nexcept ValueError as e:\n print('ValueError', e)"
    result = run(code, PYRNN_ISA=name)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("ValueError") and name in result.stdout
    assert all(isa in result.stdout for isa in pyrnn.available_isas())


@pytest.mark.parametrize("name", ISAS)
def test_an_isa_the_cpu_lacks_is_an_error_at_import(name):
    if name in pyrnn.available_isas():
        pytest.skip(f"this CPU has {name}")
    result = run("import pyrnn", PYRNN_ISA=name)
    assert result.returncode == 1 and "ValueError" in result.stderr and name in result.stderr


def test_set_isa_refuses_other_names():
    before = pyrnn.active_isa()
    for name in ("", "sse9", "AVX2"):
        with pytest.raises(ValueError, match=r"avx2|baseline|neon"):
            _core._set_isa(name)
    assert pyrnn.active_isa() == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
def test_isas_agree_within_rounding(cell, dtype):
    """Each ISA on the same numbers; the first one stands in for the exact result."""
    case = Case(cell, 33, 65, T=9, B=7, num_layers=2, bidirectional=True, dtype=dtype)
    problem, before, results = case.problem(), pyrnn.active_isa(), {}
    for name in pyrnn.available_isas():
        _core._set_isa(name)
        outputs, gradients = problem.training()
        results[name] = {"inference": problem.inference(), "out": outputs, "grad": gradients}
    _core._set_isa(before)
    (_, first), *others = results.items()
    for _, other in others:  # two rounded results: twice the distance of one from the exact one
        for key, exact in first.items():
            expected = {n: a.astype(np.float64) for n, a in exact.items()}
            terms = case.terms * (case.B if key == "grad" else 1)
            assert_close(other[key], expected, dtype, terms**2, backward=key == "grad")


@pytest.mark.parametrize("cell", CELLS)
def test_each_isa_really_runs_its_own_code(cell):
    """Without fused multiply-add sums round twice per term, so the baseline has other bits."""
    if set(pyrnn.available_isas()) < {"baseline", "avx2"}:
        pytest.skip(f"needs baseline and avx2, this CPU has {pyrnn.available_isas()}")
    problem = Case(cell, 65, 65, T=3, B=3, dtype="float32").problem()
    before, bits = pyrnn.active_isa(), {}
    for name in ("baseline", "avx2"):
        _core._set_isa(name)
        bits[name] = problem.inference()["y"].tobytes()
    _core._set_isa(before)
    assert bits["baseline"] != bits["avx2"]
