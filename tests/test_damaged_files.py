"""Promise: a damaged, forged or foreign file is an error; it runs no code and takes no memory."""

import ast
import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits


def saved(tmp_path):
    """A path, and its header (as an object) and data."""
    path = tmp_path / "model"
    pyrnn.GRU(3, 4, seed=0).save(path)
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    return path, json.loads(raw[8 : 8 + size]), raw[8 + size :]


def write(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_truncated_and_random_files(tmp_path):
    path, _, _ = saved(tmp_path)
    raw, rng = path.read_bytes(), np.random.default_rng(0)
    for size in {0, 1, 7, 8, 9, 50, len(raw) // 2, len(raw) - 1}:
        path.write_bytes(raw[:size])
        with pytest.raises((ValueError, OSError)):
            pyrnn.load(path)
    path.write_bytes(raw + b"\0")
    with pytest.raises((ValueError, OSError)):
        pyrnn.load(path)
    for start in (b"", (2**63).to_bytes(8, "little"), (10**9).to_bytes(8, "little"), b"PK\3\4"):
        path.write_bytes(start + rng.bytes(200))
        with pytest.raises((ValueError, OSError)):
            pyrnn.load(path)
    with pytest.raises(FileNotFoundError):
        pyrnn.load(tmp_path / "nothing")


def change_metadata(header, **changes):
    """Replaces numbers and names inside the configuration, wherever they stand."""
    text = json.dumps(header["__metadata__"])
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return {**header, "__metadata__": json.loads(text)}


@pytest.mark.parametrize("name", ["os.system", "Module", "Trainer", "object", "__import__", "Gru"])
def test_only_known_classes_are_built(name, tmp_path):
    path, header, data = saved(tmp_path)
    write(path, change_metadata(header, GRU=name), data)
    with pytest.raises((ValueError, TypeError)):
        pyrnn.load(path)


def test_a_forged_size_is_refused_before_memory_is_taken(tmp_path):
    path, header, data = saved(tmp_path)
    for huge in ("2000000000", "200000"):
        forged = change_metadata(header, **{'hidden_size\\": 4': f'hidden_size\\": {huge}'})
        write(path, forged, data)
        tracemalloc.start()
        with pytest.raises((ValueError, MemoryError)):
            pyrnn.load(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000


def test_ties_take_no_memory(tmp_path):
    """A thousand layers with one matrix among them: loaded, in about the file's size."""
    path, small = tmp_path / "model", pyrnn.RNN(64, 64, num_layers=1000, bias=False, seed=0)
    for name, _ in small.named_parameters():
        setattr(small, name, small.weight_hh_l0)
    small.save(path)
    untied = 2000 * small.weight_hh_l0.data.nbytes
    tracemalloc.start()
    loaded = pyrnn.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < untied / 4
    assert len(loaded.parameters()) == 1 and not loaded.weight_ih_l999.hollow
    assert_same_bits(loaded.weight_ih_l999.data, small.weight_hh_l0.data)
    loaded.weight_ih_l0[...] = 1.0
    assert (loaded.weight_hh_l7.data == 1.0).all()


def test_ties_do_not_add_up_to_a_larger_matrix(tmp_path):
    path = tmp_path / "model"
    pyrnn.Embedding(100, 4, seed=0).save(path)
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    ties = ", ".join(rf"\"x{i}\": \"weight\"" for i in range(1000))
    changes = {
        r"\"ties\": {": rf"\"ties\": {{{ties}",
        '_embeddings\\": 100': '_embeddings\\": 99999',
    }
    write(path, change_metadata(json.loads(raw[8 : 8 + size]), **changes), raw[8 + size :])
    with pytest.raises(ValueError, match="would have 399996 weights, 400 are stored"):
        pyrnn.load(path)


def test_missing_unexpected_and_misshaped_tensors(tmp_path):
    path, header, data = saved(tmp_path)
    renamed = {("other" if k == "bias_ih_l0" else k): v for k, v in header.items()}
    write(path, renamed, data)
    with pytest.raises(ValueError, match="bias_ih_l0"):
        pyrnn.load(path)
    misshaped = json.loads(json.dumps(header))
    misshaped["bias_ih_l0"]["shape"] = [3, 4]
    write(path, misshaped, data)
    with pytest.raises(ValueError, match="bias_ih_l0"):
        pyrnn.load(path)


def test_foreign_and_future_files_are_explained(tmp_path):
    path, header, data = saved(tmp_path)
    without = {k: v for k, v in header.items() if k != "__metadata__"}
    write(path, without, data)
    with pytest.raises(ValueError, match=r"pyrnn|configuration|metadata"):
        pyrnn.load(path)


def executed(function):
    """How many lines of Python a call executes: its work, whatever the machine is busy with."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def nested(depth, **options):
    """Sequentials in Sequentials, each with a layer of its own."""
    model = pyrnn.Sequential(pyrnn.GRU(1, 1, seed=0))
    for _ in range(depth):
        model = pyrnn.Sequential(pyrnn.Linear(1, 1, seed=0), model)
    return pyrnn.Sequential(model, **options)


MANY = {
    "layers": lambda n: [pyrnn.Linear(1, 1, seed=0) for _ in range(n)],
    "dropouts": lambda n: [pyrnn.Dropout(0.5, seed=0) for _ in range(n)],
    "one stack": lambda n: [pyrnn.LSTM(1, 1, num_layers=n, seed=0)],
    "the same": lambda n: [pyrnn.Linear(1, 1, seed=0)] * n,
    "nested": lambda n: [nested(n // 4)],
    "nested, time first": lambda n: [nested(n // 4, batch_first=False)],
}


@pytest.mark.parametrize("what", MANY)
def test_loading_is_linear(what, tmp_path):
    """Four times the modules take four times the work, to make, to save and to load."""
    path, work = tmp_path / "model", []
    for n in (100, 400):
        making = executed(lambda n=n: pyrnn.Sequential(*MANY[what](n)))
        model = pyrnn.Sequential(*MANY[what](n))
        saving = executed(lambda model=model: model.save(path))
        work.append((making, saving, executed(lambda: pyrnn.load(path))))
    for small, large in zip(*work, strict=True):
        assert large < 4.5 * small


def sparse(path, start, size):
    """A file that claims to be huge and takes no place."""
    path.write_bytes(start)
    os.truncate(path, size)


def test_of_a_huge_file_only_the_header_is_read(tmp_path):
    """A terabyte of zeros after nothing, after a header that tells of less, after one that tells
    of all of it, and after one whose length is that of the file."""
    path, header, _ = saved(tmp_path)
    raw, size = path.read_bytes(), 2**40
    whole = json.loads(json.dumps(header))
    end = size - 1_000_000
    whole["more"] = {"dtype": "F32", "shape": [end // 4], "data_offsets": [0, end // 4 * 4]}
    text = json.dumps(whole).encode()
    consistent = len(text).to_bytes(8, "little") + text
    for start, length in (
        (b"", size), (raw, size), (consistent, 8 + len(text) + end // 4 * 4),
        ((size - 8).to_bytes(8, "little") + b"{", size),
    ):  # fmt: skip
        sparse(path, start, length)
        tracemalloc.start()
        with pytest.raises((ValueError, MemoryError), match=r"bytes|memory"):
            pyrnn.load(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000


def test_offsets_that_are_none_are_refused(tmp_path):
    path, header, data = saved(tmp_path)
    for offsets in (None, [0], [0, "x"], [0, 1.5], {}, [0, True]):
        write(
            path, header | {"more": {"dtype": "F32", "shape": [1], "data_offsets": offsets}}, data
        )
        with pytest.raises(ValueError, match="more"):
            pyrnn.load(path)


def test_a_pipe_is_never_waited_for(tmp_path):
    """Neither where a file is expected, nor where a killed process may have left one."""
    path, pipe = tmp_path / "model", tmp_path / ".model.pyrnn-0"
    os.mkfifo(pipe)
    os.symlink(pipe, tmp_path / ".model.pyrnn-1")
    pyrnn.Linear(1, 1, seed=0).save(path)
    pyrnn.load(path).save(path)
    assert pipe.exists()
    with pytest.raises(OSError, match="not a regular file"):
        pyrnn.load(pipe)
    x = np.ones((2, 1))
    trainer = pyrnn.Trainer(pyrnn.Linear(1, 1), pyrnn.losses.MSE(), pyrnn.optim.SGD())
    for options in ({}, {"resume": True}):
        with pytest.raises(OSError, match="not a regular file"):
            trainer.fit((x, x), progress=False, checkpoint=pipe, **options)
    assert not trainer.history.loss


FORBIDDEN = {"eval", "exec", "compile", "__import__", "np.load", "unpack_archive"}
FORBIDDEN |= {
    f"{m}.{f}" for m in ("pickle", "marshal", "torch", "joblib") for f in ("load", "loads")
}


def forbidden_calls(path):
    """Those of a source, of which some could execute what a file says."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    for call in calls:
        name = ast.unparse(call.func)
        options = {f"{option.arg}={ast.unparse(option.value)}" for option in call.keywords}
        if name in FORBIDDEN and not (name == "np.load" and "allow_pickle=False" in options):
            yield name
        if name.endswith((".extract", ".extractall")):
            yield name


def test_no_source_evaluates_unpickles_or_unpacks():
    """So no file can make it: archives are read in memory, pickles never, no text is a program.

    What the ranks of one job send each other is pickled, and comes from no file.
    """
    folder = Path(pyrnn.__file__).parent
    paths = list(folder.rglob("*.py"))
    found = {
        (path.relative_to(folder).as_posix(), name)
        for path in paths
        for name in forbidden_calls(path)
    }
    assert len(paths) > 100 and found <= {("training/_ranks.py", "pickle.loads")}


def test_what_a_file_says_is_shown_short_and_printable(tmp_path):
    """Names, classes, keys and values of any length, with what a terminal would obey."""
    path, header, data = saved(tmp_path)
    evil = "\x1b]0;owned\x07\x1b[2J" + "\u202e" * 10 + "a" * 10**6
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    model = json.loads(header["__metadata__"]["pyrnn"])

    def described(change):
        text = json.dumps(model | change)
        return header | {"__metadata__": {"pyrnn": text}}

    for forged in (
        header | {evil: entry},
        header | {evil: 3},
        header | {"more": entry | {"dtype": evil}},
        described({"format": evil}),
        described({"format": 10**9, "version": evil}),
        described({"model": evil}),
        described({"model": {"class": evil}}),
        described({"model": {"class": "Sequential", "parts": evil}}),
        described({"model": {"class": "Linear", "config": {evil: 1}}}),
        described({"model": {"class": "RNN", "config": {"input_size": 2, "nonlinearity": evil}}}),
        described({"ties": {evil: evil}}),
        described({"extra_state": {evil: {}}}),
    ):
        write(path, forged, data)
        with pytest.raises(ValueError) as caught:
            pyrnn.load(path)
        message = str(caught.value).removeprefix(str(path))
        assert len(message) < 1100 and message.isprintable(), message[:300]
