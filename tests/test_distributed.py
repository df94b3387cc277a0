"""Promise: pyrnn.distributed without MPI says what is missing; another library can stand in."""

import doctest
import importlib.util

import numpy as np
import pytest

import pyrnn
import pyrnn.distributed
from children import TESTS, run
from mpi_jobs import HAS_MPI
from pyrnn._base.bfloat16 import narrowed, widened


def test_mpi4py_missing():
    code = """
        import sys
        sys.modules["mpi4py"] = None
        import pyrnn.distributed
        try:
            pyrnn.distributed.MPI()
        except ImportError as error:
            print(error)
    """
    assert "mpi4py, which is not installed: pip install" in " ".join(run(code))


def test_a_library_of_mpi_missing():
    code = """
        import sys, types
        sys.modules["mpi4py"] = types.ModuleType("mpi4py")
        sys.modules["mpi4py"].__version__ = "4"
        import pyrnn.distributed
        try:
            pyrnn.distributed.MPI()
        except ImportError as error:
            print(error)
    """
    assert "an MPI, which mpi4py 4 does not find" in " ".join(run(code))


def test_import_pyrnn_loads_neither():
    code = """
        import sys, pyrnn
        print(any(name.startswith(("mpi4py", "pyrnn.distributed")) for name in sys.modules))
    """
    assert run(code) == ["False"]


def test_bfloat16_is_the_nearest():
    values = np.concatenate(
        [
            np.random.default_rng(0).standard_normal(1000).astype(np.float32) ** 5,
            np.float32([0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, 1e-40, 1.00390625, 1.01171875]),
        ]
    )
    found = widened(narrowed(values))
    ml_dtypes = pytest.importorskip("ml_dtypes") if importlib.util.find_spec("ml_dtypes") else None
    finite = np.isfinite(values) & (np.abs(values) < 3.3e38) & (np.abs(values) > 1e-37)
    error = np.abs(found[finite] - values[finite])
    assert (error <= 2.0**-8 * np.abs(values[finite])).all()
    assert np.isnan(found[np.isnan(values)]).all() and np.isinf(found[np.isinf(values)]).all()
    if ml_dtypes:
        expected = values.astype(ml_dtypes.bfloat16).astype(np.float32)
        np.testing.assert_array_equal(found, expected)


GLOO = """
import sys, torch, torch.distributed as dist
sys.path.insert(0, {tests!r})
from sharded import TRAININGS, mark, outcome

class Gloo:
    '''torch.distributed as a communicator.'''
    def __init__(self):
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def gather(self, data):
        found = [None] * self.size
        dist.all_gather_object(found, data)
        return found

    def broadcast(self, data, root=0):
        box = [data]
        dist.broadcast_object_list(box, root)
        return box[0]

    def reduce(self, parts, add):
        whole = torch.from_numpy(np.ascontiguousarray(parts))
        everyone = [torch.empty_like(whole) for _ in range(self.size)]
        dist.all_gather(everyone, whole)
        own = np.stack([each.numpy() for each in everyone])
        return np.stack([add(np.ascontiguousarray(own[:, rank])) for rank in range(self.size)])

    def barrier(self):
        dist.barrier()

def work(rank, size, path):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=size)
    trainer, fit = TRAININGS["ragged ids, dropout"](shards=4, communicator=Gloo())
    print(mark(outcome(trainer, fit())), flush=True)
    dist.destroy_process_group()
"""


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_torch_distributed_stands_in(tmp_path):
    """Two processes over gloo give the bits of one process."""
    code = (
        GLOO.replace("{tests!r}", repr(str(TESTS)))
        + f"""
import os
children = []
for rank in range(2):
    pid = os.fork()
    if not pid:
        work(rank, 2, {str(tmp_path / "meeting")!r})
        sys.stdout.flush()
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
trainer, fit = TRAININGS["ragged ids, dropout"](shards=4)
print(mark(outcome(trainer, fit())))
"""
    )
    found = run(code, timeout=120)
    assert len(found) == 3 and len(set(found)) == 1


@pytest.mark.parametrize("name", ["Communicator", "MPI"])
def test_examples(name):
    if name == "MPI" and not HAS_MPI:
        pytest.skip("mpi4py or mpiexec is not installed: `make test-mpi` does it")
    finder = doctest.DocTestFinder(recurse=False)
    globs = {"pyrnn": pyrnn, "np": np}
    (test,) = finder.find(getattr(pyrnn.distributed, name), name, globs=globs, module=False)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0
