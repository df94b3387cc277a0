"""Promise: data in stores train as the same data in memory do, a few batches at a time."""

import threading
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from children import run
from compare import assert_same_bits
from ranks import run_ranks
from stored import (
    LENGTHS,
    SUMS,
    X,
    arrow,
    files,
    function,
    hdf5,
    in_folder,
    mapped,
    memmap,
    memmap_with_padding,
    parquet,
    zarr,
)
from training import ragged_task, regressor

STORES = [memmap, memmap_with_padding, hdf5, zarr, arrow, parquet, files, function]


def trained(data, *, communicator=None, shards=None, **options):
    trainer = pyrnn.Trainer(
        regressor(),
        "mse",
        pyrnn.optim.Adam(0.02),
        seed=0,
        metrics=["mae"],
        shards=shards,
        communicator=communicator,
    )
    how = {"epochs": 2, "batch_size": 6, "progress": False, "validation": 0.25} | options
    history = trainer.fit(data, **how)
    return trainer, (history.loss, history.val_loss, history.metrics), trainer.model.state_dict()


def assert_alike(first, second):
    assert repr(first[1]) == repr(second[1])
    for name, array in first[2].items():
        assert_same_bits(second[2][name], array)


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.__name__)
def test_bits_are_those_of_the_data_in_memory(store, tmp_path):
    data = store(tmp_path)
    assert data.lengths.tolist() == LENGTHS.tolist() and len(data) == 40
    stored, memory = trained(data), trained((X, SUMS))
    assert_alike(stored, memory)
    assert stored[0].evaluate(data) == memory[0].evaluate(X, SUMS)
    outputs = zip(stored[0].predict(data), memory[0].predict(X), strict=True)
    for found, expected in outputs:
        assert_same_bits(found, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"tbptt": 4},
        {"shards": 3},
        {"shards": 3, "tbptt": 4},
        {"bucket": False},
        {"shuffle": False, "validation": None},
    ],
)
def test_options_keep_the_bits(options):
    assert_alike(trained(function(None), **options), trained((X, SUMS), **options))


@pytest.mark.parametrize("options", [{}, {"tbptt": 2}, {"tbptt": 2, "shards": 3}])
def test_an_epoch_reads_each_sample_once(options):
    asked = []

    def read(i):
        if threading.current_thread().name.startswith("pyrnn-reader"):
            asked.append(i)
        return X[i]

    data = pyrnn.StoredDataset(read, lambda i: SUMS[i], lengths=LENGTHS)
    trained(data, epochs=1, validation=None, train_metrics=False, **options)
    assert sorted(asked) == list(range(40))


def test_targets_of_their_own_lengths_are_read_once():
    rng, asked = np.random.default_rng(0), []
    words = [rng.integers(3, 8, length) for length in rng.integers(2, 6, 12)]

    def read(i):
        if threading.current_thread().name.startswith("pyrnn-reader"):
            asked.append(i)
        return words[i]

    model = pyrnn.Seq2Seq(8, 8, embedding_size=4, hidden_size=4, seed=0)
    lengths = [len(word) for word in words]
    data = pyrnn.StoredDataset(read, words, lengths=lengths)
    pyrnn.Trainer(model, "cross_entropy", "adam", seed=0).fit(data, batch_size=4, progress=False)
    assert sorted(asked) == list(range(12))


def test_ranks_read_their_own_shards():
    asked = [set() for _ in range(2)]

    def work(communicator):
        def read(i):
            if threading.current_thread().name.startswith("pyrnn-reader"):
                asked[communicator.rank].add(i)
            return X[i]

        data = pyrnn.StoredDataset(read, lambda i: SUMS[i], lengths=LENGTHS)
        return trained(data, communicator=communicator, **once)

    once = {"epochs": 1, "validation": None, "shuffle": False, "train_metrics": False}
    for found in run_ranks(2, work):
        assert_alike(found, trained((X, SUMS), shards=4, **once))
    assert asked[0].isdisjoint(asked[1]) and asked[0] | asked[1] == set(range(40))


def test_a_training_resumes(tmp_path):
    class Breaks(pyrnn.Callback):
        def on_batch_end(self, trainer, loss):
            if len(trainer.history) == 1:
                raise InterruptedError

    path, data = tmp_path / "a.ckpt", memmap(tmp_path)
    options = {"checkpoint": path, "checkpoint_every": 2}
    with pytest.raises(InterruptedError):
        trained(data, callbacks=[Breaks()], **options)
    assert_alike(trained(data, resume=True, **options), trained((X, SUMS)))


def test_ids_targets_of_sequences_and_weights():
    ids, classes = ragged_task(N=30)
    weight = np.linspace(0, 2, 30)
    data = pyrnn.StoredDataset(
        lambda i: ids[i], classes, lengths=[len(x) for x in ids], sample_weight=weight
    )

    def fit(*given, **options):
        model = pyrnn.Sequential(
            pyrnn.Embedding(4, 5, seed=0),
            pyrnn.LSTM(5, 6, seed=1),
            pyrnn.LastStep(),
            pyrnn.Linear(6, 4, seed=2),
        )
        trainer = pyrnn.Trainer(model, "cross_entropy", "adam", seed=0, metrics=["accuracy"])
        history = trainer.fit(*given, epochs=2, batch_size=8, progress=False, **options)
        return trainer, (history.loss, history.metrics), model.state_dict()

    assert_alike(fit(data), fit(ids, classes, sample_weight=weight))


def test_of_a_parquet_file_a_few_row_groups_are_read(tmp_path, monkeypatch):
    reading = pytest.importorskip("pyarrow.parquet")
    groups, read = [], reading.ParquetFile.read_row_group

    def noted(self, i, **options):
        groups.append(i)
        return read(self, i, **options)

    monkeypatch.setattr(reading.ParquetFile, "read_row_group", noted)
    data = parquet(tmp_path, keep=2)
    assert groups == [0, 1, 2, 3, 4, 5]  # once, for the lengths: 40 rows in groups of 7
    groups.clear()
    for i in (0, 6, 7, 1, 39, 13, 2):  # 0, 1 and 5 in turn; 1 was used after 0
        assert_same_bits(data[i][0], X[i])
        assert_same_bits(data[i][1], SUMS[i])
    assert groups == [0, 1, 5, 1, 0]


# ---- windows ----------------------------------------------------------------------------------


def test_windows_are_views(tmp_path):
    series = mapped(tmp_path, "series", np.arange(60, dtype=np.float32).reshape(30, 2))
    data = pyrnn.StoredDataset.windows(series, 5, stride=3, ahead=2)
    assert len(data) == 8 and set(data.lengths.tolist()) == {5}
    x, y = data[7]
    assert_same_bits(x, series[21:26])
    assert_same_bits(y, series[23:28])
    assert np.shares_memory(x, series) and np.shares_memory(y, series)
    other = np.arange(30, dtype=np.float32)
    data = pyrnn.StoredDataset.windows(series, 30, other)
    assert len(data) == 1 and np.shares_memory(data[0][1], other)


@pytest.mark.parametrize("store", ["zarr", "h5py"])
def test_windows_over_stores(store, tmp_path):
    library = pytest.importorskip(store)
    series = np.arange(60, dtype=np.float32).reshape(30, 2)
    if store == "zarr":
        kept = library.create_array(str(tmp_path / "x.zarr"), shape=series.shape, dtype="f4")
        kept[:] = series
    else:
        kept = library.File(tmp_path / "x.h5", "w").create_dataset("x", data=series)
    data = pyrnn.StoredDataset.windows(kept, 5, stride=3, ahead=2)
    assert len(data) == 8
    assert_same_bits(data[7][0], series[21:26])
    assert_same_bits(data[7][1], series[23:28])


@pytest.mark.parametrize("name", ["series", "target"])
def test_windows_over_what_has_no_length(name):
    given = {"series": np.zeros((30, 2)), "target": np.zeros(30)} | {name: lambda i: i}
    with pytest.raises(TypeError, match=f"windows: {name} is .* expected one with a length"):
        pyrnn.StoredDataset.windows(steps=5, **given)


def test_windows_train_as_their_copies():
    series = np.sin(np.arange(90, dtype=np.float32))[:, None]
    views = pyrnn.StoredDataset.windows(series, 12, stride=2, ahead=1)
    x = np.stack([series[i : i + 12] for i in range(0, 78, 2)])
    y = np.stack([series[i + 1 : i + 13] for i in range(0, 78, 2)])
    assert len(views) == len(x)
    results = []
    for given in ((views,), (x, y)):
        trainer = pyrnn.Trainer(regressor(features=1), "mse", "adam", seed=0)
        history = trainer.fit(*given, epochs=2, batch_size=8, progress=False)
        results.append((trainer, history.loss, trainer.model.state_dict()))
    assert_alike(*results)


@pytest.mark.parametrize(
    "given, words",
    [
        (dict(steps=31, ahead=1), "series has 30 steps"),
        (dict(steps=5), "neither of target"),
        (dict(steps=5, ahead=1, target=np.zeros(30)), "both of target"),
        (dict(steps=0, ahead=1), "steps is 0"),
        (dict(steps=5, ahead=0), "ahead is 0"),
        (dict(steps=5, ahead=1, stride=0), "stride is 0"),
    ],
)
def test_bad_windows(given, words):
    with pytest.raises(ValueError, match=words):
        pyrnn.StoredDataset.windows(np.zeros((30, 2), np.float32), **given)


# ---- memory -----------------------------------------------------------------------------------

MEMORY = """
    import os, pyrnn
    def anonymous():
        with open("/proc/self/status") as status:
            fields = dict(line.split(":") for line in status)
        return int(fields["RssAnon"].split()[0]) // 1024
    N, T, F = {count}, 1000, 64
    path = {path!r}
    with open(path, "wb") as file:
        file.truncate(N * T * F * 4)  # a sparse file
    x = np.memmap(path, np.float32, "r", shape=(N * T, F))
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, T + 1, N)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    data = pyrnn.StoredDataset(x, np.zeros((N, 1), np.float32), offsets=offsets)
    model = pyrnn.Sequential(pyrnn.GRU(F, 8, seed=0), pyrnn.LastStep(), pyrnn.Linear(8, 1, seed=1))
    most = [0]
    class Look(pyrnn.Callback):
        def on_batch_end(self, trainer, loss):
            most[0] = max(most[0], anonymous())
            if len(seen) == {batches}:
                raise StopIteration
            seen.append(1)
    seen = []
    try:
        pyrnn.Trainer(model, "mse", "adam", seed=0).fit(
            data, batch_size=16, progress=False, callbacks=[Look()]
        )
    except StopIteration:
        pass
    print(os.path.getsize(path) // 10**9, most[0])
"""


def test_a_file_of_20_gigabytes_takes_little_memory(tmp_path):
    code = MEMORY.replace("{count}", "80_000").replace("{batches}", "25")
    size, most = map(int, run(code.replace("{path!r}", repr(str(tmp_path / "x"))), timeout=200))
    assert size >= 20 and most < 400


def test_reading_goes_on_while_the_network_computes():
    """The next batch is read before the first one's step; no clock is asked."""
    asked, second = [], threading.Event()

    class Waits(pyrnn.Callback):
        def on_gradients(self, trainer, gradients):
            assert second.wait(30)

    def read(i):
        if threading.current_thread() is not threading.main_thread():
            asked.append(i)
        if len(asked) > 2:
            second.set()
        return X[i]

    data = pyrnn.StoredDataset(read, lambda i: SUMS[i], lengths=LENGTHS)
    pyrnn.Trainer(regressor(), "mse", "adam", seed=0).fit(
        data, batch_size=2, progress=False, callbacks=[Waits()]
    )
    assert sorted(asked) == list(range(40))


def test_a_store_of_many_files_opens_few(tmp_path):
    folder = in_folder(tmp_path, "x", X)
    data = pyrnn.StoredDataset.of_folder(folder, lambda i: SUMS[i])
    before = len(list(Path("/proc/self/fd").iterdir()))
    pyrnn.Trainer(regressor(), "mse", "adam").fit(data, progress=False)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
