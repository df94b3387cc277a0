"""Promise: a loaded graph is a Module: predict, streams, training, and names, as the file has them.

Where onnx is installed.
"""

import copy
import pickle

import numpy as np
import pytest

import pyrnn

onnx = pytest.importorskip("onnx", reason="onnx is not installed: `make test-peers` does it")
import pyrnn.onnx  # noqa: E402
from compare import assert_same_bits  # noqa: E402
from pyrnn._base import operations  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 6, 3)).astype(np.float32)


def exported(model, folder, **options):
    """The graph of a model that went out to a file."""
    path = folder / "model.onnx"
    pyrnn.onnx.export(model, path, **options)
    return pyrnn.onnx.load(path)


def parsed(text, folder, opset=18):
    """The graph of a model in onnx' own words."""
    path = folder / "model.onnx"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]> {text}'), path)
    return pyrnn.onnx.load(path)


def tagger(**options):
    gru = pyrnn.GRU(3, 4, num_layers=2, seed=0)
    return pyrnn.Sequential(gru, pyrnn.LayerNorm(4), pyrnn.Linear(4, 2, seed=1), **options)


@pytest.mark.parametrize("batch_first", [True, False])
def test_layouts(batch_first, tmp_path):
    """Calls have the file's layout, predict has samples first, whatever their lengths."""
    model = tagger(batch_first=batch_first)
    graph = exported(model, tmp_path)
    assert graph.batch_first is batch_first
    x = X if batch_first else X.swapaxes(0, 1)
    np.testing.assert_allclose(graph(x), model(x), atol=1e-6)
    np.testing.assert_allclose(graph.predict(X), model.predict(X), atol=1e-6)
    ragged = [X[i, : 6 - i] for i in range(5)]
    for y, expected in zip(graph.predict(ragged), model.predict(ragged), strict=True):
        np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize("batch_first", [True, False])
def test_lengths_of_a_graph_that_takes_some(batch_first, tmp_path):
    """They go to the graph, and may be left out."""
    lstm, last = pyrnn.LSTM(3, 4, bidirectional=True, seed=0), pyrnn.LastStep(bidirectional=True)
    model = pyrnn.Sequential(lstm, last, pyrnn.Linear(8, 2, seed=1), batch_first=batch_first)
    graph = exported(model, tmp_path, lengths=True)
    ragged = [X[i, : 6 - i] for i in range(5)]
    for data, options in ((ragged, {}), (X, {"lengths": [6, 1, 3, 6, 2]}), (X, {})):
        found, expected = (m.predict(data, **options) for m in (graph, model))
        np.testing.assert_allclose(found, expected, atol=1e-6)
    trainer = pyrnn.Trainer(graph, loss="mse", optimizer="adam")
    losses = trainer.fit(ragged, np.ones((5, 2), np.float32), epochs=30, progress=False).loss
    assert losses[-1] < losses[0]


def test_an_x_that_does_not_fit_is_named_before_its_lengths(tmp_path):
    graph = exported(pyrnn.GRU(3, 4, seed=0), tmp_path, lengths=True)
    with pytest.raises(ValueError, match=r"Graph: x has shape \(3,\), expected \(any, any, 3\)"):
        graph(X[0, 0])


def test_ids_and_one_output_per_sequence(tmp_path):
    embedding, ids = pyrnn.Embedding(11, 3, seed=0), RNG.integers(0, 11, (5, 6))
    lstm, last = pyrnn.LSTM(3, 4, seed=0), pyrnn.LastStep()
    model = pyrnn.Sequential(embedding, lstm, last, pyrnn.Softmax())
    graph = exported(model, tmp_path)
    assert graph.takes_ids
    np.testing.assert_allclose(graph.predict(ids), model.predict(ids), atol=1e-6)
    np.testing.assert_allclose(graph(ids.astype(np.int32)), model(ids), atol=1e-6)


def test_inputs_by_name_and_several_outputs(tmp_path):
    model = pyrnn.LSTM(3, 4, seed=0)
    graph = exported(model, tmp_path, state=True, lengths=True)
    assert set(graph.inputs) == {"x", "h0", "c0", "lengths"}
    assert graph.outputs == ("y", "hn", "cn")
    h, c = RNG.standard_normal((2, 1, 5, 4)).astype(np.float32)
    lengths = np.array([6, 1, 3, 6, 2])
    named = {"x": X, "h0": h, "c0": c, "lengths": lengths}
    y, (hn, cn) = model(X, (h, c), lengths)
    for found in (graph(**named), graph(*(named[name] for name in graph.inputs))):
        for a, b in zip(found, (y, hn, cn), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    outputs, pullback = graph.vjp(**named)
    d = pullback(*map(np.ones_like, outputs))
    (_, own) = model.vjp(X, (h, c), lengths)
    dx, (dh, dc) = own(np.ones_like(y), (np.ones_like(hn), np.ones_like(cn)))
    expected = {"x": dx, "h0": dh, "c0": dc}
    for name, found in zip([n for n in graph.inputs if n != "lengths"], d, strict=True):
        np.testing.assert_allclose(found, expected[name], atol=1e-5)


def test_parameters_have_the_files_names(tmp_path):
    graph = exported(tagger(), tmp_path)
    names = [name for name, _ in graph.named_parameters()]
    assert "1.weight" in names and any(name.endswith("GRU.weight_ih_l0") for name in names)
    layers = pyrnn.onnx.recurrent_layers(tmp_path / "model.onnx")
    parts = dict(graph.named_modules())
    for name, layer in layers.items():
        assert_same_bits(parts[name].weight_ih_l0.data, layer.weight_ih_l0.data)


def test_names_of_the_file_hide_no_attribute(tmp_path):
    """Weights that are called like methods."""
    text = """g (float[N, 2] x) => (float[N, 2] y)
        <float[2] forward = {1, 2}, float[2] _layout = {3, 4}>
        { a = Add(x, forward) y = Mul(a, _layout) }"""
    graph = parsed(text, tmp_path)
    assert graph(np.zeros((1, 2), np.float32)).tolist() == [[3, 8]]
    assert {n for n, _ in graph.named_parameters()} == {"onnx.forward", "onnx._layout"}


def test_training_moves_all_weights(tmp_path):
    graph = exported(pyrnn.Sequential(*tagger(), pyrnn.LastStep()), tmp_path)
    before = graph.state_dict()
    y = RNG.standard_normal((5, 2)).astype(np.float32)
    trainer = pyrnn.Trainer(graph, loss="mse", optimizer="adam")
    losses = trainer.fit(X, y, epochs=30, progress=False).loss
    assert losses[-1] < losses[0]
    assert not any(np.array_equal(a, before[name]) for name, a in graph.state_dict().items())


def test_scalars_and_first_states_are_no_weights(tmp_path):
    text = """g (float[T, N, 1] x) => (float[T, D, N, 1] y)
        <float half = {0.5}, float[1,1,1] W = {1}, float[1,1,1] R = {1}, float[1,2,1] h = {1, 2}>
        { a = Mul(x, half) y = RNN<hidden_size=1>(a, W, R, , , h) }"""
    graph = parsed(text, tmp_path)
    assert {name for name, _ in graph.named_parameters()} == {"y.weight_ih_l0", "y.weight_hh_l0"}
    y = graph(np.zeros((1, 2, 1), np.float32))
    np.testing.assert_allclose(y.ravel(), np.tanh([1, 2]), atol=1e-6)


def test_nodes_with_the_same_weights_share_a_layer(tmp_path):
    text = """g (float[T, N, 1] x) => (float[T, D, N, 1] y)
        <float[1,1,1] W = {1}, float[1,1,1] R = {1}>
        { a = RNN<hidden_size=1>(x, W, R) z = Squeeze(a, one) b = RNN<hidden_size=1>(z, W, R)
          y = Add(a, b) }""".replace("R = {1}>", "R = {1}, int64[1] one = {1}>")
    assert parsed(text, tmp_path).num_parameters() == 2


def test_copies(tmp_path):
    graph = exported(tagger(), tmp_path)
    for twin in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        assert_same_bits(twin(X), graph(X))
    assert repr(graph).startswith("Graph(inputs=['x'], outputs=['y'], nodes=")


def test_files_of_pyrnn_hold_no_graph(tmp_path):
    graph = exported(tagger(), tmp_path)
    for model in (graph, pyrnn.Sequential(graph, pyrnn.Linear(2, 1, seed=0))):
        with pytest.raises(TypeError, match=r"expected pyrnn\.onnx\.export"):
            model.save(tmp_path / "model.safetensors")


def test_in_a_sequential(tmp_path):
    graph = exported(tagger(), tmp_path)
    model = pyrnn.Sequential(graph, pyrnn.Linear(2, 1, seed=0))
    assert_same_bits(model(X), model[1](graph(X)))
    stream = model.stream(5)
    y = np.stack([stream.step(X[:, t]) for t in range(6)], axis=1)
    assert_same_bits(y, np.ascontiguousarray(model(X)))


def test_a_fixed_batch(tmp_path):
    text = "g (float[2, T] x) => (float[2, T] y) { y = Tanh(x) }"
    graph = parsed(text, tmp_path)
    x = RNG.standard_normal((6, 3)).astype(np.float32)
    np.testing.assert_allclose(graph.predict(x), np.tanh(x), atol=1e-6)
    with pytest.raises(ValueError, match=r"Graph: x has shape \(6, 3\), expected \(2, any\)"):
        graph(x)


def test_what_does_not_fit_is_named(tmp_path):
    graph = exported(tagger(), tmp_path)
    x64 = X.astype(np.float64)
    for args, error, says in (
        ((x64,), TypeError, "Graph: x is float64, expected an array of float32"),
        ((X, X), TypeError, "Graph: 2 arrays came, expected 'x'"),
        ((), TypeError, "Graph: nothing came, expected 'x'"),
        ((X[0],), ValueError, r"Graph: x has shape \(6, 3\), expected \(any, any, 3\)"),
        ((X[..., :2],), ValueError, r"expected \(any, any, 3\)"),
    ):
        with pytest.raises(error, match=says):
            graph(*args)
    with pytest.raises(TypeError, match="Graph: 'X' came, expected 'x'"):
        graph(X=X)
    ids = parsed("g (int64[N] x, float[5] w) => (float[N] y) { y = Gather(w, x) }", tmp_path)
    w = np.ones(5, np.float32)
    with pytest.raises(TypeError, match="Graph: x is float32, expected an array of int64"):
        ids(w, w)
    with pytest.raises(ValueError, match="Gather node 'y': index 5 is out of bounds"):
        ids(np.array([5]), w)


def test_an_input_that_is_called_state(tmp_path):
    """It is one like others, with its gradient at its place."""
    text = """g (float[N] x, float[N] state, float[N] z) => (float[N] y)
        { a = Mul(x, state) y = Mul(a, z) }"""
    graph, x = parsed(text, tmp_path), np.ones(2, np.float32)
    for args, named in (((x, 2 * x, 3 * x), {}), ((), {"x": x, "state": 2 * x, "z": 3 * x})):
        y, pullback = graph.vjp(*args, **named)
        assert_same_bits(y, graph(*args, **named))
        assert [d.tolist() for d in pullback(x)] == [[6, 6], [3, 3], [2, 2]]


@pytest.mark.parametrize("node", ["y = MatMul(x, w)", "y = Gemm<transB = 1>(x, w)"])
def test_weights_are_packed_once(node, tmp_path, monkeypatch):
    """And anew when they were written."""
    packed = []
    pack = operations.pack_matrix
    monkeypatch.setattr(operations, "pack_matrix", lambda b: packed.append(b) or pack(b))
    text = f"g (float[N, 2] x) => (float[N, 2] y) <float[2, 2] w = {{1, 2, 3, 4}}> {{ {node} }}"
    graph, x = parsed(text, tmp_path), np.eye(2, dtype=np.float32)
    first = graph(x)
    assert_same_bits(graph(x), first)
    assert len(packed) == 1
    for parameter in graph.parameters():
        parameter[...] = 2 * parameter.data
    assert_same_bits(graph(x), 2 * first)
    assert len(packed) == 2


def test_a_loaded_graph_goes_out_and_in_again(tmp_path):
    """Also without attributes that have defaults, beside operators of a domain that none is of, and
    with names in the file that the weights of a node might get."""
    helper, float32, path = onnx.helper, onnx.TensorProto.FLOAT, tmp_path / "model.onnx"
    weights = RNG.standard_normal((2, 1, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("RNN", ["x", "w", "r"], ["", "h"], "rnn", hidden_size=3),
            helper.make_node("Add", ["h", "rnn.W"], ["rnn.R"]),
            helper.make_node("Mul", ["rnn.R", "h"], ["y"]),
        ],
        "graph",
        [helper.make_tensor_value_info(n, float32, [None, None, 3]) for n in ("x", "rnn.W")],
        [helper.make_tensor_value_info("y", float32, [1, None, 3])],
        [onnx.numpy_helper.from_array(w, n) for n, w in zip("wr", weights, strict=True)],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    for _ in range(2):
        graph = pyrnn.onnx.load(path)
        assert graph.inputs == ("x", "rnn.W")
        h = graph.rnn(X.swapaxes(0, 1))[1]
        y = graph(X.swapaxes(0, 1), np.ones((1, 5, 3), np.float32))
        np.testing.assert_allclose(y, (h + 1) * h, atol=1e-6)
        assert_same_bits(graph.rnn.weight_ih_l0.data, weights[0, 0])
        pyrnn.onnx.export(graph, path)


@pytest.mark.parametrize("size", [0, 2])
def test_softmax_before_version_13(size, tmp_path):
    """Of all axes from the first on that it names, also of no rows."""
    text = "g (float[N, 2, 2] x) => (float[N, 2, 2] y) { y = Softmax(x) }"
    graph, x = parsed(text, tmp_path, opset=11), np.zeros((size, 2, 2), np.float32)
    assert_same_bits(graph(x), np.full((size, 2, 2), 0.25, np.float32))


def test_integers_are_divided_towards_zero(tmp_path):
    """Also the least of a dtype, which has no absolute value."""
    text = """g (float[N] x, int8[N] a, int8[N] b) => (float[N] y)
        { q = Div(a, b)  f = CastLike(q, x)  y = Add(x, f) }"""
    graph, a, b = parsed(text, tmp_path), [-128, -7, 7, -8, 7], [2, 2, -2, 4, 2]
    y = graph(np.zeros(5, np.float32), np.array(a, np.int8), np.array(b, np.int8))
    assert y.tolist() == [-64, -3, -3, -2, 3]


def test_a_stream_takes_its_rows_alone(tmp_path):
    """The batch that it was made for, as every stream."""
    path = tmp_path / "gru.onnx"
    pyrnn.onnx.export(pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), pyrnn.Linear(4, 2, seed=1)), path)
    stream = pyrnn.onnx.load(path).stream(batch_size=4)
    with pytest.raises(ValueError, match=r"\(2, 1, 3\), expected 4 rows .*batch_size=2"):
        stream.step(np.zeros((2, 3), np.float32))
    assert stream.step(np.zeros((4, 3), np.float32)).shape == (4, 2)
