"""Promise: a Trainer weights samples and steps, and follows the sum of a loss as its mean."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses
from training import make_trainer, padded, ragged_series, regressor

X, TARGET = ragged_series(N=30)
(WIDE, LENGTHS), WIDE_TARGET = padded(X), padded(TARGET)[0]
RNG = np.random.default_rng(3)
BY_SAMPLE = RNG.integers(0, 4, 30)
BY_STEP = [RNG.random(len(x)) for x in X]


def trainer(loss=None, **options):
    model = pyrnn.Sequential(
        pyrnn.GRU(2, 5, dtype=np.float64, seed=0), pyrnn.Linear(5, 1, dtype=np.float64, seed=1)
    )
    options = {"metrics": ["mae"]} | options
    optimizer = pyrnn.optim.SGD(0.05)
    return make_trainer(model, optimizer, loss or losses.MSE(), **options)


def results(t, *data, **options):
    options = {"epochs": 2, "batch_size": 7, "progress": False} | options
    history = t.fit(*data, **options)
    return history.loss, history.val_loss, history.metrics, t.model.state_dict()


def assert_same(one, other):
    assert repr(one[:3]) == repr(other[:3])  # NaN is NaN
    assert_same_bits(one[3], other[3])


def assert_close(one, other):
    np.testing.assert_allclose(one[0], other[0], rtol=1e-12)
    for name, weight in one[3].items():
        np.testing.assert_allclose(weight, other[3][name], rtol=1e-10, atol=1e-14)


def test_a_sample_of_weight_2_is_there_twice():
    rows = np.repeat(np.arange(30), BY_SAMPLE)
    whole = {"batch_size": 100, "shuffle": False}
    copies = [X[i] for i in rows], [TARGET[i] for i in rows]
    expected = results(trainer(), *copies, **whole)
    found = results(trainer(), X, TARGET, sample_weight=BY_SAMPLE, **whole)
    assert_close(found, expected)
    t = trainer()
    weighted = t.evaluate(X, TARGET, sample_weight=BY_SAMPLE, batch_size=4)
    assert weighted["loss"] == pytest.approx(t.evaluate(*copies)["loss"], rel=1e-12)
    kept = np.flatnonzero(BY_SAMPLE)
    unweighted = t.evaluate([X[i] for i in kept], [TARGET[i] for i in kept])
    assert weighted["mae"] == pytest.approx(unweighted["mae"], rel=1e-12)


@pytest.mark.parametrize("weight", ["sample", "step"])
@pytest.mark.parametrize("options", [{}, {"validation": 0.3}, {"tbptt": 3}], ids=str)
def test_forms_of_data(weight, options):
    """Lists, padded arrays, tuples and datasets; shuffled, bucketed and cut with the samples."""
    ragged, dense = {
        "sample": (BY_SAMPLE.tolist(), BY_SAMPLE),
        "step": (BY_STEP, padded(BY_STEP)[0]),
    }[weight]
    if weight == "step":
        dense = np.where(np.arange(dense.shape[1]) < LENGTHS[:, None], dense, np.nan)
    expected = results(trainer(), X, TARGET, sample_weight=ragged, **options)
    assert expected[3]["1.bias"] != results(trainer(), X, TARGET, **options)[3]["1.bias"]
    dataset = pyrnn.SequenceDataset(X, TARGET, sample_weight=ragged)
    for data, given in (
        ((WIDE, WIDE_TARGET), {"lengths": LENGTHS, "sample_weight": dense}),
        (((WIDE, WIDE_TARGET, LENGTHS),), {"sample_weight": ragged}),
        ((dataset,), {}),
        ((X, TARGET), {"sample_weight": dense}),
    ):
        assert_same(results(trainer(), *data, **given, **options), expected)


def test_weights_that_are_a_mask_are_a_mask():
    """0 leaves out steps whose target is not known, in the loss and in the metrics."""
    known = [RNG.random(len(x)) < 0.7 for x in X]
    gaps = [np.where(k[:, None], t, np.nan) for t, k in zip(TARGET, known, strict=True)]
    weight = [k.astype(float) for k in known]
    t = trainer()
    results(t, X, gaps, sample_weight=weight, validation=0.2)
    found = t.evaluate(X, gaps, sample_weight=weight)
    errors = np.concatenate([(y - g)[k] for y, g, k in zip(t.predict(X), gaps, known, strict=True)])
    assert found["mae"] == pytest.approx(np.abs(errors).mean())
    assert found["loss"] == pytest.approx(np.square(errors).mean())


def test_the_sum_makes_larger_steps_and_is_reported_as_the_mean():
    mean, total = trainer(), trainer(losses.MSE(reduction="sum"))
    for t in (mean, total):
        t.optimizer.lr = 1e-3
    assert total.evaluate(X, TARGET) == pytest.approx(mean.evaluate(X, TARGET))
    steps = sum(map(len, X))
    total.optimizer.lr /= steps
    whole = {"batch_size": 100, "epochs": 3}
    assert_close(results(total, X, TARGET, **whole), results(mean, X, TARGET, **whole))
    pieces = trainer(losses.MSE(reduction="sum"), accumulate=5)
    pieces.optimizer.lr = 1e-3 / steps
    other = trainer(losses.MSE(reduction="sum"))
    other.optimizer.lr = 1e-3 / steps
    found = results(pieces, X, TARGET, batch_size=6, epochs=3, shuffle=False)
    assert_close(found, results(other, X, TARGET, batch_size=30, epochs=3, shuffle=False))


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [(losses.Quantile, 3), (losses.GaussianNLL, 2), (losses.StudentTNLL, 3)],
)
def test_the_sum_of_several_numbers_for_each_target_is_reported_as_the_mean(kind, outputs):
    found = []
    for reduction in ("mean", "sum"):
        model = pyrnn.Sequential(pyrnn.GRU(2, 5, seed=0), pyrnn.Linear(5, outputs, seed=1))
        t = make_trainer(model, pyrnn.optim.SGD(1e-9), kind(reduction=reduction))
        found.append([*results(t, X, TARGET, validation=0.2)[:2], t.evaluate(X, TARGET)["loss"]])
    for mean, total in zip(*found, strict=True):
        assert total == pytest.approx(mean, rel=1e-5)


def test_resumed_to_the_bit_and_compared(tmp_path):
    options = {"sample_weight": BY_STEP, "checkpoint": tmp_path / "c"}
    whole = results(trainer(), X, TARGET, sample_weight=BY_STEP, epochs=3)
    results(trainer(), X, TARGET, **options, epochs=1)
    resumed = results(trainer(), X, TARGET, **options, epochs=3, resume=True)
    assert_same(resumed, whole)
    with pytest.raises(ValueError, match="fingerprint"):
        results(trainer(), X, TARGET, **options | {"sample_weight": BY_SAMPLE}, resume=True)
    with pytest.raises(ValueError, match="reduction"):
        results(trainer(losses.MSE(reduction="sum")), X, TARGET, **options, resume=True)


def test_probabilities_as_targets():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3)).astype(np.float32)
    soft = rng.dirichlet(np.ones(4), 40)
    models = [pyrnn.Linear(3, 4, seed=0) for _ in range(2)]
    t = make_trainer(models[0], metrics=["accuracy"])
    history = t.fit(x, soft, validation=(x, soft), epochs=30, progress=False)
    assert history.loss[-1] < history.loss[0]
    hard = soft.argmax(axis=1)
    assert t.evaluate(x, soft)["accuracy"] == (t.predict(x).argmax(axis=1) == hard).mean()
    steps = pyrnn.Sequential(pyrnn.GRU(2, 4, seed=0))
    targets = [rng.dirichlet(np.ones(4), len(series)) for series in X]
    make_trainer(steps, metrics=["accuracy"]).fit(X, targets, progress=False)
    with pytest.raises(TypeError, match="expected integers, the classes, or probabilities"):
        make_trainer(models[1]).fit(x, hard.astype(float), progress=False)


def test_structured_losses_take_weights_of_sequences():
    tags = [(np.arange(len(x)) % 3) for x in X]
    weight = np.where(BY_SAMPLE > 0, BY_SAMPLE, 0.5)
    for loss, target in (
        (lambda: pyrnn.CRF(3, seed=0), tags),
        (lambda: losses.CTC(zero_infinity=True), [[1]] * 30),
    ):
        found = []
        for given in ({}, {"sample_weight": weight}):
            model = pyrnn.Sequential(pyrnn.GRU(2, 3, seed=0))
            t = make_trainer(model, loss=loss())
            t.fit(X, target, progress=False, **given)
            found.append(t.evaluate(X, target, **given)["loss"])
        assert found[0] != found[1]
        before = t.model.state_dict()
        with pytest.raises(ValueError, match="sample_weight"):
            t.fit(X, target, sample_weight=BY_STEP, progress=False)
        assert_same_bits(t.model.state_dict(), before)


@pytest.mark.parametrize(
    ("weight", "error", "words"),
    [
        (np.ones(29), ValueError, r"sample_weight has shape \(29,\), expected \(30, ...\)"),
        (-np.ones(30), ValueError, r"sample_weight\[.*\] is -1"),
        (np.full(30, np.nan), ValueError, r"sample_weight\[.*\] is nan"),
        (np.zeros(30), ValueError, "no target counts"),
        (BY_STEP[::-1], ValueError, r"sample_weight\[\d+\] has shape .* one for each step of x"),
        (["a"] * 30, TypeError, "sample_weight"),
        (3, ValueError, "sample_weight"),
        (np.ones(30, bool), TypeError, "sample_weight has dtype bool"),
    ],
)
def test_bad_weights_are_refused_before_the_first_step(weight, error, words):
    t = trainer()
    before = t.model.state_dict()
    for call in (t.fit, t.evaluate):
        with pytest.raises(error, match=words) as raised:
            call(X, TARGET, sample_weight=weight)
        assert str(raised.value).startswith("Trainer: ")
    assert_same_bits(t.model.state_dict(), before)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="reduction 'none', a number for each element"):
        trainer(losses.MSE(reduction="none"))
    dataset = pyrnn.SequenceDataset(X, TARGET)
    with pytest.raises(ValueError, match="sample_weight is given with a dataset"):
        trainer().fit(dataset, sample_weight=BY_SAMPLE)
    last = pyrnn.Sequential(regressor(), pyrnn.LastStep())
    t = make_trainer(last, loss=losses.MSE())
    with pytest.raises(ValueError, match=r"expected \(\): one for each sample"):
        t.fit(X, np.ones((30, 1)), sample_weight=BY_STEP, progress=False)


def test_a_translator_takes_weights_of_pairs():
    sources = [RNG.integers(3, 9, n) for n in RNG.integers(1, 6, 20)]
    targets = [source[::-1] for source in sources]
    weight = np.arange(20) % 3
    rows, whole = np.repeat(np.arange(20), weight), {"batch_size": 99, "shuffle": False}
    found = []
    for data, given in (
        ((sources, targets), {"sample_weight": weight}),
        (([sources[i] for i in rows], [targets[i] for i in rows]), {}),
    ):
        model = pyrnn.Seq2Seq(9, 9, 4, 5, bos=1, eos=2, dtype=np.float64, seed=0)
        t = make_trainer(model, pyrnn.optim.SGD(0.5), losses.CrossEntropy())
        found.append(results(t, *data, **given, **whole))
    assert_close(*found)
