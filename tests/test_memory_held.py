"""Promise: what the core points into stays where it is; a failing allocation is a MemoryError.

What could end the process runs in a child.
"""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest


def run(code, **environment):
    """A child's words; it must end well and in time."""
    program = "import threading, time\nimport numpy as np, pyrnn\nfrom pyrnn import _core as core\n"
    program += textwrap.dedent(code)
    command = [sys.executable, "-W", "ignore", "-c", program]
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment
    child = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, f"exit status {child.returncode}\n{child.stderr[-3000:]}"
    return child.stdout.split()


RESIZE = """
    def resized(array):
        try:
            array.resize((1,), refcheck=False)
        except ValueError:
            return False
        return True
"""
PASSES = {
    "RNN": "pyrnn.RNN(64, 8)",
    "recomputed": "pyrnn.GRU(64, 8, recompute_every=9)",
    "Sequential": "pyrnn.Sequential(pyrnn.LSTM(64, 8))",
}


@pytest.mark.parametrize("what", PASSES)
def test_x_cannot_be_resized_between_vjp_and_pullback(what):
    code = f"""
    module, x = {PASSES[what]}, np.ones((90, 16, 64), "f4")
    (y, _), pullback = module.vjp(x)
    print(resized(x))
    dx, _ = pullback(np.ones_like(y))
    print(dx.shape == x.shape)
    """
    assert run(RESIZE + code) == ["False", "True"]


def test_what_a_decoder_attends_to_cannot_be_resized():
    code = """
    keys, values, v = np.ones((50, 3, 8), "f4"), np.ones((50, 3, 8), "f4"), np.ones(8, "f4")
    memory = core.Memory(keys, values, np.full(3, 50), v, 1.0)
    print([resized(array) for array in (keys, values, v)])
    contexts, weights, _ = core.attention_forward(memory, np.ones((4, 3, 8), "f4"), 1)
    print(contexts.shape)
    """
    assert run(RESIZE + code) == ["[False,", "False,", "False]", "(4,", "3,", "8)"]


def test_parameters_and_gradients_cannot_be_resized():
    """Nor through the array that a view shows."""
    code = """
    p = pyrnn.Parameter(np.ones(5, "f4"))
    print(resized(p.data), resized(p.data.base), resized(p.grad))
    p.grad = np.ones(5, "f4")
    print(resized(p.grad))
    """
    assert run(RESIZE + code) == ["False", "False", "False", "False"]


def test_an_array_can_be_resized_after_the_pass():
    code = """
    x = np.ones((9, 4, 3), "f4")
    layer = pyrnn.GRU(3, 2)
    layer(x)
    (y, _), pullback = layer.vjp(x)
    pullback(y)
    del pullback
    print(resized(x))
    """
    assert run(RESIZE + code) == ["True"]


CALLS = {
    "LSTM": "y = pyrnn.LSTM(128, 128, seed=0)(x)",
    "stream": "y = pyrnn.GRU(128, 128, seed=0).stream(batch_size=100).run(x)",
    "pool": "y = pyrnn.MaxPool()(x)",
    "tanh": "y = pyrnn.Tanh()(x)",
    "softmax": "y = pyrnn.Softmax()(x)",
    "linear": "y = pyrnn.Linear(128, 64, seed=0)(x)",
}


@pytest.mark.parametrize("call", CALLS)
def test_another_thread_cannot_resize_x_during_a_call(call):
    """It tries all the time; a call sees an x of its shape or one that was resized before."""
    code = f"""
    def spoil():
        while not stop:
            resized(held[0])
    stop, held = [], [np.ones(1, "f4")]
    thread = threading.Thread(target=spoil)
    thread.start()
    for _ in range(40):
        held[0] = x = np.ones((100, 32, 128), "f4")
        try:
            {CALLS[call]}
        except ValueError:  # it was too late
            pass
    stop.append(1)
    thread.join()
    print("done")
    """
    assert run(RESIZE + code) == ["done"]


@pytest.mark.parametrize("call", ["pack", "backward", "add_into"])
def test_lists_that_another_thread_empties(call):
    """The arrays live as long as the call."""
    code = f"""
    H = 400
    stack = core.Stack("lstm", "float32", H, H, 1, False, True, 0, 0.0, "concat")
    def arrays():
        return [np.ones(shape, "f4") for shape in ((4 * H, H), (4 * H, H), (4 * H,), (4 * H,))]
    packed = stack.pack(arrays(), 1)
    x = np.zeros((20, 16, H), "f4")
    for _ in range(12):
        *_, saved = stack.forward_train(packed, x, None, None, None, False, 0, 0, 0, 1)
        gradients = stack.backward(saved, arrays(), None, None, None, None, True, 1)[-1]
        *_, saved = stack.forward_train(packed, x, None, None, None, False, 0, 0, 0, 1)
        given = arrays()
        thread = threading.Thread(target=lambda: (time.sleep(0.002), given.clear()))
        thread.start()
        calls = {{
            "pack": lambda: stack.pack(given, 1),
            "backward": lambda: stack.backward(saved, given, x, None, None, None, True, 1),
            "add_into": lambda: gradients.add_into(given),
        }}
        try:
            calls[{call!r}]()
        except ValueError:  # it was empty before the call began
            pass
        thread.join()
    print("done")
    """
    assert run(code) == ["done"]


SHIM = """
#include <cstdlib>
#include <new>
static long left = -1;
extern "C" void fail_after(long n) { left = n; }
extern "C" long allocations_left() { return left; }
static void* take(std::size_t n) {
  if (left >= 0 && left-- == 0) throw std::bad_alloc();
  void* p = std::malloc(n ? n : 1);
  if (!p) throw std::bad_alloc();
  return p;
}
void* operator new(std::size_t n) { return take(n); }
void* operator new[](std::size_t n) { return take(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """A library whose operator new fails when it is told to."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C++ compiler and LD_PRELOAD")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.cpp").write_text(SHIM)
    library = folder / "shim.so"
    command = [compiler, "-O1", "-fPIC", "-shared", folder / "shim.cpp", "-o", library]
    subprocess.run(command, check=True)
    return str(library)


MAKERS = {
    "Packed": "stack.pack(weights, 1)",
    "Saved": "stack.forward_train(packed, x, None, None, None, False, 0, 0, 0, 1)",
    "Gradients": "stack.backward(forward(), weights, None, None, None, None, True, 1)",
    "Stream": "core.Stream(stack, packed, 1, 1)",
    "PackedLinear": "core.linear_pack(weights[0], None, 1)",
    "ModelStream": "core.ModelStream('a stream with an owner', parts, 'float32', 1, 1)",
    "Memory": "core.Memory(x, x, np.full(3, 4), None, 1.0)",
    "OneAtATime": "core.OneAtATime('a message that is longer than a short string')",
    "Counter": "core.Counter(1)",
    "products": "core.batched_product(x, np.ones((4, 5, 6), 'f4'), 1)",
    "sum of chunks": "core.time_sum(long, np.full(1, 300), False, 1)",
}


@pytest.mark.parametrize("made", MAKERS)
def test_any_allocation_may_fail(made, shim):
    """The n-th call of operator new fails, for every n: MemoryError, and the process lives on."""
    code = f"""
    import ctypes
    shim = ctypes.CDLL({shim!r})
    shim.fail_after.argtypes, shim.allocations_left.restype = [ctypes.c_long], ctypes.c_long
    pyrnn.set_num_threads(1)
    stack = core.Stack("gru", "float32", 5, 6, 1, False, True, 0, 0.0, "concat")
    weights = [np.ones(s, "f4") for s in ((18, 5), (18, 6), (18,), (18,))]
    parts = [("embedding", np.ones((9, 5), "f4")),
             ("recurrent", core.Stream(stack, stack.pack(weights, 1), 1, 1)),
             ("linear", core.linear_pack(np.ones((3, 6), "f4"), None, 1)),
             ("layer_norm", 3, 1e-5, np.ones(3, "f4"), None), ("softmax", 3)]
    packed, x, long = stack.pack(weights, 1), np.ones((4, 3, 5), "f4"), np.ones((300, 1, 2), "f4")
    def forward():
        return stack.forward_train(packed, x, None, None, None, False, 0, 0, 0, 1)[-1]
    failed = n = 0
    while True:
        shim.fail_after(n)
        try:
            made = {MAKERS[made]}
        except MemoryError:
            failed += 1
        else:
            failed += 0
        left = shim.allocations_left()
        shim.fail_after(-1)
        made = None
        if left >= 0:
            break
        n += 1
    print(failed == n > 0)
    """
    assert run(code, LD_PRELOAD=shim) == ["True"]
