"""Promise: a damaged or hostile file of Keras is refused in words, or read right: no crash, no code
run, no memory beyond a few times the file's size."""

import io
import json
import os
import resource
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

import pyrnn

h5py = pytest.importorskip("h5py", reason="h5py is not installed: make test installs it")

import pyrnn.keras  # noqa: E402
from keras_files import (  # noqa: E402
    archive,
    cell_arrays,
    keras_file,
    layer,
    legacy_file,
    sequential,
    weights_file,
)

MUTATIONS = int(os.environ.get("PYRNN_MUTATIONS", "1000"))
DENSE = [np.ones((3, 1), np.float32), np.ones(1, np.float32)]
LAYERS = [
    layer("InputLayer", batch_shape=[None, 4, 2]),
    layer("Masking", mask_value=0.0),
    layer("LSTM", units=3, return_sequences=True),
    layer("GlobalMaxPooling1D"),
    layer("Dense", units=1),
]
ARRAYS = {"lstm/cell": cell_arrays(4, 2, 3), "dense": DENSE}
NAMES = ("lstm/lstm_cell/kernel:0", "lstm/lstm_cell/recurrent_kernel:0", "lstm/lstm_cell/bias:0")
LEGACY = {
    "lstm": dict(zip(NAMES, ARRAYS["lstm/cell"], strict=True)),
    "dense": dict(zip(("dense/kernel:0", "dense/bias:0"), DENSE, strict=True)),
}
FILES = {
    ".keras": keras_file(LAYERS, ARRAYS),
    "deflated.keras": keras_file(LAYERS, ARRAYS, compression=zipfile.ZIP_DEFLATED),
    ".h5": legacy_file(LAYERS, LEGACY),
    ".weights.h5": weights_file(ARRAYS),
}


def module():
    parts = pyrnn.LSTM(2, 3, seed=0), pyrnn.MaxPool(), pyrnn.Linear(3, 1, seed=0)
    return pyrnn.Sequential(*parts)


def load(folder, suffix, data):
    (path := folder / f"model{suffix}").write_bytes(data)
    return pyrnn.keras.load(path, module() if suffix == ".weights.h5" else None)


def refused(folder, data, match, suffix=".keras"):
    with pytest.raises(ValueError, match=match) as raised:
        load(folder, suffix, data)
    assert f"model{suffix}" in str(raised.value) and str(raised.value).isprintable()


CHILD = """
import faulthandler, resource, sys
from pathlib import Path
from test_keras_damaged import mutated_files
faulthandler.dump_traceback_later(280, exit=True)
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
mutated_files(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
"""


def mutated_files(suffix, folder, count):
    """Every mutation loads as a module, or is a ValueError; none takes long."""
    outcomes = {"read": 0, "refused": 0}
    for case in range(count):
        rng = np.random.default_rng(case)
        began = time.monotonic()
        try:
            assert isinstance(load(folder, suffix, mutation(FILES[suffix], rng)), pyrnn.Module)
            outcomes["read"] += 1
        except ValueError as error:
            assert "model" in str(error) and str(error).isprintable(), (case, error)
            outcomes["refused"] += 1
        assert time.monotonic() - began < 20, case
    assert outcomes["refused"] > count / 4, outcomes


def mutation(data, rng):
    """Bytes changed, cut off, taken out or put twice; numbers made large."""
    changed = bytearray(data)
    kind, at = rng.integers(5), int(rng.integers(len(data)))
    if kind == 0:
        return bytes(changed[:at])
    for place in (at, *rng.integers(len(data), size=rng.integers(8)).tolist()):
        if kind == 1:
            changed[place] ^= 1 << rng.integers(8)
        elif kind == 2:
            changed[place : place + 4] = rng.bytes(4)
        elif kind == 3:
            changed[place : place + 8] = rng.choice([b"\xff", b"\x7f", b"\0"]) * 8
        else:
            end = place + int(rng.integers(64))
            changed[place:end] = changed[place:end] * int(rng.integers(3))
    return bytes(changed)


@pytest.mark.parametrize("suffix", FILES)
def test_mutations(suffix, tmp_path):
    """In a process of its own, whose memory is limited: PYRNN_MUTATIONS of each format."""
    command = [sys.executable, "-c", CHILD, suffix, str(tmp_path), str(MUTATIONS)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-3000:]


@pytest.mark.parametrize("suffix", FILES)
def test_truncated(suffix, tmp_path):
    """Cut off after every hundredth byte, and just before the end."""
    data = FILES[suffix]
    load(tmp_path, suffix, data)
    for end in [*range(0, len(data), 100), len(data) - 1]:
        if suffix.endswith("keras") or end < len(data) - 4096:
            refused(tmp_path, data[:end], "damaged|HDF5|holds|told", suffix)


def config(*layers):
    return archive(sequential(*layers), weights_file({}))


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        (layer("Lambda", function="4wEAAAAAAAAA"), r"'lambda' \(Lambda\): this class is not read"),
        (layer("Conv1D", filters=3), r"'conv1d' \(Conv1D\): this class is not read"),
        (layer("LSTM", module="my.code", units=3), "code of module 'my.code'"),
        (layer("LSTM", units=3) | {"registered_name": "Mine>LSTM"}, "registered as 'Mine>LSTM'"),
        (layer("LSTM", module="kerasx", units=3), "code of module 'kerasx'"),
        (layer("Activation", activation={"class_name": "function"}), "code is never run"),
        (layer("Activation", activation="gelu"), "activation is 'gelu', expected 'linear'"),
        (
            layer("LSTM", units=3, recurrent_activation="hard_sigmoid"),
            "'hard_sigmoid', expected 'sig",
        ),
        (layer("LSTM", units=3, activation="relu"), "activation is 'relu', expected 'tanh'"),
        (layer("LSTM", units=-3), "units is -3, expected a positive integer"),
        (layer("LSTM", units=10**9), "no dataset 'layers/lstm/cell/vars/0'"),
        (layer("ReLU", unknown=4), "'unknown' = 4"),
        (layer("RNN", cell=layer("MyCell", units=3)), "expected a cell of SimpleRNN, LSTM, GRU"),
        (layer("ReLU", max_value=6.0), "max_value is 6.0"),
        (layer("Softmax", axis=[1]), r"axis is \[1\], expected -1 or \[-1\]"),
        (layer("GlobalMaxPooling1D", keepdims=True), "keepdims is True"),
        (layer("Dense", units=3, dtype="mixed_float16"), "dtype is 'mixed_float16'"),
        (layer("Dense", units=3, lora_rank=4), "no dataset"),
        ({"class_name": "LSTM"}, "a layer is described by"),
        ([], "a layer is described by"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(entry, match, tmp_path):
    refused(tmp_path, config(entry), match)


def test_masks_where_they_have_no_meaning_are_refused(tmp_path):
    """A Softmax layer would lay a mask on the features, a layer along an axis of each step too."""
    inner = layer("LSTM", units=3)
    arrays = {"time_distributed/layer/cell": cell_arrays(4, 2, 3)}
    for entry, match in (
        (layer("Softmax"), r"'softmax' \(Softmax\): a mask comes to it"),
        (layer("TimeDistributed", layer=layer("Softmax")), "a mask comes to it"),
        (layer("TimeDistributed", layer=inner), "it meets a mask"),
    ):
        refused(tmp_path, keras_file([layer("Masking"), entry], arrays), match)
    data = keras_file([layer("TimeDistributed", layer=inner)], arrays)
    x = np.ones((2, 5, 4, 2), np.float32)
    assert load(tmp_path, ".keras", data)(x).shape == (2, 5, 3)
    inside = layer("TimeDistributed", layer=layer("Masking"))
    refused(tmp_path, keras_file([inside], {}), "it meets a mask")


@pytest.mark.parametrize("merge", ["mul", "ave", None])
def test_other_merges_of_different_cells_are_refused(merge, tmp_path):
    """The error has Keras' name of the mode, and the layer that it is an option of."""
    cells = {"layer": layer("LSTM", units=3)}
    cells["backward_layer"] = layer("GRU", units=3, go_backwards=True)
    arrays = {
        "bidirectional/forward_layer/cell": cell_arrays(4, 2, 3),
        "bidirectional/backward_layer/cell": cell_arrays(3, 2, 3, (2,)),
    }
    data = keras_file([layer("Bidirectional", "both", merge_mode=merge, **cells)], arrays)
    match = (
        rf"layer 'both' \(Bidirectional\): merge_mode of .* is {merge!r}, expected concat or sum"
    )
    refused(tmp_path, data, match)


def test_models_of_code_and_other_graphs_are_refused(tmp_path):
    subclass = sequential(layer("Dense", units=1)) | {"class_name": "MyModel"}
    refused(tmp_path, archive(subclass, weights_file({})), "other code is never run")
    functional = sequential(layer("InputLayer", "x"), layer("Dense", units=1))
    functional["class_name"] = "Functional"
    functional["config"] |= {"input_layers": ["x", 0, 0], "output_layers": ["dense", 0, 0]}
    refused(tmp_path, archive(functional, weights_file({})), "it is called 0 times, expected once")
    node = {"args": [{"config": {"keras_history": ["x", 0, 0]}}] * 2, "kwargs": {}}
    functional["config"]["layers"][1]["inbound_nodes"] = [node]
    refused(tmp_path, archive(functional, weights_file({})), "expected the one output of one layer")
    node["args"] = node["args"][:1]
    state = {"initial_state": {"config": {"keras_history": ["x", 0, 0]}}}
    functional["config"]["layers"][1]["inbound_nodes"] = [node | {"kwargs": state}]
    refused(tmp_path, archive(functional, weights_file({})), "with 2 arguments")
    own = {"mask": {"config": {"keras_history": ["y", 0, 0]}}}
    functional["config"]["layers"][1]["inbound_nodes"] = [node | {"kwargs": own}]
    refused(tmp_path, archive(functional, weights_file({})), "is given a mask of its own")


def test_configurations_that_are_none(tmp_path):
    for text, match in (
        ("[1]", "expected a JSON object"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps({"class_name": "Sequential", "config": {"layers": []}}), "expected a list of"),
        (json.dumps(sequential(layer("InputLayer"))), "no layers that compute something"),
    ):
        refused(tmp_path, archive(text, weights_file({})), match)


def test_weights_that_do_not_fit(tmp_path):
    lstm = layer("LSTM", units=3)
    for arrays, match in (
        (cell_arrays(4, 2, 4), r"'lstm' \(LSTM\): its weights are kernel \(2, 16\)"),
        (cell_arrays(3, 2, 3), r"kernel \(2, 9\)"),
        (cell_arrays(4, 2, 3)[:2], "no dataset 'layers/lstm/cell/vars/2'"),
        ([*cell_arrays(4, 2, 3), np.ones(1)], "no place for 'layers/lstm/cell/vars/3'"),
        ([a.astype(np.float16) for a in cell_arrays(4, 2, 3)], "is float16, expected float32"),
        ([a.astype("S4") for a in cell_arrays(4, 2, 3)], "expected float32"),
    ):
        refused(tmp_path, keras_file([lstm], {"lstm/cell": arrays}), match)


def with_weights(write):
    """A .keras file whose HDF5 file `write` has changed."""
    buffer = io.BytesIO(weights_file(ARRAYS))
    with h5py.File(buffer, "r+") as file:
        write(file)
    return archive(sequential(*LAYERS), buffer.getvalue())


def replaced(make):
    def write(file):
        del file["layers/dense/vars/0"]
        make(file["layers/dense/vars"])

    return write


def external(group):
    group.create_dataset("0", (3, 1), "f4", external=[("/etc/passwd", 0, 12)])


def virtual(group):
    layout = h5py.VirtualLayout((3, 1), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 1))
    group.create_virtual_dataset("0", layout)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda g: g.__setitem__("0", h5py.ExternalLink("other.h5", "/x")), "is a ExternalLink"),
        (lambda g: g.__setitem__("0", h5py.SoftLink("/layers/lstm/cell/vars/0")), "is a SoftLink"),
        (external, "lies in other files"),
        (virtual, "lies in other files"),
        (lambda g: g.create_dataset("0", (3, 1), "f4", compression="gzip"), "has a filter"),
        (lambda g: g.create_dataset("0", (10**6, 10**6), "f4", chunks=(100, 100)), "does not hold"),
        (lambda g: g.create_dataset("0", (3, 1), h5py.string_dtype()), "expected float32"),
        (lambda g: g.create_dataset("0", (3, 1), np.dtype([("a", "f4")])), "expected float32"),
        (lambda g: g.create_dataset("0", data=h5py.Empty("f4")), "is empty"),
        (lambda g: g.create_group("0"), "no dataset"),
        (lambda g: g.create_group("0/1/2"), "no dataset"),
    ],
)
def test_hdf5_with_more_than_plain_arrays_is_refused(make, match, tmp_path):
    refused(tmp_path, with_weights(replaced(make)), match)


@pytest.mark.parametrize("links", [1, 10])
def test_groups_that_hold_themselves(links, tmp_path):
    """Once, which is endless, and ten times, which would be 10^32 groups."""

    def write(file):
        for i in range(links):
            file[f"layers/dense/again{i}"] = file["layers/dense"]

    refused(tmp_path, with_weights(write), "too deep, or holds too much")


def test_memory_of_a_bomb(tmp_path):
    """A member of zeros that unpacks to a thousand times the archive; a pickle beside the rest."""
    bomb = archive(sequential(*LAYERS), bytes(200 << 20), zipfile.ZIP_DEFLATED)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(tmp_path, bomb, "unpacks to")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10
    more = archive(sequential(*LAYERS), weights_file(ARRAYS), **{"evil.pkl": b"\x80\x04."})
    refused(tmp_path, more, "'evil.pkl', which is not read")
    many = archive(sequential(*LAYERS), b"", **{f"assets/{i}": b"" for i in range(200)})
    refused(tmp_path, many, "more than 100 members")
    encrypted = bytearray(FILES[".keras"])
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    refused(tmp_path, bytes(encrypted), "encrypted")
    twice = io.BytesIO(FILES[".keras"])
    with zipfile.ZipFile(twice, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("config.json", "{}")
    refused(tmp_path, twice.getvalue(), "a name comes twice")


def test_files_of_other_formats(tmp_path):
    for data, match in (
        (b"", "it has another start"),
        (b"\x80\x04\x95pickle", "this looks like a pickle"),
        (b"PK\x03\x04" + bytes(20), "damaged zip archive"),
    ):
        refused(tmp_path, data, match)
    with pytest.raises(ValueError, match="model is of type Linear, expected None"):
        (tmp_path / "m.keras").write_bytes(FILES[".keras"])
        pyrnn.keras.load(tmp_path / "m.keras", pyrnn.Linear(1, 1))
    with pytest.raises(TypeError, match="model is 3, expected a Module"):
        pyrnn.keras.load(tmp_path / "m.keras", 3)
    with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
        pyrnn.keras.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        pyrnn.keras.load(tmp_path / "none.keras")
    with pytest.raises(TypeError, match="path is 3, expected the path of a file"):
        pyrnn.keras.load(3)
