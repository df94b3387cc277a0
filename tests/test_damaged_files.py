"""Promise: a damaged, forged or foreign file is an error; it runs no code and takes no memory."""

import json
import time
import tracemalloc

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
        start = time.perf_counter()
        with pytest.raises((ValueError, MemoryError)):
            pyrnn.load(path)
        assert time.perf_counter() - start < 1


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
