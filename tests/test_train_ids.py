"""Promise: a fit looks at the ids that reach any Embedding before its first step."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import GRU, Concat, Embedding, LastStep, Linear, Sequential

N = 64
IDS = np.zeros((N, 5), np.int64)
IDS[N - 1] = 9  # the last sample alone
LABELS = np.arange(N) % 2


class Net(pyrnn.Module):
    """An Embedding inside a forward, which may change the ids."""

    def __init__(self, change=lambda ids: ids):
        self.change = change
        self.emb, self.rnn = Embedding(9, 3, seed=0), GRU(3, 2, seed=1)

    def forward(self, ids, lengths=None):
        return self.rnn(self.emb(self.change(ids)), lengths=lengths)[1][-1]


def beside():
    return Sequential(Concat(Embedding(12, 3), Embedding(9, 2)), GRU(5, 2), LastStep())


def inside_steps():
    words = Sequential(Embedding(9, 3), GRU(3, 2), LastStep())
    return Sequential(pyrnn.TimeDistributed(words), GRU(2, 2), LastStep())


def time_major():
    return Sequential(Net(), Linear(2, 2), batch_first=False)


@pytest.mark.parametrize(
    ("make", "x", "options", "words"),
    [
        (Net, IDS, {}, r"train: Embedding: x\[63, 0\] is 9"),
        (Net, {"ids": IDS}, {}, r"train: Embedding: x\['ids'\]\[63, 0\] is 9"),
        (Net, IDS, {"validation": 0.2}, r"validation: Embedding: x\[12, 0\] is 9"),
        (Net, [row[: 1 + i % 5] for i, row in enumerate(IDS)], {}, r"x\[63, 0\] is 9"),
        (lambda: Sequential(Net(), Linear(2, 2)), IDS, {}, r"x\[63, 0\] is 9"),
        (lambda: Net(lambda ids: ids[:, ::-1]), IDS, {}, r"x\[63, 0\] is 9"),
        (time_major, IDS, {}, r"x\[63, 0\] is 9"),
        (beside, IDS, {}, r"x\[63, 0\] is 9, expected 0 <= id < 9"),
        (inside_steps, np.repeat(IDS[..., None], 4, 2), {}, r"x\[63, 0, 0\] is 9"),
    ],
)
def test_a_bad_id_of_the_last_sample_trains_nothing(make, x, options, words):
    trainer = pyrnn.Trainer(make(), "cross_entropy", "adam", seed=0)
    before = trainer.model.state_dict()
    with pytest.raises(ValueError, match=words):
        trainer.fit(x, LABELS, shuffle=False, progress=False, **options)
    assert_same_bits(trainer.model.state_dict(), before)
    assert trainer.optimizer.steps == 0


@pytest.mark.parametrize("change", [lambda ids: ids + 8, lambda ids: np.minimum(ids, 8)])
def test_ids_that_a_forward_brings_into_range_are_taken(change):
    x = IDS % 9 if change(9) == 17 else IDS
    trainer = pyrnn.Trainer(Net(change), "cross_entropy", "adam", seed=0)
    trainer.fit(x, LABELS, progress=False)
    assert trainer.optimizer.steps == 2


def test_a_bad_id_that_a_forward_computes_is_refused_in_its_batch():
    """Only the forward knows it, and a fit runs no forward on all data before it trains."""
    trainer = pyrnn.Trainer(Net(lambda ids: ids + 1), "cross_entropy", "adam", seed=0)
    with pytest.raises(ValueError, match=r"Embedding: x\[31, 0\] is 10, expected 0 <= id < 9"):
        trainer.fit(IDS, LABELS, shuffle=False, progress=False)
    assert trainer.optimizer.steps == 1


def test_the_check_costs_no_run_of_the_model():
    """The model is run on one sample, before the epoch, and on two batches."""
    calls = []

    def counted(ids):
        calls.append(len(ids))
        return ids + 0

    trainer = pyrnn.Trainer(Net(counted), "cross_entropy", "adam", seed=0)
    trainer.fit(IDS % 9, LABELS, progress=False)
    assert calls.count(1) == len(calls) - 2
    assert calls[-2:] == [32, 32]
