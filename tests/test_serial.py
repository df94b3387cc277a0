"""Promise: built with -DPYRNN_OPENMP=OFF, calls start no threads; nothing else changes."""

from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn import _core

pytestmark = pytest.mark.skipif(
    _core.build_info()["openmp"] == "yes", reason="built with OpenMP: see `make test-serial`"
)


def threads_of_process():
    return len(list(Path("/proc/self/task").iterdir()))


def test_a_call_worth_a_team_starts_no_thread():
    layer = pyrnn.LSTM(64, 128, seed=0)
    x = np.ones((64, 32, 64), np.float32)
    before = threads_of_process()
    y, _ = layer(x)
    (trained, _), pullback = layer.vjp(x)
    pullback(np.ones_like(y))
    assert threads_of_process() == before
    np.testing.assert_array_equal(trained, y)


def test_more_threads_may_be_asked_for():
    assert pyrnn.get_num_threads() == 1
    pyrnn.set_num_threads(4)
    with pyrnn.threads(3):
        assert pyrnn.get_num_threads() == 1


def test_the_configuration_says_so(capsys):
    pyrnn.show_config()
    assert "threads:         1, built without OpenMP\n" in capsys.readouterr().out


def test_no_openmp_is_loaded():
    assert not {"libgomp", "libomp"} & {
        Path(line.split()[-1]).name.partition(".")[0]
        for line in Path("/proc/self/maps").read_text().splitlines()
    }
