"""Promise: Trainer trains a Seq2Seq from lists of sources and targets, each of its own length."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits

V, BOS, EOS = 13, 1, 2  # ten digits from 3 on


def reversals(count, seed, longest=6):
    """Strings of digits, and the same backwards."""
    rng = np.random.default_rng(seed)
    sources = [rng.integers(3, V, rng.integers(1, longest + 1)) for _ in range(count)]
    return sources, [digits[::-1].copy() for digits in sources]


def build(**options):
    options = {"seed": 0, "hidden_size": 24, "embedding_size": 8} | options
    return pyrnn.Seq2Seq(V, V, **options)


def make_trainer(model, lr=1e-2, **options):
    loss, optimizer = pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(lr)
    return pyrnn.Trainer(model, loss, optimizer, clip_norm=1.0, seed=0, **options)


def fit(trainer, data, held_out=None, **options):
    options = {"epochs": 2, "batch_size": 16, "progress": False} | options
    return trainer.fit(data, validation=held_out, **options)


def test_learns_to_reverse():
    """More than 95 % of new strings come out right, greedily and by beam search."""
    train, (sources, targets) = reversals(3000, 1), reversals(300, 2)
    model = build(hidden_size=48, embedding_size=16)
    optimizer = pyrnn.optim.Adam(1e-2)
    epochs = 8
    schedule = pyrnn.optim.Cosine(optimizer, epochs * -(-3000 // 32))
    trainer = pyrnn.Trainer(
        model, pyrnn.losses.CrossEntropy(), optimizer, clip_norm=1.0, schedule=schedule, seed=0
    )
    fit(trainer, train, epochs=epochs, batch_size=32)
    for options in ({}, {"method": "beam", "beam_width": 4}):
        ids, scores = model.generate(sources, max_length=8, **options)
        right = [a == b.tolist() for a, b in zip(ids, targets, strict=True)]
        assert np.mean(right) > 0.95, options
        assert (scores <= 0).all()


def test_learns_captions_of_features():
    """One-to-many: a vector of counts becomes the words for it."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, (600, 3))
    captions = [np.repeat([3, 4, 5], row) for row in counts]
    model = pyrnn.Seq2Seq(None, 6, 8, 24, feature_size=3, attention=None, cell="lstm", seed=0)
    trainer = make_trainer(model)
    fit(trainer, (counts.astype("f8"), captions), epochs=8, batch_size=20)
    ids, _ = model.generate(list(counts[:100].astype("f4")), max_length=8)
    right = [a == b.tolist() for a, b in zip(ids, captions, strict=False)]
    assert np.mean(right) > 0.95


def test_measures_are_those_of_all_real_ids():
    """Loss and accuracy over targets and their eos, for any batch size."""
    data, model = reversals(37, 3), build()
    trainer = make_trainer(model, metrics=[pyrnn.metrics.Accuracy(), pyrnn.metrics.Perplexity()])
    losses, hits = [], []
    for source, target in zip(*data, strict=True):
        logits = model(source[None], target[None])[0].astype(np.float64)
        wanted = np.append(target, EOS)
        log_softmax = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        losses += list(-log_softmax[np.arange(len(wanted)), wanted])
        hits += list(logits.argmax(axis=-1) == wanted)
    for batch_size in (1, 5, 64):
        measured = trainer.evaluate(data, batch_size=batch_size)
        assert abs(measured["loss"] - np.mean(losses)) < 1e-5
        assert abs(measured["accuracy"] - np.mean(hits)) < 1e-12
        assert abs(measured["perplexity"] - np.exp(np.mean(losses))) < 1e-4


@pytest.mark.parametrize("batch_first", [False, True])
def test_resumed_training_has_the_same_bits(batch_first, tmp_path):
    """With dropout and scheduled sampling, from the middle of an epoch."""

    class KilledError(Exception):
        pass

    class Killer(pyrnn.Callback):
        def on_batch_end(self, trainer, loss):
            self.count = getattr(self, "count", 0) + 1
            if self.count == 5:
                raise KilledError

    data = reversals(50, 4)
    options = {"dropout": 0.2, "scheduled_sampling": 0.3, "batch_first": batch_first}
    whole = build(**options)
    history = fit(make_trainer(whole), data, data)
    where = {"checkpoint": tmp_path / "c", "checkpoint_every": 1}
    with pytest.raises(KilledError):
        fit(make_trainer(build(**options)), data, data, callbacks=[Killer()], **where)
    resumed = build(**options | {"seed": 7})
    trainer = make_trainer(resumed)
    again = fit(trainer, data, data, resume=True, **where)
    assert_same_bits(resumed.state_dict(), whole.state_dict())
    assert again.val_loss == history.val_loss


def test_layouts_learn_the_same():
    data, losses = reversals(64, 5), []
    for batch_first in (False, True):
        losses.append(fit(make_trainer(build(batch_first=batch_first)), data).loss)
    assert losses[0] == losses[1]


def test_averaged_weights_and_samples_of_the_users_own():
    class Own(pyrnn.SequenceDataset):
        def __init__(self, sources, targets):
            self.pairs = list(zip(sources, targets, strict=True))

        def __len__(self):
            return len(self.pairs)

        def __getitem__(self, i):
            return self.pairs[i]

        @property
        def lengths(self):
            return np.array([len(source) for source, _ in self.pairs])

    data, results = reversals(40, 6), []
    for samples in (data, Own(*data)):
        model = build()
        ema = pyrnn.optim.EMA(model, 0.9)
        trainer = make_trainer(model, ema=ema)
        results.append([fit(trainer, samples, samples).val_loss, model.state_dict()])
    assert_same_bits(results[1], results[0])


def test_padded_arrays_and_empty_sequences():
    """Sources padded with lengths, and targets of no id, whose only wanted one is eos."""
    sources, targets = reversals(30, 7)
    targets[3] = targets[3][:0]
    targets[4] = []
    lengths = np.array([len(source) for source in sources])
    padded = np.full((30, 6), 99)
    for row, source in zip(padded, sources, strict=True):
        row[: len(source)] = source
    listed = fit(make_trainer(build()), (sources, targets)).loss
    array = fit(make_trainer(build()), (padded, targets, lengths)).loss
    assert listed == array


def test_bad_data_is_refused_before_the_first_step():
    sources, targets = reversals(20, 8)
    wrong = [
        ((sources, [*targets[:-1], np.array([3, EOS])]), ValueError, "is 2, expected ids without"),
        (([*sources[:-1], np.array([V])], targets), ValueError, "num_embeddings"),
        ((sources, [*targets[:-1], np.array([V])]), ValueError, "expected 0 <= id < 13"),
        ((sources, [*targets[:-1], np.array([3, -1])]), ValueError, "is -1, expected 0 <= id"),
        ((sources, [t + 0.5 for t in targets]), TypeError, "expected integers"),
        ((sources, np.zeros(20, int)), ValueError, "expected .steps,."),
        ((sources, targets[:-1]), ValueError, "one for each sample"),
        ((sources, None), ValueError, "target is None"),
    ]
    model = build()
    before = model.state_dict()
    for data, error, message in wrong:
        with pytest.raises(error, match=message):
            fit(make_trainer(model), data)
    with pytest.raises(ValueError, match="tbptt"):
        fit(make_trainer(model), (sources, targets), tbptt=2)
    with pytest.raises(ValueError, match=r"Seq2Seq writes targets: use model\.generate"):
        make_trainer(model).predict(sources)
    assert_same_bits(model.state_dict(), before)
