"""Promise: several labels and several numbers, for a sequence or for each of its steps."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from scipy.sparse import csr_matrix
from sklearn.metrics import f1_score, r2_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from compare import assert_same_bits
from pyrnn import losses
from pyrnn.estimators import SequenceClassifier, SequenceRegressor
from pyrnn.estimators._heads import SeveralCrossEntropies
from sequences import QUICK, ragged

X, _ = ragged(N=120)
SIGNS = np.array([[x[-1, 0] > 20, x[-1, 1] > 20, x[:, 0].max() > 60] for x in X]).astype(int)
KINDS = np.stack([np.array(["no", "yes"])[SIGNS[:, 0]], np.array(list("abc"))[SIGNS.sum(1) % 3]], 1)


def classifier(**options):
    return SequenceClassifier(**{"epochs": 25, **QUICK, **options})


def test_labels_that_are_there_or_not():
    model = classifier().fit(X, SIGNS)
    assert model.classes_.tolist() == [0, 1, 2] and isinstance(model._loss(), losses.BCEWithLogits)
    p, labels = model.predict_proba(X), model.predict(X)
    assert p.shape == labels.shape == (120, 3) and labels.dtype.kind == "i"
    assert ((p > 0.5) == labels).all() and np.allclose(np.exp(model.predict_log_proba(X)), p)
    logits = np.asarray(model._trainer.predict(scaled(model)), np.float64)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-logits)), rtol=1e-12)
    assert f1_score(SIGNS, labels, average="macro") > 0.9 and roc_auc_score(SIGNS, p) > 0.95
    assert model.score(X, SIGNS) == (labels == SIGNS).all(axis=1).mean() > 0.7
    for same in (SIGNS.astype(bool), SIGNS.tolist(), csr_matrix(SIGNS), SIGNS.astype(float)):
        assert_same_bits(classifier(epochs=1).fit(X, same).predict_proba(X), ONCE)
    assert cross_val_predict(classifier(epochs=1), X, SIGNS, cv=2).shape == (120, 3)
    assert cross_val_score(classifier(epochs=1), X, SIGNS, cv=2, scoring="f1_micro").shape == (2,)


ONCE = classifier(epochs=1).fit(X, SIGNS).predict_proba(X)


def scaled(model):
    return model._reader.read(model, X, model._padding(None, None)).sequences


def test_labels_of_several_kinds():
    model = classifier(epochs=40).fit(X, KINDS)
    assert [c.tolist() for c in model.classes_] == [["no", "yes"], ["a", "b", "c"]]
    p, labels = model.predict_proba(X), model.predict(X)
    assert [q.shape for q in p] == [(120, 2), (120, 3)] and labels.shape == KINDS.shape
    for k, q in enumerate(p):
        assert np.allclose(q.sum(axis=1), 1)
        assert (model.classes_[k][q.argmax(axis=1)] == labels[:, k]).all()
        assert np.allclose(np.exp(model.predict_log_proba(X)[k]), q)
        assert (labels[:, k] == KINDS[:, k]).mean() > 0.85
    right = (labels == KINDS).all(axis=1)
    assert model.score(X, KINDS) == right.mean()
    weight = np.arange(120)
    assert np.isclose(model.score(X, KINDS, weight), np.average(right, weights=weight))
    again = pickle.loads(pickle.dumps(model))
    assert_same_bits(again.predict_proba(X)[1], p[1])
    found = GridSearchCV(classifier(), {"epochs": [1, 2]}, cv=2).fit(X, KINDS)
    assert found.predict(X).shape == KINDS.shape


def test_the_loss_of_several_kinds_is_the_mean_of_theirs():
    rng = np.random.default_rng(0)
    y, target = rng.standard_normal((6, 5)), np.stack([np.arange(6) % 2, np.arange(6) % 3], 1)
    weight = rng.random(6)
    for given in ({}, {"sample_weight": weight}):
        value, pullback = SeveralCrossEntropies([2, 3]).vjp(y, target, **given)
        parts = [losses.CrossEntropy().vjp(p, t, **given) for p, t in zip(
            (y[:, :2], y[:, 2:]), target.T, strict=True
        )]  # fmt: skip
        np.testing.assert_allclose(value, np.mean([part[0] for part in parts]), rtol=1e-12)
        gradient = np.hstack([part[1]() for part in parts]) / 2
        np.testing.assert_allclose(pullback(), gradient, rtol=1e-12)


def test_one_of_several_kinds_learns_as_it_does_alone():
    """Two equal columns have the loss of one, and the same label for both."""
    model = classifier(epochs=30).fit(X, KINDS[:, [1, 1]])
    labels = model.predict(X)
    assert (labels[:, 0] == KINDS[:, 1]).mean() > 0.85
    assert (labels[:, 1] == KINDS[:, 1]).mean() > 0.85


def test_partial_fit_of_several_labels():
    few = SIGNS[:3] * 0
    model = classifier().partial_fit(X[:3], few).partial_fit(X, SIGNS, classes=range(3))
    assert model.predict(X).shape == SIGNS.shape
    kinds = classifier().partial_fit(X[:2], KINDS[:2], classes=[["no", "yes"], ["a", "b", "c"]])
    assert kinds.partial_fit(X, KINDS).predict_proba(X)[1].shape == (120, 3)
    numbers = classifier().partial_fit(X, SIGNS[:, :2], classes=[[0, 1], [0, 1, 2]])
    assert [p.shape[1] for p in numbers.predict_proba(X)] == [2, 3]
    for call, words in (
        (lambda: model.partial_fit(X, SIGNS[:, :2]), r"y has shape \(120, 2\), expected \(N, 3\)"),
        (lambda: model.partial_fit(X, SIGNS[:, 0]), r"y has shape \(120,\), expected \(N, 3\)"),
        (lambda: model.partial_fit(X, SIGNS + 1), "y holds 2, expected 0 or 1"),
        (lambda: kinds.partial_fit(X, KINDS[:, ::-1]), "y holds the label '.', expected one of"),
        (
            lambda: kinds.partial_fit(X, KINDS, classes=[["no"], ["a"]]),
            "classes is .*not the same",
        ),
        (
            lambda: kinds.partial_fit(X, KINDS, classes=["no", "yes"]),
            "classes is .*not the same",
        ),
        (lambda: classifier().partial_fit(X, SIGNS, classes=[0, 5]), r"classes is \[0, 5\], exp"),
        (lambda: classifier().partial_fit(X, KINDS, classes=["no"]), r"classes is \['no'\], expe"),
        (lambda: classifier().fit(X, [["a"], ["a", "b"]] * 60), "y does not fit: .*MultiLabelBin"),
        (lambda: classifier().fit(X, SIGNS[:, :, None]), "y does not fit"),
    ):
        with pytest.raises(ValueError, match=f"^SequenceClassifier: {words}"):
            call()


def test_two_numbers_are_those_that_they_are_alone():
    """Each in its own unit, and the score is scikit-learn's mean over the two."""
    y = np.array([[1e4 + 30 * x[-1, 0], x[:, 1].mean() / 1e3] for x in X])
    model = SequenceRegressor(epochs=40, **QUICK).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == (120, 2)
    each = r2_score(y, predicted, multioutput="raw_values")
    assert (each > 0.9).all() and np.isclose(model.score(X, y), each.mean())
    weight = np.arange(120.0)
    expected = r2_score(y, predicted, sample_weight=weight)
    assert np.isclose(model.score(X, y, sample_weight=weight), expected)


def per_step(**options):
    return SequenceRegressor(**{"pooling": None, "epochs": 30, **QUICK, **options})


SUMS = [x[:, 0].cumsum() for x in X]


def test_a_number_for_each_step():
    model = per_step().fit(X, SUMS)
    predicted = model.predict(X)
    assert predicted.dtype == object and [p.shape for p in predicted] == [s.shape for s in SUMS]
    expected = r2_score(np.concatenate(SUMS), np.concatenate(list(predicted)))
    assert np.isclose(model.score(X, SUMS), expected) and expected > 0.9
    assert_same_bits(list(model.predict(X[3:5])), list(predicted[3:5]))
    weight = [np.arange(len(x)) % 2 + 0.5 for x in X]
    flat = np.concatenate(SUMS), np.concatenate(list(predicted))
    for given, over_steps in (
        (weight, np.concatenate(weight)),
        (np.arange(120.0), np.repeat(np.arange(120.0), [len(x) for x in X])),
    ):
        expected = r2_score(*flat, sample_weight=over_steps)
        assert np.isclose(model.score(X, SUMS, sample_weight=given), expected)
    halves = model.partial_fit(X, SUMS).predict(X)
    assert not np.array_equal(halves[0], predicted[0])


def test_a_step_knows_what_follows_only_in_both_directions():
    totals = [np.full(len(x), x[:, 0].sum()) for x in X]
    scores = [per_step(bidirectional=b).fit(X, totals).score(X, totals) for b in (False, True)]
    assert scores[0] < 0.9 < scores[1]


def test_several_numbers_for_each_step_and_arrays():
    x = np.random.default_rng(0).standard_normal((30, 5, 2))
    y = np.stack([x.sum(axis=2), x[:, :, 0] * 100], axis=2)
    of_array, of_list = per_step(epochs=3).fit(x, y), per_step(epochs=3).fit(list(x), list(y))
    assert of_array.predict(x).shape == (30, 5, 2)
    assert_same_bits(list(of_list.predict(list(x))), list(of_array.predict(x)))
    assert of_list.score(list(x), list(y)) == of_array.score(x, y)
    flat = per_step(epochs=1).fit(x, y[:, :, 0])
    assert flat.predict(x).shape == (30, 5)
    assert per_step(epochs=1).fit(x, y[:, :, :1]).predict(x).shape == (30, 5, 1)


def test_steps_in_scikit_learns_model_selection():
    out = cross_val_predict(per_step(epochs=1), X, SUMS, cv=3)
    assert [p.shape for p in out] == [s.shape for s in SUMS]
    search = GridSearchCV(per_step(), {"epochs": [1, 40]}, cv=2).fit(X, SUMS)
    assert search.best_params_ == {"epochs": 40} and search.best_score_ > 0.5


def test_early_stopping_at_steps():
    """Of sequences, some without steps."""
    without = [*X, X[0][:0]], [*SUMS, []]
    model = per_step(early_stopping=True, patience=1, learning_rate=0.1, epochs=60).fit(*without)
    assert np.isfinite(model.history_.val_loss).all() and model.n_iter_ < 60
    assert model.score(*without) == model.score(X, SUMS)


def test_a_weight_of_0_leaves_a_step_out():
    weight = [np.arange(len(x)) % 2 for x in X]
    wrong = [np.where(w, s, s.mean()) for w, s in zip(weight, SUMS, strict=True)]
    found = [
        per_step(epochs=2, scale=False).fit(X, y, sample_weight=weight).predict(X)
        for y in (SUMS, wrong)
    ]
    assert_same_bits(list(found[0]), list(found[1]))


BAD = [
    (per_step, [s[:-1] for s in SUMS], r"y\[0\] has shape \(\d+,\), expected \(\d+,\) or"),
    (per_step, [s.sum() for s in SUMS], r"y\[0\] has shape \(\), expected"),
    (per_step, [SUMS[0] * np.nan, *SUMS[1:]], r"y\[0\] contains NaN or infinity"),
    (per_step, [SUMS[0][:, None], *SUMS[1:]], r"y\[1\] has shape \(\d+,\), expected \(\d+, 1\)"),
    (per_step, [["a"] * len(x) for x in X], r"y\[0\] has dtype"),
    (SequenceRegressor, SUMS, "y has rows of different lengths, .* need pooling=None"),
    (lambda: per_step().set_params(pooling="sum"), SUMS, "pooling is 'sum'"),
]


@pytest.mark.parametrize(("make", "y", "words"), BAD, ids=range(len(BAD)))
def test_bad_numbers(make, y, words):
    with pytest.raises((TypeError, ValueError), match=f"^SequenceRegressor: {words}"):
        make().fit(X, y)
