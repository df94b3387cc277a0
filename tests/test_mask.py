"""Promise: what the loss, the lengths or a mask leave out counts for nobody."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, metrics
from test_layouts import both_layouts
from test_losses import LOSSES, each_loss
from training import Right, make_trainer

N, T, C = 9, 7, 5


@pytest.fixture
def ids(rng):
    """Ids (N, T), classes of each step, and lengths, of which one is 0 and one T."""
    lengths = np.array([T, 3, 0, 5, 1, 6, 2, 4, 5])
    return rng.integers(0, C, (N, T)), rng.integers(0, C, (N, T)), lengths


def tagger(batch_first=True):
    parts = pyrnn.Embedding(C, 4, seed=0), pyrnn.GRU(4, 6, seed=1), pyrnn.Linear(6, C, seed=2)
    return pyrnn.Sequential(*parts, batch_first=batch_first)


def measured(logits, target, counts):
    """Loss, accuracy, macro F1 and perplexity of the elements that count, by numpy."""
    logits, target = logits[counts].astype(np.float64), target[counts]
    nll = np.log(np.exp(logits).sum(axis=-1)) - logits[np.arange(len(target)), target]
    told = logits.argmax(axis=-1)
    table = np.array([[((told == a) & (target == b)).sum() for b in range(C)] for a in range(C)])
    either = table.sum(axis=0) + table.sum(axis=1)
    f1 = (2 * np.diag(table)[either > 0] / either[either > 0]).mean()
    return nll.mean(), (told == target).mean(), f1, np.exp(nll.mean())


ALL = [metrics.Accuracy(), metrics.F1("macro"), metrics.Perplexity()]


@both_layouts
@pytest.mark.parametrize("ignored", [0, 3, 99])
@pytest.mark.parametrize("form", ["padded", "list", "full"])
def test_metrics_count_what_the_loss_counts(batch_first, ignored, form, ids, rng):
    x, target, lengths = ids
    target[rng.random(target.shape) < 0.3] = ignored
    full = form == "full"
    counts = (target != ignored) & (full | (np.arange(T) < lengths[:, None]))
    data = {
        "padded": (x, target, lengths),
        "list": tuple([row[:n] for row, n in zip(a, lengths, strict=True)] for a in (x, target)),
        "full": (x, target),
    }[form]
    model = tagger(batch_first)
    logits = model.predict(x, None if full else lengths)
    loss = losses.CrossEntropy(ignore_index=ignored)
    trainer = make_trainer(model, pyrnn.optim.SGD(0.0), loss=loss, metrics=ALL)
    for batch_size in (1, 4, 32):
        found = trainer.evaluate(data, batch_size=batch_size)
        assert list(found.values()) == pytest.approx(measured(logits, target, counts), rel=1e-5)
    for tbptt in (None, 3):
        trainer.fit(data, validation=data, batch_size=4, tbptt=tbptt, progress=False)
        for name, value in found.items():
            name = "val_loss" if name == "loss" else name
            assert trainer.history.last(name) == pytest.approx(value, rel=1e-6)


def test_targets_of_whole_sequences_that_are_ignored(ids, rng):
    x, _, lengths = ids
    parts = pyrnn.Embedding(C, 4, seed=0), pyrnn.MeanPool(), pyrnn.Linear(4, C, seed=2)
    model, target = pyrnn.Sequential(*parts), rng.integers(0, C, N)
    loss = losses.CrossEntropy(ignore_index=2, weight=[1, 2, 3, 4, 0.5])
    found = make_trainer(model, loss=loss, metrics=ALL).evaluate((x, target, lengths), batch_size=4)
    logits, counts = model.predict(x, lengths), target != 2
    assert 0 < counts.sum() < N
    assert list(found.values())[1:] == pytest.approx(measured(logits, target, counts)[1:], rel=1e-5)


def test_ignored_words_of_targets_of_their_own_lengths(rng):
    model = pyrnn.Seq2Seq(C, C, 4, 6, bos=1, eos=2, seed=0)
    sources, targets = [[3, 4, 3], [4], [3, 3]], [[4, 3], [], [3, 4, 4, 0]]
    loss = losses.CrossEntropy(ignore_index=4)
    trainer = make_trainer(model, loss=loss, metrics=ALL)
    logits = np.concatenate(
        [
            model([a], np.array([b], np.int64).reshape(1, -1))[0]
            for a, b in zip(sources, targets, strict=True)
        ]
    )
    wanted = np.concatenate([[*b, 2] for b in targets])
    expected = measured(logits, wanted, wanted != 4)
    for batch_size in (1, 3):
        found = trainer.evaluate((sources, targets), batch_size=batch_size)
        assert list(found.values()) == pytest.approx(expected, rel=1e-5)


class Bias(metrics.Metric):
    """A metric of the user's own: the mean error of whatever is the model's first feature."""

    name = "bias"

    def reset(self):
        self.errors = []

    @property
    def value(self):
        return float(np.concatenate(self.errors).mean())

    def add(self, y, target, lengths):
        self.errors.append((y[..., 0] - target)[self.real(target, lengths)])


def test_a_metric_of_ones_own_counts_the_same(ids, rng):
    x, target, lengths = ids
    loss = losses.CrossEntropy(ignore_index=1)
    model, counts = tagger(), (np.arange(T) < lengths[:, None]) & (target != 1)
    expected = (model.predict(x, lengths)[..., 0] - target)[counts].mean()
    trainer = make_trainer(model, loss=loss, metrics=[Bias()])
    assert trainer.evaluate((x, target, lengths), batch_size=4)["bias"] == pytest.approx(
        expected, rel=1e-5
    )
    # Of a target without an axis for the loss's several numbers:
    model = pyrnn.Sequential(pyrnn.Embedding(C, 2, seed=0))
    trainer = make_trainer(model, loss=losses.Quantile([0.1, 0.9]), metrics=[Bias()])
    real, y = np.arange(T) < lengths[:, None], rng.random((N, T))
    expected = (model(x)[..., 0] - y)[real].mean()
    assert trainer.evaluate((x, y, lengths), batch_size=4)["bias"] == pytest.approx(
        expected, rel=1e-5
    )


def test_a_metric_that_cannot_be_told_is_refused_where_it_matters(ids):
    x, target, lengths = ids
    trainer = make_trainer(tagger(), loss=losses.CrossEntropy(ignore_index=1), metrics=[Right()])
    with pytest.raises(ValueError, match=r"data: CrossEntropy leaves out .*Right\.update\(y, targ"):
        trainer.evaluate((x, target, lengths))
    rest = np.where(target == 1, 0, target)
    trainer.fit((x, target, lengths), validation=(x, rest, lengths), progress=False)
    assert (
        trainer.history.last("right") == trainer.evaluate((x, rest, lengths), batch_size=2)["right"]
    )


@pytest.mark.parametrize("metric", [metrics.MAE(), metrics.MASE(2)])
def test_lengths_and_a_mask_with_holes_together(metric, rng):
    y, target = rng.standard_normal((2, N, T, 2))
    mask, lengths = rng.random((N, T)) < 0.6, rng.integers(0, T + 1, N)
    counts = mask & (np.arange(T) < lengths[:, None])
    pairs = counts[:, 2:] & counts[:, :-2]  # a season is two steps
    scale = np.abs(target[:, 2:] - target[:, :-2])[pairs].mean() if metric.name == "mase" else 1
    metric.update(y, target, lengths, np.repeat(mask[..., None], 2, axis=2))
    assert metric.value == pytest.approx(np.abs(y - target)[counts].mean() / scale, rel=1e-12)
    before = metric.value
    metric.update(np.full_like(y, np.nan), target * np.nan, mask=np.zeros((N, T), bool))
    assert metric.value == before
    for bad, error in ((mask.astype(int), TypeError), (mask[:, 1:], ValueError), ("a", TypeError)):
        with pytest.raises(error, match=f"{type(metric).__name__}: mask"):
            metric.update(y, target, lengths, bad)
        assert metric.value == before


@both_layouts
@pytest.mark.parametrize(
    ("pool", "by_hand"),
    [
        (pyrnn.SumPool, lambda steps: steps.sum(axis=0)),
        (pyrnn.MeanPool, lambda steps: steps.mean(axis=0)),
        (pyrnn.MaxPool, lambda steps: steps.max(axis=0)),
        (pyrnn.LastStep, lambda steps: steps[-1]),
        (lambda **o: pyrnn.LastStep(bidirectional=True, **o), lambda s: [*s[-1, :2], *s[0, 2:]]),
    ],
)
def test_pools_under_a_mask_with_holes(batch_first, pool, by_hand, rng):
    """They read what is real, and send nothing back to what is not."""
    x, mask = rng.standard_normal((3, 6, 4)), rng.random((3, 6)) < 0.5
    mask[0] = False
    x[~mask] = np.nan
    pool = pool(batch_first=batch_first)
    given, where = (x, mask) if batch_first else (x.swapaxes(0, 1), mask.T)
    y, pullback = pool.vjp(given, mask=where)
    assert_same_bits(y, pool(given, mask=where))
    expected = [by_hand(row[real]) for row, real in zip(x[1:], mask[1:], strict=True)]
    np.testing.assert_allclose(y, [np.zeros(4), *expected], rtol=1e-12)
    dx = pullback(np.ones_like(y))
    dx = dx if batch_first else dx.swapaxes(0, 1)
    assert not dx[~mask].any()
    each = mask.sum(axis=1, keepdims=True) if type(pool) is pyrnn.SumPool else 1.0
    np.testing.assert_allclose(dx.sum(axis=1)[1:], (each * np.ones((3, 4)))[1:], rtol=1e-12)
    one, back = pool.vjp(x[1], mask=mask[1])
    assert_same_bits(one, y[1])
    assert_same_bits(back(np.ones(4)), dx[1])
    with pytest.raises(ValueError, match="lengths and mask are both given"):
        pool(given, [1, 2, 3], where)


@each_loss
def test_losses_under_a_mask_with_holes(name, rng):
    """The mean over what is real, as of these elements alone; the rest gets no gradient."""
    loss, classes = LOSSES[name][0](), name == "CrossEntropy"
    wide = getattr(loss, "per_target", 1)
    y = rng.standard_normal((4, 6, 3 * wide))
    target = rng.integers(0, 3, (4, 6)) if classes else rng.random((4, 6, 3))
    mask, lengths = rng.random((4, 6)) < 0.6, [6, 4, 0, 5]
    real = mask & (np.arange(6) < np.array(lengths)[:, None])
    expected, pullback = loss.vjp(y[real], target[real])
    dy = pullback()
    y[~real] = np.nan
    target[~real] = 99 if classes else np.nan
    value, pullback = loss.vjp(y, target, lengths, mask=mask)
    assert value == pytest.approx(expected, rel=1e-12)
    assert value == loss(y, target, lengths, mask=mask)
    found = pullback()
    assert not found[~real].any()
    np.testing.assert_allclose(found[real], dy, rtol=1e-12)
    with pytest.raises(ValueError, match=f"{type(loss).__name__}: mask has shape"):
        loss(y, target, mask=mask[:3])


def test_what_a_loss_counts_has_the_shape_of_its_target(rng):
    lengths, real = [2, 0, 3], np.arange(3) < np.array([[2], [0], [3]])
    for loss, y_shape, target in (
        (losses.MSE(), (3, 3, 1), rng.random((3, 3))),
        (losses.BCEWithLogits(), (3, 3, 1), np.ones((3, 3, 1))),
        (losses.GaussianNLL(), (3, 3, 4), rng.random((3, 3, 2))),
        (losses.CrossEntropy(), (3, 3, 4), np.ones((3, 3), int)),
        (pyrnn.CRF(4, seed=0), (3, 3, 4), np.ones((3, 3), int)),
    ):
        counted = loss.counted(y_shape, target, lengths)
        assert counted.dtype == bool and counted.shape == target.shape
        assert_same_bits(counted.reshape(3, 3, -1)[..., 0], real)
    counted = losses.CTC().counted((3, 3, 4), [[1, 2], [], [3, 1]], lengths)
    assert counted.tolist() == [True] * 3
    assert losses.CrossEntropy(ignore_index=1).counted((2, 4), [1, 3]).tolist() == [False, True]
