"""Promise: torch's datasets and loaders are data, and nothing imports torch."""

import subprocess
import sys

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import make_trainer, padded, ragged_series, regressor

torch = pytest.importorskip("torch")
data = torch.utils.data

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


class Endless(data.IterableDataset):
    def __iter__(self):
        yield from zip(X, TARGET, strict=True)


class Odd(Ragged):
    def __getitem__(self, i):
        return torch.from_numpy(X[i])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (Endless(), ValueError, "IterableDataset, which has no length"),
        (data.DataLoader(Endless()), ValueError, "sampler|IterableDataset"),
        (data.DataLoader(Ragged(), collate_fn=list), ValueError, "collate_fn.*loader.dataset"),
        (data.DataLoader(Ragged(), batch_size=4, drop_last=True), ValueError, "drops the last"),
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


def test_torch_is_not_imported():
    code = (
        "import sys, numpy as np, pyrnn; m = pyrnn.Linear(2, 1);"
        "pyrnn.Trainer(m, 'mse', 'adam').fit(np.ones((4, 2)), np.ones((4, 1)), progress=False);"
        "m.predict(np.ones((4, 2))); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0
