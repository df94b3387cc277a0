"""Promise: Ctrl-C stops a call whose threads share units, and leaves none of them waiting.

They meet after each phase of a time step. A thread that sees the stop while another is still in the
step before must meet as often as that one; else both wait for ever. So everything here runs in a
child with a time limit.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from children import run_stopped

ROOT = Path(__file__).parent.parent
DROPS = "zoneout=0.1, recurrent_dropout=0.1"
CELLS = {
    "rnn_tanh": "RNN(4, 1024)",
    "rnn_relu": "RNN(4, 1024, nonlinearity='relu')",
    "rnn_tanh, changed state": f"RNN(4, 1024, {DROPS})",
    "lstm": "LSTM(4, 1024)",
    "lstm, changed state": f"LSTM(4, 1024, proj_size=512, zoneout_cell=0.1, {DROPS})",
    "gru": "GRU(4, 1024)",
    "gru, changed state": f"GRU(4, 1024, {DROPS})",
    "gru_reset_before": "GRU(4, 1024, reset_after=False)",
    "gru_reset_before, changed state": f"GRU(4, 1024, reset_after=False, {DROPS})",
}


@pytest.mark.parametrize("layer", CELLS.values(), ids=CELLS)
def test_ctrl_c_where_threads_share_units(layer):
    """Inference, both passes of training and a stream; the next call works."""
    code = f"""
        pyrnn.set_num_threads(2)
        layer = pyrnn.{layer}
        x = np.zeros((1, 3000 if layer.gates > 1 else 8000, 4), "f4")  # one row: units are shared
        stream = layer.stream()
        print(ended(layer, x), ended(layer.vjp, x))
        (y, _), pullback = layer.vjp(x)
        print(ended(pullback, y), any(p.grad.any() for p in layer.parameters()))
        print(ended(stream.run, x), np.isfinite(layer(x[:, :2])[0]).all())
    """
    infer, train, back, touched, streamed, works = run_stopped(code)
    assert (infer, train, back, streamed) == ("stopped",) * 4
    assert touched == "False" and works == "True"


def newest(files):
    return max(path.stat().st_mtime for path in files)


@pytest.fixture(scope="module")
def phases(tmp_path_factory):
    """The program of tests/cpp/phases.cpp, linked with the objects of a build of these sources."""
    sources = [
        p for folder in ("core", "kernels") for p in (ROOT / "src/cpp" / folder).rglob("*.*")
    ]
    cores = [p for p in ROOT.glob("build/*/_core*.so") if p.stat().st_mtime >= newest(sources)]
    if not cores or not shutil.which("g++"):
        pytest.skip("needs g++ and a build of these sources under build/")
    made = cores[0].parent / "CMakeFiles"
    objects = [
        made / "core.dir" / f"{p.relative_to(ROOT)}.o" for p in sources if p.suffix == ".cpp"
    ]
    objects = [p for p in objects if p.exists()] + [*made.glob("kernels_*.dir/src/cpp/**/*.o")]
    program = tmp_path_factory.mktemp("phases") / "phases"
    flags = ["-std=c++20", "-O1", "-fopenmp", "-ffp-contract=off", f"-I{ROOT / 'src/cpp'}"]
    command = ["g++", *flags, ROOT / "tests/cpp/phases.cpp", *objects, "-o", program]
    subprocess.run(command, check=True, timeout=120)
    return program


def output(program, *arguments):
    child = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    return child.stdout.strip()


def test_a_cell_of_three_phases_is_one_row_of_the_table(phases):
    """Nobody but the row knows how many there are: the same bits, on one thread and on two."""
    assert output(phases, "equal") == "equal"


@pytest.mark.parametrize("options", [(), ("drops",)], ids=str)
@pytest.mark.parametrize("which", ["forward", "backward"])
def test_a_stopped_cell_of_three_phases_leaves_nobody_waiting(phases, which, options):
    """One member sees the stop a step after the other, which is the hard case."""
    assert output(phases, "stop", which, *options) == "stopped"
