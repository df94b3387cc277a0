"""Promise: recurrent layers of models that others made are theirs: silero-vad's, torch's.

Within 1e-5 of ONNX Runtime, which runs the node alone, and of torch. `make test-peers` installs
what is needed.
"""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

WHY = "not installed: `make test-peers` does it"
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

import pyrnn  # noqa: E402
import pyrnn.onnx  # noqa: E402
from onnx_models import answers, checked, model, values  # noqa: E402

SILERO = importlib.util.find_spec("silero_vad")


def silero(name):
    """The path of a model in the package, which is not imported: that needs torchaudio."""
    if SILERO is None:
        pytest.skip(f"silero-vad is {WHY}")
    return Path(SILERO.origin).parent / "data" / name


def graphs(graph):
    """A graph and the bodies in it, each with the graphs around it."""
    yield [graph]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from ([*inner, graph] for inner in graphs(attribute.g))


def alone(path, name):
    """The node of a name with the nodes and constants that its weights come from; x, h, c given."""
    whole = onnx.load(path)
    scopes = next(s for s in graphs(whole.graph) if any(n.name == name for n in s[0].node))
    node = next(n for n in scopes[0].node if n.name == name)
    makers = {o: n for scope in scopes for n in scope.node for o in n.output}
    stored = {t.name: t for scope in scopes for t in scope.initializer}
    waiting, nodes, tensors = list(node.input[1:4]), [], []
    while waiting:
        needed = waiting.pop()
        if needed in stored:
            tensors.append(stored[needed])
        else:
            nodes.insert(0, makers[needed])
            waiting += makers[needed].input
    inputs = [node.input[i] for i in (0, 5, 6)]
    made = model([*nodes, node], values(inputs), values(node.output), opset=16)
    made.graph.initializer.extend(tensors)
    made.opset_import[0].version = whole.opset_import[0].version
    return made, inputs, node.output


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("silero_vad_16k_sequence.onnx", ["/recurrent/LSTM"]),
        (
            "silero_vad_16k_op15.onnx",  # both inside If, their weights made by Unsqueeze
            ["/model/decoder/rnn/LSTM", "/model/decoder/rnn_1/LSTM"],
        ),
    ],
)
def test_silero_vad(file, names):
    layers = pyrnn.onnx.recurrent_layers(silero(file))
    assert list(layers) == names
    for name, layer in layers.items():
        assert (layer.input_size, layer.hidden_size, layer.batch_first) == (128, 128, False)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((30, 2, 128)).astype(np.float32)
        state = tuple(rng.standard_normal((1, 2, 128)).astype(np.float32) for _ in range(2))
        y, (h, c) = layer(x, state)
        made, inputs, outputs = alone(silero(file), name)
        expected = answers(made, dict(zip(inputs, (x, *state), strict=True)))
        for ours, theirs in zip((y[:, None], h, c), outputs, strict=True):
            np.testing.assert_allclose(ours, expected[theirs], rtol=0, atol=1e-5)


def torch_model(torch):
    """Two recurrent layers, one of them stacked in both directions, and a head."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            both = {"num_layers": 2, "bidirectional": True, "batch_first": True}
            self.gru = torch.nn.GRU(3, 5, **both)
            self.lstm = torch.nn.LSTM(10, 4, batch_first=True)
            self.head = torch.nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.lstm(self.gru(x)[0])[0])

    torch.manual_seed(0)
    return Net().eval()


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
def test_torch_to_onnx_to_pyrnn_to_onnx(exporter, tmp_path):
    """A model of torch, its recurrent layers found by name, and the same again from pyrnn."""
    torch = pytest.importorskip("torch", reason=f"torch is {WHY}")
    if exporter == "dynamo":
        pytest.importorskip("onnxscript", reason=f"onnxscript is {WHY}")
    net, x = torch_model(torch), torch.randn(2, 7, 3)
    path, again = str(tmp_path / "torch.onnx"), tmp_path / "again.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about its own exporters
        torch.onnx.export(net, (x,), path, dynamo=exporter == "dynamo", verbose=False)
    layers = list(pyrnn.onnx.recurrent_layers(path, external_data=True).values())
    assert [type(layer).__name__ for layer in layers] == ["GRU", "GRU", "LSTM"]

    ours = pyrnn.Sequential(*map(batch_first, layers), pyrnn.Linear(4, 2))
    ours[3].load_state_dict(net.head.state_dict())
    expected = net(x).detach().numpy()
    np.testing.assert_allclose(ours(x.numpy()), expected, rtol=0, atol=1e-5)
    pyrnn.onnx.export(ours, again)
    found = answers(checked(again), {"x": x.numpy()})["y"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def batch_first(layer):
    """The same layer, which reads x sample first."""
    options = {**layer.config(), "batch_first": True}
    made = type(layer)(**options)
    made.load_state_dict(layer.state_dict())
    return made
