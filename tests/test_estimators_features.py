"""Promise: the vector that a network makes of a sequence is a feature, also as a table; a feature
is as important as predictions suffer where its sequences are exchanged."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
from scipy.sparse import csr_matrix
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from compare import assert_same_bits
from pyrnn.estimators import SequenceClassifier, SequenceRegressor, SequenceTagger
from sequences import QUICK, classifier, ragged

X, Y = ragged(N=60)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_vector_is_what_the_last_layer_takes(pooling, bidirectional):
    options = {"pooling": pooling, "bidirectional": bidirectional, "dropout": 0.2, "epochs": 2}
    model = classifier(**options).fit(X, Y)
    vectors = model.transform(X)
    assert vectors.shape == (60, 16 * (1 + bidirectional)) and vectors.dtype == np.float32
    logits = model.network_[-1](vectors)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5)
    assert_same_bits(classifier(**options).fit_transform(X, Y), vectors)
    if pooling == "last" and not bidirectional:
        scaled = model._reader.read(model, X, model._padding(None, None)).sequences
        states = [model.network_[0](x[None])[1][-1, 0] for x in scaled]
        assert_same_bits(vectors, np.stack(states))


def test_a_table_of_features_with_names():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    model = classifier(epochs=1).set_output(transform="pandas").fit(X, Y)
    table = model.transform(X)
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == [f"sequenceclassifier{i}" for i in range(16)]
    assert list(table.columns) == list(model.get_feature_names_out())
    assert_same_bits(table.to_numpy(), model.set_output(transform="default").transform(X))
    assert isinstance(model.predict(X), np.ndarray)


def test_features_for_another_estimator():
    pipe = make_pipeline(classifier(), KNeighborsClassifier()).fit(X, Y)
    assert pipe.score(X, Y) > 0.9


def test_where_there_is_no_vector():
    model = SequenceRegressor(pooling=None, epochs=1, **QUICK).fit(X, [x[:, 0] for x in X])
    for call in (model.transform, lambda x: model.fit_transform(x, [row[:, 0] for row in x])):
        with pytest.raises(ValueError, match=r"^SequenceRegressor: pooling is None, expected"):
            call(X)
    for name in ("transform", "set_output", "get_feature_names_out"):
        assert not hasattr(SequenceTagger(), name)


def problem(kind):
    """One feature tells all, one nothing."""
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 2)) for n in rng.integers(3, 9, 80)]
    options = {"epochs": 25, **QUICK}
    if kind == "classifier":
        return SequenceClassifier(**options), x, np.array([r[:, 1].sum() > 0 for r in x])
    if kind == "regressor":
        return SequenceRegressor(pooling=None, **options), x, [r[:, 1].cumsum() for r in x]
    return SequenceTagger(**options), x, [(r[:, 1] > 0).astype(int) for r in x]


@pytest.mark.parametrize("kind", ["classifier", "regressor", "tagger"])
def test_importances(kind):
    model, x, y = problem(kind)
    model.fit(x, y)
    found = model.feature_importances(x, y, n_repeats=4, random_state=0)
    assert found.importances.shape == (2, 4)
    assert_same_bits(found.importances_mean, found.importances.mean(axis=1))
    assert_same_bits(found.importances_std, found.importances.std(axis=1))
    nothing, everything = found.importances_mean
    assert abs(nothing) < 0.15 < 0.3 < everything
    again = model.feature_importances(x, y, n_repeats=4, random_state=0)
    assert_same_bits(again.importances, found.importances)
    weight = np.arange(80) % 2
    rows = np.flatnonzero(weight)
    heavy = model.feature_importances(x, y, sample_weight=weight, n_repeats=1, random_state=0)
    mix = np.arange(80)
    np.random.RandomState(np.random.RandomState(0).randint(2**31)).shuffle(mix)
    flat = np.concatenate([x[j][:, 1] for j in mix])
    parts = np.split(flat, np.cumsum([len(r) for r in x])[:-1])
    mixed = [np.stack([r[:, 0], part], axis=1) for r, part in zip(x, parts, strict=True)]
    take = [[column[i] for i in rows] for column in (x, mixed, y)]
    expected = model.score(take[0], take[2]) - model.score(take[1], take[2])
    np.testing.assert_allclose(heavy.importances[1, 0], expected, rtol=1e-6)


def test_of_one_step_they_are_scikit_learns():
    """Sequences of a single step are the rows of a table."""
    x = np.random.default_rng(0).standard_normal((50, 3))
    y = x[:, 2] + 0.3 * x[:, 0] > 0
    model = classifier(n_features_per_step=3).fit(x, y)
    for options in ({}, {"scoring": "neg_log_loss"}, {"sample_weight": np.arange(50)}):
        found = model.feature_importances(x, y, random_state=7, n_repeats=3, **options)
        expected = permutation_importance(model, x, y, random_state=7, n_repeats=3, **options)
        np.testing.assert_allclose(found.importances, expected.importances, rtol=1e-9, atol=1e-12)


def test_whole_sequences_go_where_all_are_of_one_length():
    seen = []

    def scorer(model, x, y):
        seen.append(np.array(x))
        return accuracy_score(y, model.predict(x))

    x = np.random.default_rng(0).standard_normal((12, 4, 2))
    y = np.arange(12) % 2
    model = classifier(epochs=1).fit(x, y)
    model.feature_importances(x, y, scoring=scorer, n_repeats=2, random_state=0)
    assert len(seen) == 1 + 2 * 2
    assert_same_bits(seen[0], x)
    for k, mixed in enumerate(seen[1:]):
        f = k // 2
        assert_same_bits(mixed[:, :, 1 - f], x[:, :, 1 - f])
        rows = [np.flatnonzero((x[:, :, f] == row).all(axis=1)).item() for row in mixed[:, :, f]]
        assert sorted(rows) == list(range(12)) and rows != list(range(12))


def test_padding_ids_and_steps():
    """The padding is never part of what is exchanged; ids are one feature."""
    model, x, y = problem("tagger")
    lengths = np.array([len(row) for row in x])
    full = np.full((80, lengths.max(), 2), np.nan)
    tags = np.zeros((80, lengths.max()), int)
    for i, row in enumerate(x):
        full[i, : len(row)], tags[i, : len(row)] = row, y[i]
    model.fit(x, y)
    expected = model.feature_importances(x, y, random_state=0).importances
    found = model.feature_importances(full, tags, random_state=0, lengths=lengths).importances
    assert_same_bits(found, expected)
    labels = np.array([[row[:, 1].sum() > 0, len(row) > 5] for row in x])
    several = classifier(epochs=1).fit(x, labels)
    expected = several.feature_importances(x, labels, random_state=0).importances
    two_steps = np.minimum(lengths, 2)  # as many as labels, which are none of the steps
    several.feature_importances(full[:, :2], labels, random_state=0, lengths=two_steps)
    sparse = several.feature_importances(x, csr_matrix(labels), random_state=0)
    assert_same_bits(sparse.importances, expected)
    words = [["good" if row[0, 1] > 0 else "bad"] * len(row) for row in x]
    told = np.array([row[0] == "good" for row in words])
    tokens = classifier(embedding=4).fit(words, told)
    importances = tokens.feature_importances(words, told, random_state=0)
    assert importances.importances.shape == (1, 5) and 0.3 < importances.importances_mean[0] < 0.7
    scoring = make_scorer(accuracy_score)
    with joblib.parallel_backend("threading"):
        other = tokens.feature_importances(words, told, scoring=scoring, random_state=0, n_jobs=2)
    assert_same_bits(other.importances, importances.importances)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_repeats": 0}, "n_repeats is 0"),
        ({"scoring": "nonsense"}, "scoring does not fit"),
        ({"random_state": "x"}, "random_state does not fit"),
        ({"sample_weight": [1.0]}, "sample_weight has shape"),
        ({"lengths": [1]}, "lengths has shape"),
    ],
)
def test_bad_importances(options, words):
    model = classifier(epochs=1).fit(X, Y)
    with pytest.raises((TypeError, ValueError), match=f"^SequenceClassifier: {words}"):
        model.feature_importances(X, Y, **options)
