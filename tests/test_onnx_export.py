"""Promise: what pyrnn.onnx.export writes is the model: 300 random ones, in ONNX Runtime too.

Float32 within 1e-5 of the largest output; float64 within 1e-10, where ONNX Runtime or the package
onnx computes it.
"""

import numpy as np
import pytest

WHY = "not installed: `make test-peers` does it"
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

import pyrnn  # noqa: E402
import pyrnn.onnx  # noqa: E402
from onnx_graphs import Draw, states  # noqa: E402
from onnx_models import answers, checked  # noqa: E402


def draw_inputs(model, features, rng, *, lengths, state, dtype=np.float32):
    """x, the lengths and the states, None where there are none."""
    N, T = rng.integers(1, 6), rng.integers(1, 9)
    shape = (N, T) if model.batch_first else (T, N)
    ids = features is None
    x = rng.integers(11, size=shape) if ids else rng.standard_normal((*shape, features))
    x = x if ids else x.astype(dtype)
    ends = rng.integers(0, T + 1, N) if lengths else None
    entries = []
    for _, layer in states(model) if state else ():
        size = layer.num_layers * layer.num_directions, N, layer.hidden_size
        drawn = [rng.standard_normal(size).astype(dtype) for _ in layer.state_names]
        entries.append(tuple(drawn) if len(drawn) > 1 else drawn[0])
    return x, ends, entries


def by_name(model, entries, names):
    """A state's arrays by their names in the graph."""
    found = {}
    for (prefix, _), entry in zip(states(model) if entries else (), entries, strict=True):
        arrays = entry if isinstance(entry, tuple) else (entry,)
        found |= {f"{prefix}{n}": a for n, a in zip(names, arrays, strict=False)}
    return found


def expected(model, x, ends, entries):
    """pyrnn's outputs by their names in the graph."""
    if not entries:
        y = model(x) if ends is None else model(x, lengths=ends)
        return {"y": y if model.made_of_parts or not model.stateful else y[0]}
    if model.made_of_parts:
        y, state = model.run(x, tuple(entries), lengths=ends)
    else:
        y, entry = model(x, entries[0], lengths=ends)
        state = (entry,)
    return {"y": y, **by_name(model, state, ("hn", "cn"))}


def assert_equal(model, path, x, ends, entries, atol=1e-5):
    """The file's outputs are the model's."""
    inputs = {"x": x, **by_name(model, entries, ("h0", "c0"))}
    inputs |= {} if ends is None else {"lengths": ends}
    actual, wanted = answers(path, inputs), expected(model, x, ends, entries)
    assert list(actual) == list(wanted)
    for name, array in wanted.items():
        assert actual[name].dtype == array.dtype
        scale = max(1, np.abs(array).max(initial=0))
        np.testing.assert_allclose(actual[name], array, rtol=0, atol=atol * scale, err_msg=name)


@pytest.mark.parametrize("group", range(10))
def test_random_models(group, tmp_path):
    for seed in range(30 * group, 30 * group + 30):
        draw = Draw(seed)
        model, features = draw.model()
        lengths = bool(draw.rng.integers(2)) and (model.stateful or model.time_aware)
        state = bool(draw.rng.integers(2)) and model.num_states > 0
        path = tmp_path / f"{seed}.onnx"
        opset = int(draw.rng.integers(17, 25))
        pyrnn.onnx.export(model, path, opset=opset, state=state, lengths=lengths)
        checked(path)
        for _ in range(2):  # of several sizes
            given = draw_inputs(model, features, draw.rng, lengths=lengths, state=state)
            try:
                assert_equal(model, str(path), *given)
            except BaseException as error:
                error.add_note(f"seed {seed}, opset {opset}: {model}")
                raise


CLASSIFIER = pyrnn.Sequential(
    pyrnn.Embedding(11, 4, seed=0),
    pyrnn.LSTM(4, 5, num_layers=2, bidirectional=True, seed=1),
    pyrnn.LastStep(bidirectional=True),
    pyrnn.Linear(10, 3, seed=2),
)


@pytest.mark.parametrize("opset", range(17, 25))
def test_every_operator_set(opset, tmp_path):
    """With what changed between them: the axes of ReduceMax and Split."""
    layer = pyrnn.LSTM(3, 4, num_layers=2, bidirectional=True, merge="mul", seed=0)
    parts = pyrnn.Sequential(
        layer, pyrnn.LayerNorm(4), pyrnn.Concat(pyrnn.MaxPool(), pyrnn.MeanPool())
    )
    path = tmp_path / "model.onnx"
    pyrnn.onnx.export(parts, path, opset=opset, state=True, lengths=True)
    (used,) = onnx.load(checked(path)).opset_import
    assert (used.domain, used.version) == ("", opset)
    given = draw_inputs(parts, 3, np.random.default_rng(0), lengths=True, state=True)
    assert_equal(parts, str(path), *given)


def names(path):
    """Of a file's inputs and outputs."""
    graph = onnx.load(path).graph
    return [[value.name for value in values] for values in (graph.input, graph.output)]


def test_x_and_y_are_all_there_is_unless_asked(tmp_path):
    path = str(tmp_path / "model.onnx")
    pyrnn.onnx.export(CLASSIFIER, path)
    assert names(path) == [["x"], ["y"]]
    pyrnn.onnx.export(CLASSIFIER, path, state=True, lengths=True)
    assert names(path) == [["x", "lengths", "1.h0", "1.c0"], ["y", "1.hn", "1.cn"]]
    rnn = pyrnn.Sequential(rnn=pyrnn.GRU(3, 4, seed=0), head=pyrnn.Linear(4, 2, seed=0))
    pyrnn.onnx.export(rnn, path, state=True)
    assert names(path) == [["x", "rnn.h0"], ["y", "rnn.hn"]]
    pyrnn.onnx.export(rnn.rnn, path, state=True)
    assert names(path) == [["x", "h0"], ["y", "hn"]]


def test_sizes_of_n_and_t_are_free(tmp_path):
    path = tmp_path / "model.onnx"
    pyrnn.onnx.export(CLASSIFIER, path, lengths=True)
    for rows, steps in ((1, 1), (1, 7), (6, 1), (3, 50)):
        x = np.random.default_rng(0).integers(11, size=(rows, steps))
        assert_equal(CLASSIFIER, checked(path), x, np.full(rows, steps), [])
        assert_equal(CLASSIFIER, str(path), x, np.zeros(rows, np.int64), [])
    info = onnx.load(path).graph.input[0].type.tensor_type.shape
    assert [size.dim_param for size in info.dim] == ["N", "T"]


@pytest.mark.parametrize("head", ["steps", "last", "max", "mean", "sum"])
def test_padding_does_not_matter(head, tmp_path):
    """NaN after the end of a row, and numbers that are no ids."""
    heads = {"last": pyrnn.LastStep, "max": pyrnn.MaxPool, "mean": pyrnn.MeanPool}
    part = {**heads, "sum": pyrnn.SumPool, "steps": pyrnn.Tanh}[head]()
    path, ends = str(tmp_path / "model.onnx"), np.array([5, 0, 2])
    for first, x in (
        (pyrnn.Linear(3, 4, seed=0), np.full((3, 5, 3), np.nan, np.float32)),
        (pyrnn.Embedding(11, 4, seed=0), np.full((3, 5), 10**6)),
    ):
        model = pyrnn.Sequential(first, pyrnn.GRU(4, 4, seed=1), part)
        for row, end in enumerate(ends):
            x[row, :end] = np.random.default_rng(row).integers(11, size=x[row, :end].shape)
        pyrnn.onnx.export(model, path, lengths=True)
        found = answers(path, {"x": x, "lengths": ends})["y"]
        np.testing.assert_allclose(found, model(x, lengths=ends), rtol=0, atol=1e-5)
        assert np.isfinite(found).all() and not found[1].any()


def test_states_of_rows_without_steps_stay(tmp_path):
    """Also where ONNX Runtime itself returns zeros."""
    layer = pyrnn.LSTM(3, 4, num_layers=2, bidirectional=True, seed=0)
    path = str(tmp_path / "model.onnx")
    pyrnn.onnx.export(layer, path, state=True, lengths=True)
    x, _, (state,) = draw_inputs(layer, 3, np.random.default_rng(3), lengths=False, state=True)
    ends = np.zeros(len(x), np.int64)
    found = answers(path, {"x": x, "lengths": ends, "h0": state[0], "c0": state[1]})
    np.testing.assert_array_equal(found["hn"], state[0])
    np.testing.assert_array_equal(found["cn"], state[1])
    assert not found["y"].any()


@pytest.mark.parametrize(
    "parts",
    [
        [pyrnn.Tanh(), pyrnn.Linear(3, 4, dtype=np.float64, seed=1), pyrnn.Softmax()],
        [pyrnn.ReLU(), pyrnn.MaxPool()],
        [pyrnn.Sigmoid(), pyrnn.MeanPool()],
        [pyrnn.LayerNorm(3, dtype=np.float64), pyrnn.LastStep()],
    ],
    ids=repr,
)
def test_float64_in_onnx_runtime(parts, tmp_path):
    """Which has no recurrent layers of float64."""
    model = pyrnn.Sequential(pyrnn.Linear(5, 3, dtype=np.float64, seed=0), *parts)
    path = tmp_path / "model.onnx"
    pyrnn.onnx.export(model, path, lengths=True)
    rng = np.random.default_rng(0)
    given = draw_inputs(model, 5, rng, lengths=True, state=False, dtype=np.float64)
    assert_equal(model, checked(path), *given, atol=1e-10)


@pytest.mark.parametrize("direction", ["forward", "reverse", "both"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (pyrnn.RNN, {}),
        (pyrnn.GRU, {}),
        (pyrnn.GRU, {"reset_after": False}),
        (pyrnn.LSTM, {"bias": "single"}),
        (pyrnn.LSTM, {"peephole": True}),
    ],
)
def test_float64_in_the_package_onnx(kind, options, direction, tmp_path):
    """In what its reference computes: no lengths, no input_forget."""
    from onnx.reference import ReferenceEvaluator

    both, way = direction == "both", "reverse" if direction == "reverse" else "forward"
    given = dict(bidirectional=both, direction=way, num_layers=2, dtype=np.float64, seed=0)
    layer = kind(3, 4, **given, **options)
    path = tmp_path / "model.onnx"
    pyrnn.onnx.export(layer, path)
    x = np.random.default_rng(0).standard_normal((2, 5, 3))
    (y,) = ReferenceEvaluator(checked(path)).run(None, {"x": x})
    np.testing.assert_allclose(y, layer(x)[0], rtol=0, atol=1e-10)


def test_what_only_training_reads_does_not_matter(tmp_path):
    path, again = tmp_path / "a.onnx", tmp_path / "b.onnx"
    options = {"recurrent_dropout": 0.5, "recompute_every": 4}
    plain = pyrnn.GRU(3, 4, num_layers=2, seed=0)
    trained = pyrnn.GRU(3, 4, num_layers=2, dropout=0.5, seed=0, **options)
    pyrnn.onnx.export(plain, path)
    pyrnn.onnx.export(trained, again)
    assert path.read_bytes() == again.read_bytes()


def test_a_part_in_two_places_is_stored_once(tmp_path):
    layer, linear = pyrnn.GRU(4, 4, num_layers=2, seed=0), pyrnn.Linear(4, 4, seed=1)
    model = pyrnn.Sequential(layer, linear, layer, linear)
    path = tmp_path / "model.onnx"
    pyrnn.onnx.export(model, path)
    stored = [t for t in onnx.load(path).graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    elements = sum(int(np.prod(tensor.dims)) for tensor in stored)
    assert elements == model.num_parameters()


def test_weights_are_those_of_now(tmp_path):
    path, x = str(tmp_path / "model.onnx"), np.ones((1, 2, 3), np.float32)
    linear = pyrnn.Linear(3, 2, seed=0)
    linear.weight[...] = 1
    linear.bias[...] = [1, 2]
    pyrnn.onnx.export(linear, path)
    np.testing.assert_array_equal(answers(path, {"x": x})["y"][0], [[4, 5], [4, 5]])


def test_parts_may_have_the_names_of_inputs(tmp_path):
    parts = {name: pyrnn.GRU(3, 3, seed=0) for name in ("lengths", "y", "hn", "integers")}
    model = pyrnn.Sequential(**parts)
    path = tmp_path / "model.onnx"
    pyrnn.onnx.export(model, path, state=True, lengths=True)
    given = draw_inputs(model, 3, np.random.default_rng(0), lengths=True, state=True)
    assert_equal(model, checked(path), *given)


def test_out_and_in_again(tmp_path):
    """The weights of a stack, layer by layer."""
    layer = pyrnn.LSTM(3, 4, num_layers=2, bidirectional=True, peephole=True, seed=0)
    model = pyrnn.Sequential(encoder=pyrnn.Sequential(rnn=layer))
    path = tmp_path / "model.onnx"
    pyrnn.onnx.export(model, path)
    found = pyrnn.onnx.recurrent_layers(path)
    assert list(found) == ["encoder.rnn/LSTM", "encoder.rnn/LSTM_2"]
    weights = layer.state_dict()
    for depth, again in enumerate(found.values()):
        for name, array in again.state_dict().items():
            np.testing.assert_array_equal(weights[name.replace("l0", f"l{depth}")], array)


class OwnGru(pyrnn.GRU):
    """A class of a user's own, which may compute anything."""


class OwnNet(pyrnn.Module):
    def __init__(self):
        self.rnn = pyrnn.GRU(3, 4, seed=0)

    def forward(self, x):
        return self.rnn(x)


def gru(**options):
    return pyrnn.GRU(3, 4, seed=0, **options)


def lstm(**options):
    return pyrnn.LSTM(3, 4, seed=0, **options)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lstm(proj_size=2), "LSTM has proj_size=2, expected 0: ONNX' LSTM has nothing like it"),
        (lstm(cell_clip=3.0), "LSTM has cell_clip=3.0, expected None: ONNX' LSTM has nothing"),
        (lstm(layer_norm=True), "LSTM has layer_norm=True, expected False"),
        (lstm(zoneout_cell=0.1), "LSTM has zoneout_cell=0.1, expected 0.0"),
        (gru(zoneout=0.5), "GRU has zoneout=0.5, expected 0.0: ONNX' GRU has nothing like it"),
        (gru(layer_norm=True), "GRU has layer_norm=True, expected False"),
        (
            pyrnn.Sequential(enc=pyrnn.Sequential(rnn=gru(zoneout=0.5))),
            "module enc.rnn (GRU) has zoneout=0.5",
        ),
        (OwnGru(3, 4), "export: OwnGru is of a class of your own, expected pyrnn's parts"),
        (pyrnn.Sequential(gru(), OwnNet()), "module 1 (OwnNet) is of a class of your own"),
        (
            pyrnn.Sequential(gru(), pyrnn.Parallel(a=pyrnn.MaxPool(), b=pyrnn.Tanh())),
            "module 1 (Parallel) has no place in a graph of ONNX",
        ),
        (pyrnn.Attention(3, 4), "Attention has no place in a graph"),
        (
            pyrnn.Sequential(gru(), pyrnn.LayerNorm([5, 4])),
            "module 1 (LayerNorm) has normalized_shape=(5, 4), expected one size",
        ),
        (
            pyrnn.TimeDistributed(pyrnn.Sequential(gru(), pyrnn.LastStep())),
            "TimeDistributed holds a Sequential that works along an axis of each step",
        ),
        (
            pyrnn.Sequential(gru(), pyrnn.Linear(5, 2)),
            "module 1 (Linear) gets 4 features, expected 5",
        ),
        (pyrnn.Residual(pyrnn.Linear(3, 4)), "Residual gets 4 features, expected 3"),
        (
            pyrnn.Sequential(gru(), pyrnn.Concat(pyrnn.MaxPool(), pyrnn.Tanh())),
            "module 1 (Concat) joins what has steps and what has none",
        ),
        (
            pyrnn.Concat(pyrnn.Embedding(9, 3), pyrnn.Tanh()),
            "module 1 (Tanh) gets ids, expected an Embedding in front",
        ),
        (pyrnn.Residual(pyrnn.Embedding(9, 3)), "Residual gets ids, expected an Embedding"),
        (
            pyrnn.Sequential(pyrnn.Linear(3, 5), pyrnn.LastStep(bidirectional=True)),
            "module 1 (LastStep) gets 5 features, expected an even number: two directions",
        ),
        (pyrnn.Sequential(pyrnn.Tanh()), "Sequential does not say how many features x has"),
        ([], "export: model is of type list, expected a pyrnn.Module"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_has_no_place_is_named_and_nothing_is_written(model, says, tmp_path):
    with pytest.raises((TypeError, ValueError)) as raised:
        pyrnn.onnx.export(model, tmp_path / "model.onnx")
    assert says in str(raised.value) and str(raised.value).startswith("export: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"opset": 16}, "export: opset is 16, expected 17 <= opset <= 24"),
        ({"opset": 25}, "export: opset is 25, expected 17 <= opset <= 24"),
        ({"opset": True}, "export: opset is True, expected an integer"),
        ({"opset": "22"}, "export: opset is '22', expected an integer"),
        ({"state": 1}, "export: state is 1, expected True or False"),
        ({"lengths": [3]}, "export: lengths is of type list, expected True or False"),
        ({"state": True}, "export: state is True, expected False: Linear has no recurrent layer"),
        ({"lengths": True}, "export: lengths is True, expected False: Linear takes none"),
    ],
)
def test_arguments(arguments, says, tmp_path):
    with pytest.raises((TypeError, ValueError)) as raised:
        pyrnn.onnx.export(pyrnn.Linear(3, 2), tmp_path / "model.onnx", **arguments)
    assert str(raised.value).startswith(says)
    assert not list(tmp_path.iterdir())


def test_paths(tmp_path):
    model = pyrnn.Linear(3, 2)
    for name in ("model.pt", "model", "model.onnx.txt"):
        with pytest.raises(ValueError, match=r"export: path is .* ends in '\.onnx'"):
            pyrnn.onnx.export(model, tmp_path / name)
    with pytest.raises(TypeError, match="export: path is 3, expected the path of a file"):
        pyrnn.onnx.export(model, 3)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        pyrnn.onnx.export(model, tmp_path / "missing" / "model.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.onnx"):
        pyrnn.onnx.export(model, tmp_path / "folder.onnx")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.onnx"]


def test_a_refused_model_leaves_the_old_file(tmp_path):
    path = tmp_path / "Model.ONNX"
    pyrnn.onnx.export(pyrnn.Linear(3, 2), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="zoneout"):
        pyrnn.onnx.export(gru(zoneout=0.5), path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
