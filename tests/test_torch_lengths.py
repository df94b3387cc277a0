"""Promise: which of a sample's integers is the length is known, or asked for."""

import numpy as np
import pytest

import pyrnn
from training import make_trainer, padded, ragged_series, regressor

torch = pytest.importorskip("torch")
data = torch.utils.data

X, TARGET = ragged_series(N=23)
X = [x.astype(np.float32) for x in X]
TARGET = [t.astype(np.float32) for t in TARGET]
WIDE, LENGTHS = padded(X)


def fitted(samples):
    """The losses of a layer that is trained on series."""
    trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
    return trainer.fit(samples, epochs=2, batch_size=7, progress=False).loss


def classified(samples):
    """Those of a classifier."""
    layers = pyrnn.GRU(2, 4, seed=0), pyrnn.LastStep(), pyrnn.Linear(4, 3, seed=0)
    trainer = pyrnn.Trainer(pyrnn.Sequential(*layers), "cross_entropy", "adam", seed=0)
    return trainer.fit(samples, epochs=2, progress=False).loss


def test_samples_of_x_length_and_class():
    """A class is no length, wherever it stands."""
    classes = np.arange(23) % 3

    class Labelled(data.Dataset):
        def __len__(self):
            return 23

        def __getitem__(self, i):
            return self.order(X[i], len(X[i]), classes[i])

    expected = classified((X, classes))
    for order in (lambda x, n, y: (x, n, y), lambda x, n, y: (x, y, n)):
        Labelled.order = staticmethod(order)
        assert classified(Labelled()) == expected
    Labelled.order = staticmethod(lambda x, n, y: (x, y, n + 1))
    with pytest.raises(ValueError, match=r"sample 0 has \d+ steps and the length \d+, expected"):
        classified(Labelled())


@pytest.mark.parametrize("whole", [True, False])
def test_the_order_of_three_tensors(whole):
    """Lengths may stand second where the third tensor cannot be lengths, and only there."""
    lengths = torch.as_tensor(np.asarray(LENGTHS, np.int64))
    series = torch.from_numpy(padded(TARGET)[0]), lengths
    classes = torch.arange(23) % 3, lengths

    def trained(order, target, lengths):
        given = order(torch.from_numpy(WIDE), target, lengths)
        samples = data.TensorDataset(*given)
        if not whole:  # samples one by one
            samples = data.Subset(samples, range(23))
        return (fitted if target is series[0] else classified)(samples)

    def first(x, y, n):
        return x, y, n

    def second(x, y, n):
        return x, n, y

    assert trained(second, *series) == trained(first, *series)
    assert np.isfinite(trained(first, *classes)).all()
    with pytest.raises(ValueError, match=r"Trainer: train: both integers .* dicts of 'x', 'y' and"):
        trained(second, *classes)


def test_one_sample_does_not_tell_the_order():
    x = torch.from_numpy(X[0])
    for second, third in ((len(x), 2), (len(x), 0)):
        with pytest.raises(ValueError, match="both integers of the samples may be lengths"):
            fitted(data.Subset([(x, second, third)], [0]))
    for third in (len(x), len(x) + 900):  # the same; no length
        trainer = pyrnn.Trainer(
            pyrnn.Sequential(pyrnn.GRU(2, 4), pyrnn.LastStep(), pyrnn.Linear(4, 1)), "mse", "adam"
        )
        trainer.fit(data.Subset([(x, len(x), third)], [0]), progress=False)
