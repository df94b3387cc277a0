"""Promise: every module predicts what a Trainer takes; each sample as if it were alone."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from test_layouts import F, N, T, both_layouts, by_time, draw, tagger
from training import make_trainer, ragged_series, ragged_task


class Stored:
    """A dataset of the user's own: nothing but its methods."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], None

    @property
    def lengths(self):
        return [len(series) for series in self.x]


@both_layouts
def test_predict_takes_all_that_a_trainer_takes(batch_first):
    """Arrays with lengths, ragged lists, datasets; each sample as if it were alone."""
    x, _ = ragged_series()
    model = tagger(batch_first=batch_first)
    alone = [model(series.astype("f4")) for series in x]
    lengths = np.array([len(series) for series in x])
    padded = np.zeros((len(x), max(lengths), 2))
    for row, series in zip(padded, x, strict=True):
        row[: len(series)] = series
    for given in (x, Stored(x), pyrnn.SequenceDataset(x)):
        assert_same_bits(model.predict(given, batch_size=7), alone)
    outputs = model.predict(padded, lengths, 9)
    for row, y, n in zip(outputs, alone, lengths, strict=True):
        assert_same_bits(row[:n], y)
        assert not row[n:].any()
    trainer = make_trainer(model, loss=pyrnn.losses.MSE())
    assert_same_bits(trainer.predict(padded, lengths, 9), outputs)


def test_every_module_predicts(rng):
    x, ids = draw(rng), rng.integers(0, 5, (N, T))
    for module, given, expected in (
        (pyrnn.LSTM(F, 5, seed=0), x, lambda m: m(x)[0]),
        (pyrnn.GRU(F, 5, seed=0, batch_first=False), x, lambda m: m(by_time(x))[0].swapaxes(0, 1)),
        (pyrnn.Linear(F, 2, seed=0), x, lambda m: m(x)),
        (pyrnn.Linear(F, 2, seed=0), x[:, 0], lambda m: m(x[:, 0])),
        (pyrnn.Embedding(5, 3, seed=0), ids, lambda m: m(ids)),
        (pyrnn.LayerNorm(F), x, lambda m: m(x)),
        (pyrnn.Softmax(), x.astype(np.float64), lambda m: m(x.astype(np.float64))),
        (pyrnn.Dropout(0.5, seed=0), x, lambda m: x),
        (pyrnn.MeanPool(), x, lambda m: m(x)),
        (pyrnn.MaxPool(batch_first=False), x, lambda m: m(by_time(x))),
    ):
        assert_same_bits(module.predict(given, batch_size=4), expected(module))
    for module, words in (
        (pyrnn.Attention(3, F), "Attention takes more than x"),
        (pyrnn.Seq2Seq(5, 6, 2, 3, seed=0), r"Seq2Seq writes targets: use model\.generate"),
    ):
        with pytest.raises(ValueError, match=words):
            module.predict(x)
    for bad, error in (
        ({"x": x[:, 0]}, r"GRU\.predict: x has samples of shape \(4,\)"),
        ({"x": x, "lengths": [99] * N}, "lengths"),
        ({"x": x, "batch_size": 0}, "batch_size is 0"),
        ({"x": Stored(list(x)), "lengths": [9] * N}, "lengths are given"),
    ):
        with pytest.raises(ValueError, match=error):
            pyrnn.GRU(F, 5, seed=0).predict(**bad)


def test_a_users_own_predict_is_what_the_trainer_calls():
    class Doubled(pyrnn.Linear):
        def predict(self, x, lengths=None, batch_size=None):
            return 2 * super().predict(x, lengths, batch_size)

    model, x = Doubled(3, 1, seed=0), np.ones((5, 3), np.float32)
    trainer = make_trainer(model, loss=pyrnn.losses.MSE())
    assert_same_bits(trainer.predict(x), 2 * model(x))


def test_fit_takes_x_and_y_by_place_and_all_else_by_name():
    data = ragged_task(N=8)
    make_trainer().fit(data, validation=data, epochs=1, progress=False)
    with pytest.raises(TypeError, match="positional"):
        make_trainer().fit(*data, 3)
