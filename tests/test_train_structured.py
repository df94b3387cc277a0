"""Promise: a Trainer trains CRF and CTC: the loss's own parameters, ragged targets, metrics."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, metrics, optim

K = 4


def cyclic_task(N, seed, noise=1.3):
    """Tags that step through a cycle, now and then pausing; noisy observations of them."""
    rng = np.random.default_rng(seed)
    x, tags = [], []
    for n in rng.integers(3, 25, N):
        moves = rng.random(n) < 0.9
        path = (rng.integers(K) + np.cumsum(moves)) % K
        x.append((np.eye(K)[path] + noise * rng.standard_normal((n, K))).astype(np.float32))
        tags.append(path)
    return x, tags


def tagger(batch_first=None, dtype=np.float32, dropout=0.0):
    return pyrnn.Sequential(
        pyrnn.LSTM(K, 6, bidirectional=True, seed=0, dtype=dtype),
        pyrnn.Dropout(dropout, seed=3),
        pyrnn.Linear(12, K, seed=1, dtype=dtype),
        batch_first=batch_first,
    )


def fit(model, loss, task, epochs=4, held_out=None, trainer_options=(), **options):
    trainer = pyrnn.Trainer(model, loss, optim.Adam(0.02), seed=0, **dict(trainer_options))
    trainer.fit(task, validation=held_out, epochs=epochs, batch_size=16, progress=False, **options)
    return trainer


def state_of(trainer):
    return trainer.trained.state_dict()


def test_bilstm_crf_beats_argmax_where_transitions_matter():
    task, held_out = cyclic_task(150, 0), cyclic_task(60, 1)
    measured = {"trainer_options": {"metrics": [metrics.Accuracy(), metrics.F1("macro")]}}
    crf = pyrnn.CRF(K, seed=2)
    start = crf.transitions.data.copy()
    chain = fit(tagger(), crf, task, held_out=held_out, **measured)
    single = fit(tagger(), losses.CrossEntropy(), task, held_out=held_out, **measured)
    of_chain, of_single = chain.evaluate(held_out), single.evaluate(held_out)
    assert of_chain["accuracy"] > of_single["accuracy"] + 0.03
    assert of_chain["f1_macro"] > of_single["f1_macro"] + 0.03
    assert (crf.transitions.data != start).all()
    # The metrics are those of the decoded tags, and better than the largest emissions.
    emissions = chain.predict(held_out[0])
    own = pyrnn.CRF(K)
    own.load_state_dict(crf.state_dict())
    right = {"decoded": 0, "argmax": 0}
    for y, tags in zip(emissions, held_out[1], strict=True):
        right["decoded"] += int((own.decode(y[None])[0] == tags).sum())
        right["argmax"] += int((y.argmax(axis=-1) == tags).sum())
    total = sum(map(len, held_out[1]))
    assert of_chain["accuracy"] == right["decoded"] / total > right["argmax"] / total


@pytest.mark.parametrize("batch_first", [False, True])
def test_the_layout_is_the_models_own(batch_first):
    """The CRF sees the sample first, and the loss is that of a call."""
    x, tags = cyclic_task(20, 0)
    crf = pyrnn.CRF(K, seed=2)
    trainer = pyrnn.Trainer(tagger(batch_first), crf, optim.SGD(0.1))
    sums = [
        -crf.log_likelihood(y[None], wanted[None])[0]
        for y, wanted in zip(trainer.predict(x), tags, strict=True)
    ]
    value = trainer.evaluate((x, tags))["loss"]
    assert value == pytest.approx(np.sum(sums) / sum(map(len, tags)), rel=1e-5)


@pytest.mark.parametrize("kind", ["crf", "ctc"])
def test_resumed_training_equals_training_that_went_on(kind, tmp_path):
    """With clipping, accumulation, dropout, averaged weights and early stopping, to the bit."""

    def make(epochs, **options):
        model = tagger(dropout=0.2)
        if kind == "crf":
            loss, task = pyrnn.CRF(K, seed=2), cyclic_task(40, 0)
        else:
            x, tags = cyclic_task(40, 0)
            loss, task = losses.CTC(zero_infinity=True), (x, [t[:2] % 3 + 1 for t in tags])
        parameters = [*model.parameters(), *(loss.parameters() if kind == "crf" else ())]
        ema = optim.EMA(parameters, decay=0.9)
        extra = {"ema": ema, "clip_norm": 1.0, "accumulate": 2}
        stopping = pyrnn.EarlyStopping(monitor="loss", patience=50, restore_best=False)
        trainer = fit(
            model, loss, task, epochs, trainer_options=extra, callbacks=[stopping], **options
        )
        return state_of(trainer), ema.state_dict()["averages"], trainer.history.loss

    whole = make(6)
    options = {"checkpoint": tmp_path / "checkpoint", "checkpoint_every": 2}
    make(3, **options)
    resumed = make(6, resume=True, **options)
    assert_same_bits(resumed[:2], whole[:2])
    assert resumed[2] == whole[2]
    assert len(whole[1]) == len(whole[0])
    assert ("loss.transitions" in whole[0]) == (kind == "crf")


def test_early_stopping_restores_the_crf_too():
    task, crf, seen = cyclic_task(40, 0), pyrnn.CRF(K, seed=2), []

    class Keeping(pyrnn.Callback):
        def on_epoch_end(self, trainer):
            seen.append(crf.transitions.data.copy())

    stopping = pyrnn.EarlyStopping(monitor="loss", mode="max", patience=2, restore_best=True)
    trainer = fit(tagger(), crf, task, epochs=5, callbacks=[Keeping(), stopping])
    assert len(trainer.history) == 3 and stopping.best_epoch == 1
    assert_same_bits(crf.transitions.data, seen[0])


def test_accumulated_batches_are_one_large_batch():
    """The gradient of the CRF's parameters is the mean over all real steps, too."""
    results = []
    for batch_size, accumulate in ((8, 1), (2, 4)):
        model, crf = tagger(dtype=np.float64), pyrnn.CRF(K, dtype=np.float64, seed=2)
        trainer = pyrnn.Trainer(model, crf, optim.SGD(0.5), accumulate=accumulate)
        trainer.fit(cyclic_task(8, 0), batch_size=batch_size, shuffle=False, progress=False)
        results.append(state_of(trainer))
    for name, values in results[0].items():
        np.testing.assert_allclose(results[1][name], values, atol=1e-12, err_msg=name)


def test_ctc_learns_ragged_targets():
    """Every symbol shows for a few steps; the labels have lengths of their own."""
    rng = np.random.default_rng(0)
    labels = [rng.integers(1, K, n) for n in rng.integers(0, 5, 80)]
    x = []
    for row in labels:
        path = [s for label in row for s in [0] * rng.integers(1, 3) + [label] * rng.integers(1, 4)]
        path = [*path, 0]
        x.append((3 * np.eye(K)[path] + 0.3 * rng.standard_normal((len(path), K))).astype("f4"))
    model = pyrnn.Sequential(pyrnn.GRU(K, 12, seed=0), pyrnn.Linear(12, K, seed=1))
    trainer = fit(model, losses.CTC(), (x, labels), epochs=15)
    assert trainer.history.loss[-1] < 0.2 * trainer.history.loss[0]
    right = 0
    for y, wanted in zip(trainer.predict(x), labels, strict=True):
        ((found, _),) = pyrnn.ctc_greedy(y[None])
        ((beam, _), *_) = pyrnn.ctc_beam(y[None], beam_width=4)[0]
        right += list(found) == list(wanted) == list(beam)
    assert right >= 0.9 * len(labels)


def test_targets_of_ctc_as_arrays_and_with_lengths():
    """(N, S) arrays of labels, padded x with lengths, and lists give the same loss."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 9, K)).astype(np.float32)
    labels, lengths = rng.integers(1, K, (6, 2)), np.array([9, 8, 7, 6, 5, 4])
    trainer = pyrnn.Trainer(tagger(), losses.CTC(), optim.SGD(0.1))
    value = trainer.evaluate((x, labels, lengths))["loss"]
    ragged = [row[:n] for row, n in zip(x, lengths, strict=True)]
    assert trainer.evaluate((ragged, list(labels)))["loss"] == value
    assert trainer.evaluate((x, [*labels[:5], labels[5][:1]], lengths))["loss"] != value


def test_what_does_not_fit():
    x, tags = cyclic_task(6, 0)
    trainer = pyrnn.Trainer(tagger(), pyrnn.CRF(K), optim.SGD(0.1))
    with pytest.raises(ValueError, match=r"Trainer: train: CRF: target\[\d+, \d+\] is 9, expected"):
        trainer.fit((x, [np.full_like(t, 9) for t in tags]), progress=False)
    one_way = pyrnn.Sequential(pyrnn.LSTM(K, 5), pyrnn.Linear(5, K))
    for loss in (pyrnn.CRF(K), losses.CTC()):
        with pytest.raises(ValueError, match="tbptt cuts sequences"):
            pyrnn.Trainer(one_way, loss, optim.SGD(0.1)).fit((x, tags), tbptt=3, progress=False)
    ctc = pyrnn.Trainer(tagger(), losses.CTC(), optim.SGD(0.1))
    with pytest.raises(ValueError, match=r"Trainer: train: CTC: target\[0\] has 3 labels, .*row 0"):
        ctc.fit(([x[0][:2], *x[1:]], [[1, 1, 2]] + [[1]] * 5), progress=False)
    metrics = [pyrnn.metrics.Accuracy()]
    ctc = pyrnn.Trainer(tagger(), losses.CTC(), optim.SGD(0.1), metrics=metrics)
    with pytest.raises(ValueError, match="Accuracy compares step by step, and the targets of CTC"):
        ctc.fit((x, [[1]] * 6), progress=False)
    last = pyrnn.Sequential(pyrnn.LSTM(K, 5), pyrnn.LastStep(), pyrnn.Linear(5, K))
    with pytest.raises(ValueError, match="CTC: y has shape"):
        pyrnn.Trainer(last, losses.CTC(), optim.SGD(0.1)).fit((x, [[1]] * 6), progress=False)
    mask = np.ones((K, K), bool)
    mask[0, 1] = False
    constrained = pyrnn.Trainer(tagger(), pyrnn.CRF(K, constraints=mask), optim.SGD(0.1))
    long = np.zeros((1, 5000, K), np.float32)  # looked at whole before the first step
    target = np.zeros((1, 5000), int)
    target[0, 4096] = 1
    with pytest.raises(ValueError, match="row 0 breaks the constraints at step 4096"):
        constrained.fit((long, target), progress=False)
