"""Promise: safe after fork, under Ctrl-C and where the system refuses threads.

What could hang or end the process runs in a child with a time limit.
"""

import shutil
import subprocess

import pytest

from children import run, run_stopped


def test_the_number_of_threads_is_what_was_asked():
    """Two threads start a second one, one thread and tiny work do not."""
    code = """
        import os, pyrnn
        def count(): return len(os.listdir("/proc/self/task"))
        layer, x = pyrnn.LSTM(128, 128, seed=0), np.zeros((50, 64, 128), "f4")
        before = count()
        with pyrnn.threads(1):
            layer(x)
        one = count() - before
        with pyrnn.threads(2):
            pyrnn.LSTM(4, 4, seed=0)(np.zeros((3, 1, 4), "f4"))
        tiny = count() - before
        with pyrnn.threads(2):
            layer(x)
        print(one, tiny, count() - before)
    """
    assert run(code) == ["0", "0", "1"]


FORK = """
    import os, pyrnn
    layer, x = pyrnn.{cell}(64, 96, seed=0), np.random.default_rng(0).standard_normal((30, 32, 64))
    x = x.astype("f4")
    pyrnn.set_num_threads(2)
    def work():
        (y, state), pullback = layer.vjp(x)
        return b"".join(a.tobytes() for a in (y, pullback(y)[0], layer(x)[0]))
    expected = work()
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if work() == expected else 7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print("same" if work() == expected else "different")
"""


@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_a_forked_child_computes_the_same(cell):
    """fork after a parallel region: GNU libgomp alone would hang here."""
    assert run(FORK.replace("{cell}", cell)) == ["0", "0", "0", "same"]


def test_multiprocessing_pool_of_forked_workers():
    code = """
        import multiprocessing, pyrnn
        pyrnn.set_num_threads(2)
        layer, x = pyrnn.GRU(64, 96, seed=0), np.ones((30, 32, 64), "f4")
        def work(k): return layer(x * k)[0].sum()
        expected = [work(k) for k in range(4)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(work, range(4)) == expected)
    """
    assert run(code) == ["True"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_pool_of_new_processes(method):
    """A model is sent to them by pickle."""
    code = f"""
        import multiprocessing, pyrnn
        model = pyrnn.Sequential(pyrnn.GRU(64, 96, seed=0), pyrnn.Linear(96, 3, seed=0))
        xs = [np.full((30, 32, 64), k, "f4") for k in range(2)]
        expected = [model(x) for x in xs]
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            print(*((y == e).all() for y, e in zip(pool.map(model, xs), expected)))
    """
    assert run(code) == ["True", "True"]


def test_children_of_children():
    """A child of a child after parallel regions in the parent, and after calls in the child."""
    code = """
        import os, pyrnn
        pyrnn.set_num_threads(2)
        layer, x = pyrnn.LSTM(64, 96, seed=0), np.ones((30, 32, 64), "f4")
        expected = layer(x)[0].tobytes()
        def descend(generations):
            same = layer(x)[0].tobytes() == expected
            if generations:
                pid = os.fork()
                if pid == 0:
                    os._exit(descend(generations - 1))
                same &= os.waitpid(pid, 0)[1] == 0
            return 0 if same and layer(x)[0].tobytes() == expected else 7
        print(descend(3))
    """
    assert run(code) == ["0"]


def test_a_call_that_does_not_look_finishes():
    """So the tests of Ctrl-C can fail."""
    code = "print(ended(np.dot, *np.ones((2, 1500, 1500))))"
    assert run_stopped(code) == ["finished"]


@pytest.mark.parametrize("what", ["layer(x)", "layer.vjp(x)", "pullback(y)", "stream.run(x)"])
def test_ctrl_c_ends_a_long_call(what):
    """The call looks at the signals again and again; gradients as before, the next call works."""
    code = f"""
        pyrnn.set_num_threads(2)
        layer = pyrnn.LSTM(256, 256, batch_first=False, seed=0)
        x = np.zeros((2500, 64, 256), "f4")
        stream = layer.stream(batch_size=64)
        (y, _), pullback = layer.vjp(x) if "pullback" in {what!r} else ((None, None), None)
        print(ended(lambda: {what}, looks=3))
        print(any(p.grad.any() for p in layer.parameters()))
        print(np.isfinite(layer(x[:2])[0]).all())
    """
    assert run_stopped(code) == ["stopped", "False", "True"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("what", ["layer(x)", "layer.vjp(x)[1](y)", "stream.run(x)"])
def test_a_daemon_thread_at_work_when_the_process_ends(what, threads):
    """It sleeps for good instead of taking the GIL back; the exit status is 0."""
    code = f"""
        import threading, time, pyrnn
        pyrnn.set_num_threads({threads})
        layer, x = pyrnn.LSTM(64, 64, seed=0), np.zeros((32, 100, 64), "f4")
        y, stream = layer(x)[0], layer.stream(batch_size=32)
        started = threading.Event()
        def work():
            while True:
                {what}
                started.set()
        threading.Thread(target=work, daemon=True).start()
        started.wait()
        print("done")
    """
    assert run(code) == ["done"]


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1000000", "1.5", "2,2"])
def test_bad_number_of_threads_in_the_environment(value):
    code = """
        try:
            import pyrnn
        except ValueError as error:
            print("ValueError", error)
    """
    out = run(code, PYRNN_NUM_THREADS=value)
    assert out[0] == "ValueError" and "PYRNN_NUM_THREADS" in out and repr(value) in " ".join(out)


def test_number_of_threads_from_environment_and_affinity():
    code = "import pyrnn; print(pyrnn.get_num_threads())"
    assert run(code, PYRNN_NUM_THREADS="3") == ["3"]
    pinned = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});" + code
    assert run(pinned, PYRNN_NUM_THREADS="") == ["1"]
    for value, count in (
        ("1", "1"),
        (" 1", "1"),
        ("1,2", "1"),
        ("x", most := run(code)[0]),
        ("0", most),
    ):
        assert run(code, OMP_NUM_THREADS=value) == [count]
    assert run(code, OMP_NUM_THREADS="1", PYRNN_NUM_THREADS="3") == ["3"]


def test_number_of_threads_from_the_quota_of_a_container(tmp_path):
    """What cgroup v2 shows at its root, in a child that sees a folder of this test there."""
    mount = f'mount --bind {tmp_path} /sys/fs/cgroup && exec "$@"'
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    possible = shutil.which("unshare") and shutil.which("mount")
    if not possible or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("needs unshare, and a system that lets it mount")
    code = "import pyrnn, os; print(pyrnn.get_num_threads(), len(os.sched_getaffinity(0)))"
    without = {"OMP_NUM_THREADS": "", "PYRNN_NUM_THREADS": ""}
    for quota, cpus in (("max 100000", 10**6), ("50000 100000", 1), ("150000 100000", 2)):
        (tmp_path / "cpu.max").write_text(quota + "\n")
        threads, most = map(int, run(code, before=inside, **without))
        assert threads == min(most, cpus), quota


def test_refused_threads_warn_and_run_serially():
    """Where the system starts no thread, the call runs on one, says so once, and is right."""
    code = """
        import resource, warnings, pyrnn
        layer, x = pyrnn.LSTM(128, 128, seed=0), np.ones((50, 64, 128), "f4")
        with pyrnn.threads(1):
            expected = layer(x)[0]
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        if __import__("os").getuid() == 0:
            __import__("os").setuid(65534)  # root's limit is not enforced
        with warnings.catch_warnings(record=True) as caught, pyrnn.threads(2):
            warnings.simplefilter("always")
            results = [layer(x)[0] for _ in range(2)]
        print(len(caught), all((r == expected).all() for r in results))
    """
    assert run(code) == ["1", "True"]
