"""Promise: a saved model comes back to the bit, and a file is always one whole version."""

import errno
import inspect
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn._base.checks import filled_from_file
from pyrnn._base.module import STORABLE, constructor


def models():
    wide = {"dtype": np.float64, "seed": 0}
    yield pyrnn.RNN(3, 4, nonlinearity="relu", bias=False, seed=0)
    yield pyrnn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2, dropout=0.2, **wide)
    yield pyrnn.GRU(3, 4, reset_after=False, batch_first=True, seed=0)
    yield pyrnn.Linear(3, 4, bias=False, **wide)
    yield pyrnn.Embedding(5, 3, padding_idx=2, seed=0)
    yield pyrnn.Sequential(
        pyrnn.Embedding(9, 4, seed=0),
        pyrnn.Dropout(0.3, seed=5),
        pyrnn.GRU(4, 5, bidirectional=True, seed=1),
        pyrnn.LastStep(bidirectional=True),
        pyrnn.Tanh(),
        pyrnn.Linear(10, 3, seed=2),
        pyrnn.Softmax(),
    )


@pytest.mark.parametrize("model", list(models()), ids=lambda m: type(m).__name__)
def test_round_trip(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = pyrnn.load(path)
    assert type(loaded) is type(model) and repr(loaded) == repr(model)
    assert loaded.config() == model.config()
    assert_same_bits(loaded.state_dict(), model.state_dict())
    assert os.listdir(tmp_path) == ["model.safetensors"]
    loaded.save(str(path))  # over itself, by str as well as Path
    assert_same_bits(pyrnn.load(str(path)).state_dict(), model.state_dict())


def test_loading_draws_nothing(tmp_path, monkeypatch):
    """What a file holds need not be drawn first: that would take time and memory in vain."""
    counts = []

    class Counting(np.random.Generator):
        def standard_normal(self, size=None, *args, **keywords):
            counts.append(size)
            return super().standard_normal(size, *args, **keywords)

        def uniform(self, low=0.0, high=1.0, size=None):
            counts.append(size)
            return super().uniform(low, high, size)

    monkeypatch.setattr(np.random, "default_rng", lambda seed=None: Counting(np.random.PCG64(seed)))
    for model in models():
        model.save(tmp_path / "model.safetensors")
        counts.clear()
        pyrnn.load(tmp_path / "model.safetensors")
        assert counts == []
    pyrnn.Embedding(5, 3, seed=0), pyrnn.Linear(2, 3, seed=0)
    assert counts == [(5, 3), (3, 2), (3,)]


def test_what_a_file_fills_is_not_drawn():
    """By any initialiser, such as those that a module of one's own calls."""
    with filled_from_file(9, 9):
        hollow = pyrnn.Parameter.zeros((3, 3), np.float32)
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    for name in ("normal", "glorot_uniform", "glorot_normal", "orthogonal"):
        getattr(pyrnn.init, name)(hollow, generator=rng)
    pyrnn.init.uniform(hollow, 1.0, generator=rng)
    assert rng.bit_generator.state == before


def test_dropout_goes_on_where_it_was(tmp_path):
    model = pyrnn.GRU(3, 4, num_layers=2, dropout=0.5, seed=0)
    x = np.ones((5, 2, 3), np.float32)
    model.vjp(x)
    model.save(tmp_path / "m")
    loaded = pyrnn.load(tmp_path / "m")
    assert_same_bits(loaded.vjp(x)[0], model.vjp(x)[0])


def test_other_tools_read_it(tmp_path):
    """Plain safetensors with torch's names."""
    safetensors = pytest.importorskip("safetensors.numpy")
    model = pyrnn.LSTM(3, 4, seed=0)
    model.save(tmp_path / "m.safetensors")
    assert_same_bits(safetensors.load_file(tmp_path / "m.safetensors"), model.state_dict())


@pytest.mark.parametrize("lay_out", [np.asfortranarray, lambda a: a[::-1].copy()[::-1]])
def test_weights_from_transposed_arrays(lay_out, tmp_path):
    """Fortran order and negative strides, as W.T from other libraries, keep their values."""
    rng = np.random.default_rng(0)
    model, weight = pyrnn.Linear(5, 7, seed=0), rng.standard_normal((7, 5)).astype(np.float32)
    model.weight[...] = lay_out(weight)
    model.load_state_dict({**model.state_dict(), "weight": lay_out(weight)})
    model.save(tmp_path / "m")
    assert_same_bits(pyrnn.load(tmp_path / "m").weight.data, weight)


def test_tied_weights_stay_tied(tmp_path):
    model = pyrnn.Sequential(pyrnn.Linear(3, 3, seed=0), pyrnn.Linear(3, 3, seed=1))
    first, second = (m for m in model.modules() if isinstance(m, pyrnn.Linear))
    second.weight = first.weight
    model.save(tmp_path / "m")
    x = np.ones((2, 3), np.float32)
    loaded = pyrnn.load(tmp_path / "m")
    assert_same_bits(loaded(x), model(x))
    assert len(loaded.parameters()) == len(model.parameters())


WRITER = """
import sys, numpy as np, pyrnn
model = pyrnn.Linear(300, 400, bias=False)
for k in range(1, 10**6):
    model.weight[...] = float(k)
    model.save(sys.argv[1])
    if k == 1:
        print("ready", flush=True)
"""


def kill_while_saving(path, seconds):
    """Starts a process that saves without end, and kills it after the first whole version."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline().strip() == b"ready"
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [6, pytest.param(1000, marks=pytest.mark.slow)])
def test_killed_while_saving(times, tmp_path):
    """Whenever the process dies, the file is one whole version: all its numbers are equal."""
    path, rng = tmp_path / "model", np.random.default_rng(0)
    for _ in range(times):
        kill_while_saving(path, rng.uniform(0, 0.05))
        weight = pyrnn.load(path).weight.data
        assert weight[0, 0] >= 1 and (weight == weight[0, 0]).all()
    pyrnn.load(path).save(path)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(function, tmp_path, monkeypatch):
    """No space left, told by fsync or by the rename: the old version stays, no rubbish does."""
    path = tmp_path / "model"
    pyrnn.Linear(3, 4, seed=0).save(path)
    before, failed = path.read_bytes(), []

    def fail(*args, **options):
        failed.append(function)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in {"replace": ("replace", "rename")}.get(function, (function,)):
        monkeypatch.setattr(os, name, fail)
    with pytest.raises(OSError, match="No space left"):
        pyrnn.Linear(3, 4, seed=1).save(path)
    monkeypatch.undo()
    assert failed and path.read_bytes() == before and os.listdir(tmp_path) == ["model"]


def test_a_file_too_large_for_the_disk(tmp_path):
    """The system's own refusal in the middle of writing."""
    path = tmp_path / "model"
    pyrnn.Linear(3, 4, seed=0).save(path)
    before = path.read_bytes()
    code = f"""
import resource, pyrnn
model = pyrnn.Linear(300, 400)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    model.save({str(path)!r})
except OSError as error:
    print(type(error).__name__, error)
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert child.stdout.startswith("OSError"), child.stderr
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model"]


def test_paths_that_cannot_be_written(tmp_path):
    model = pyrnn.Linear(2, 2, seed=0)
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing" / "m", tmp_path / ("x" * 300)):
        with pytest.raises(OSError, match=path.name[:9]):
            model.save(path)
    with pytest.raises((TypeError, ValueError)):
        model.save(None)
    assert os.listdir(tmp_path) == ["folder"]


def test_mode_follows_umask(tmp_path):
    before = os.umask(0o027)
    try:
        pyrnn.Linear(2, 2, seed=0).save(tmp_path / "m")
    finally:
        os.umask(before)
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o640


def _numpy_scalars(cls, values):
    """The constructor's keywords, with numpy's scalars for Python's."""
    kinds = {int: np.int64, float: np.float64, bool: np.bool_}
    given = {k: v for k, v in constructor(cls).items() if v is not inspect.Parameter.empty}
    given = given | values
    return {k: kinds.get(type(value), lambda v: v)(value) for k, value in given.items()}


NUMPY_SCALARS = {
    "RNN": [{"input_size": 3, "hidden_size": 4, "recompute_every": 2}],
    "LSTM": [{"input_size": 3, "hidden_size": 4, "proj_size": 2}],
    "GRU": [{"input_size": 3, "hidden_size": 4}],
    "Linear": [{"in_features": 3, "out_features": 4}],
    "Embedding": [{"num_embeddings": 3, "embedding_dim": 4, "padding_idx": 1}],
    "Autoregression": [
        {"in_features": 3, "out_features": 2, "lags": 4, "lagged": 2, "relative": 1}
    ],
    "LayerNorm": [{"normalized_shape": 3}, {"normalized_shape": (3, 2)}],
    "CRF": [{"num_tags": 3}],
    "Attention": [
        {"query_size": 3, "memory_size": 4, "attention_size": 5},
        {"query_size": 3, "memory_size": 3, "score": "dot", "scale": True, "dropout": 0.5},
    ],
    "AttentionDecoder": [
        {"input_size": 3, "hidden_size": 4, "memory_size": 5, "attention_size": 6},
        {"input_size": 3, "hidden_size": 4, "memory_size": 5, "score": "multiplicative"}
        | {"scale": True, "num_layers": 2, "dropout": 0.5, "attention_dropout": 0.25},
    ],
    "Seq2Seq": [
        {"source_vocabulary": 9, "target_vocabulary": 9, "embedding_size": 3, "hidden_size": 4}
        | {"attention_size": 5, "attention_dropout": 0.25},
        {"source_vocabulary": None, "feature_size": 3, "attention": None}
        | {"target_vocabulary": 9, "embedding_size": 3, "hidden_size": 4},
    ],
}


@pytest.mark.parametrize("name", [name for name, cls in STORABLE.items() if not cls.made_of_parts])
def test_options_that_are_numpy_scalars(name, tmp_path):
    cls = STORABLE[name]
    for values in NUMPY_SCALARS.get(name, [{}]):
        module = cls(**_numpy_scalars(cls, values))
        module.save(tmp_path / "m.safetensors")
        loaded = pyrnn.load(tmp_path / "m.safetensors")
        assert loaded.config() == module.config()
