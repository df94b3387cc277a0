"""Promise: threads, forks and signal handlers may meet in gradients, dropout counters and streams.

What could hang runs in a child with a time limit.
"""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import pyrnn


def run(code, timeout=120, **environment):
    """A child's words; it must end well and in time."""
    program = "import os, signal, sys, threading, time\nimport numpy as np, pyrnn\n"
    program += textwrap.dedent(code)
    command = [sys.executable, "-W", "ignore", "-c", program]
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment
    child = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    assert child.returncode == 0, f"exit status {child.returncode}\n{child.stderr[-3000:]}"
    return child.stdout.split()


FORKS = """
    def busy(work, stop):
        while not stop:
            work()
    def fork_while(work, in_child, forks=60):
        stop = []
        thread = threading.Thread(target=busy, args=(work, stop))
        thread.start()
        ends = []
        for _ in range(forks):
            time.sleep(0.001)
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                in_child()
                os._exit(0)
            ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        stop.append(1)
        thread.join()
        print(set(ends))
"""
TRAINING = {
    "additions": "model, x = pyrnn.Linear(900, 900, seed=0), np.ones((2, 900), 'f4')",
    "an embedding's additions": "model, x = pyrnn.Embedding(9, 400), np.ones((900,), int)",
    "dropout's draws": "model = pyrnn.Dropout(0.5)",
    "a layer's draws": "model, x = pyrnn.GRU(2, 3, num_layers=2, dropout=0.5), x[0]",
}


@pytest.mark.parametrize("what", TRAINING)
def test_a_child_forked_while_a_thread_trains_can_train(what):
    code = f"""
    x = np.ones((3, 2, 2), "f4")
    {TRAINING[what]}
    def train():
        out, pullback = model.vjp(x)
        pullback(out[0] if model.stateful else out)
    fork_while(train, train)
    """
    assert run(FORKS + code) == ["{0}"]


@pytest.mark.parametrize("model", ["lstm", "pyrnn.Sequential(lstm, pyrnn.Tanh())"])
def test_a_child_forked_during_a_step_can_use_the_stream(model):
    """The step's own thread is not in the child: the stream is free there."""
    code = f"""
    lstm = pyrnn.LSTM(600, 600, seed=0)
    stream, x = {model}.stream(), np.ones(600, "f4")
    def in_child():
        stream.reset()
        stream.step(x)
    fork_while(lambda: stream.step(x), in_child)
    """
    assert run(FORKS + code) == ["{0}"]


PARTS = {
    "Embedding": "pyrnn.Embedding(20, 300), np.ones((40, 30), int)",
    "Sequential": "pyrnn.Sequential(pyrnn.GRU(8, 64), pyrnn.LayerNorm(64)), floats",
    "LSTM with dropout": "pyrnn.LSTM(8, 64, num_layers=2, dropout=0.5), floats",
}


@pytest.mark.parametrize("part", PARTS)
def test_a_signal_handler_trains_the_module_in_training(part):
    code = f"""
    floats = np.ones((4, 2, 8), "f4")
    model, x = {PARTS[part]}
    def train():
        out, pullback = model.vjp(x)
        pullback(out[0] if model.stateful else out)
    handled = []
    def handler(*_):
        handled.append(1)
        train()
        signal.setitimer(signal.ITIMER_REAL, 0.003)  # not in itself, however slow the machine is
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.003)
    while len(handled) < 100:
        train()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("done")
    """
    assert run(code) == ["done"]


def test_an_interrupt_between_any_two_calls_leaves_nothing_held():
    """A profiler raises at the n-th event of a pullback, for every n: then others still train."""
    code = """
    model = pyrnn.Sequential(pyrnn.Embedding(5, 4, seed=0), pyrnn.GRU(4, 4, seed=0),
                             pyrnn.Dropout(0.5, seed=0), pyrnn.Linear(4, 3, seed=0))
    x = np.ones((3, 2), int)
    stream = pyrnn.Sequential(model, pyrnn.Residual(pyrnn.GRU(3, 3))).stream(2)  # part by part
    def train():
        (y, _), pullback = model.vjp(x)
        pullback(y)
    def interrupted_at(n, work):
        events = []
        def profile(frame, event, arg):
            if frame.f_code is not interrupted_at.__code__:
                events.append(event)
            if len(events) == n:
                sys.setprofile(None)
                raise KeyboardInterrupt
        try:
            sys.setprofile(profile)
            work()
        except KeyboardInterrupt:
            return True
        finally:
            sys.setprofile(None)
        return False
    for work in (train, lambda: stream.step(x[0])):
        n = 1
        while interrupted_at(n, work):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            thread.join(20)
            if thread.is_alive():
                print("hangs after", n, flush=True)
                os._exit(1)
            n += 1
        print(n > 20)
    stream.step(x[0])
    """
    assert run(code) == ["True", "True"]


def test_tied_parameters_of_two_models_lose_no_addition():
    """Two models in two threads add into one .grad: ones, so that every sum is exact."""
    first, second = pyrnn.Linear(300, 300, seed=0), pyrnn.Linear(300, 300, seed=1)
    second.weight = first.weight
    x = np.ones((1, 300), np.float32)
    times = 200

    def train(model):
        for _ in range(times):
            y, pullback = model.vjp(x)
            pullback(np.ones_like(y))

    threads = [threading.Thread(target=train, args=(model,)) for model in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (first.weight.grad == 2 * times).all()


def test_no_two_vjps_of_many_threads_draw_the_same_mask():
    dropout = pyrnn.Dropout(0.5, seed=0)

    def draw():
        for _ in range(500):
            dropout.vjp(np.ones(1, np.float32))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dropout.extra_state()["dropout_draw"] == 2000


def read_only(p):
    p.grad.flags.writeable = False


def reshaped(p):
    p.grad.shape = (1, p.size)


def of_other_dtype(p):
    p.grad.dtype = np.int32


MODELS = {
    "Sequential": lambda: (
        pyrnn.Sequential(pyrnn.Linear(3, 3, seed=0), pyrnn.Linear(3, 2, seed=0)),
        np.ones((4, 3), np.float32),
    ),
    "LSTM": lambda: (pyrnn.LSTM(3, 2, num_layers=2, seed=0), np.ones((4, 3), np.float32)),
    "Embedding": lambda: (
        pyrnn.Sequential(pyrnn.Embedding(5, 3, seed=0), pyrnn.LayerNorm(3)),
        np.ones((4, 2), np.int64),
    ),
}


@pytest.mark.parametrize("spoil", [read_only, reshaped, of_other_dtype])
@pytest.mark.parametrize("name", MODELS)
def test_an_unfit_gradient_is_named_and_nothing_is_added(name, spoil):
    model, x = MODELS[name]()
    (y, _), pullback = model.vjp(x)
    spoilt, parameter = model.named_parameters()[0]
    spoil(parameter)
    with pytest.raises(ValueError, match=rf"{type(model).__name__}: {spoilt}\.grad is .*expected"):
        pullback(np.ones_like(y))
    assert not any(p.grad.any() for p in model.parameters())
    parameter.grad = np.zeros(parameter.shape, parameter.dtype)
    pullback(np.ones_like(y))  # it was not used up
    assert all(p.grad.any() for n, p in model.named_parameters() if n.endswith("bias"))


def test_a_part_of_a_stream_that_fails_leaves_the_stream_free():
    class Fails(pyrnn.Module):
        def __call__(self, x):
            if x[0, 0] > 0:
                raise OverflowError("too much")
            return x

    stream = pyrnn.Sequential(Fails(), pyrnn.GRU(1, 1, seed=0)).stream()
    for _ in range(2):
        with pytest.raises(OverflowError):
            stream.step(np.ones(1, np.float32))
    stream.step(np.zeros(1, np.float32))


def test_import_in_a_sub_interpreter_is_an_import_error():
    code = """
    import _xxsubinterpreters as interpreters
    try:
        interpreters.run_string(interpreters.create(), "import pyrnn")
    except interpreters.RunFailedError as error:
        print("ImportError" in str(error), "sub-interpreter" in str(error))
    """
    if sys.version_info >= (3, 13):
        pytest.skip("the module of sub-interpreters has another name")
    assert run(code, timeout=60) == ["True", "True"]


@pytest.mark.parametrize(
    "environment",
    [
        {"OMP_STACKSIZE": "300G"},
        {"OMP_STACKSIZE": " 314572800 m "},
        {"GOMP_STACKSIZE": "314572800000"},
    ],
    ids=str,
)
def test_stacks_that_the_system_refuses_leave_one_thread(environment):
    """OMP_STACKSIZE in kibibytes, or with a unit: libgomp alone would end the process."""
    code = """
    import warnings
    layer, x = pyrnn.LSTM(128, 128, seed=0), np.ones((50, 64, 128), "f4")
    with pyrnn.threads(1):
        expected = layer(x)[0]
    with warnings.catch_warnings(record=True) as caught, pyrnn.threads(2):
        warnings.simplefilter("always")
        same = (layer(x)[0] == expected).all()
    print(same, len(caught), "refuses" in str(caught[0].message))
    """
    assert run(code, **environment) == ["True", "1", "True"]


def test_an_ordinary_stack_size_leaves_the_threads():
    code = """
    layer, x = pyrnn.LSTM(128, 128, seed=0), np.ones((50, 64, 128), "f4")
    with pyrnn.threads(2):
        before = len(os.listdir("/proc/self/task"))
        layer(x)
        print(len(os.listdir("/proc/self/task")) - before)
    """
    assert run(code, OMP_STACKSIZE="8M") == ["1"]


LOOPS = {
    "time_sum": "core.time_sum, column, ends, False",
    "time_max": "core.time_max, column, ends, False",
    "time_spread": "core.time_spread, column[:1, 0], ends, len(column), False",
    "dropout": "core.dropout, column, 0.5, 0, 0, 0",
    "row sums": "core.row_sums, rows",
    "products": "core.batched_product, rows[:, None], rows[..., None]",
    "tanh": "core.activation_forward, 'tanh', column",
    "tanh backward": "core.activation_backward, 'tanh', column, column",
    "softmax": "core.softmax_forward, rows",
    "softmax backward": "core.softmax_backward, rows, rows",
    "layer norm": "core.layer_norm_forward, rows, None, None, 1e-5",
    "embedding": "core.embedding_forward, rows[:9], np.zeros(len(rows), int)",
    "cross entropy": "core.cross_entropy, rows, np.zeros(len(rows), int), rows[:, 0].copy(), None",
}


# A call that ends within 50 ms never looks at the signals: these are faster than the others.
ELEMENTS = {"row sums": 2**29, "tanh": 2**27}


@pytest.mark.parametrize("loop", LOOPS)
def test_every_loop_over_data_polls(loop):
    """Calls that no bytecode parts: a handler runs where the core looks for it, or after all."""
    code = f"""
    import collections, functools, itertools, operator
    from pyrnn import _core as core
    column = np.zeros(({ELEMENTS.get(loop, 2**26)}, 1, 1), "f4")
    rows, ends = column.reshape(-1, 16), np.full(1, len(column))
    calls = itertools.repeat(1, 200)  # on one thread
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        collections.deque(map(functools.partial({LOOPS[loop]}), calls), maxlen=0)
    except KeyboardInterrupt:
        print(operator.length_hint(calls) > 0)
    """
    assert run(code) == ["True"]


UNEQUAL = {  # rows that the calling thread is done with long before the other is with its own
    "time_sum": "core.time_sum, two, ends, False",
    "time_max": "core.time_max, two, ends, False",
    "one row": "core.time_max, two.reshape(-1, 1, 1), ends.sum(keepdims=True), False",
}


@pytest.mark.parametrize("call", UNEQUAL)
def test_a_thread_that_is_done_first_still_polls(call):
    code = f"""
    import collections, functools, itertools, operator
    from pyrnn import _core as core
    two, ends = np.zeros((2**26, 2, 1), "f4"), np.array([1, 2**26])
    calls = itertools.repeat(2, 9)  # on two threads, where there are two cores
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        collections.deque(map(functools.partial({UNEQUAL[call]}), calls), maxlen=0)
    except KeyboardInterrupt:
        print(operator.length_hint(calls) > 0)
    """
    assert run(code) == ["True"]


@pytest.mark.parametrize(
    "layer", ["SumPool()", "MeanPool()", "MaxPool()", "Dropout()", "Tanh()", "Softmax()"]
)
def test_arrays_without_elements_cost_nothing(layer):
    """2**40 steps of no features, in either layout."""
    code = f"""
    for shape in ((2**40, 1, 0), (1, 2**40, 0)):
        try:
            pyrnn.{layer}.vjp(np.empty(shape, "f4"))
        except (ValueError, MemoryError):
            pass
    print("done")
    """
    assert run(code, timeout=60) == ["done"]
