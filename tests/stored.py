"""Samples of different lengths, in all the stores that a StoredDataset takes."""

import numpy as np
import pytest

import pyrnn
from training import padded, ragged_series

X, SUMS = ragged_series(N=40, longest=9)
X, SUMS = [x.astype(np.float32) for x in X], [y.astype(np.float32) for y in SUMS]
OFFSETS = np.concatenate([[0], np.cumsum([len(x) for x in X])])
LENGTHS = np.diff(OFFSETS)
FLAT, FLAT_SUMS = np.concatenate(X), np.concatenate(SUMS)
PADDED, PADDED_SUMS = padded(X)[0], padded(SUMS)[0]


def mapped(folder, name, array):
    np.save(folder / name, array)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def in_folder(folder, name, arrays):
    (folder / name).mkdir()
    for i, array in enumerate(arrays):
        np.save(folder / name / f"{i:04d}.npy", array)
    return folder / name


def memmap(folder):
    x, y = mapped(folder, "x", FLAT), mapped(folder, "y", FLAT_SUMS)
    return pyrnn.StoredDataset(x, lambda i: y[OFFSETS[i] : OFFSETS[i + 1]], offsets=OFFSETS)


def memmap_with_padding(folder):
    x, y = mapped(folder, "x", PADDED), mapped(folder, "y", PADDED_SUMS)
    return pyrnn.StoredDataset(x, y, lengths=LENGTHS)


def hdf5(folder):
    h5py = pytest.importorskip("h5py")
    file = h5py.File(folder / "data.h5", "w")
    x, y = file.create_dataset("x", data=FLAT), file.create_dataset("y", data=PADDED_SUMS)
    return pyrnn.StoredDataset(x, lambda i: y[i, : LENGTHS[i]], offsets=OFFSETS)


def zarr(folder):
    zarr = pytest.importorskip("zarr")
    x = zarr.create_array(str(folder / "x.zarr"), shape=PADDED.shape, dtype="f4")
    y = zarr.create_array(str(folder / "y.zarr"), shape=PADDED_SUMS.shape, dtype="f4")
    x[:], y[:] = PADDED, PADDED_SUMS
    return pyrnn.StoredDataset(x, y, lengths=LENGTHS)


def arrow_table():
    pa = pytest.importorskip("pyarrow")
    two = pa.FixedSizeListArray.from_arrays(pa.array(FLAT.ravel()), 2)
    one = pa.FixedSizeListArray.from_arrays(pa.array(FLAT_SUMS.ravel()), 1)
    ends = pa.array(OFFSETS, pa.int32())
    return pa.table(
        {"x": pa.ListArray.from_arrays(ends, two), "y": pa.ListArray.from_arrays(ends, one)}
    )


def arrow(folder):
    pa = pytest.importorskip("pyarrow")
    table, path = arrow_table(), str(folder / "data.arrow")
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    table = pa.ipc.open_file(pa.memory_map(path)).read_all()
    return pyrnn.StoredDataset(table["x"], table["y"])


def parquet(folder, **options):
    writing = pytest.importorskip("pyarrow.parquet")
    writing.write_table(arrow_table(), folder / "data.parquet", row_group_size=7)
    return pyrnn.StoredDataset.of_parquet(folder / "data.parquet", "x", "y", **options)


def files(folder):
    targets = sorted(in_folder(folder, "y", SUMS).iterdir())
    return pyrnn.StoredDataset.of_folder(in_folder(folder, "x", X), targets)


def function(folder):
    return pyrnn.StoredDataset(lambda i: X[i], lambda i: SUMS[i], lengths=LENGTHS)
