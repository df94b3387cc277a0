"""Promise: a model that Keras has saved gives Keras' outputs: layers, masks, directions, states."""

import os
import re
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

import pyrnn

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="keras is not installed: make test-peers installs it")
h5py = pytest.importorskip("h5py", reason="h5py is not installed: make test-peers installs it")

from keras import layers as L  # noqa: E402
from keras.src.backend.common import dtypes  # noqa: E402
from keras.src.legacy.saving import legacy_h5_format  # noqa: E402

import pyrnn.keras  # noqa: E402
from keras_models import (  # noqa: E402
    built,
    chance,
    outputs,
    random_input,
    random_layers,
    randomized,
)

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
SUFFIXES = (".keras", ".h5")
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras' own


@pytest.fixture(params=("float32", "float64"))
def dtype(request, monkeypatch):
    """Keras' dtype; its products of float64 are float32, except in TensorFlow, unless told."""
    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", request.param)
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def compare(found, wanted, tolerance):
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        scale = np.maximum(1.0, np.abs(theirs))
        assert (np.abs(ours - theirs) / scale).max() < tolerance


@pytest.mark.parametrize("group", range(10))
def test_random_models(group, dtype, tmp_path):
    """Sequential and Functional, .keras and .h5: 400 models."""
    for case in range(20):
        rng = np.random.default_rng((group, case, dtype == "float64"))
        front, layers, masked = random_layers(rng)
        model = randomized(built(front, layers, case % 2), rng)
        path = tmp_path / f"model{SUFFIXES[rng.integers(2)]}"
        model.save(path)
        x = random_input(rng, len(front.shape) == 2, masked, dtype)
        read = pyrnn.keras.load(path)
        compare(read(x), outputs(model(x)), TOLERANCE[dtype])
        read.save(tmp_path / "again.safetensors")
        again = pyrnn.load(tmp_path / "again.safetensors")
        assert all(map(np.array_equal, outputs(again(x)), outputs(read(x))))


@pytest.mark.parametrize("case", range(20))
def test_states_go_on_over_batches(case, dtype, tmp_path):
    """Stateful layers of Keras, and `run` with the state of the batch before."""
    rng = np.random.default_rng((7, case))
    front, layers, masked = random_layers(rng, stateful=True)
    model = randomized(built(front, layers, case % 2), rng)
    model.save(path := tmp_path / "model.keras")
    read, state = pyrnn.keras.load(path), None
    for _ in range(3):
        x = random_input(rng, len(front.shape) == 2, masked, dtype)
        y, state = read.run(x, state)
        compare(y, outputs(model(x)), TOLERANCE[dtype])


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_every_merge_mode(merge, sequences, masked, tmp_path):
    rng = np.random.default_rng(3)
    for kind in (L.SimpleRNN, L.LSTM, L.GRU):
        layer = kind(3, return_sequences=sequences, return_state=True)
        front = [L.Masking(-2.0)] if masked else []
        both = L.Bidirectional(layer, merge_mode=merge)
        model = randomized(built(L.Input((None, 4)), [*front, both], True), rng)
        model.save(path := tmp_path / "model.keras")
        x = random_input(rng, False, masked, "float32")
        compare(pyrnn.keras.load(path)(x), outputs(model(x)), 1e-5)


def frozen_direction():
    both = L.Bidirectional(L.LSTM(4, return_sequences=True))
    return both, both.forward_layer, "*l0"


def frozen_cell():
    cells = [L.LSTMCell(4), L.LSTMCell(4), L.GRUCell(4)]
    return L.RNN(cells, return_sequences=True), cells[1], "1.*"


def frozen_layer():
    dense = L.Dense(4)
    return keras.Sequential([dense, L.Dense(4)]), dense, "0.*"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("make", [frozen_direction, frozen_cell, frozen_layer])
def test_a_frozen_part_of_a_layer(make, suffix, tmp_path):
    """It stays frozen, and has its own weights, which legacy files list after all others."""
    layer, part, names = make()
    model = built(L.Input((None, 4)), [layer, L.Dense(2)], False)
    part.trainable = False
    randomized(model, np.random.default_rng(5)).save(path := tmp_path / f"model{suffix}")
    read = pyrnn.keras.load(path)
    x = np.random.default_rng(6).normal(size=(3, 5, 4)).astype(np.float32)
    compare(read(x), outputs(model(x)), 1e-5)
    frozen = [name for name, p in read.named_parameters() if not p.requires_grad]
    assert frozen == [name for name, _ in read.named_parameters() if fnmatch(name, names)] != []


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
@pytest.mark.parametrize("case", range(12))
def test_weights_alone(case, suffix, tmp_path):
    """They come from a second model of the same layers, and go into what the first has become."""
    x = wanted = None
    for seed in (0, 1):
        rng = np.random.default_rng((11, case))
        front, layers, masked = random_layers(rng, stacked=False, nested=False)
        model = randomized(built(front, layers, False), np.random.default_rng((seed, case)))
        if not seed:
            model.save(tmp_path / "model.keras")
            read = pyrnn.keras.load(tmp_path / "model.keras")
            x = random_input(rng, len(front.shape) == 2, masked, "float32")
            continue
        path = tmp_path / f"second{suffix}"
        if suffix == ".h5":
            with h5py.File(path, "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, model)
        else:
            model.save_weights(path)
        wanted = outputs(model(x))
    try:
        assert pyrnn.keras.load(path, read) is read
    except ValueError as error:
        assert suffix == ".weights.h5" and "does not say which" in str(error)
        return
    compare(read(x), wanted, 1e-5)


def test_streams(tmp_path):
    """What reads forward and makes no mask goes on step by step."""
    count = 0
    for case in range(30):
        rng = np.random.default_rng((13, case))
        front, layers, masked = random_layers(rng)
        model = randomized(built(front, layers, False), rng)
        model.save(path := tmp_path / "model.keras")
        read = pyrnn.keras.load(path)
        x = random_input(rng, len(front.shape) == 2, masked, "float32")
        y = read(x)
        pooled = any("Pooling" in type(layer).__name__ for layer in layers)
        if isinstance(read, pyrnn.keras.MaskedSequential | pyrnn.keras.WithStates):
            with pytest.raises(TypeError, match="has no stream"):
                read.stream(len(x))
        elif not pooled and not any(part.reads_backwards for part in read.modules()):
            stream = read.stream(len(x))
            steps = [stream.step(x[:, t]) for t in range(x.shape[1])]
            assert np.array_equal(steps[-1], y[:, -1] if y.ndim == 3 else y)
            count += 1
    assert count >= 2


def test_frozen_layers_stay_frozen(tmp_path):
    model = keras.Sequential([L.Input((5, 3)), L.GRU(4, trainable=False), L.Dense(2)])
    model.save(path := tmp_path / "model.keras")
    read = pyrnn.keras.load(path)
    assert [p.requires_grad for _, p in read.named_parameters()] == [False] * 4 + [True] * 2


def test_what_was_trained_with_an_optimizer(tmp_path):
    """Its state in the file is left out, and training goes on with one of pyrnn's."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(8, 5, 3)).astype(np.float32), rng.normal(size=(8, 1)).astype(np.float32)
    x[:, 3:] = 0
    model = keras.Sequential([L.Input((5, 3)), L.Masking(), L.LSTM(6), L.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    for suffix in SUFFIXES:
        model.save(path := tmp_path / f"model{suffix}")
        read = pyrnn.keras.load(path)
        compare(read(x), outputs(model(x)), 1e-5)
        loss = pyrnn.losses.MSE()
        before = loss(read(x), y)
        trainer = pyrnn.Trainer(read, loss, pyrnn.optim.Adam(0.01), seed=0)
        trainer.fit((x, y), epochs=20, batch_size=8, progress=False)
        assert loss(read(x), y) < before


@pytest.mark.parametrize("case", range(10))
def test_gradients(case, tmp_path):
    """dx of the sum of squares of all outputs, by torch through Keras."""
    torch = pytest.importorskip("torch")
    if keras.backend.backend() != "torch":
        pytest.skip("gradients come from torch")
    rng = np.random.default_rng((17, case))
    while True:
        front, layers, masked = random_layers(rng, drops=False)
        if len(front.shape) == 3:
            break
    model = randomized(built(front, layers, chance(rng, 0.5)), rng)
    model.save(path := tmp_path / "model.keras")
    x = random_input(rng, False, masked, "float32")
    tensor = torch.tensor(x, requires_grad=True)
    sum((y**2).sum() for y in keras.tree.flatten(model(tensor))).backward()
    (y, _), pullback = pyrnn.keras.load(path).vjp(x)
    dx, _ = pullback(tuple(2 * one for one in y) if isinstance(y, tuple) else 2 * y)
    scale = np.maximum(1.0, np.abs(tensor.grad.numpy()))
    assert (np.abs(dx - tensor.grad.numpy()) / scale).max() < 1e-4


def test_exports(tmp_path):
    """Keras to pyrnn to ONNX to ONNX Runtime; what ONNX cannot say is refused, never left out."""
    pytest.importorskip("onnx", reason="onnx is not installed: make test-peers installs it")
    runtime = pytest.importorskip("onnxruntime", reason="make test-peers installs onnxruntime")
    import pyrnn.onnx

    options = runtime.SessionOptions()
    options.log_severity_level = 3
    count = 0
    for case in range(40):
        rng = np.random.default_rng((19, case))
        front, layers, masked = random_layers(rng)
        model = randomized(built(front, layers, case % 2), rng)
        model.save(tmp_path / "model.keras")
        read = pyrnn.keras.load(tmp_path / "model.keras")
        own = (pyrnn.keras.MaskedSequential, pyrnn.keras.WithStates, pyrnn.keras.Flip)
        own += (pyrnn.keras.Halves,)
        path = str(tmp_path / "model.onnx")
        if any(isinstance(part, own) for part in read.modules()):
            with pytest.raises((TypeError, ValueError), match="|".join(c.__name__ for c in own)):
                pyrnn.onnx.export(read, path)
            continue
        pyrnn.onnx.export(read, path)
        x = random_input(rng, len(front.shape) == 2, masked, "float32")
        session = runtime.InferenceSession(path, options)
        compare(tuple(session.run(None, {"x": x})), outputs(model(x)), 1e-5)
        compare(pyrnn.onnx.load(path)(x), outputs(model(x)), 1e-5)
        count += 1
    assert count >= 5


def test_the_page_runs(tmp_path, monkeypatch):
    """docs/models.md, on files that Keras makes."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(8, 5, 3)).astype(np.float32)
    model = keras.Sequential([L.Input((5, 3)), L.LSTM(16), L.Dense(1)])
    model.save("model.keras")
    model.save_weights("model.weights.h5")
    names = {"x": x, "target": x.sum(axis=(1, 2))[:, None]}
    found = re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    blocks = [block for block in found if "pyrnn.keras.load(" in block]
    assert len(blocks) == 2
    exec(blocks[0], names)
    assert np.allclose(names["y"], outputs(model(x))[0], atol=1e-5)
    exec(blocks[1], names)
    assert np.allclose(names["model"](x), names["y"], atol=1e-5)


@pytest.mark.parametrize("frozen", ["forward_layer", "backward_layer", None])
def test_weights_alone_of_a_frozen_direction(tmp_path, frozen):
    """A legacy file lists frozen weights last, and does not say so."""
    layer = keras.layers.Bidirectional(keras.layers.LSTM(4))
    model = keras.Sequential([keras.Input((None, 3)), layer])
    if frozen:
        getattr(layer, frozen).trainable = False
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    ours = pyrnn.Sequential(
        pyrnn.LSTM(3, 4, bidirectional=True, seed=0), pyrnn.LastStep(bidirectional=True)
    )
    x = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
    if frozen == "forward_layer":
        with pytest.raises(ValueError, match="of the other direction first: one is frozen"):
            pyrnn.keras.load(path, ours)
    else:
        pyrnn.keras.load(path, ours)
        np.testing.assert_allclose(ours(x), model.predict(x, verbose=0), atol=1e-5)
