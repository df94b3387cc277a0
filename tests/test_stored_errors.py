"""Promise: a store that fails, shrinks or gives other samples is an error that names the sample."""

import threading

import numpy as np
import pytest

import pyrnn
from ranks import run_ranks
from stored import (
    FLAT,
    LENGTHS,
    OFFSETS,
    SUMS,
    X,
    function,
    in_folder,
    mapped,
    memmap_with_padding,
    parquet,
)
from training import ragged_task, regressor


def changed(i, value):
    return lambda row: value if row == i else X[row]


NAN = X[17].copy()
NAN[-1, 0] = np.nan


def fails():
    raise OSError("the network is down")


@pytest.mark.parametrize(
    "read, words",
    [
        (changed(17, NAN), r"sample 17: .*nan"),
        (changed(17, X[17][:, :1]), r"x\[17\] has shape"),
        (changed(17, X[17][:-1]), r"x\[17\] has \d+ steps, expected"),
        (changed(17, None), r"x\[17\]"),
        (changed(17, np.array(["a"])), r"x\[17\]"),
        (lambda i: fails() if i == 17 else X[i], r"x\[17\] cannot be read: OSError: the network"),
    ],
)
def test_an_error_names_the_sample(read, words):
    data = pyrnn.StoredDataset(read, lambda i: SUMS[i], lengths=LENGTHS)
    trainer = pyrnn.Trainer(regressor(), "mse", "adam", seed=0)
    with pytest.raises((TypeError, ValueError), match=words):
        trainer.fit(data, batch_size=8, progress=False)
    with pytest.raises((TypeError, ValueError), match=words):
        trainer.evaluate(data)
    assert trainer.fit(function(None), progress=False).loss[0] > 0
    assert not [t for t in threading.enumerate() if t.name.startswith("pyrnn-reader")]


def test_targets_that_are_not_finite_or_no_classes():
    bad = [y.copy() for y in SUMS]
    bad[9][0] = np.inf
    trainer = pyrnn.Trainer(regressor(), "mse", "adam", seed=0)
    with pytest.raises(ValueError, match="sample 9: "):
        trainer.fit(pyrnn.StoredDataset(lambda i: X[i], lambda i: bad[i], lengths=LENGTHS))
    ids, classes = ragged_task(N=30)
    classes[11] = 4
    model = pyrnn.Sequential(pyrnn.Embedding(4, 5), pyrnn.GRU(5, 4), pyrnn.LastStep())
    data = pyrnn.StoredDataset(lambda i: ids[i], classes, lengths=[len(x) for x in ids])
    with pytest.raises(ValueError, match="sample 11: "):
        pyrnn.Trainer(model, "cross_entropy", "adam").fit(data, progress=False)


def test_an_error_of_one_ranks_reader_is_everyones():
    def work(communicator):
        read = changed(17, NAN) if communicator.rank == 1 else changed(17, X[17])
        data = pyrnn.StoredDataset(lambda i: X[i], lambda i: SUMS[i], lengths=LENGTHS)
        trainer = pyrnn.Trainer(regressor(), "mse", "adam", seed=0, communicator=communicator)

        data._x._take = read if communicator.rank == 1 else data._x._take
        return trainer.fit(data, batch_size=8, progress=False)

    errors = run_ranks(2, work)
    assert len({str(error) for error in errors}) == 1
    assert all(isinstance(error, ValueError) and "rank 1" in str(error) for error in errors)


def test_a_file_that_shrinks(tmp_path):
    data = memmap_with_padding(tmp_path)
    trainer = pyrnn.Trainer(regressor(), "mse", "adam", seed=0)
    trainer.fit(data, progress=False)
    with open(tmp_path / "x.npy", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(ValueError, match=r"x\[\d+\]: the file .* has shrunk to 1000 bytes"):
        trainer.fit(data, progress=False)


def test_files_that_hold_several_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", a=X[0], b=X[1])
    paths = [str(tmp_path / "x.npz")]
    with pytest.raises(ValueError, match=r"x\[0\]: .*x.npz cannot be read: it holds several arr"):
        pyrnn.StoredDataset(paths)
    data = pyrnn.StoredDataset(X[:1], paths)
    with pytest.raises(ValueError, match=r"target\[0\]: .*x.npz cannot be read: it holds sever"):
        data[0]


@pytest.mark.parametrize("ranks", [1, 2])
def test_targets_of_which_none_counts(ranks):
    """What is seen of data in memory before the training is seen at the end of the epoch."""
    ids, _ = ragged_task(N=30)
    classes = np.full(30, -100)

    def call(communicator, method):
        data = pyrnn.StoredDataset(lambda i: ids[i], classes, lengths=[len(x) for x in ids])
        model = pyrnn.Sequential(
            pyrnn.Embedding(4, 5, seed=0), pyrnn.GRU(5, 4, seed=1), pyrnn.LastStep()
        )
        trainer = pyrnn.Trainer(model, "cross_entropy", "adam", communicator=communicator)
        return getattr(trainer, method)(data)

    for method in ("fit", "evaluate"):
        for error in run_ranks(ranks, lambda communicator: call(communicator, method)):  # noqa: B023
            assert isinstance(error, ValueError) and "no target counts: CrossEntropy" in str(error)


@pytest.mark.parametrize("cut", [slice(300, None), slice(300, 350)])
def test_a_file_that_shrinks_below_a_slice(cut, tmp_path):
    """A slice of a memory map has the map's offset, and fewer bytes."""
    x = mapped(tmp_path, "x", np.ones((400, 4096), np.float32))[cut][1:]
    data = pyrnn.StoredDataset.windows(x, 5, ahead=1)
    assert data[0][0].all()
    with open(tmp_path / "x.npy", "r+b") as file:
        file.truncate(200 * 4096 * 4)
    with pytest.raises(ValueError, match=r"x\[0\]: the file .* has shrunk"):
        data[0]


def test_a_file_that_is_gone_or_no_array(tmp_path):
    folder = in_folder(tmp_path, "x", X)
    data = pyrnn.StoredDataset.of_folder(folder, lambda i: SUMS[i])
    (folder / "0009.npy").unlink()
    with pytest.raises(ValueError, match=r"x\[9\]: .*0009.npy cannot be read"):
        pyrnn.Trainer(regressor(), "mse", "adam").fit(data, progress=False)
    (folder / "0009.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"x\[9\]: .*0009.npy cannot be read"):
        pyrnn.StoredDataset.of_folder(folder, lambda i: SUMS[i])


@pytest.mark.parametrize(
    "given, kind, words",
    [
        (dict(x=3), TypeError, "x is 3, expected what has a length"),
        (dict(x=[]), ValueError, "x has no samples"),
        (dict(x=lambda i: X[i]), ValueError, "x is a function, expected lengths"),
        (dict(x=FLAT, offsets=[0, 5, 3]), ValueError, "do not fall"),
        (dict(x=FLAT, offsets=[0, 10**6]), ValueError, "at least 1000000 steps"),
        (dict(x=FLAT, offsets=OFFSETS, lengths=LENGTHS), ValueError, "both given"),
        (dict(x=X, lengths=LENGTHS[:-1]), ValueError, "lengths has shape"),
        (dict(x=X, lengths=-LENGTHS), ValueError, "lengths has shape"),
        (dict(x=X, lengths=LENGTHS * 0.5), TypeError, "lengths has dtype"),
        (dict(x=X, target=SUMS[:-1]), ValueError, "target has 39 entries, expected 40"),
        (dict(x=X, sample_weight=[1.0]), ValueError, "sample_weight"),
    ],
)
def test_bad_stores(given, kind, words):
    with pytest.raises(kind, match=words):
        pyrnn.StoredDataset(**given)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="path is"):
        pyrnn.StoredDataset.of_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no files \.npy"):
        pyrnn.StoredDataset.of_folder(tmp_path)


def test_a_parquet_file_names_its_columns_and_rows(tmp_path):
    pa = pytest.importorskip("pyarrow")
    writing = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"x": [[1.0], None, [2.0, 3.0]], "word": ["a", "b", "c"]})
    path = tmp_path / "data.parquet"
    writing.write_table(table, path)
    of_parquet = pyrnn.StoredDataset.of_parquet
    with pytest.raises(ValueError, match=r"no column 'y', expected one of 'x', 'word'"):
        of_parquet(path, "y")
    with pytest.raises(TypeError, match=r"target is 3, expected the name of a column"):
        of_parquet(path, "x", 3)
    with pytest.raises(ValueError, match=r"keep is 0"):
        of_parquet(path, "x", keep=0)
    with pytest.raises((TypeError, ValueError), match=r"x\[1\]"):  # no list there
        of_parquet(path, "x")
    with pytest.raises((TypeError, ValueError), match=r"x\[0\]"):
        of_parquet(path, "word")
    writing.write_table(table.slice(0, 0), path)
    with pytest.raises(ValueError, match="x has no samples"):
        of_parquet(path, "x")
    path.write_bytes(b"no such file, but long enough")
    with pytest.raises(ValueError, match=r"data\.parquet cannot be read"):
        of_parquet(path, "x")
    with pytest.raises(FileNotFoundError, match=r"of_parquet: .*missing cannot be read"):
        of_parquet(tmp_path / "missing", "x")


def test_nested_lists_of_arrow_have_steps_of_one_length():
    pa = pytest.importorskip("pyarrow")
    features = pa.list_(pa.float32(), 2)
    even = pa.array([[[1, 2], [3, 4], [5, 6]], []], pa.list_(features))
    data = pyrnn.StoredDataset(even)
    np.testing.assert_array_equal(data[0][0], [[1, 2], [3, 4], [5, 6]])
    assert data[1][0].shape == (0, 2)
    uneven = pa.array([[[1.0, 2.0], [3.0, 4.0]], [[1.0], [1.0, 2.0, 3.0]]])
    with pytest.raises(ValueError, match=r"x\[1\].*lists of lengths \[1, 3\], expected all of one"):
        pyrnn.StoredDataset(uneven)


def test_a_parquet_file_that_shrinks_is_an_error(tmp_path):
    data = parquet(tmp_path, keep=1)
    path = tmp_path / "data.parquet"
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 4)
    trainer = pyrnn.Trainer(regressor(), "mse", "adam", seed=0)
    with pytest.raises(ValueError, match=r"(x|target)\[\d+\] cannot be read"):
        trainer.fit(data, batch_size=8, progress=False)
