"""Promise: torch and pyrnn share a process: nothing hangs, no thread too many, the bits of one.

Everything runs in children with a time limit. A layer's training step there is large enough for
all threads that it may have; those that it starts stay until their number changes.
"""

import os
import textwrap
from pathlib import Path

import pytest

import pyrnn
from children import run

pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

PACKAGE = Path(pyrnn.__file__).parent
TESTS = Path(__file__).parent
BEGIN = """
import os, threading, warnings
import torch, pyrnn, pyrnn.torch

# By numpy, as torch would start threads.
x = torch.from_numpy(np.linspace(-1, 1, 50 * 64 * 128, dtype="f4").reshape(50, 64, 128))
matrix = torch.from_numpy(np.ones((500, 500), "f4"))
layer, own = pyrnn.torch.LSTM(128, 128), pyrnn.LSTM(128, 128, batch_first=False, seed=0)

def train():
    '''The bits of one step of training.'''
    loss = layer(x)[1][0].square().sum()  # too short for torch to share it among threads
    gradients = torch.autograd.grad(loss, [*layer.parameters()])
    return b"".join(tensor.detach().numpy().tobytes() for tensor in (loss, *gradients))

def count():
    return len(os.listdir("/proc/self/task"))

def added(call):
    before = count()
    call()
    return count() - before

def runtimes():
    lines = open("/proc/self/maps").read().split("\\n")
    return len({line.split()[-1] for line in lines if "libgomp" in line})

with pyrnn.threads(1):
    expected = train()
"""


def child(code, first="", path=(), **environment):
    """What a child prints that may have two threads; `first` runs before the imports."""
    places = [*path, os.environ.get("PYTHONPATH"), TESTS, PACKAGE.parent]
    environment = {
        "OMP_NUM_THREADS": "2",
        "PYRNN_NUM_THREADS": "",
        "PYTHONPATH": os.pathsep.join(str(place) for place in places if place),
    } | environment
    return run(f"{first}\n{BEGIN}\n{textwrap.dedent(code)}", timeout=150, **environment)


BOTH = """
print(runtimes())
for n in (1, 2, 1, 2):
    torch.set_num_threads(n)
    for _ in range(3):
        matrix @ matrix
        assert train() == expected
        own(x.numpy())
    print(count())
"""


@pytest.mark.parametrize("first", ["torch", "pyrnn"])
def test_imported_in_either_order(first):
    """Both use the libgomp that was loaded first, and the same second thread of it."""
    assert child(BOTH, f"import {first}") == ["1", "1", "2", "2", "2"]


@pytest.fixture
def own_runtime(tmp_path):
    """A copy of the package with an OpenMP runtime of another name, as that of a wheel is."""
    theirs, ours = b"libgomp.so.1\0", b"libgomp.so.9\0"
    (tmp_path / "pyrnn").mkdir()
    for path in PACKAGE.iterdir():
        if not path.name.startswith("_core."):
            (tmp_path / "pyrnn" / path.name).symlink_to(path)
    (core,) = PACKAGE.glob("_core.*.so")
    (tmp_path / "pyrnn" / core.name).write_bytes(core.read_bytes().replace(theirs, ours))
    maps = Path("/proc/self/maps").read_text().split()
    runtime = next(word for word in maps if "/libgomp" in word)
    (tmp_path / "libgomp.so.9").write_bytes(Path(runtime).read_bytes().replace(theirs, ours))
    return tmp_path


@pytest.mark.parametrize(("first", "most"), [("torch", 2), ("pyrnn", 3)])
def test_two_openmp_runtimes(own_runtime, first, most):
    """Each has a second thread, and pyrnn follows torch's number. torch shows its runtime to all
    that is loaded after it, so that pyrnn then uses that one."""
    code = BOTH.replace("own(x.numpy())", "")
    found = child(code, f"import {first}", [own_runtime], LD_LIBRARY_PATH=str(own_runtime))
    assert found == ["2", "1", *3 * [str(most)]]


@pytest.mark.parametrize(
    ("environment", "code", "threads"),
    [
        ({}, "", 2),
        ({}, "torch.set_num_threads(1)", 1),
        ({}, "torch.set_num_threads(8)", 2),
        ({"OMP_NUM_THREADS": "1"}, "torch.set_num_threads(3)", 1),
        ({"PYRNN_NUM_THREADS": "3"}, "torch.set_num_threads(1)", 3),
        ({}, "torch.set_num_threads(1); pyrnn.set_num_threads(3)", 3),
        ({}, "pyrnn.set_num_threads(3); torch.set_num_threads(1)", 3),
        ({}, "torch.set_num_threads(1); told = pyrnn.threads(3); told.__enter__()", 3),
        ({}, "pyrnn.set_num_threads(1); torch.set_num_threads(3)", 1),
    ],
)
def test_whose_number_it_is(environment, code, threads):
    """torch's, but no more than pyrnn would take, unless pyrnn is told another one."""
    found = child(f"{code}\nprint(added(train), train() == expected)", **environment)
    assert found == [str(threads - 1), "True"]


@pytest.mark.parametrize("told", ["", "pyrnn.set_num_threads(2)"])
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_loader(start, told):
    """They begin when both have run; each computes in one thread."""
    code = f"""
    import torch_models
    {told}
    matrix @ matrix
    assert train() == expected
    loader = torch.utils.data.DataLoader(
        torch_models.Started(layer, x), num_workers=2, multiprocessing_context="{start}",
        batch_size=None, timeout=100,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that other threads are there at a fork
        y = layer(x)[0].detach()
        for threads, other in loader:
            print(threads, torch.equal(y, other))
    assert train() == expected
    """
    assert child(code) == ["0", "True"] * 2


def test_a_fork_after_both_have_run():
    """torch's own work in the child needs one thread, as in its loader's workers."""
    code = """
    matrix @ matrix
    assert train() == expected
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            torch.set_num_threads(1)
            matrix @ matrix
            os._exit(0 if train() == expected and count() == 1 else 7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(train() == expected)
    """
    assert child(code) == ["0", "0", "0", "True"]


def test_python_threads():
    """Each has a team of two, which torch and pyrnn share, and takes it along when it ends."""
    code = """
    results, most, gate = [], [], threading.Barrier(4)

    def work():
        gate.wait()
        for _ in range(5):
            matrix @ matrix
            results.append(train())
        gate.wait()
        most.append(count())
        gate.wait()

    before = count()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(results == [expected] * 20, max(most) - before <= 4 * 2, train() == expected)
    """
    assert child(code) == ["True", "True", "True"]


def test_threads_between_operators():
    """torch.jit.fork runs calls of the operator in a pool of torch's, two at a time."""
    code = """
    import torch_models
    warnings.simplefilter("ignore")  # torch.jit is deprecated
    torch.set_num_interop_threads(2)
    several = torch.jit.script(torch_models.several)
    weights = [parameter.detach() for parameter in layer.parameters()]
    y, before = layer(x)[0], count()
    for _ in range(3):
        found = several(x, weights, layer._text("float32", 0.0))
        print(all(torch.equal(other, y) for other in found), count() - before <= 2 * 2)
    """
    assert child(code) == ["True", "True"] * 3


def test_inside_a_parallel_region():
    """Three members of an OpenMP region call a layer: none starts a team of its own."""
    code = """
    import ctypes
    lines = open("/proc/self/maps").read().split("\\n")
    gomp = ctypes.CDLL(next(line.split()[-1] for line in lines if "libgomp" in line))
    results = []

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def member(_):
        results.append(train())

    gomp.GOMP_parallel(member, None, 3, 0)
    print(results == [expected] * 3, count())
    """
    assert child(code) == ["True", "3"]
