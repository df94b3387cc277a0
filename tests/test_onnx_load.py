"""Promise: what pyrnn.onnx.load gives of a file computes what ONNX Runtime computes of it.

Within 1e-5 of the largest entry in float32 and 1e-10 in float64, for random graphs of all that is
read; where onnx and onnxruntime are installed.
"""

import numpy as np
import pytest

import pyrnn

WHY = "not installed: `make test-peers` does it"
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

import pyrnn.onnx  # noqa: E402
from onnx_draws import Draw  # noqa: E402
from onnx_graphs import Draw as Models  # noqa: E402
from onnx_models import answers, save  # noqa: E402

GRAPHS = 300
BATCH = 10


def check(made, plain, inputs, folder, tolerance):
    graph = pyrnn.onnx.load(save(made, folder))
    found = graph(**inputs)
    found = found if isinstance(found, tuple) else (found,)
    for y, expected in zip(found, answers(plain, inputs).values(), strict=True):
        assert y.shape == expected.shape and y.dtype == expected.dtype
        assert np.abs(y - expected).max(initial=0) <= tolerance * np.abs(expected).max(initial=1)


@pytest.mark.parametrize("first", range(0, GRAPHS, BATCH))
def test_random_graphs(first, tmp_path):
    for seed in range(first, first + BATCH):
        made, inputs = Draw(seed).model()
        plain, _ = Draw(seed, plain=True).model()
        check(made, plain, inputs, tmp_path, 1e-5)


def test_random_graphs_in_float64(tmp_path):
    """Without recurrent nodes, which ONNX Runtime has in float32 alone."""
    for seed in range(40):
        made, inputs = Draw(seed, np.float64, recurrent=False).model()
        check(made, made, inputs, tmp_path, 1e-10)


@pytest.mark.parametrize("first", range(0, 60, BATCH))
def test_random_graphs_written_again(first, tmp_path):
    """With weights that have changed since: ONNX Runtime's answer is pyrnn's."""
    for seed in range(first, first + BATCH):
        made, inputs = Draw(seed, plain=True).model()
        graph = pyrnn.onnx.load(save(made, tmp_path))
        for parameter in graph.parameters():
            parameter[...] = 0.9 * parameter.data + 0.01
        path = tmp_path / "again.onnx"
        pyrnn.onnx.export(graph, path)
        found = graph(**inputs)
        found = found if isinstance(found, tuple) else (found,)
        for y, expected in zip(found, answers(str(path), inputs).values(), strict=True):
            assert np.abs(y - expected).max(initial=0) <= 1e-5 * np.abs(y).max(initial=1)


@pytest.mark.parametrize("first", range(0, 100, BATCH))
def test_models_of_pyrnn_come_back(first, tmp_path):
    """What export writes, load reads, with lengths too."""
    path = tmp_path / "model.onnx"
    for seed in range(first, first + BATCH):
        model, features = Models(seed).model()
        rng = np.random.default_rng(seed)
        shape = (3, 5) if model.batch_first else (5, 3)
        x = rng.standard_normal((*shape, features or 1)).astype(np.float32)
        x = rng.integers(0, 11, shape) if features is None else x
        ragged = (model.stateful or model.time_aware) and seed % 2
        pyrnn.onnx.export(model, path, lengths=bool(ragged))
        graph = pyrnn.onnx.load(path)
        for options in [{"lengths": [5, 2, 4]}, {}] if ragged else [{}]:
            expected = model(x, **options)
            expected = expected[0] if isinstance(expected, tuple) else expected
            assert np.abs(graph(x, **options) - expected).max() <= 1e-5 * np.abs(expected).max()


def dot(arrays, directions):
    return sum(float((a * d).sum()) for a, d in zip(arrays, directions, strict=True))


@pytest.mark.parametrize("seed", range(1000, 1030))
def test_gradients_are_those_of_differences(seed, tmp_path):
    """Along a random direction of all inputs and weights."""
    made, inputs = Draw(seed, np.float64).model(layers=2)
    graph = pyrnn.onnx.load(save(made, tmp_path))
    rng = np.random.default_rng(seed)
    floats = [name for name in graph.inputs if inputs[name].dtype == np.float64]
    steps = {name: rng.standard_normal(inputs[name].shape) for name in floats}
    ways = [rng.standard_normal(p.shape) for p in graph.parameters()]
    y, pullback = graph.vjp(**inputs)
    many = isinstance(y, tuple)
    dy = [rng.standard_normal(part.shape) for part in (y if many else [y])]
    dx = pullback(*dy)
    dx = dx if isinstance(dx, tuple) else (dx,)
    found = dot(dx, steps.values()) + dot([p.grad for p in graph.parameters()], ways)

    def moved(by):
        for parameter, way in zip(graph.parameters(), ways, strict=True):
            parameter[...] = parameter.data + by * way
        y = graph(**{n: a + by * steps[n] if n in steps else a for n, a in inputs.items()})
        for parameter, way in zip(graph.parameters(), ways, strict=True):
            parameter[...] = parameter.data - by * way
        return dot(y if many else [y], dy)

    h = 1e-6
    expected = (moved(h) - moved(-h)) / (2 * h)
    assert abs(found - expected) <= 1e-6 * max(1, abs(expected), abs(found))
