"""Promise: metrics are exact over any batches, and padding never counts."""

import copy
import pickle

import numpy as np
import pytest

from pyrnn import metrics


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_of_regressions(dtype, rng):
    y, target = (rng.standard_normal((4, 6, 2)).astype(dtype) for _ in range(2))
    lengths = np.array([6, 0, 3, 1])
    real = np.arange(6) < lengths[:, None]
    error = (y.astype(np.float64) - target)[real]
    for metric, expected in (
        (metrics.MAE(), np.abs(error).mean()),
        (metrics.RMSE(), np.sqrt((error**2).mean())),
    ):
        metric.update(y, target, lengths)
        assert metric.value == pytest.approx(expected, rel=1e-14)
        assert repr(metric) == f"{type(metric).__name__}(value={expected:.4g})"


def test_mase_of_the_training_series(rng):
    """Hyndman & Koehler 2006, by hand: differences 1, 2, 3 and, two apart, 3, 5."""
    series = [0.0, 1.0, 3.0, 6.0]
    y, target = np.array([1.0, 2.0]), np.array([2.0, 5.0])  # errors 1 and 3
    for m, scale in ((1, 2.0), (2, 4.0)):
        metric = metrics.MASE(m, train=series)
        metric.update(y, target)
        assert metric.value == 2.0 / scale
        metric.reset()
        metric.update(y, target)
        assert metric.value == 2.0 / scale
    several = metrics.MASE(train=[np.array([0.0, 1.0]), np.array([0.0, 3.0, 6.0])])
    several.update(y, target)
    assert several.value == pytest.approx(2.0 / (7 / 3))
    table = metrics.MASE(train=np.array([[0.0, 1.0], [5.0, 2.0]]))
    table.update(y, target)
    assert table.value == 1.0


def test_mase_of_the_targets(rng):
    y, target, lengths = rng.random((3, 6)), rng.random((3, 6)), [6, 2, 3]
    errors = np.concatenate([np.abs(y - target)[b, :n] for b, n in enumerate(lengths)])
    naive = np.concatenate(
        [np.abs(target[b, 2:n] - target[b, : n - 2]) for b, n in enumerate(lengths)]
    )
    metric = metrics.MASE(2)
    metric.update(y, target, lengths)
    assert metric.value == pytest.approx(errors.mean() / naive.mean(), rel=1e-14)
    flat = metrics.MASE()
    flat.update(y, np.ones_like(y))
    assert flat.value == np.inf


CASES = {
    "Accuracy": (metrics.Accuracy, "classes"),
    "F1": (lambda **o: metrics.F1("macro", **o), "classes"),
    "Precision": (lambda **o: metrics.Precision("macro", **o), "classes"),
    "Recall": (lambda **o: metrics.Recall("weighted", **o), "classes"),
    "AUC": (metrics.AUC, "classes"),
    "EntityF1": (lambda **o: metrics.EntityF1(["O", "B-A", "I-A", "B-B"], **o), "classes"),
    "EntityPrecision": (
        lambda **o: metrics.EntityPrecision(["O", "B-A", "L-A", "U-B"], "macro", **o),
        "classes",
    ),
    "EntityRecall": (lambda **o: metrics.EntityRecall(["O", "B", "I", "S-B"], **o), "classes"),
    "Perplexity": (metrics.Perplexity, "classes"),
    "MAE": (metrics.MAE, "floats"),
    "MSE": (metrics.MSE, "floats"),
    "R2": (metrics.R2, "floats"),
    "RMSE": (metrics.RMSE, "floats"),
    "MASE": (lambda **o: metrics.MASE(2, **o), "floats"),
}
each_metric = pytest.mark.parametrize("name", CASES)


def draw(name, rng, B=9, T=7, C=4):
    """y, target and lengths with the batch first."""
    y = rng.standard_normal((B, T, C)).astype(np.float32)
    floats = CASES[name][1] == "floats"
    target = rng.random(y.shape, np.float32) if floats else rng.integers(0, C, (B, T))
    return y, target, rng.integers(1, T + 1, B)


@each_metric
def test_any_batches_give_the_same_bits(name, rng):
    """One batch, several, and sequences alone without their padding."""
    y, target, lengths = draw(name, rng)
    values = []
    for cuts in ([slice(0, 9)], [slice(0, 4), slice(4, 5), slice(5, 9)]):
        metric = CASES[name][0]()
        for cut in cuts:
            metric.update(y[cut], target[cut], lengths[cut])
        values.append(metric.value)
    alone = CASES[name][0]()
    for b, n in enumerate(lengths):
        alone.update(y[b : b + 1, :n], target[b : b + 1, :n])
    assert values == [alone.value] * 2


@each_metric
def test_padding_is_never_read(name, rng):
    y, target, lengths = draw(name, rng)
    metric, poisoned = CASES[name][0](), CASES[name][0]()
    metric.update(y, target, lengths)
    padding = np.arange(7) >= lengths[:, None]
    y[padding] = np.nan
    target[padding] = np.nan if CASES[name][1] == "floats" else 99
    poisoned.update(y, target, lengths)
    assert poisoned.value == metric.value


@each_metric
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_go_on_alone(name, copied, rng):
    y, target, lengths = draw(name, rng)
    metric = CASES[name][0]()
    metric.update(y, target, lengths)
    before, twin = metric.value, copied(metric)
    twin.update(-y, target, lengths)
    assert metric.value == before != twin.value


@each_metric
def test_bad_input_adds_nothing(name, rng):
    y, target, lengths = draw(name, rng)
    metric = CASES[name][0]()
    metric.update(y, target, lengths)
    before, spoilt = metric.value, target.copy()
    spoilt[1, 0] = np.nan if CASES[name][1] == "floats" else 4
    for bad in (
        (y, target[:, :2], None),
        (y, spoilt, None),
        (y, target, lengths[:2]),
        (y, target, lengths + 7),
        (y.astype(int), target, lengths),
        (y, "x", lengths),
    ):
        with pytest.raises((TypeError, ValueError), match="|".join(CASES)):
            metric.update(*bad)
        assert metric.value == before


def test_bad_options_and_classes():
    for cls in (metrics.F1, metrics.Precision, metrics.Recall, metrics.AUC):
        with pytest.raises(ValueError, match="average is 'mean', expected one of"):
            cls("mean")
    with pytest.raises(ValueError, match="positive is 2 and average 'macro'"):
        metrics.F1("macro", positive=2)
    with pytest.raises(ValueError, match="positive is 3, and y has 3 classes"):
        metrics.Recall(positive=3).update(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ValueError, match="3 classes, expected 2"):
        metrics.F1().update(np.zeros((2, 3)), [0, 1])
    macro = metrics.F1("macro")
    macro.update(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ValueError, match="4 classes, those before had 3"):
        macro.update(np.zeros((2, 4)), [0, 1])
    with pytest.raises(ValueError, match=r"target\[1\] is 0.5"):
        metrics.Accuracy().update(np.zeros(2), [0.0, 0.5])
    for series in ([1.0, 2.0], [[1.0, np.nan, 2.0]], [1.0]):
        with pytest.raises(ValueError, match="MASE"):
            metrics.MASE(2, train=series)
    with pytest.raises(ValueError, match="time axis"):
        metrics.MASE().update(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="seasonality"):
        metrics.MASE(0)
