"""Promise: Precision, Recall, F1, AUC, R2 and MSE are scikit-learn's, in one batch or many."""

import numpy as np
import pytest

from pyrnn import metrics

sklearn = pytest.importorskip("sklearn.metrics")

N, T, C = 12, 9, 5
LENGTHS = np.array([9, 1, 0, 4, 9, 3, 2, 7, 8, 5, 1, 6])
REAL = np.arange(T) < LENGTHS[:, None]


def problem(rng, classes=C):
    """Scores and targets; class 3 is never true, class 4 neither true nor predicted."""
    target = rng.integers(0, min(classes, 3), (N, T))
    y = rng.standard_normal((N, T, classes)) + 1.5 * np.eye(classes)[target]
    y[..., 4:] = -9
    return y, target


def measured(metric, y, target):
    for cut in (slice(0, 5), slice(5, 6), slice(6, 12)):
        metric.update(y[cut], target[cut], LENGTHS[cut])
    return metric.value


@pytest.mark.parametrize("name", ["Precision", "Recall", "F1"])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_averages_of_classes(name, average, rng):
    y, target = problem(rng)
    score = getattr(sklearn, f"{name.lower()}_score")
    expected = score(target[REAL], y.argmax(-1)[REAL], average=average, zero_division=0)
    metric = getattr(metrics, name)(average)
    assert measured(metric, y, target) == pytest.approx(expected, rel=1e-14)
    assert metric.name == f"{name.lower()}_{average}" and isinstance(metric.value, float)


@pytest.mark.parametrize("name", ["Precision", "Recall", "F1"])
def test_each_class(name, rng):
    y, target = problem(rng)
    score = getattr(sklearn, f"{name.lower()}_score")
    predicted, made = y.argmax(-1)[REAL], getattr(metrics, name)
    expected = score(target[REAL], predicted, average=None, labels=range(C), zero_division=0)
    found = measured(made(average=None), y, target)
    assert np.isnan(found[4]) and predicted.max() == 3  # a class that does not occur
    np.testing.assert_allclose(found[:4], expected[:4], rtol=1e-14)
    for c in range(4):
        one = made(positive=c)
        assert measured(one, y, target) == pytest.approx(expected[c], rel=1e-14)
        assert one.name == f"{name.lower()}_{c}"


@pytest.mark.parametrize("name", ["Precision", "Recall", "F1"])
def test_binary(name, rng):
    y, target = rng.standard_normal((N, T)), rng.integers(0, 2, (N, T))
    expected = getattr(sklearn, f"{name.lower()}_score")(target[REAL], (y > 0)[REAL])
    metric = getattr(metrics, name)()
    assert measured(metric, y, target) == pytest.approx(expected, rel=1e-14)
    assert np.isnan(getattr(metrics, name)().value)
    never = getattr(metrics, name)()
    never.update(np.array([-1.0, -1.0]), np.array([1, 0]))
    assert never.value == 0


@pytest.mark.parametrize("form", ["logits", "column", "two scores"])
def test_auc_of_two_classes(form, rng):
    """With ties, which count half."""
    target = rng.integers(0, 2, (N, T))
    y = np.round(rng.standard_normal((N, T)) + target, 1)
    assert len(np.unique(y[REAL])) < REAL.sum()
    expected = sklearn.roc_auc_score(target[REAL], y[REAL])
    given = {"logits": y, "column": y[..., None], "two scores": np.stack([-y, y], -1)}[form]
    assert measured(metrics.AUC(), given, target) == pytest.approx(expected, rel=1e-14)
    assert measured(metrics.AUC(), given, target.astype(float)) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_auc_one_versus_rest(average, rng):
    y, target = problem(rng, 3)
    softmax = np.exp(y) / np.exp(y).sum(-1, keepdims=True)
    expected = sklearn.roc_auc_score(
        target[REAL], softmax[REAL], multi_class="ovr", average=average
    )
    assert measured(metrics.AUC(average), y, target) == pytest.approx(expected, rel=1e-12)
    each = measured(metrics.AUC(None), y, target)
    for c in range(3):
        alone = sklearn.roc_auc_score(target[REAL] == c, softmax[REAL][:, c])
        assert each[c] == pytest.approx(alone, rel=1e-12)


def test_auc_of_what_cannot_be_ordered():
    metric = metrics.AUC()
    assert np.isnan(metric.value)
    metric.update(np.array([1.0, 2.0]), np.array([1, 1]))
    assert np.isnan(metric.value)  # no other class
    before = len(metric._scores)
    with pytest.raises(ValueError, match="AUC: y has a NaN"):
        metric.update(np.array([1.0, np.nan]), np.array([1, 0]))
    with pytest.raises(ValueError, match="those before had another number"):
        metric.update(np.zeros((2, 3)), np.array([1, 0]))
    assert len(metric._scores) == before
    wide = metrics.AUC()
    wide.update(np.eye(4), np.array([0, 1, 1, 0]))  # classes 2 and 3 are never true
    assert np.isfinite(wide.value)


def test_errors_and_the_share_that_is_explained(rng):
    """Also far from zero, where sums of squares alone would cancel."""
    for offset in (0.0, 1e6):
        target = rng.standard_normal((N, T, 2)) + offset
        y = target + 0.3 * rng.standard_normal((N, T, 2))
        pairs = target[REAL].ravel(), y[REAL].ravel()
        assert measured(metrics.R2(), y, target) == pytest.approx(
            sklearn.r2_score(*pairs), rel=1e-9
        )
        assert measured(metrics.MSE(), y, target) == pytest.approx(
            sklearn.mean_squared_error(*pairs), rel=1e-12
        )
    for target, y, expected in (
        ([2.0, 2.0], [2.0, 2.0], 1.0),
        ([2.0, 2.0], [2.0, 3.0], 0.0),
        ([2.0], [2.0], np.nan),
    ):
        metric = metrics.R2()
        metric.update(np.array(y), np.array(target))
        assert metric.value == pytest.approx(expected, nan_ok=True)
