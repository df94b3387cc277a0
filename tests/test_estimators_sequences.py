"""Promise: classifier and regressor of sequences keep scikit-learn's conventions in every form."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import pyrnn
from compare import assert_same_bits
from pyrnn.estimators import SequenceClassifier, SequenceRegressor
from pyrnn.estimators._network import inner_threads
from sequences import QUICK, classifier, ragged, texts

SPECS = [SequenceClassifier(epochs=20, **QUICK), SequenceRegressor(epochs=40, **QUICK)]


WEIGHTS = "two equal samples may be in two batches, one of weight 2 is in one"


@parametrize_with_checks(
    SPECS,
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": WEIGHTS
    },
)
def test_scikit_learns_checks(estimator, check):
    """On tables; one is expected to fail."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "invalid value encountered in cast")  # scikit-learn's own
        check(estimator)


def test_ragged_lists():
    X, y = ragged()
    model = classifier().fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.n_features_in_ == 2 and list(model.classes_) == ["down", "up"]
    probabilities = model.predict_proba(X)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (model.classes_[probabilities.argmax(axis=1)] == model.predict(X)).all()
    assert_same_bits(model.predict_proba(X[7:9]), probabilities[7:9])
    unseen, target = ragged(seed=1)
    assert model.score(unseen, target) > 0.8


def test_array_table_and_list_train_alike():
    """3-D, 2-D with its columns folded, a list of equally long arrays: the same bits."""
    x = np.random.default_rng(0).standard_normal((50, 6, 3)) * 1000
    y = x[:, :, 0].sum(axis=1) > 0
    reference = classifier(epochs=2).fit(x, y).predict_proba(x)
    for X, options in (
        (x.reshape(50, 18), {"n_features_per_step": 3}),
        (list(x), {}),
        ([row.reshape(-1).tolist() + [0.0] * 0 for row in x], {"n_features_per_step": 3}),
    ):
        model = classifier(epochs=2, **options).fit(X, y)
        assert_same_bits(model.predict_proba(X), reference)
        assert_same_bits(model.predict_proba(x), reference)


@pytest.mark.parametrize("scale", [True, False])
def test_scale_makes_units_irrelevant(scale):
    X, y = ragged()
    big = [x * np.array([1e6, 1e-6]) + 1e5 for x in X]
    same = np.array_equal(
        *(classifier(scale=scale, epochs=5).fit(data, y).predict(data) for data in (X, big))
    )
    assert same == scale


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_network(cell, pooling):
    X, y = ragged()
    options = {"cell": cell, "pooling": pooling, "bidirectional": True, "num_layers": 2}
    model = classifier(dropout=0.1, **options).fit(X, y)
    assert model.score(X, y) > 0.85
    assert model.network_[0].num_layers == 2 and model.network_[0].bidirectional


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop", "adagrad", "sgd"])
def test_every_optimizer(optimizer):
    X, y = ragged()
    model = classifier(optimizer=optimizer, epochs=4).fit(X, y)
    assert model.history_.loss[-1] < model.history_.loss[0]


def test_tokens_ids_and_vocabularies():
    """Tokens, their ids and a vocabulary of the user's own are one and the same task."""
    X, y = texts()
    options = {"embedding": 8, "pooling": "max"}
    model = classifier(**options).fit(X, y)
    assert model.score(X, y) == 1.0
    vocabulary = pyrnn.Vocabulary.build(X)
    ids = [vocabulary.encode(x) for x in X]
    expected = model.predict_proba(X)
    with_own = classifier(vocabulary=vocabulary, **options).fit(X, y)
    assert_same_bits(with_own.predict_proba(X), expected)
    with_ids = classifier(vocabulary=len(vocabulary), **options).fit(ids, y)
    assert_same_bits(with_ids.predict_proba(ids), expected)
    unknown, known = ["never", "seen"], ["<unk>", "<unk>"]
    assert_same_bits(model.predict_proba([unknown]), model.predict_proba([known]))
    equally_long = np.array([x[:2].tolist() for x in ids])
    assert classifier(**options).fit(equally_long, y).predict(equally_long).shape == (60,)


def test_pipeline_and_grid_search_in_two_processes(tmp_path):
    """n_jobs=2 finds what n_jobs=1 finds; what was found survives joblib."""
    X, y = ragged(N=40)
    shift = FunctionTransformer(lambda X: [x - 20 for x in X])
    assert make_pipeline(shift, classifier(epochs=8)).fit(X, y).score(X, y) > 0.8
    found = [
        GridSearchCV(classifier(epochs=4), {"hidden_size": [4, 16]}, cv=2, n_jobs=n).fit(X, y)
        for n in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    assert_same_bits(scores[0], scores[1])
    joblib.dump(found[1].best_estimator_, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    assert_same_bits(again.predict_proba(X), found[1].predict_proba(X))
    assert cross_val_score(classifier(epochs=2), X, y, cv=2).shape == (2,)


def test_one_thread_inside_workers():
    """They share the cores among themselves; outside all are used."""

    def inner():
        with inner_threads():
            return pyrnn.get_num_threads()

    pyrnn.set_num_threads(3)
    jobs = [joblib.delayed(inner)() for _ in range(2)]
    for backend in ("threading", "loky"):
        assert joblib.Parallel(n_jobs=2, backend=backend)(jobs) == [1, 1]
    assert inner() == 3


def test_class_weight():
    """Weighted as in the loss: with a rare class balanced, it is found more often."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    y = (X[:, -1] + rng.standard_normal(300) > 1.8).astype(int)
    plain, balanced = (classifier(class_weight=w, epochs=10).fit(X, y) for w in (None, "balanced"))
    assert balanced.predict(X).mean() > 2 * plain.predict(X).mean()
    extreme = classifier(class_weight={0: 1, 1: 1e9}, batch_size=300)
    assert extreme.fit(X, y).predict(X).all()


def test_early_stopping_keeps_the_best():
    X, y = ragged(N=200)
    y = np.random.default_rng(0).permutation(y)  # nothing to be learnt but by heart
    model = classifier(early_stopping=True, patience=3, epochs=200).fit(X, y)
    assert model.n_iter_ < 60
    best = int(np.argmin(model.history_.val_loss))
    assert model.n_iter_ == best + 1 + 3


def test_warm_start_and_partial_fit_go_on():
    X, y = ragged()
    warm = classifier(warm_start=True, epochs=2).fit(X, y).fit(X, y)
    assert warm.n_iter_ == 4
    straight = classifier(epochs=4).fit(X, y)
    assert_same_bits(warm.predict_proba(X), straight.predict_proba(X))
    part = classifier().partial_fit(X[:5], y[:5], classes=["down", "sideways", "up"])
    assert part.predict_proba(X).shape == (80, 3)
    before = part.history_.loss[0]
    for _ in range(10):
        part.partial_fit(X, y)
    assert part.n_iter_ == 11 and part.history_.loss[-1] < before
    assert part.score(X, y) > 0.8


def test_a_seed_decides_everything():
    X, y = ragged()
    options = {"dropout": 0.3, "early_stopping": True, "epochs": 3}
    first, second = (classifier(**options).fit(X, y).predict_proba(X) for _ in range(2))
    assert_same_bits(first, second)
    other = classifier(**options).set_params(random_state=1).fit(X, y).predict_proba(X)
    assert not np.array_equal(first, other)
    shared = np.random.RandomState(0)
    model = classifier(epochs=1).set_params(random_state=shared)
    assert not np.array_equal(*(model.fit(X, y).predict_proba(X) for _ in range(2)))


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_regressor(loss):
    """In the units of y, whatever they are; several numbers at a time."""
    X, _ = ragged(N=150)
    y = np.array([[1e5 + 3 * x[-3:, 0].sum(), x[:, 1].mean()] for x in X])
    model = SequenceRegressor(loss=loss, epochs=30, **QUICK)
    assert model.fit(X, y).score(X, y) > 0.9
    assert model.predict(X).shape == (150, 2)
    alone = clone(model).fit(X, y[:, 0])
    assert alone.predict(X).shape == (150,) and alone.score(X, y[:, 0]) > 0.9
    with pytest.raises(ValueError, match="y has 1 numbers per sample, expected 2"):
        model.partial_fit(X, y[:, 0])
