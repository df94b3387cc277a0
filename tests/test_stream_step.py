"""Promise: Stream.step is one C call that makes y and nothing else, and refuses bad arguments."""

import copy
import inspect
import pickle
import sys
import tracemalloc

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from core_calls import run


def calls_during(function, *args, **kwargs):
    """How many Python functions and how many C functions of pyrnn a call runs through."""
    events = []
    sys.setprofile(lambda frame, event, arg: events.append((event, arg)))
    try:
        function(*args, **kwargs)
    finally:
        sys.setprofile(None)
    steps = [arg for event, arg in events if event == "c_call" and arg.__name__ == "step"]
    return sum(event == "call" for event, _ in events), len(steps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("B", [1, 3])
def test_arrays_take_no_python_function(dtype, B):
    stream = pyrnn.LSTM(5, 7, dtype=dtype, seed=0).stream(batch_size=B)
    x, out, before = np.ones((B, 5), dtype), np.empty((B, 7), dtype), np.ones(B, bool)
    assert calls_during(lambda: stream.step(x)) == (1, 1)  # the lambda
    assert calls_during(lambda: stream.step(x, out)) == (1, 1)
    assert calls_during(lambda: stream.step(x_t=x, out=out)) == (1, 1)
    assert calls_during(lambda: stream.step(x, resets=before)) == (1, 1)
    if B == 1:
        assert calls_during(lambda: stream.step(x[0], out=out[0])) == (1, 1)
    assert calls_during(lambda: stream.step(x.tolist()))[0] > 1  # converted in Python


def test_every_way_to_pass_the_arguments():
    layer = pyrnn.GRU(3, 4, seed=0)
    x = np.random.default_rng(0).standard_normal((6, 3)).astype("f4")
    y, out = layer(x[None])[0].swapaxes(0, 1), np.empty((1, 4), "f4")
    stream, flat = layer.stream(), np.empty(4, "f4")
    assert_same_bits(stream.step(x[0]), y[0, 0])
    assert_same_bits(stream.step(x_t=x[1:2]), y[1])
    assert stream.step(x[2:3], out) is out
    assert_same_bits(out, y[2])
    assert stream.step(out=flat, x_t=x[3]) is flat
    assert_same_bits(flat, y[3, 0])
    assert_same_bits(stream.step(x[4], None), y[4, 0])
    assert_same_bits(pyrnn.Stream.step(stream, x[5].tolist(), out=None), y[5, 0])


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((), {"out": None}),
        ((None,), {}),
        ((1, 2, 3, 4, 5), {}),
        ((np.ones((1, 3), "f4"),), {"x_t": np.ones((1, 3), "f4")}),
        ((np.ones((1, 3), "f4"), None), {"out": None}),
        ((np.ones((1, 3), "f4"),), {"o\udc00t": None}),
        ((np.ones((1, 3), "f4"),), {"x": 1}),
    ],
)
def test_wrong_arguments_are_named(args, kwargs):
    stream = pyrnn.GRU(3, 4, seed=0).stream()
    with pytest.raises(TypeError, match=r"argument|x_t|x is"):
        stream.step(*args, **kwargs)
    assert not stream.state.any()


def traced_growth(function):
    """The most bytes that 50 calls hold at a time; numpy tells tracemalloc of its arrays.

    tracemalloc counts for the whole process: a finalizer or another thread may add to one look,
    and what the function holds is in every look.
    """
    function()
    looks = []
    tracemalloc.start()
    try:
        for _ in range(10):
            function()
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(50):
                function()
            looks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return min(looks)


def test_out_allocates_nothing():
    layer = pyrnn.LSTM(16, 1000, seed=0)
    stream, x, out = layer.stream(), np.ones((1, 16), "f4"), np.empty((1, 1000), "f4")
    assert out.nbytes <= traced_growth(lambda: stream.step(x)) < 3 * out.nbytes
    assert traced_growth(lambda: stream.step(x, out)) < 500  # a Python frame, say


def test_arguments_keep_their_reference_counts():
    stream = pyrnn.GRU(3, 4, seed=0).stream()
    x, out, bad = np.ones((1, 3), "f4"), np.empty((1, 4), "f4"), np.ones((1, 9), "f4")
    none, float32 = sys.getrefcount(None), sys.getrefcount(x.dtype)
    counts = [sys.getrefcount(a) for a in (stream, x, out, bad)]
    for _ in range(1000):
        stream.step(x)
        stream.step(x, out=out)
        with pytest.raises(ValueError, match="x"):
            stream.step(bad)
    assert [sys.getrefcount(a) for a in (stream, x, out, bad)] == counts
    y, fresh = stream.step(x), np.empty((1, 4), "f4")
    assert sys.getrefcount(y) == sys.getrefcount(fresh)
    assert abs(sys.getrefcount(None) - none) < 100
    assert abs(sys.getrefcount(x.dtype) - float32) < 100


def test_the_signature_is_shown():
    for stream in (pyrnn.Stream, pyrnn.SequentialStream):
        shown = str(inspect.signature(stream.step))
        assert shown == "(self, /, x_t, out=None, resets=None, active=None)"
        assert "batch_size 1" in inspect.getdoc(stream.step)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_streams_are_not_copied(copied):
    """A copy that shares the core's state, or that has none, would be worse than an error."""
    with pytest.raises(TypeError, match="pickle"):
        copied(pyrnn.GRU(3, 4, seed=0).stream())


def test_unpickled_arrays_take_the_fast_path():
    """Their dtype is another object, with the same meaning."""
    stream = pyrnn.GRU(3, 4, seed=0).stream()
    x = pickle.loads(pickle.dumps(np.ones((1, 3), "f4")))
    assert calls_during(lambda: stream.step(x)) == (1, 1)


FUZZ = """
import itertools, pyrnn
layer = pyrnn.GRU(I, H, seed=0)
good_x, good_out = np.ones((B, I), f32), np.zeros((B, H), f32)
class Strange:
    def __init__(self, what): self.what = what
    def __array__(self, *args, **kwargs):
        if isinstance(self.what, Exception): raise self.what
        return self.what
class Reentrant:
    def __array__(self, *args, **kwargs): return stream.step(good_x)[:, :I].copy()
xs = wrong_arrays(B, I) + not_arrays + [good_x, Strange(good_x), Strange(None), Reentrant(),
      Strange(KeyError("no")), np.zeros((B, I), "V4"), np.zeros((B, I), "M8[s]"), zeros(B, 0)]
read_only = good_out.copy()
read_only.flags.writeable = False
outs = wrong_arrays(B, H) + not_arrays + [good_out, read_only, good_x, Strange(good_out), type, ...]
for stream in (layer.stream(batch_size=B), layer.stream()):
    for x, out in itertools.product(xs, outs):
        before = stream.state
        try:
            y = stream.step(x, out=out)
        except (TypeError, ValueError, KeyError) as error:
            assert isinstance(x, (Strange, Reentrant)) or np.array_equal(stream.state, before)
            assert len(str(error)) > 1
        else:
            assert out is None or y is out
            print("worked")
stream = layer.stream(batch_size=B)
assert np.array_equal(stream.step(good_x), layer(good_x[:, None])[0][:, 0])
"""


def test_whatever_is_passed_is_refused_or_works():
    assert len(run(FUZZ)) > 10


BROKEN = """
import pyrnn
class Two(_core.Stack, pyrnn.Stream):
    def __init__(self): pass
class Late(pyrnn.Stream):
    def __init__(self): pass
x = zeros(B, I)
uses = [lambda s: s.step(x), lambda s: s.step(x, out=x), lambda s: s.step(3), lambda s: s.reset(),
        lambda s: s._checked_step(x, None, None, None),
        lambda s: _core.Stream._checked_step(s, x, None, None, None),
        lambda s: s._run(x, None, 1), lambda s: s._get_state(), lambda s: s._set_state(x, x)]
for cls in (_core.Stream, pyrnn.Stream, Two, Late):
    for use in uses:
        calls(lambda how: how and use(cls.__new__(cls)), dict(how=False), how=[True])
for wrong in (None, 3, stack(), object()):
    calls(lambda how: how and _core.Stream.step(wrong, x), dict(how=False), how=[True])
    calls(lambda how: how and _core.Stream.reset(wrong), dict(how=False), how=[True])
"""


def test_what_is_no_stream_is_refused():
    """Uninitialised, of another type, or of several."""
    rows = run(BROKEN)
    assert len(rows) == 4 * 9 + 8
    assert {row[1] for row in rows} <= {"TypeError", "AttributeError"}, rows


def test_subclasses_step_as_fast():
    class Counted(pyrnn.Stream):
        pass

    layer = pyrnn.LSTM(3, 4, seed=0)
    plain = layer.stream()
    counted = Counted(layer, layer._stack, layer._packed(), 1)
    x = np.ones((1, 3), "f4")
    assert calls_during(lambda: counted.step(x)) == (1, 1)
    assert_same_bits(counted.step(x), [plain.step(x), plain.step(x)][1])


def test_rows_of_another_batch_name_the_size_of_the_stream():
    stream = pyrnn.GRU(3, 4, seed=0).stream()
    with pytest.raises(ValueError, match=r"expected \(1, 3\) = .* of stream\(batch_size=1\)"):
        stream.step(np.zeros((2, 3), np.float32))
