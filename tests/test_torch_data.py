"""Promise: torch's datasets and loaders are data, and nothing imports torch."""

import subprocess
import sys

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import make_trainer, padded, ragged_series, regressor

torch = pytest.importorskip("torch")
data, rnn = torch.utils.data, torch.nn.utils.rnn

X, TARGET = ragged_series(N=23)
X = [x.astype(np.float32) for x in X]
TARGET = [t.astype(np.float32) for t in TARGET]
WIDE, LENGTHS = padded(X)


class Ragged(data.Dataset):
    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return torch.from_numpy(X[i]), torch.from_numpy(TARGET[i])


class Padded(Ragged):
    def __getitem__(self, i):
        return torch.from_numpy(WIDE[i]), torch.from_numpy(padded(TARGET)[0][i]), LENGTHS[i]


def fitted(*given, **options):
    trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
    options = {"epochs": 2, "batch_size": 7, "progress": False} | options
    history = trainer.fit(*given, **options)
    return history.loss, history.val_loss, trainer.model.state_dict(), trainer


def assert_same(one, other):
    assert one[:2] == other[:2]
    assert_same_bits(one[2], other[2])


@pytest.mark.parametrize(
    "dataset",
    [
        Ragged(),
        Padded(),
        data.TensorDataset(
            *map(torch.from_numpy, (WIDE, padded(TARGET)[0], np.asarray(LENGTHS, np.int64)))
        ),
        data.Subset(Ragged(), range(23)),
    ],
    ids=lambda dataset: type(dataset).__name__,
)
def test_datasets_are_their_samples(dataset):
    expected = fitted(X, TARGET, validation=0.25)
    assert_same(fitted(dataset, validation=0.25), expected)
    assert_same(fitted(dataset, validation=dataset), fitted(X, TARGET, validation=(X, TARGET)))
    trainer = expected[3]
    assert trainer.evaluate(dataset) == trainer.evaluate(X, TARGET)
    for y, alone in zip(trainer.predict(dataset), trainer.predict(X), strict=True):
        assert_same_bits(y[: len(alone)], alone)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_loader_is_its_dataset_in_its_batches(shuffle):
    loader = data.DataLoader(Ragged(), batch_size=5, shuffle=shuffle)
    found = fitted(loader, batch_size=None)
    assert_same(found, fitted(X, TARGET, batch_size=5, shuffle=shuffle))
    assert_same(fitted(loader, batch_size=4, shuffle=True), fitted(X, TARGET, batch_size=4))
    assert found[3].evaluate(loader) == found[3].evaluate(X, TARGET, batch_size=5)


def test_samples_without_time_and_of_several_inputs():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 3)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.float32)

    class Rows(data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, i):
            return x[i], y[i]

    class Pairs(Rows):
        def __getitem__(self, i):
            return {"a": torch.from_numpy(x[i]), "b": x[i]}, y[i]

    class Sum(pyrnn.Module):
        def __init__(self):
            self.head = pyrnn.Linear(3, 1, seed=0)

        def forward(self, a, b):
            return self.head(a + b)

    for model, dataset, given in (
        (lambda: pyrnn.Linear(3, 1, seed=0), Rows(), x),
        (Sum, Pairs(), {"a": x, "b": x}),
    ):
        trainers = [make_trainer(model(), loss=pyrnn.losses.MSE()) for _ in range(2)]
        trainers[0].fit(dataset, progress=False)
        trainers[1].fit(given, y, progress=False)
        assert_same_bits(trainers[0].model.state_dict(), trainers[1].model.state_dict())


def test_the_lengths_of_padded_samples_of_several_inputs():
    class Named(Padded):
        def __getitem__(self, i):
            x, target, length = super().__getitem__(i)
            return {"x": x, "scale": np.ones(1, np.float32)}, target, length

    class Scaled(pyrnn.Module):
        def __init__(self):
            self.inner = regressor()

        def forward(self, x, scale, lengths=None):
            return self.inner(x, lengths=lengths)[0] * scale[:, None]

    trainers = [make_trainer(Scaled(), loss=pyrnn.losses.MSE()) for _ in range(2)]
    given = {"x": X, "scale": np.ones((23, 1), np.float32)}
    losses = [
        trainers[0].fit(Named(), progress=False).loss,
        trainers[1].fit(given, TARGET, progress=False).loss,
    ]
    assert losses[0] == losses[1]
    assert_same_bits(trainers[0].model.state_dict(), trainers[1].model.state_dict())


def test_a_length_of_samples_without_time_is_refused():
    class Rows(Ragged):
        def __getitem__(self, i):
            return X[0][0], TARGET[0][0], 1

    with pytest.raises(ValueError, match="has lengths, but x of shape"):
        make_trainer(pyrnn.Linear(X[0].shape[1], 1), loss="mse").fit(Rows(), progress=False)


class Streamed(data.IterableDataset):
    """The samples one after the other, each worker its share."""

    def __iter__(self):
        worker = data.get_worker_info()
        start, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        yield from zip(X[start::step], TARGET[start::step], strict=True)


class Odd(Ragged):
    def __getitem__(self, i):
        return torch.from_numpy(X[i])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (
            data.DataLoader(Ragged(), batch_size=None, collate_fn=list),
            ValueError,
            "collate_fn and batch_size=None",
        ),
        (
            data.DataLoader(Streamed(), batch_size=None),
            ValueError,
            "batch_size=None, so that its IterableDataset may give whole batches",
        ),
        (
            data.DataLoader(Ragged(), collate_fn=lambda some: (torch.zeros(2, 3, 2), some)),
            ValueError,
            r"collate_fn gives the shapes \(2, 3, 2\) of one sample and \(2, 3, 2\) of two",
        ),
        (
            data.DataLoader(Ragged(), sampler=data.WeightedRandomSampler([1.0] * 23, 23)),
            ValueError,
            "sampler of its own.*sample_weight",
        ),
        *(
            (data.DataLoader(Ragged(), sampler=sampler), ValueError, "sampler of its own")
            for sampler in (
                data.RandomSampler(Ragged(), replacement=True),
                data.RandomSampler(Ragged(), num_samples=100),
                data.SequentialSampler(range(5)),
            )
        ),
        (Odd(), TypeError, r"sample 0 is of type Tensor, expected \(x, target\)"),
        (data.TensorDataset(torch.zeros(3, 2)), ValueError, "1 tensors, expected x, target"),
    ],
)
def test_what_cannot_be_followed_is_refused(given, error, words):
    with pytest.raises(error, match=f"Trainer: train.*({words})"):
        fitted(given)
    with pytest.raises(TypeError, match="y is given too"):
        fitted(given, TARGET)


@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_a_packed_sequence_is_a_ragged_list(enforce_sorted):
    order = sorted(range(23), key=lambda i: -len(X[i])) if enforce_sorted else range(23)
    x, target = [X[i] for i in order], [TARGET[i] for i in order]

    def packed(arrays):
        return rnn.pack_sequence([*map(torch.from_numpy, arrays)], enforce_sorted=enforce_sorted)

    expected = fitted(x, target, validation=(x, target))
    assert_same(fitted(packed(x), packed(target), validation=(packed(x), packed(target))), expected)
    assert_same(fitted((packed(x), target), validation=(x, target)), expected)
    trainer = expected[3]
    assert trainer.evaluate(packed(x), packed(target)) == trainer.evaluate(x, target)
    assert_same_bits(trainer.predict(packed(x)), trainer.predict(x))
    assert_same_bits(trainer.model.predict(packed(x[:1])), trainer.predict(x[:1]))
    with pytest.raises(ValueError, match="has lengths, but x is a list of arrays"):
        trainer.predict(packed(x), lengths=LENGTHS)


def tensors(samples):
    """The samples of a batch as two lists of tensors."""
    return [[torch.as_tensor(array) for array in arrays] for arrays in zip(*samples, strict=True)]


def pad_first(samples, batch_first=True):
    return [rnn.pad_sequence(arrays, batch_first=batch_first) for arrays in tensors(samples)]


def steps_of(samples):
    return torch.tensor([len(x) for x, _ in samples])


COLLATES = {
    "as they are": list,
    "lists of tensors": tensors,
    "padded": pad_first,
    "padded, time first": lambda samples: pad_first(samples, batch_first=False),
    "packed": lambda samples: [rnn.pack_sequence(a, False) for a in tensors(samples)],
    "packed x": lambda samples: (
        rnn.pack_sequence(tensors(samples)[0], enforce_sorted=False),
        pad_first(samples)[1],
    ),
    "x, target, lengths": lambda samples: (*pad_first(samples), steps_of(samples)),
    "x, lengths, target": lambda samples: (
        pad_first(samples)[0],
        steps_of(samples),
        pad_first(samples)[1],
    ),
    "x, target, both lengths": lambda samples: (
        *pad_first(samples),
        steps_of(samples),
        steps_of(samples),
    ),
    "dict": lambda samples: dict(zip(("x", "y"), pad_first(samples), strict=True)),
    "dict with lengths": lambda samples: {
        "lengths": steps_of(samples),
        **dict(zip(("input", "labels"), pad_first(samples), strict=True)),
    },
}


@pytest.mark.parametrize("collate", COLLATES)
def test_a_loaders_collate_fn_makes_the_samples(collate):
    loader = data.DataLoader(Ragged(), batch_size=5, shuffle=True, collate_fn=COLLATES[collate])
    found = fitted(loader, batch_size=None, validation=loader)
    assert_same(found, fitted(X, TARGET, batch_size=5, validation=(X, TARGET)))
    assert found[3].evaluate(loader) == found[3].evaluate(X, TARGET, batch_size=5)
    assert_same_bits(found[3].predict(loader), found[3].predict(X))


def test_a_prediction_needs_no_target():
    class Alone(Ragged):
        def __getitem__(self, i):
            return torch.from_numpy(X[i])

    trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
    expected = trainer.predict(X)
    packed = data.DataLoader(Alone(), 4, collate_fn=lambda some: rnn.pack_sequence(some, False))
    for given in (Alone(), data.Subset(Alone(), range(23)), packed):
        assert_same_bits(trainer.predict(given), expected)
        with pytest.raises(TypeError, match=r"sample 0 is .*, expected \(x, target\)"):
            trainer.evaluate(given)
    wide = torch.from_numpy(WIDE)
    assert_same_bits(trainer.predict(data.TensorDataset(wide)), trainer.predict(WIDE))
    loader = data.DataLoader(data.TensorDataset(wide), collate_fn=data.default_collate)
    assert_same_bits(trainer.predict(loader), trainer.predict(WIDE))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_iterable_dataset_is_read_whole(workers):
    loader = data.DataLoader(Streamed(), batch_size=5, num_workers=workers, collate_fn=pad_first)
    expected = fitted(X, TARGET, batch_size=5, shuffle=False)  # workers take turns
    assert_same(fitted(loader, batch_size=None), expected)
    assert_same(fitted(Streamed(), batch_size=5), fitted(X, TARGET, batch_size=5))


def test_a_stream_without_an_end_fills_no_memory(monkeypatch):
    class Endless(data.IterableDataset):
        def __iter__(self):
            while True:
                yield X[0], TARGET[0]

    from pyrnn._base import checks

    monkeypatch.setattr(checks, "_physical_memory", lambda: 10**6)
    with pytest.raises(MemoryError, match="train is an IterableDataset, which is read whole"):
        fitted(Endless())


def test_the_last_batch_is_dropped_where_the_loader_says_so(tmp_path):
    loader = data.DataLoader(Ragged(), batch_size=5, drop_last=True)
    found = fitted(loader, batch_size=None)
    assert_same(found, fitted(X[:20], TARGET[:20], batch_size=5, shuffle=False))
    shuffled = data.DataLoader(Ragged(), batch_size=5, drop_last=True, shuffle=True)
    lengths = []

    class Count(pyrnn.Callback):
        def on_batch_end(self, trainer, loss):
            lengths.append(loss)

    fitted(shuffled, batch_size=None, callbacks=[Count()])
    assert len(lengths) == 2 * 4
    trainer = found[3]
    assert trainer.find_lr(loader, steps=3).rates
    for call in (
        lambda: trainer.evaluate(loader),
        lambda: trainer.predict(loader),
        lambda: fitted(X, TARGET, validation=loader),
    ):
        with pytest.raises(ValueError, match="drops the last batch, and all samples count here"):
            call()
    with pytest.raises(ValueError, match=r"has 23 samples, .* expected one whole batch at least"):
        fitted(data.DataLoader(Ragged(), batch_size=24, drop_last=True), batch_size=None)
    kept = {"checkpoint": str(tmp_path / "kept"), "batch_size": 5, "shuffle": False}
    fitted(loader, **kept)
    with pytest.raises(ValueError, match="was written with drop_last = True"):
        fitted(Ragged(), **kept, resume=True)


def test_samplers_that_can_be_followed():
    some = [3, 1, 4, 15, 9, 2]
    expected = fitted([X[i] for i in some], [TARGET[i] for i in some], batch_size=4)
    sampler = data.SubsetRandomSampler(some)
    assert_same(fitted(data.DataLoader(Ragged(), 4, sampler=sampler), batch_size=None), expected)
    for shuffle, sampler in ((True, data.RandomSampler), (False, data.SequentialSampler)):
        batches = data.BatchSampler(sampler(Ragged()), 4, drop_last=False)
        loader = data.DataLoader(Ragged(), batch_sampler=batches)
        expected = fitted(X, TARGET, batch_size=4, shuffle=shuffle)
        assert_same(fitted(loader, batch_size=None), expected)


@pytest.mark.parametrize("integers", [1, 2])
def test_tensors_of_no_samples(integers):
    """Where both integers may be lengths, too."""
    none = [torch.zeros(0, dtype=torch.int64)] * integers
    with pytest.raises(ValueError, match=r"train x has shape \(0, 5, 3\), expected .* N >= 1"):
        fitted(data.TensorDataset(torch.zeros(0, 5, 3), *none))


def test_torch_is_not_imported():
    code = (
        "import sys, numpy as np, pyrnn; m = pyrnn.Linear(2, 1);"
        "pyrnn.Trainer(m, 'mse', 'adam').fit(np.ones((4, 2)), np.ones((4, 1)), progress=False);"
        "m.predict(np.ones((4, 2))); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0
