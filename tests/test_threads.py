"""Promise: safe from many Python threads at once; the floating-point environment is kept."""

import platform
import threading
import time

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from children import run
from compare import assert_same_bits

LARGE = {"input_size": 64, "hidden_size": 96, "T": 30, "B": 32, "dtype": "float32"}


@pytest.mark.parametrize("cell", CELLS)
def test_eight_python_threads_on_one_module(cell):
    """Inference and training of one layer from eight threads: the bits of a serial run."""
    problems = [Case(cell, seed=0, num_layers=2, bidirectional=True, **LARGE).any_problem()]
    layer = problems[0].layer
    xs = [np.random.default_rng(k).standard_normal((30, 32, 64)).astype("f4") for k in range(8)]

    def work(x):
        y, state = layer(x)
        (trained, _), pullback = layer.vjp(x)
        return y, state, trained, pullback(y)

    serial = [work(x) for x in xs]
    results, errors = [None] * len(xs), []

    def target(k):
        try:
            for _ in range(2):
                results[k] = work(xs[k])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=target, args=(k,)) for k in range(len(xs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert_same_bits(results, serial)


def test_five_hundred_threads_come_and_go():
    """Each computes once; neither threads nor their workspaces, over a megabyte each, stay."""
    code = """
        import os, threading, pyrnn
        pyrnn.set_num_threads(2)
        layer, x = pyrnn.LSTM(64, 96, seed=0), np.ones((30, 32, 64), "f4")
        expected, same = layer(x)[0], []
        def work():
            same.append((layer(x)[0] == expected).all())
        def memory():
            return int(open("/proc/self/statm").read().split()[1])  # pages
        for k in range(500):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            if k == 50:
                before = memory()
        print(len(same), all(same), len(os.listdir("/proc/self/task")) < 20)  # the last ones end
        print((memory() - before) * 4096 < 100_000_000)
    """
    assert run(code) == ["500", "True", "True", "True"]


def test_inference_while_another_thread_trains():
    """A call may see some parameters before a step and some after it, but only whole ones: training
    has the bits of one that nobody watched, and so have calls afterwards."""

    def trained(watch):
        model = pyrnn.GRU(32, 48, seed=0)
        optimizer, x = pyrnn.optim.SGD(1e-3), np.ones((16, 12, 32), np.float32)
        stop, seen = threading.Event(), []

        def look():
            while not stop.is_set():
                seen.append(np.isfinite(model(x)[0]).all())

        thread = threading.Thread(target=look)
        if watch:
            thread.start()
        for _ in range(100):
            (y, _), pullback = model.vjp(x)
            pullback(y)
            optimizer.step(model.parameters())
            model.zero_grad()
        stop.set()
        if watch:
            thread.join()
        assert all(seen) and bool(seen) == watch
        return model(x)

    assert_same_bits(trained(True), trained(False))


def test_gradients_from_many_threads_all_arrive():
    """Eight pullbacks at once add eight gradients: none is lost."""
    layer = pyrnn.GRU(8, 8, dtype=np.float64, seed=0)
    x = np.ones((4, 2, 8))
    (y, _), pullback = layer.vjp(x)
    pullback(y)
    once = [p.grad.copy() for p in layer.parameters()]
    layer.zero_grad()
    pullbacks = [layer.vjp(x)[1] for _ in range(64)]

    def target(mine):
        for pullback in mine:
            pullback(y)

    threads = [threading.Thread(target=target, args=(pullbacks[k::8],)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for p, g in zip(layer.parameters(), once, strict=True):
        np.testing.assert_allclose(p.grad, 64 * g, rtol=1e-13)


def test_the_gil_is_released():
    """Another Python thread runs while a long call computes."""
    layer = pyrnn.LSTM(256, 256, seed=0)
    x = np.zeros((400, 64, 256), np.float32)
    ticks, done = [0], threading.Event()

    def tick():
        while not done.is_set():
            ticks[0] += 1
            time.sleep(0)  # to whoever waits

    thread = threading.Thread(target=tick)
    thread.start()
    before = ticks[0]
    layer(x)
    during = ticks[0] - before
    done.set()
    thread.join()
    assert during >= 5


def test_denormals_survive_a_call():
    """Flush-to-zero is the kernels' own affair: numpy computes with subnormals before and after."""
    layer = pyrnn.LSTM(64, 96, seed=0)
    x = np.full((30, 32, 64), 1e-40, np.float32)
    tiny = np.float32(1e-40)
    assert tiny * np.float32(0.5) != 0
    for n in (1, 2):
        with pyrnn.threads(n):
            (y, _), pullback = layer.vjp(x)
            pullback(y)
            layer(x)
            layer.stream(batch_size=32).step(x[0])
    assert tiny * np.float32(0.5) != 0
    assert np.finfo(np.float32).smallest_subnormal != 0


def test_denormals_survive_in_python_threads():
    seen = []

    def target():
        pyrnn.GRU(64, 96, seed=0)(np.ones((30, 32, 64), np.float32))
        seen.append(float(np.float32(1e-40) * np.float32(0.5)))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert seen[0] != 0


@pytest.mark.parametrize("mode", [0x400, 0x800, 0xC00], ids=["down", "up", "to zero"])
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the modes are x86-64's")
def test_the_callers_rounding_mode_changes_nothing_and_stays(mode):
    code = f"""
        import ctypes, pyrnn
        libm = ctypes.CDLL("libm.so.6")
        layer, x = pyrnn.LSTM(64, 96, seed=0), np.ones((30, 32, 64), "f4")
        stream = layer.stream(batch_size=30)
        def work():
            (y, _), pullback = layer.vjp(x)
            return [y, pullback(y)[0], layer(x)[0], stream.run(x)]
        for n in (1, 2):
            with pyrnn.threads(n):
                stream.reset()
                expected = work()
                stream.reset()
                libm.fesetround({mode})
                given, there = work(), libm.fegetround()
                libm.fesetround(0)
                print(there == {mode}, all((a == b).all() for a, b in zip(given, expected)))
    """
    assert run(code) == ["True"] * 4


def test_denormal_numbers_are_no_slower():
    """The kernels take them for 0; computed with, they would cost some twenty times as much."""
    layer = pyrnn.LSTM(64, 96, seed=0, bias=False)
    results = []
    for value in (0.0, 1e-39, -1e-45):
        layer.zero_grad()
        (y, _), pullback = layer.vjp(np.full((50, 32, 64), value, np.float32))
        dx, _ = pullback(np.full(y.shape, value, np.float32))
        results.append([y, dx, *(p.grad.copy() for p in layer.parameters())])
    for result in results:
        assert not any(array.any() for array in result)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2", None, 10**6])
def test_number_of_threads(n):
    with pytest.raises((TypeError, ValueError), match="n is"):
        pyrnn.set_num_threads(n)
    with pytest.raises((TypeError, ValueError), match="n is"), pyrnn.threads(n):
        pass


@pytest.mark.parametrize("limit", [-1, 1.5, True, "2", None])
def test_workspace_limit(limit):
    with pytest.raises((TypeError, ValueError), match="bytes is"):
        pyrnn.set_workspace_limit(limit)


def test_threadpoolctl_limits_every_call():
    """In a child whose OpenMP has more than one thread to take away, on one CPU too."""
    code = """
        import threadpoolctl, warnings, pyrnn
        most = pyrnn.get_num_threads()
        with threadpoolctl.threadpool_limits(1):
            print(pyrnn.get_num_threads())
            with pyrnn.threads(4):
                print(pyrnn.get_num_threads())
        print(pyrnn.get_num_threads() == most)
        warnings.simplefilter("error")
        pyrnn.LSTM(2, 3, seed=0)(np.ones((2, 1, 2), np.float32))
    """
    assert run(code, OMP_NUM_THREADS="4") == ["1", "1", "True"]


def test_a_core_that_another_process_has_is_noticed():
    """Two members and another process on one CPU: the calls after a long wait take one thread."""
    code = """
        import os, subprocess, sys
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            import pyrnn
            pyrnn.set_num_threads(2)
            stream = pyrnn.LSTM(512, 512, seed=0).stream(batch_size=1)
            x = np.ones((1, 512), np.float32)
            for _ in range(3000):
                stream.step(x)
                if pyrnn._core._waits_for_cores():
                    print("noticed")
                    break
        finally:
            other.kill()
    """
    assert run(code, OMP_NUM_THREADS="2") == ["noticed"]


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}], ids=str)
@pytest.mark.parametrize("hidden", [32, 130, 512])
def test_more_threads_never_leave_fewer_members(hidden, options):
    """A batch too small for all of them is shared by as many as it is enough for."""
    stack = pyrnn.LSTM(hidden, hidden, **options)._stack
    for rows in (1, 2, 3, 8, 32, 200):
        shares = [stack.members(rows, 100, n) for n in (1, 2, 3, 4, 8, 16, 64)]
        members = [count for count, _ in shares]
        assert members[0] == 1
        if rows >= 8:  # fewer share units, and many threads may not be worth a meeting
            assert members == sorted(members)
        for count, by_units in shares:
            assert count <= -(-hidden // 16) if by_units else count <= rows
    assert stack.members(32, 100, 64)[0] >= 8


def test_members_share_rows_or_units_whichever_is_faster(isa):
    """Panels have 16, 32 or 64 units: nine on eight members take as long as ten on five."""
    stack = pyrnn.LSTM(512, 512)._stack
    assert stack.members(64, 100, 4) == (4, False)  # enough rows
    assert stack.members(2, 100, 4) == (4, True)
    assert pyrnn.LSTM(512, 512, layer_norm=True)._stack.members(2, 100, 4) == (1, False)
    panel = {"avx512": 64, "avx2": 32, "baseline": 16}.get(isa, 16)
    uneven = pyrnn.LSTM(9 * panel, 9 * panel)._stack
    assert uneven.members(64, 100, 8) == (8, False)
    assert not uneven.members(16, 100, 8)[1]
