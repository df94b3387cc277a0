"""Promise: the searches of docs/scaling.md run in several processes, as a serial one would."""

import re
from pathlib import Path

import pytest

import children

PAGE = Path(__file__).parent.parent / "docs" / "scaling.md"
DATA = """
import os, sys
import numpy as np
import pyrnn
rng = np.random.default_rng(0)
x = rng.standard_normal((96, 10, 8)).astype(np.float32)
target = (x.sum(axis=(1, 2)) > 0).astype(np.int64)
"""


def block(sign):
    """The block of the page in which a text stands."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (found,) = (text for text in blocks if sign in text)
    return found


def test_a_grid_search_on_a_dask_cluster_finds_what_a_serial_one_finds(tmp_path):
    for name in ("distributed", "sklearn"):
        pytest.importorskip(name)
    code = (
        DATA
        + block("parallel_config")
        + """
    serial = GridSearchCV(search.estimator, search.param_grid, cv=2).fit(x[:80, :, :2], target[:80])
    for key in ("mean_test_score", "split0_test_score", "split1_test_score"):
        print(np.array_equal(search.cv_results_[key], serial.cv_results_[key]))
"""
    )
    script = tmp_path / "search.py"
    script.write_text(code)
    found = children.run(
        f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", timeout=240
    )
    assert found[-3:] == ["True"] * 3


def test_two_processes_share_a_study_with_pruning(tmp_path):
    pytest.importorskip("optuna")
    code = (
        DATA
        + f"""
os.chdir({str(tmp_path)!r})
children = []
for _ in range(2):
    children.append(os.fork())
    if not children[-1]:
        break
"""
        + block("PruningCallback")
        + """
if not children[-1]:
    os._exit(0)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
trials = optuna.load_study(storage=storage, study_name="widths").trials
states = [trial.state.name for trial in trials]
print(len(trials), states.count("COMPLETE") + states.count("PRUNED"), "PRUNED" in states)
"""
    )
    count, ended, _ = children.run(code, timeout=240)[-3:]
    assert count == ended == "18"
