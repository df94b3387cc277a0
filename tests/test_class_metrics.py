"""Promise: accuracy, F1 and perplexity are what their definitions count."""

import numpy as np
import pytest

from pyrnn import losses, metrics


def counts(predicted, target, c):
    """(true positives, false positives, false negatives) of class c."""
    return tuple(
        int(np.sum(which))
        for which in (
            (predicted == c) & (target == c),
            (predicted == c) & (target != c),
            (predicted != c) & (target == c),
        )
    )


def f1(predicted, target, c):
    tp, fp, fn = counts(predicted, target, c)
    precision, recall = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    return 2 * precision * recall / (precision + recall) if tp else 0.0


def classes_problem(rng, C=5):
    """Scores (N, T, C) with some right, targets, lengths and which are real."""
    target, lengths = rng.integers(0, C - 1, (4, 6)), np.array([6, 0, 3, 1])
    y = rng.standard_normal((4, 6, C)) + 2 * np.eye(C)[target]
    return y, target, lengths, np.arange(6) < lengths[:, None]


def test_accuracy(rng):
    y, target, lengths, real = classes_problem(rng)
    metric = metrics.Accuracy()
    assert metric.name == "accuracy" and np.isnan(metric.value)
    metric.update(y, target, lengths)
    expected = (y.argmax(-1) == target)[real]
    assert metric.value == expected.mean() and 0.2 < metric.value < 1
    metric.update(y[0], y[0].argmax(-1))
    assert metric.value == (expected.sum() + 6) / (expected.size + 6)
    metric.reset()
    assert np.isnan(metric.value)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_f1_of_many_classes(average, rng):
    """Class 4 is never true; with real elements alone it may not occur at all."""
    y, target, lengths, real = classes_problem(rng)
    metric = metrics.F1(average)
    metric.update(y, target, lengths)
    predicted, true = y.argmax(-1)[real], target[real]
    occurring = sorted(set(predicted) | set(true))
    if average == "macro":
        assert metric.value == pytest.approx(np.mean([f1(predicted, true, c) for c in occurring]))
    else:
        assert metric.value == (predicted == true).mean()
    assert metric.name == f"f1_{average}"


@pytest.mark.parametrize("last", [(), (1,)])
def test_binary_classes(last, rng):
    """From two scores, or from logits of class 1; targets as integers or whole floats."""
    logits, target = rng.standard_normal(50), rng.integers(0, 2, 50)
    expected = f1(logits > 0, target, 1)
    for y, t in (
        (np.stack([np.zeros(50), logits], -1), target),
        (logits.reshape(50, *last), target),
        (logits.reshape(50, *last), target.astype(np.float64)),
    ):
        metric, accuracy = metrics.F1(), metrics.Accuracy()
        metric.update(y, t)
        accuracy.update(y, t)
        assert metric.value == pytest.approx(expected)
        assert accuracy.value == ((logits > 0) == target).mean()
    assert metrics.F1().name == "f1"


def test_targets_that_are_no_whole_numbers():
    """The error names what came; padding may hold anything."""
    target = np.array([[1.0, 0.3], [np.nan, 0.0]], np.float32)
    for make in (lambda: metrics.Accuracy(ignore_index=-1), metrics.F1, metrics.AUC):
        for y in (np.zeros((2, 2)), np.zeros((2, 2, 2))):
            metric = make()
            with pytest.raises(ValueError, match=r"target\[0, 1\] is 0\.3, expected whole class"):
                metric.update(y, target)
            with pytest.raises(ValueError, match=r"target\[1, 0\] is nan, expected whole class"):
                metric.update(y, target.round(), [0, 2])
            metric.update(y, target, [1, 0])


def test_f1_without_a_true_positive_is_zero():
    metric = metrics.F1()
    metric.update(np.array([-1.0, 1.0]), [1, 0])
    assert metric.value == 0
    metric.reset()
    metric.update(np.array([-1.0, -1.0]), [0, 0])
    assert np.isnan(metric.value)


def test_nan_predicts_no_class():
    y = np.array([[1.0, np.nan, 0.0], [0.0, 0.0, 1.0]])
    for metric, expected in ((metrics.Accuracy(), 0.5), (metrics.F1("micro"), 2 / 3)):
        metric.update(y, [1, 2])
        assert metric.value == pytest.approx(expected)
    binary = metrics.Accuracy()
    binary.update(np.array([np.nan, 1.0]), [0, 1])
    assert binary.value == 0.5


def test_perplexity(rng):
    y, target, lengths, real = classes_problem(rng)
    metric, uniform = metrics.Perplexity(ignore_index=2), metrics.Perplexity()
    metric.update(y, target, lengths)
    kept = real & (target != 2)
    nll = losses.CrossEntropy()(y[kept], target[kept])
    assert metric.value == pytest.approx(np.exp(nll), rel=1e-14)
    uniform.update(np.zeros((3, 7), np.float32), [0, 1, 2])
    assert uniform.value == pytest.approx(7, rel=1e-6)
    uniform.update(np.array([[0.0, 1e6]], np.float32), [0])
    assert uniform.value == np.inf
