"""Promise: a stream of a loaded graph has the bits of a call, or says which node it cannot run.

Where onnx is installed.
"""

import re

import numpy as np
import pytest

import pyrnn

onnx = pytest.importorskip("onnx", reason="onnx is not installed: `make test-peers` does it")
import pyrnn.onnx  # noqa: E402
from compare import assert_same_bits  # noqa: E402

RNG = np.random.default_rng(0)
T, N = 7, 2

WEIGHTS = {"W": (1, 4, 3), "R": (1, 4, 4), "V": (3, 4), "half": ()}
NUMBERS = """<int64 last = {-1}, int64 none = {0}, int64 step = {1}, int64[1] zero = {0},
    int64[1] one = {1}, int64[1] two = {2}, int64[1] four = {4}, int64[1] minus = {-1},
    int64[1] far = {-100}, int64[1] end = {100}, int64[3] flat = {0, 0, -1},
    int64[2] rows = {-1, 4}, int64[2] both = {1, 2}>"""
LAYER = "h, hn = RNN<hidden_size = 4>(x, W, R) s = Squeeze(h, one)"
SIZES = "n = Shape(x) b = Slice(n, one, two) d = Concat<axis = 0>(one, b, four)"


def graph_of(body, folder, signature="(float[T, N, 3] x) => (float y)"):
    """A graph in onnx' own words, with some constants at hand."""
    text = f'<ir_version: 8, opset_import: ["": 18]> g {signature} {NUMBERS} {{ {body} }}'
    path = folder / "model.onnx"
    made = onnx.parser.parse_model(text)
    for output in made.graph.output:
        output.type.tensor_type.ClearField("shape")
    rng = np.random.default_rng(1)
    for name, shape in WEIGHTS.items():
        array = np.asarray(rng.standard_normal(shape), np.float32)
        made.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.save(made, path)
    return pyrnn.onnx.load(path)


@pytest.mark.parametrize(
    "body",
    [
        f"{LAYER} y = Tanh(s)",
        f"{LAYER} t = Transpose<perm = [0, 2, 1]>(s) u = Softmax<axis = 1>(t) "
        "y = Transpose<perm = [0, 2, 1]>(u)",
        f"{LAYER} t = Transpose<perm = [0, 2, 1, 3]>(h) y = Reshape(t, flat)",
        f"{LAYER} y = Gather<axis = 0>(s, last)",
        f"{LAYER} t = Slice(s, minus, end, zero) y = Squeeze(t, zero)",
        f"{LAYER} y = Slice(s, minus, far, two, minus)",
        f"{LAYER} m = ReduceMean(s, minus) y = Div(s, m)",
        f"{LAYER} y = Squeeze(hn, zero)",
        f"{LAYER} t, u = Split<axis = 2, num_outputs = 2>(s) y = Concat<axis = -1>(u, t, x)",
        f"p = MatMul(x, V) {SIZES} z = ConstantOfShape(d) "
        "h, hn = RNN<hidden_size = 4>(x, W, R, , , z) s = Squeeze(h, one) y = Add(p, s)",
        f"{LAYER} n = Shape(s) z = Expand(half, n) y = Mul(s, z)",
    ],
    ids=str,
)
def test_steps_and_chunks_have_the_bits_of_a_call(body, tmp_path):
    graph = graph_of(body, tmp_path)
    x = RNG.standard_normal((T, N, 3)).astype(np.float32)

    def last(steps):
        y = np.ascontiguousarray(graph(x[:steps]))
        return y[-1] if y.ndim == 3 else y

    stream = graph.stream(N)
    for t in range(T):
        y = stream.step(x[t])
        assert_same_bits(np.ascontiguousarray(y), last(t + 1))
    stream.reset()
    y = [stream.run(x[:3]), stream.run(x[3:])][1]
    assert_same_bits(np.ascontiguousarray(y[-1] if y.ndim == 3 else y), last(T))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (f"{LAYER} y = ReduceMean(s, zero)", "ReduceMean node 'y' combines the steps"),
        (f"{LAYER} y = Slice(s, minus, far, zero, minus)", "Slice node 'y' moves the steps"),
        (f"{LAYER} y = Gather<axis = 0>(s, none)", "Gather node 'y' moves the steps"),
        (f"{LAYER} y = Softmax<axis = 0>(s)", "Softmax node 'y' combines the steps"),
        (f"{LAYER} y = Reshape(s, rows)", "Reshape node 'y' gives the shapes (4, 4) and (6, 4)"),
        (f"{LAYER} y = Concat<axis = 0>(s, s)", "Concat node 'y' gives the shapes"),
        (f"{LAYER} l = Squeeze(hn, zero) y = Add(s, l)", "Add node 'y' takes all steps beside"),
        (
            f"{LAYER} n = Shape(s) t = Gather(n, none) r = Range(none, t, step) "
            "l = Less(r, step) m = Unsqueeze(l, both) y = Where(m, s, s)",
            "Less node 'l' computes with the number of steps",
        ),
        (
            f"{LAYER} n = Shape(s) t = Gather(n, none) r = Range(none, t, step) "
            "e = Equal(r, none) m = Unsqueeze(e, both) y = Where(m, s, s)",
            "Where node 'y' computes with the number of steps",
        ),
        (
            f"{LAYER} n = Shape(s) t = Gather(n, none) r = Range(none, t, step) "
            "f = Cast<to = 1>(r) p = Unsqueeze(f, both) y = Add(s, p)",
            "Cast node 'f' computes with the number of steps",
        ),
        (
            'h, hn = RNN<hidden_size = 4, direction = "reverse">(x, W, R) y = Squeeze(h, one)',
            "RNN node 'h' starts at the end of x",
        ),
        (
            "p = MatMul(x, V) i = ReduceSum(p, zero) "
            "h, hn = RNN<hidden_size = 4>(x, W, R, , , i) y = Squeeze(h, one)",
            "ReduceSum node 'i' combines the steps",
        ),
        (
            f"{LAYER} k, kn = RNN<hidden_size = 4>(x, W, R, , , hn) y = Squeeze(k, one)",
            "RNN node 'k' starts from what is computed of x",
        ),
        (
            f"{SIZES} z = ConstantOfShape(b) i = Cast<to = 6>(z) "
            "h, hn = RNN<hidden_size = 4>(x, W, R, , i) y = Squeeze(h, one)",
            "RNN node 'h' takes lengths",
        ),
    ],
    ids=str,
)
def test_what_needs_more_than_a_step_is_named(body, says, tmp_path):
    graph = graph_of(body, tmp_path)
    with pytest.raises(ValueError, match=re.escape(f"Graph.stream: {says}")):
        graph.stream(N)


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ("(float[T, N, 3] x, float[N] w) => (float y)", "2 inputs and 1 outputs"),
        ("(float[T, N, 3] x) => (float y, float x)", "1 inputs and 2 outputs"),
        ("(float[9, N, 3] x) => (float y)", "9 steps of x in the file"),
        ("(float[N, 3] x) => (float y)", "x of shape"),
        ("(float[N, T, F] x) => (float y)", "x of shape (None, None, None)"),
    ],
)
def test_what_the_file_says_of_x(signature, says, tmp_path):
    body = "h = Transpose(x) y = Tanh(h)"
    if "[9" in signature:
        body = "h, hn = RNN<hidden_size = 4>(x, W, R) y = Squeeze(h, one)"
    graph = graph_of(body, tmp_path, signature)
    with pytest.raises(ValueError, match=re.escape(f"Graph.stream: it has {says}")):
        graph.stream()


def test_states_can_be_kept_and_given_back(tmp_path):
    graph = graph_of(f"{LAYER} y = Tanh(s)", tmp_path)
    x = RNG.standard_normal((T, N, 3)).astype(np.float32)
    stream = graph.stream(N)
    assert stream.state == (None,)
    stream.run(x[:4])
    kept = stream.state
    first = stream.step(x[4])
    stream.step(x[5])
    stream.state = kept
    assert_same_bits(stream.step(x[4]), first)
    with pytest.raises(ValueError, match="RNN node 'h': state: initial_h has shape"):
        stream.state = (np.zeros((1, 9, 4), np.float32),)
        stream.step(x[4])


def test_weights_are_those_of_when_it_was_made(tmp_path):
    graph = graph_of("y = MatMul(x, V)", tmp_path)
    stream, x = graph.stream(N), np.ones((N, 3), np.float32)
    before = stream.step(x)
    for parameter in graph.parameters():
        parameter[...] = 0.0
    assert_same_bits(stream.step(x), before)
