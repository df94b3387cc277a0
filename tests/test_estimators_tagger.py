"""Promise: a tagger labels every step of sequences of any form."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict

from compare import assert_same_bits
from pyrnn.estimators import SequenceTagger
from sequences import QUICK


def tagger(**options):
    return SequenceTagger(**{"epochs": 15, **QUICK, **options})


def test_conventions():
    """Those of scikit-learn's checks that do not need one label per row of a table."""
    X, y = marked(N=8)
    model = tagger(epochs=1)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert model.fit(X, y) is model
    assert clone(model).get_params() == model.get_params()
    again = pickle.loads(pickle.dumps(model))
    assert_same_bits(again.predict_proba(X), model.predict_proba(X))
    assert model.n_features_in_ == 1 and not model.__sklearn_tags__().input_tags.two_d_array


def marked(N=60, seed=0):
    """Numbers of different lengths, each step labelled by the sign of the step before."""
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((n, 1)) for n in rng.integers(1, 12, N)]
    return X, [np.where(np.append(1.0, x[:-1, 0]) > 0, "plus", "minus") for x in X]


def test_ragged_lists():
    X, y = marked()
    model = tagger(epochs=40).fit(X, y)
    assert list(model.classes_) == ["minus", "plus"]
    predicted, probabilities = model.predict(X), model.predict_proba(X)
    assert [labels.shape for labels in predicted] == [labels.shape for labels in y]
    right = np.concatenate(predicted) == np.concatenate(y)
    assert model.score(X, y) == right.mean() > 0.93
    for labels, p in zip(predicted, probabilities, strict=True):
        assert np.allclose(p.sum(axis=1), 1) and (model.classes_[p.argmax(axis=1)] == labels).all()
    assert_same_bits(model.predict_proba(X[3:5]), probabilities[3:5])
    assert model.score(*marked(seed=1)) > 0.85


def test_array_table_and_list_train_alike():
    x = np.random.default_rng(0).standard_normal((30, 5))
    y = (x > 0).astype(int)
    reference = tagger(epochs=3).fit(x, y)
    assert reference.predict(x).shape == (30, 5) and reference.predict_proba(x).shape == (30, 5, 2)
    for X, target in ((x[:, :, None], y), (list(x[:, :, None]), list(y)), (x.tolist(), y.tolist())):
        model = tagger(epochs=3).fit(X, target)
        assert_same_bits(np.array(model.predict_proba(X)), reference.predict_proba(x))
        assert model.score(X, target) == reference.score(x, y)


def test_both_directions_see_what_follows():
    """The label of a step is the sign of the next one, which one direction cannot know."""
    X, _ = marked(N=150)
    y = [(np.append(x[1:, 0], 1.0) > 0).astype(int) for x in X]
    scores = [tagger(bidirectional=b, epochs=20).fit(X, y).score(X, y) for b in (False, True)]
    assert scores[0] < 0.75 < 0.93 < scores[1]


def test_tokens_and_grid_search():
    words = {"the": "DET", "a": "DET", "dog": "NOUN", "cat": "NOUN", "sees": "VERB"}
    rng = np.random.default_rng(0)
    X = [list(rng.choice(list(words), n)) for n in rng.integers(1, 7, 50)]
    y = [[words[word] for word in x] for x in X]
    search = GridSearchCV(tagger(embedding=8), {"bidirectional": [False, True]}, cv=2)
    assert search.fit(X, y).best_score_ > 0.95
    assert [len(labels) for labels in search.predict(X)] == [len(x) for x in X]


def test_partial_fit():
    X, y = marked()
    model = tagger().partial_fit(X[:3], y[:3], classes=["minus", "none", "plus"])
    for _ in range(30):
        model.partial_fit(X, y)
    assert model.predict_proba(X)[0].shape[1] == 3 and model.score(X, y) > 0.9


def test_other_classes_are_refused():
    X, y = marked(N=4)
    model = tagger().partial_fit(X, y, classes=["minus", "plus"])
    model.partial_fit(X, y, classes=["plus", "minus"])
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(X, y, classes=["minus", "none", "plus"])


def test_object_arrays_are_the_labels_in_them():
    X, y = marked(N=8)
    model = tagger(epochs=1).fit(X, [labels.astype(object) for labels in y])
    assert_same_bits(model.predict_proba(X), tagger(epochs=1).fit(X, y).predict_proba(X))
    assert list(model.classes_) == ["minus", "plus"]


def test_class_weight_and_early_stopping():
    X, y = marked(N=100)
    heavy = tagger(class_weight={"minus": 1e6, "plus": 1}, batch_size=100).fit(X, y)
    assert (np.concatenate(heavy.predict(X)) == "minus").mean() > 0.8
    stopped = tagger(early_stopping=True, patience=2, epochs=300, learning_rate=0.1).fit(X, y)
    assert stopped.n_iter_ < 300


def told_at_the_end(N=100):
    """Zeros, and a sign at the last step, which is every step's label."""
    rng = np.random.default_rng(0)
    ends = [(n, rng.choice([-1.0, 1.0])) for n in rng.integers(2, 9, N)]
    X = [np.append(np.zeros(n - 1), sign)[:, None] for n, sign in ends]
    return X, [np.full(n, "plus" if sign > 0 else "minus") for n, sign in ends]


def test_crf_carries_labels_back():
    """One direction cannot know what follows; the CRF's path ends in it."""
    X, y = told_at_the_end()
    plain, model = (tagger(crf=crf, epochs=25).fit(X, y) for crf in (False, True))
    assert plain.crf_ is None and plain.score(X, y) < 0.75 < 0.99 < model.score(X, y)
    for labels, p in zip(y, model.predict_proba(X), strict=True):
        assert p.dtype == np.float64 and np.allclose(p.sum(axis=1), 1)
        assert (model.classes_[p.argmax(axis=1)] == labels).all()
    again = pickle.loads(pickle.dumps(model))
    assert_same_bits(again.predict_proba(X[:3]), model.predict_proba(X[:3]))
    same = np.zeros((4, 3, 1))
    assert model.predict(same).shape == (4, 3) and model.predict_proba(same).shape == (4, 3, 2)


def test_crf_goes_on_with_the_network():
    """Copies between calls of partial_fit keep the CRF that is trained and the one that decodes
    the same."""
    X, y = told_at_the_end()
    model = tagger(crf=True, learning_rate=0.03).partial_fit(X, y)
    first = model.crf_.transitions.data.copy()
    for _ in range(15):
        model.partial_fit(X, y)
    assert np.abs(model.crf_.transitions.data - first).min() > 0.1
    assert model.score(X, y) > 0.99


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crf": "yes"}, "crf is 'yes', expected"),
        ({"crf": True, "class_weight": "balanced"}, "class_weight is 'balanced', expected None"),
    ],
)
def test_bad_crf(options, words):
    model = tagger(**options)
    with pytest.raises((TypeError, ValueError), match=words):
        model.fit(*marked(N=4))
    assert set(vars(model)) == set(model.get_params())


LISTS, LABELS = marked(N=4)
BAD = [
    ([*LABELS[:3], LABELS[3][:-1]], r"y\[3\] has shape \(\d+,\), expected \(\d+,\): one label"),
    (["plus"] * 4, r"y\[0\] is 'plus', expected a label for each step"),
    ([1, 0, 1, 0], r"y\[0\] is 1, expected a label for each step"),
    ([np.ones(len(x)) for x in LISTS], r"y\[0\] has dtype float64, expected texts or integers"),
    ([*LABELS[:3], np.ones(len(LISTS[3]), int)], r"dtypes \['<U.', 'int64'\], expected one kind"),
    ([*LABELS[:3], [1] * (len(LISTS[3]) - 1) + ["a"]], r"y\[3\] has dtype object"),
    (LABELS[:3], "inconsistent numbers of samples"),
    (None, "requires y"),
]


@pytest.mark.parametrize(("y", "words"), BAD, ids=range(len(BAD)))
def test_bad_labels(y, words):
    model = tagger(epochs=1)
    with pytest.raises((TypeError, ValueError), match=words):
        model.fit(LISTS, y)
    assert set(vars(model)) == set(model.get_params())


@pytest.mark.parametrize("crf", [False, True])
def test_sequences_without_steps_have_no_labels(crf):
    """Of tokens, ids and numbers, in fit and in predict; the others' labels are the same."""
    words, labels = [["a", "b"], ["b"], ["a"]] * 4, [["X", "Y"], ["Y"], ["X"]] * 4
    numbers = [np.array([[ord(word)] for word in sample], float) for sample in words]
    ids = [[ord(word) - 96 for word in sample] for sample in words]
    for X, nothing, options in (
        (words, [], {"embedding": 4}),
        (ids, np.zeros(0, int), {"embedding": 4}),
        (numbers, np.zeros((0, 1)), {}),
    ):
        model = tagger(epochs=2, crf=crf, **options).fit([*X, nothing], [*labels, []])
        predicted = model.predict([X[0], nothing, X[1]])
        assert [len(sample) for sample in predicted] == [2, 0, 1]
        assert list(predicted[0]) == list(model.predict(X[:1])[0])
        assert [p.shape for p in model.predict_proba([nothing, X[0]])] == [(0, 2), (2, 2)]
        assert model.score([*X, nothing], [*labels, []]) == model.score(X, labels)
        assert [len(sample) for sample in model.predict([nothing])] == [0]
    with pytest.raises(ValueError, match="X has no steps, expected at least one"):
        tagger(embedding=4).fit([[], []], [[], []])


def test_cross_val_predict_gives_the_labels_of_each_sequence():
    X, y = [["a", "b"], ["b"], ["a", "a", "b"]] * 4, [["X", "Y"], ["Y"], ["X", "X", "Y"]] * 4
    for rows in (slice(None), slice(1, None, 3)):  # of different lengths, and all of one
        out = cross_val_predict(tagger(embedding=4, epochs=1), X[rows], y[rows], cv=2)
        assert [len(labels) for labels in out] == [len(x) for x in X[rows]]


def test_score_compares_labels_of_one_kind():
    X, y = marked(N=8)
    codes = [(labels == "plus").astype(int) for labels in y]
    model, numbers = tagger(epochs=1).fit(X, y), tagger(epochs=1).fit(X, codes)
    for fitted, wrong in (
        (model, codes),
        (model, [labels == "plus" for labels in y]),
        (numbers, y),
        (numbers, [labels == "plus" for labels in y]),
    ):
        with pytest.raises(TypeError, match=r"y has labels of the dtypes .*, expected one kind"):
            fitted.score(X, wrong)
    assert 0 <= model.score(X, [np.full(len(x), "other") for x in X]) == 0  # a label never learnt
