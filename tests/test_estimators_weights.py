"""Promise: estimators weight samples, and refuse weights that are none."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.ensemble import AdaBoostClassifier, BaggingRegressor
from sklearn.utils import compute_class_weight, compute_sample_weight

from compare import assert_same_bits
from pyrnn.estimators import SequenceClassifier, SequenceRegressor, SequenceTagger
from sequences import ragged

OPTIONS = {"hidden_size": 4, "epochs": 3, "random_state": 0, "batch_size": 200, "scale": False}


def problems():
    X, y = ragged()
    numbers = np.array([x[-1, 0] for x in X])
    steps = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    yield SequenceClassifier(**OPTIONS), X, np.array(y), "predict_proba"
    yield SequenceRegressor(**OPTIONS), X, numbers, "predict"
    yield SequenceTagger(**OPTIONS), X, steps, "predict_proba"
    yield SequenceTagger(crf=True, **OPTIONS), X, steps, "predict_proba"


PROBLEMS = list(problems())
each = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: repr(p[0])[:20])


def taken(column, rows):
    return [column[i] for i in rows] if isinstance(column, list) else column[rows]


@each
@pytest.mark.parametrize("scale", [False, True])
def test_a_sample_of_weight_2_is_there_twice(problem, scale):
    """In one batch, and one of weight 0 is not there; in the scales too."""
    model, X, y, method = problem
    weight = np.arange(len(X)) % 3
    rows = np.repeat(np.arange(len(X)), weight)
    model = type(model)(**model.get_params()).set_params(batch_size=1000, scale=scale)
    found = getattr(model.fit(X, y, sample_weight=weight), method)(X)
    expected = getattr(model.fit(taken(X, rows), taken(y, rows)), method)(X)
    plain = getattr(model.fit(X, y), method)(X)
    for a, b, c in zip(found, expected, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)
        assert not np.array_equal(a, c)


@each
def test_equal_weights_change_nothing(problem):
    model, X, y, method = problem
    expected = getattr(model.fit(X, y), method)(X)
    for weight in (np.ones(len(X)), [1] * len(X), 1.0):
        found = getattr(model.fit(X, y, sample_weight=weight), method)(X)
        for a, b in zip(found, expected, strict=True):
            assert_same_bits(a, b)


@each
def test_with_what_is_held_out_and_one_epoch_more(problem):
    model, X, y, _ = problem
    weight = np.arange(len(X)) + 1.0
    model.set_params(early_stopping=True).fit(X, y, sample_weight=weight)
    assert np.isfinite(model.history_.val_loss).all()
    model.set_params(early_stopping=False).fit(X, y)
    before = model.network_.state_dict()
    model.partial_fit(X, y, sample_weight=weight)
    assert any((model.network_.state_dict()[name] != value).any() for name, value in before.items())


def test_weights_of_steps():
    """Of a tagger; 0 leaves a step out."""
    _, X, y, _ = PROBLEMS[2]
    weight = [np.arange(len(x)) % 2 for x in X]
    wrong = [np.where(w, labels, "down") for w, labels in zip(weight, y, strict=True)]
    found = [
        SequenceTagger(**OPTIONS).fit(X, labels, sample_weight=weight).predict_proba(X)
        for labels in (y, wrong)
    ]
    for a, b in zip(*found, strict=True):
        assert_same_bits(a, b)


def test_steps_weigh_in_the_scales():
    """Of X and of y, as steps that are there as often."""
    X, _ = ragged()
    weight = [np.arange(len(x)) % 3 for x in X]
    y = [x[:, 0] * 2 + 5 for x in X]
    model = SequenceRegressor(pooling=None, **OPTIONS | {"scale": True})
    model.fit(X, y, sample_weight=weight)
    for scaling, column in ((model._reader.scaling, X), (model._target_scaling, y)):
        rows = np.repeat(np.concatenate(column), np.concatenate(weight), axis=0)
        np.testing.assert_allclose(scaling.center, rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(scaling.scale, rows.std(axis=0), rtol=1e-12)


def test_in_scikit_learns_ensembles():
    X = np.random.default_rng(0).standard_normal((60, 6))
    y = X.sum(axis=1)
    classifier = SequenceClassifier(**OPTIONS | {"epochs": 60})
    boosted = AdaBoostClassifier(classifier, n_estimators=3, random_state=0)
    assert boosted.fit(X, y > 0).score(X, y > 0) > 0.65
    bagged = BaggingRegressor(SequenceRegressor(**OPTIONS), n_estimators=2, random_state=0)
    bagged.fit(X, y, sample_weight=np.ones(60))


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ([1.0], r"sample_weight has shape \(1,\)"),
        (lambda n: -np.ones(n), "sample_weight has -1"),
        (lambda n: np.full(n, np.nan), "sample_weight has nan"),
        (lambda n: np.zeros(n), "sample_weight is 0 everywhere"),
        (lambda n: np.ones((n, 2)), "sample_weight has shape"),
        (lambda n: ["a"] * n, "sample_weight has dtype"),
    ],
)
def test_bad_weights(weight, words):
    for model, X, y, _ in PROBLEMS[:2]:
        model.fit(X, y)
        before = model.network_.state_dict()
        given = weight(len(X)) if callable(weight) else weight
        with pytest.raises((TypeError, ValueError), match=f"{type(model).__name__}: {words}"):
            model.fit(X, y, sample_weight=given)
        assert_same_bits(model.network_.state_dict(), before)


def test_weights_of_steps_that_do_not_fit():
    (_, X, y, _), (crf, *_) = PROBLEMS[2:]
    tagger, steps = SequenceTagger(**OPTIONS), [np.ones(len(x)) for x in X]
    with pytest.raises(ValueError, match=r"^SequenceTagger: sample_weight has shape \(\d+,\) for"):
        crf.fit(X, y, sample_weight=steps)
    with pytest.raises(ValueError, match=r"^SequenceTagger: sample_weight\[1\] has shape \(1,\)"):
        tagger.fit(X, y, sample_weight=[steps[0], np.ones(1), *steps[2:]])
    with pytest.raises(ValueError, match=r"^SequenceTagger: sample_weight is 0 everywhere"):
        without = [np.zeros((0, X[0].shape[1])), *X[1:]], [[], *y[1:]]
        tagger.fit(*without, sample_weight=np.arange(len(X)) == 0)  # which has no steps


@each
@pytest.mark.parametrize("weighed", ["held out", "trained on"])
def test_weights_on_one_side_of_early_stopping(problem, weighed):
    model, X, y, _ = problem
    model = type(model)(**model.get_params()).set_params(early_stopping=True)
    held = []

    class Noting(type(model)):
        def _held_out(self, order, target, count):
            held.append(super()._held_out(order, target, count))
            return held[-1]

    Noting(**model.get_params()).fit(X, y)
    weight = np.zeros(len(X))
    weight[held[0][weighed != "held out"]] = 1
    words = "all samples but" if weighed == "held out" else "all samples that early_stopping"
    with pytest.raises(
        ValueError, match=f"^{type(model).__name__}: sample_weight is 0 for {words}"
    ):
        model.fit(X, y, sample_weight=weight)


def full_batch(make, **options):
    return make(**OPTIONS | {"batch_size": 1000} | options)


@pytest.mark.parametrize("word", ["balanced", {"down": 3.0, "up": 0.5}])
def test_class_weights_are_weights_of_the_samples(word):
    """As scikit-learn multiplies them into sample_weight; of a tagger the steps'."""
    X, y = ragged()
    y[:60] = "up"
    steps = [np.where(x[:, 0] > 40, "up", "down") for x in X]
    given = np.arange(len(X)) % 3 + 0.5
    for make, target, flat, over in (
        (SequenceClassifier, y, y, given),
        (SequenceTagger, steps, np.concatenate(steps), np.repeat(given, [len(x) for x in X])),
    ):
        classes = np.unique(flat)
        plain = compute_class_weight(word, classes=classes, y=flat)
        total = np.array([over[flat == c].sum() for c in classes])
        weighted = over.sum() / (2 * total) if word == "balanced" else plain
        for sample_weight, of_class in ((None, plain), (given, weighted)):
            weight = of_class[np.searchsorted(classes, flat)]
            weight = weight if sample_weight is None else weight * over
            if make is SequenceTagger:
                weight = np.split(weight, np.cumsum([len(x) for x in X])[:-1])
            model = full_batch(make, class_weight=word).fit(X, target, sample_weight=sample_weight)
            found, expected = (
                m.predict_proba(X)
                for m in (model, full_batch(make).fit(X, target, sample_weight=weight))
            )
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5)


def test_balanced_with_weights_is_balanced_with_repeated_samples():
    X, y = ragged()
    y[:60] = "up"
    weight = np.arange(len(X)) % 3 + 1
    rows = np.repeat(np.arange(len(X)), weight)
    model = full_batch(SequenceClassifier, class_weight="balanced")
    found = model.fit(X, y, sample_weight=weight).predict_proba(X)
    expected = model.fit([X[i] for i in rows], y[rows]).predict_proba(X)
    np.testing.assert_allclose(found, expected, rtol=2e-3)


@pytest.mark.parametrize("kinds", [False, True])
def test_class_weights_of_several_labels_are_multiplied(kinds):
    """As scikit-learn's compute_sample_weight does."""
    X, _ = ragged()
    y = np.array([[x[-1, 0] > 20, len(x) > 6] for x in X]).astype(int)
    y = np.stack([y[:, 0], y.sum(axis=1)], axis=1) if kinds else y
    words = [{0: 1.0, 1: 2.0}, dict(enumerate([5.0, 0.5, 1.0][: 2 + kinds]))]
    for word in ("balanced", words):
        model = full_batch(SequenceClassifier, class_weight=word).fit(X, y)
        weight = compute_sample_weight(word, y)
        expected = full_batch(SequenceClassifier).fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(
            np.array(model._scores(X, None, None)[1]), expected._scores(X, None, None)[1], rtol=1e-4
        )
    for wrong in ({0: 1}, words[:1], 3):
        with pytest.raises(ValueError, match=r"^SequenceClassifier: class_weight is .*list of 2"):
            full_batch(SequenceClassifier, class_weight=wrong).fit(X, y)


def test_class_weights_of_0():
    X, y = ragged()
    model = full_batch(SequenceClassifier, class_weight={"up": 0, "down": 1})
    only = model.partial_fit(X, y).predict_proba([np.zeros((0, 2))])
    np.testing.assert_array_equal(only, [[1.0, 0.0]])  # of what counts, all are down
    with pytest.raises(ValueError, match=r"^SequenceClassifier: class_weight is 0 everywhere"):
        model.partial_fit(X, np.full(len(X), "up"))


@each
def test_score_weighs_samples(problem):
    model, X, y, _ = problem
    model.fit(X, y)
    weight = np.arange(len(X)) % 4
    rows = np.repeat(np.arange(len(X)), weight)
    expected = model.score(taken(X, rows), taken(y, rows))
    assert np.isclose(model.score(X, y, sample_weight=weight), expected)


def test_score_weighs_steps():
    model, X, y, _ = PROBLEMS[2]
    model.fit(X, y)
    right = [p == t for p, t in zip(model.predict(X), y, strict=True)]
    weight = [np.arange(len(x)) % 3 for x in X]
    expected = np.average(np.concatenate(right), weights=np.concatenate(weight))
    assert np.isclose(model.score(X, y, sample_weight=weight), expected)
    assert np.isnan(model.score(X, y, sample_weight=np.zeros(len(X))))
