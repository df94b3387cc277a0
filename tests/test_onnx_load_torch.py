"""Promise: files that torch, Keras and skl2onnx write are read, and give their models' outputs.

Both of torch's exporters; within 1e-5 of the largest entry; where the libraries are installed.
"""

import numpy as np
import pytest

import pyrnn

WHY = "not installed: `make test-peers` does it"
torch = pytest.importorskip("torch", reason=f"torch is {WHY}")
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

import pyrnn.onnx  # noqa: E402
from onnx_models import answers  # noqa: E402

# Both exporters warn of their own future, and the older one of any model with a batch.
pytestmark = pytest.mark.filterwarnings("ignore")
CELLS = ["RNN", "LSTM", "GRU"]
IDS = np.random.default_rng(0).integers(0, 11, (3, 6))


class Net(torch.nn.Module):
    """Ids, recurrent layers, a norm and a head on all steps or the last one."""

    def __init__(self, cell, *, last, **options):
        super().__init__()
        self.embedding = torch.nn.Embedding(11, 5)
        self.rnn = getattr(torch.nn, cell)(5, 7, **options)
        width = 7 * (1 + self.rnn.bidirectional)
        self.norm = torch.nn.LayerNorm(width)
        self.head = torch.nn.Linear(width, 3)
        self.last = last

    def forward(self, ids):
        y, _ = self.rnn(self.embedding(ids))
        y = torch.relu(self.norm(y))
        if self.last:
            y = y[:, -1] if self.rnn.batch_first else y[-1]
        return torch.softmax(self.head(y), -1)


class Carrying(torch.nn.Module):
    """A layer whose states come in and go out."""

    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.LSTM(5, 7, num_layers=2)

    def forward(self, x, h, c):
        y, (h, c) = self.rnn(x, (h, c))
        return y, h, c


def export(net, inputs, folder, dynamo):
    """The path of a file that torch wrote."""
    path = str(folder / "torch.onnx")
    names = ["ids"] if len(inputs) == 1 else ["x", "h", "c"]
    free = {"ids": {0: "a", 1: "b"}} if len(inputs) == 1 else {}
    options = {"dynamo": True, "external_data": False, "verbose": False} if dynamo else {}
    options = options or {"dynamo": False, "dynamic_axes": free}
    torch.onnx.export(net.eval(), tuple(inputs), path, input_names=names, **options)
    return path


def same(found, expected):
    return np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


LAST = {"batch_first": True, "last": True}
BOTH = {"num_layers": 2, "bidirectional": True, "batch_first": True, "last": False}
STACK = {"num_layers": 2, "last": True}
OLD = [(cell, options, False) for cell in CELLS for options in (LAST, BOTH, STACK)]
NEW = [("RNN", LAST, True), ("LSTM", BOTH, True), ("GRU", STACK, True), ("GRU", LAST, True)]


@pytest.mark.parametrize(("cell", "options", "dynamo"), OLD + NEW, ids=str)
def test_torch(cell, options, dynamo, tmp_path):
    if dynamo:
        pytest.importorskip("onnxscript", reason=f"onnxscript is {WHY}")
    torch.manual_seed(0)
    net, ids = Net(cell, **options), torch.tensor(IDS)
    graph = pyrnn.onnx.load(export(net, [ids], tmp_path, dynamo))
    expected = net(ids).detach().numpy()
    assert same(graph(IDS), expected)
    again = str(tmp_path / "again.onnx")
    pyrnn.onnx.export(graph, again)
    onnx.checker.check_model(again, full_check=True)
    assert same(next(iter(answers(again, {"ids": IDS}).values())), expected)
    if not dynamo:  # whose file takes any number of rows and steps
        assert graph.batch_first is options.get("batch_first", False)
        assert same(graph(IDS[:2, :5]), net(ids[:2, :5]).detach().numpy())
        assert graph.predict(IDS).shape[0] == 3


def test_gradients_are_torchs(tmp_path):
    torch.manual_seed(0)
    net, ids = Net("GRU", batch_first=True, last=True), torch.tensor(IDS)
    graph = pyrnn.onnx.load(export(net, [ids], tmp_path, False))
    dy = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)
    (net(ids) * torch.tensor(dy)).sum().backward()
    _, pullback = graph.vjp(IDS)
    pullback(dy)
    named = dict(graph.named_parameters())
    for name in ("embedding.weight", "norm.weight", "norm.bias", "head.weight", "head.bias"):
        assert same(named[name].grad, dict(net.named_parameters())[name].grad.numpy()), name
    (layer,) = (part for part in graph.modules() if part.stateful)
    for name, parameter in layer.named_parameters():
        assert same(parameter.grad, getattr(net.rnn, name).grad.numpy()), name


def test_states_in_and_out(tmp_path):
    torch.manual_seed(0)
    net, inputs = Carrying(), [torch.randn(6, 2, 5), torch.randn(2, 2, 7), torch.randn(2, 2, 7)]
    graph = pyrnn.onnx.load(export(net, inputs, tmp_path, False))
    expected = [y.detach().numpy() for y in net(*inputs)]
    for y, e in zip(graph(*(x.numpy() for x in inputs)), expected, strict=True):
        assert same(y, e)


def test_streams_of_torchs_files(tmp_path):
    net, ids = Net("LSTM", batch_first=True, last=True), torch.tensor(IDS)
    graph = pyrnn.onnx.load(export(net, [ids], tmp_path, False))
    stream = graph.stream(3)
    for t in range(6):
        y = stream.step(IDS[:, t])
        assert same(y, net(ids[:, : t + 1]).detach().numpy())


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_keras(kind, keras, tmp_path):
    """On torch's backend, which writes each step by itself."""
    pytest.importorskip("onnxscript", reason=f"onnxscript is {WHY}")
    layer = getattr(keras.layers, kind)(4, dtype="float32")
    model = keras.Sequential([keras.Input((5, 3), dtype="float32"), layer])
    x = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    path = tmp_path / "model.onnx"
    model.export(path, format="onnx", verbose=False)
    assert same(pyrnn.onnx.load(path)(x), expected)


@pytest.mark.parametrize("kind", ["regression", "two", "three", "scaled"])
def test_scikit_learn(kind, tmp_path):
    """Multilayer perceptrons; the classes of classifiers are the first output."""
    pytest.importorskip("sklearn", reason=f"scikit-learn is {WHY}")
    skl2onnx = pytest.importorskip("skl2onnx", reason=f"skl2onnx is {WHY}")
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    y = x[:, 0]
    if kind in ("two", "three"):
        y = np.digitize(y, [0] if kind == "two" else [0, 1])
    options = {"hidden_layer_sizes": (6, 5), "max_iter": 20, "random_state": 0}
    model = (MLPRegressor if y.dtype == np.float32 else MLPClassifier)(**options)
    model = make_pipeline(StandardScaler(), model) if kind == "scaled" else model
    model.fit(x, y)
    zipmap = {"options": {"zipmap": False}} if hasattr(model, "predict_proba") else {}
    made = skl2onnx.to_onnx(model, x[:1], **zipmap)
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    graph = pyrnn.onnx.load(path)
    if not zipmap:
        assert same(graph(x)[:, 0], model.predict(x))
        return
    label, probabilities = graph(x)
    assert np.array_equal(label, model.predict(x))
    assert same(probabilities, model.predict_proba(x))
