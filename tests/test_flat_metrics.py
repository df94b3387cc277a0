"""Promise: labels of sequences are measured as scikit-learn measures labels, and seqeval spans."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    make_scorer,
    mean_absolute_error,
    precision_score,
    recall_score,
)
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

import pyrnn
from pyrnn import metrics
from pyrnn.estimators import SequenceRegressor, SequenceTagger
from sequences import QUICK
from training import make_trainer


def sequences(rng, names, N=40):
    """True and told labels of sequences of different lengths, some without steps."""
    lengths = rng.integers(0, 9, N)
    true = [rng.choice(names, n).tolist() for n in lengths]
    told = [np.where(rng.random(len(t)) < 0.7, t, rng.choice(names, len(t))) for t in true]
    return true, told


@pytest.mark.parametrize("names", [["a", "bcd", "e"], [3, 1, 7]])
def test_flat_is_the_metric_of_all_steps(names, rng):
    true, told = sequences(rng, names)
    flat = [np.concatenate([np.asarray(r, type(names[0])) for r in c]) for c in (true, told)]
    for metric, options in (
        (accuracy_score, {}),
        (f1_score, {"average": "macro"}),
        (precision_score, {"average": None}),
        (recall_score, {"average": "weighted"}),
        (confusion_matrix, {"normalize": "true"}),
    ):
        expected = metric(*flat, **options)
        np.testing.assert_array_equal(metrics.flat(metric, **options)(true, told), expected)
        np.testing.assert_array_equal(metrics.flat(metric)(true, told, **options), expected)
        objects = np.empty(len(told), object)
        objects[:] = told
        np.testing.assert_array_equal(metrics.flat(metric, **options)(true, objects), expected)


def test_weights_of_sequences_and_steps(rng):
    true, told = sequences(rng, ["a", "b"])
    flat = [np.concatenate([np.asarray(r, str) for r in c]) for c in (true, told)]
    steps = [rng.random(len(row)) for row in true]
    of_each = rng.random(len(true))
    measure = metrics.flat(f1_score, average="macro")
    for weight, over in (
        (steps, np.concatenate(steps)),
        (of_each, np.repeat(of_each, [len(row) for row in true])),
    ):
        expected = f1_score(*flat, average="macro", sample_weight=over)
        assert measure(true, told, sample_weight=weight) == pytest.approx(expected, rel=1e-12)


def tagged(N=40):
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 1)) for n in rng.integers(1, 9, N)]
    return X, [np.array(["O", "B-A", "I-A"])[np.digitize(x[:, 0], (0, 1))].tolist() for x in X]


def test_as_a_scorer():
    X, y = tagged()
    model = SequenceTagger(epochs=3, **QUICK)
    direct = metrics.flat(f1_score, average="macro")
    made = make_scorer(metrics.flat(f1_score), average="macro")
    found = [cross_val_score(model, X, y, cv=2, scoring=scoring) for scoring in (direct, made)]
    assert (found[0] == found[1]).all() and found[0].shape == (2,)
    fitted = model.fit(X[:20], y[:20])
    told, true = (np.concatenate([np.asarray(r) for r in c]) for c in (fitted.predict(X), y))
    assert direct(fitted, X, y) == f1_score(true, told, average="macro")
    entities = make_scorer(metrics.entity_f1)
    assert entities(fitted, X, y) == metrics.entity_f1(y, fitted.predict(X))
    scoring = {"f1": direct, "entities": entities}
    both = cross_validate(model, X, y, cv=2, scoring=scoring)
    assert (both["test_f1"] == found[0]).all()
    search = GridSearchCV(
        model, {"epochs": [1, 3]}, cv=2, scoring=pickle.loads(pickle.dumps(direct))
    )
    assert search.fit(X, y).best_score_ > 0


def test_of_numbers_at_every_step():
    X, _ = tagged()
    y = [np.stack([x[:, 0], x[:, 0].cumsum()], axis=1) for x in X]
    model = SequenceRegressor(pooling=None, epochs=2, **QUICK).fit(X, y)
    flat = [np.concatenate(list(rows)) for rows in (y, model.predict(X))]
    assert metrics.flat(mean_absolute_error)(y, model.predict(X)) == mean_absolute_error(*flat)
    smaller_is_better = make_scorer(metrics.flat(mean_absolute_error), greater_is_better=False)
    assert smaller_is_better(model, X, y) == -mean_absolute_error(*flat)


BAD = [
    (([["a"]], [["a"], ["b"]]), {}, r"y_pred has 2 sequences, expected 1 as y_true"),
    (([["a"]], [["a", "b"]]), {}, r"y_pred\[0\] has 2 steps, expected 1 as y_true\[0\]"),
    ((["a"], [["a"]]), {}, r"y_true\[0\] is 'a', expected a sequence"),
    ((3, [["a"]]), {}, "y_true is 3, expected sequences"),
    (([["a"]], [["a"]]), {"sample_weight": [1, 2]}, "sample_weight is of type list, expected"),
    (([["a"]], [["a"]]), {"sample_weight": [[1, 2]]}, r"sample_weight\[0\] has shape \(2,\), exp"),
]


@pytest.mark.parametrize(("columns", "options", "words"), BAD, ids=range(len(BAD)))
def test_what_does_not_fit(columns, options, words):
    with pytest.raises((TypeError, ValueError), match=rf"^flat\(accuracy_score\): {words}"):
        metrics.flat(accuracy_score)(*columns, **options)
    if not options:
        with pytest.raises((TypeError, ValueError), match=f"^entity_f1: {words}"):
            metrics.entity_f1(*columns)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
def test_entities_are_those_of_the_metrics(average, rng):
    names = ["O", "B-A", "I-A", "B-B", "L-B", "U-B"]
    true, told = sequences(rng, names)
    lengths = np.array([len(row) for row in true])
    numbers = np.zeros((2, len(true), lengths.max()), int)
    for column, rows in zip(numbers, (true, told), strict=True):
        for i, row in enumerate(rows):
            column[i, : len(row)] = [names.index(name) for name in row]
    for function, kind in (
        (metrics.entity_f1, metrics.EntityF1),
        (metrics.entity_precision, metrics.EntityPrecision),
        (metrics.entity_recall, metrics.EntityRecall),
    ):
        metric = kind(names, average)
        metric.update(np.eye(len(names))[numbers[1]], numbers[0], lengths)
        np.testing.assert_array_equal(function(true, told, average=average), metric.value)


def test_entities_by_hand():
    """Two of three told are right, of four: 2/3, 1/2, 4/7; by type A 1/1 of 2, B 1/2 of 2."""
    true = [["B-A", "L-A", "O", "U-B"], ["U-A"], ["O", "U-B"], []]
    told = [["B-A", "L-A", "O", "U-B"], ["O"], ["U-B", "O"], []]
    assert metrics.entity_precision(true, told) == 2 / 3
    assert metrics.entity_recall(true, told) == 2 / 4
    assert metrics.entity_f1(true, told) == 4 / 7
    assert metrics.entity_precision(true, told, average=None).tolist() == [1, 1 / 2]
    assert metrics.entity_recall(true, told, average=None).tolist() == [1 / 2, 1 / 2]
    assert metrics.entity_f1(true, told, average="macro") == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert np.isnan(metrics.entity_f1([["O"], []], [["O"], []]))
    assert metrics.entity_f1([["O"]], [["B-A"]]) == 0
    with pytest.raises(ValueError, match="tags has 'NOUN', expected 'O'"):
        metrics.entity_f1([["NOUN"]], [["O"]])
    with pytest.raises(ValueError, match="entity_recall: average is 'mean'"):
        metrics.entity_recall(true, told, average="mean")


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_confusion_is_scikit_learns(normalize, rng):
    """In batches, without padding, ignored targets and rows with a NaN."""
    y, target = rng.standard_normal((9, 5, 4)), rng.integers(0, 3, (9, 5))
    lengths = rng.integers(0, 6, 9)
    target[2, 0] = -100
    y[3, 0, 1] = np.nan
    metric = metrics.Confusion(normalize)
    for rows in (slice(0, 4), slice(4, 9)):
        metric.update(y[rows], target[rows], lengths[rows])
    counted = (np.arange(5) < lengths[:, None]) & (target >= 0) & ~np.isnan(y).any(axis=-1)
    expected = confusion_matrix(
        target[counted], y[counted].argmax(axis=-1), labels=range(4), normalize=normalize
    )
    np.testing.assert_allclose(metric.value, expected, rtol=1e-12)
    if normalize is None:
        assert metric.value.dtype == np.int64


def test_confusion_of_logits_and_what_it_refuses():
    metric = metrics.Confusion()
    assert metric.value.shape == (0, 0) and metric.name == "confusion"
    metric.update(np.array([-1.0, 2.0, 3.0]), np.array([0, 0, 1]))
    assert metric.value.tolist() == [[1, 1], [0, 1]]
    metric.value[0, 0] = 9  # a copy
    assert metric.value[0, 0] == 1
    with pytest.raises(ValueError, match="Confusion: y has 3 classes, those before had 2"):
        metric.update(np.zeros((1, 3)), [0])
    with pytest.raises(ValueError, match="normalize is 'rows', expected one of"):
        metrics.Confusion("rows")
    metric.reset()
    assert metric.value.size == 0
    with pytest.raises(ValueError, match="Confusion has an array of 4 numbers"):
        make_trainer(pyrnn.Sequential(pyrnn.GRU(3, 2, seed=0)), metrics=[metrics.Confusion()]).fit(
            np.zeros((2, 3, 3)), np.zeros((2, 3), int), progress=False
        )
