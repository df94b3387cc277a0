"""Promise: forked processes share a model's weights, packed ones too; threads share a model."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from children import ran, run
from compare import assert_same_bits

MODEL = """
import os, sys, pyrnn
model = pyrnn.Sequential(
    pyrnn.LSTM(256, 512, num_layers=2, seed=0), pyrnn.LastStep(), pyrnn.Linear(512, 2, seed=1)
)
model.save({path!r})
weights = sum(p.data.nbytes for p in model.parameters())
del model
model = pyrnn.load({path!r})
x = np.random.default_rng(0).standard_normal((1, 20, 256)).astype(np.float32)
expected = model(x)  # packs the weights
def memory(pid, name):
    (line,) = (l for l in open(f"/proc/{{pid}}/smaps_rollup") if l.startswith(name + ":"))
    return 1024 * int(line.split()[1])
"""
FORKS = """
(answers, said), (rest, go) = os.pipe(), os.pipe()
children = []
for _ in range(3):
    children.append(os.fork())
    if not children[-1]:
        same = all(np.array_equal(model(x), expected) for _ in range(3))
        os.write(said, b"y" if same else b"n")
        os.read(rest, 1)
        os._exit(0)
for _ in children:
    print(os.read(answers, 1).decode())
for child in children:
    own = memory(child, "Private_Dirty")
    print(own < weights / 2 or f"{own:,} bytes of its own, weights have {weights:,}")
os.write(go, b"   ")
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/PID/smaps_rollup")
def test_forked_processes_share_the_weights_of_a_file(tmp_path):
    """Each computes the same bits, and has less memory of its own than half of the weights."""
    code = MODEL.format(path=str(tmp_path / "model.safetensors")) + FORKS
    assert run(code, PYRNN_NUM_THREADS="1") == ["y"] * 3 + ["True"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_worker_of_the_page_that_dies_is_an_error(tmp_path):
    """Not a hang: whoever asked learns of it."""
    page = (Path(__file__).parent.parent / "docs" / "serving.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    for ends, words in (
        ("os.kill(os.getpid(), 9)", "BrokenProcessPool"),
        ('raise LookupError("lost")', "LookupError: lost"),
    ):
        dying = code.replace("return again(one)", f"import os; {ends}")
        assert dying != code
        done = ran(f"import os; os.chdir({str(tmp_path)!r})\n{dying}")
        assert done.returncode == 1 and words in done.stderr


def test_a_pool_of_threads_over_one_model():
    model = pyrnn.Sequential(
        pyrnn.GRU(8, 64, num_layers=2, seed=0), pyrnn.LastStep(), pyrnn.Linear(64, 3, seed=1)
    )
    rng = np.random.default_rng(0)
    requests = [rng.standard_normal((1 + i % 3, 5 + i, 8)).astype(np.float32) for i in range(24)]
    serial = [model(x) for x in requests]
    with ThreadPoolExecutor(4) as pool:
        assert_same_bits(list(pool.map(model, requests)), serial)


def test_threads_of_a_block_do_not_reach_a_pool():
    """`with pyrnn.threads(n)` is of the thread that enters it; a call may carry it along."""

    def inside(_):
        with pyrnn.threads(3):
            return pyrnn.get_num_threads()

    before = pyrnn.get_num_threads()
    try:
        pyrnn.set_num_threads(2)
        with pyrnn.threads(1), ThreadPoolExecutor(2) as pool:
            assert pyrnn.get_num_threads() == 1
            assert pool.submit(pyrnn.get_num_threads).result() == 2
            assert list(pool.map(inside, range(4))) == [3] * 4
            assert pool.submit(pyrnn.get_num_threads).result() == 2  # it has ended there, too
            carried = copy_context().run
            assert pool.submit(carried, pyrnn.get_num_threads).result() == 1
    finally:
        pyrnn.set_num_threads(before)
