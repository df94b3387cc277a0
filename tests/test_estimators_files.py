"""Promise: an estimator comes back from its file as it was, and no file runs code or does harm."""

import contextlib
import json
import pickle
import struct
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import pyrnn
from pyrnn.estimators import (
    Forecaster,
    SequenceClassifier,
    SequenceRegressor,
    SequenceTagger,
    load,
)

RNG = np.random.default_rng(0)
SMALL = {"hidden_size": 4, "epochs": 2, "random_state": 0}
RAGGED = [RNG.standard_normal((t, 2)) for t in (3, 5, 4, 6, 2, 5)]
WORDS = [["the", "dog"], ["a", "cat", "sees"], ["the", "cat"]] * 2
TAGS = [["D", "N"], ["D", "N", "V"], ["D", "N"]] * 2
NAMES = [["O", "B-PER"], ["B-PER", "I-PER", "O"], ["O", "O"]] * 2
IDS = [np.array([1, 2]), np.array([3, 1, 2]), np.array([2, 2])] * 2
SERIES = 10 + np.sin(np.arange(120) / 4) + 0.1 * RNG.standard_normal(120)

SEQUENCES = {
    "classes as texts": (SequenceClassifier(**SMALL), RAGGED, ["a", "bb"] * 3),
    "classes as integers": (SequenceClassifier(**SMALL), RAGGED, [7, 9] * 3),
    "classes as objects": (SequenceClassifier(**SMALL), RAGGED, np.array(["a", "b"] * 3, object)),
    "classes as flags": (SequenceClassifier(**SMALL), RAGGED, np.array([True, False] * 3)),
    "class weights": (SequenceClassifier(class_weight={0: 1, 1: 2.5}, **SMALL), RAGGED, [0, 1] * 3),
    "words": (SequenceClassifier(embedding=3, dropout=0.2, **SMALL), WORDS, [0, 1] * 3),
    "ids": (SequenceClassifier(embedding=3, vocabulary=9, **SMALL), IDS, [0, 1] * 3),
    "a vocabulary": (
        SequenceClassifier(embedding=3, vocabulary=pyrnn.Vocabulary(["the", "dog"]), **SMALL),
        WORDS,
        [0, 1] * 3,
    ),
    "a number": (SequenceRegressor(bidirectional=True, **SMALL), RAGGED, np.arange(6.0)),
    "numbers": (SequenceRegressor(cell="lstm", **SMALL), RAGGED, np.arange(12.0).reshape(6, 2)),
    "a table": (SequenceRegressor(**SMALL), RNG.standard_normal((6, 4)), np.arange(6.0)),
    "several labels": (SequenceClassifier(**SMALL), RAGGED, np.array([["a", "x"], ["b", "y"]] * 3)),
    "yes or no": (SequenceClassifier(**SMALL), RAGGED, np.array([[0, 1], [1, 1]] * 3)),
    "numbers at every step": (
        SequenceRegressor(pooling=None, **SMALL),
        RAGGED,
        [np.arange(float(len(x))) for x in RAGGED],
    ),
    "a scheme": (SequenceTagger(embedding=3, crf=True, scheme="IOB2", **SMALL), WORDS, NAMES),
    "tags": (SequenceTagger(embedding=3, **SMALL), WORDS, TAGS),
    "a CRF": (SequenceTagger(embedding=3, crf=True, **SMALL), WORDS, TAGS),
}
FORECASTS = {
    "one series": (Forecaster(horizon=3, **SMALL), SERIES),
    "columns": (Forecaster(horizon=3, scale="robust", **SMALL), np.stack([SERIES, -SERIES], 1)),
    "a dict": (Forecaster(horizon=3, **SMALL), {"x": SERIES, 5: SERIES[:80], ("a", 1): -SERIES}),
    "a list": (Forecaster(horizon=3, strategy="recursive", **SMALL), [SERIES, -SERIES]),
    "quantiles": (Forecaster(horizon=3, quantiles=(0.1, 0.9), **SMALL), SERIES),
    "logarithms": (Forecaster(horizon=3, transform="log1p", **SMALL), SERIES - SERIES.min()),
    **{
        name: (Forecaster(horizon=3, likelihood=name, **SMALL), np.rint(SERIES - SERIES.min()))
        for name in ("normal", "student_t", "poisson", "negative_binomial")
    },
    "gaps": (
        Forecaster(horizon=3, **SMALL),
        np.where(np.arange(len(SERIES)) % 5 == 4, np.nan, SERIES),
    ),
}


def same(a, b):
    """Whether two results have the same bits, whatever they are made of."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) or (isinstance(a, np.ndarray) and a.dtype == object):
        return len(a) == len(b) and all(map(same, a, b))
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())


@pytest.fixture(params=SEQUENCES)
def fitted(request, tmp_path):
    """An estimator, its data, and the estimator of its file."""
    estimator, X, y = SEQUENCES[request.param]
    estimator = clone(estimator).fit(X, y)
    estimator.save(tmp_path / "estimator.safetensors")
    return estimator, X, y, load(tmp_path / "estimator.safetensors")


def test_predictions_have_the_same_bits(fitted):
    estimator, X, _, again = fitted
    assert type(again) is type(estimator)
    assert same(again.predict(X), estimator.predict(X))
    if hasattr(estimator, "predict_proba"):
        assert same(again.predict_proba(X), estimator.predict_proba(X))


def test_all_that_scikit_learn_shows_is_there(fitted):
    estimator, _, _, again = fitted
    assert repr(again) == repr(estimator)
    assert again.n_iter_ == estimator.n_iter_ and again.n_features_in_ == estimator.n_features_in_
    assert again.history_.loss == estimator.history_.loss
    if hasattr(estimator, "classes_"):
        assert same(again.classes_, estimator.classes_)
    assert clone(again).get_params().keys() == estimator.get_params().keys()


def test_training_goes_on_with_the_same_bits(fitted):
    estimator, X, y, again = fitted
    for one in (estimator, again):
        one.partial_fit(X, y).partial_fit(X, y)
    assert same(again.predict(X), estimator.predict(X))
    for name, array in estimator.network_.state_dict().items():
        assert same(again.network_.state_dict()[name], array)
    assert len(again.history_) == len(estimator.history_) == 4


def test_a_warm_start_goes_on(fitted):
    estimator, X, y, again = fitted
    for one in (estimator, again):
        one.set_params(warm_start=True).fit(X, y)
    assert same(again.predict(X), estimator.predict(X))


@pytest.mark.parametrize("name", FORECASTS)
def test_a_forecaster_goes_on(name, tmp_path):
    forecaster, y = FORECASTS[name]
    forecaster = clone(forecaster).fit(y)
    forecaster.save(tmp_path / "forecaster")
    again = load(tmp_path / "forecaster")
    assert repr(again) == repr(forecaster)
    for _ in range(2):
        assert same(again.predict(), forecaster.predict())
        assert same(again.interval(0.8), forecaster.interval(0.8))
        if forecaster.quantiles:
            assert same(again.predict_quantiles(), forecaster.predict_quantiles())
        if forecaster.likelihood:
            assert same(again.sample(5), forecaster.sample(5))
        assert same(again.backtest(y).mae, forecaster.backtest(y).mae)
        for one in (again, forecaster):
            one.update(y, epochs=1)


def test_a_table_keeps_its_names(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X = pandas.DataFrame(RNG.standard_normal((6, 3)), columns=["a", "b", "c"])
    regressor = SequenceRegressor(**SMALL).fit(X, np.arange(6.0))
    regressor.save(tmp_path / "r")
    again = load(tmp_path / "r")
    assert same(again.predict(X), regressor.predict(X))
    assert list(again.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        again.predict(X[["b", "a", "c"]])


def test_parameters_that_were_set_after_the_fit_are_kept(tmp_path):
    classifier = SequenceClassifier(**SMALL).fit(RAGGED, [0, 1] * 3)
    classifier.set_params(optimizer="sgd", epochs=9).save(tmp_path / "c")
    again = load(tmp_path / "c")
    assert (again.optimizer, again.epochs) == ("sgd", 9)
    again.set_params(optimizer="adam").partial_fit(RAGGED, [0, 1] * 3)
    with pytest.raises(ValueError, match="optimizer is 'sgd', expected 'adam'"):
        classifier.partial_fit(RAGGED, [0, 1] * 3)


def test_what_cannot_be_saved_says_why(tmp_path):
    path = tmp_path / "e"
    with pytest.raises(NotFittedError):
        SequenceClassifier().save(path)
    state = np.random.RandomState(0)
    classifier = SequenceClassifier(**SMALL | {"random_state": state}).fit(RAGGED, [0, 1] * 3)
    with pytest.raises(TypeError, match=r"SequenceClassifier.save cannot hold .*random_state"):
        classifier.save(path)
    with pytest.raises(ValueError, match=r"'\.joblib', the suffix of pickle files"):
        classifier.set_params(random_state=0).save("c.joblib")

    class Mine(SequenceClassifier):
        pass

    with pytest.raises(TypeError, match="a file holds pyrnn's own estimators"):
        Mine(**SMALL).fit(RAGGED, [0, 1] * 3).save(path)
    assert not path.exists()


def test_other_files_are_told_apart(tmp_path):
    model, estimator = tmp_path / "model", tmp_path / "estimator"
    classifier = SequenceClassifier(**SMALL).fit(RAGGED, [0, 1] * 3)
    classifier.save(estimator)
    classifier.network_.save(model)
    with pytest.raises(ValueError, match="holds no estimator"):
        load(model)
    with pytest.raises(ValueError, match=r"holds an estimator, which pyrnn.estimators.load\(path"):
        pyrnn.load(estimator)
    (tmp_path / "pickle").write_bytes(pickle.dumps(classifier))
    with pytest.raises(ValueError, match="a pickle"):
        load(tmp_path / "pickle")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(TypeError, match="load: path is 3"):
        load(3)


def header_and_rest(content):
    """The header of a safetensors file, pyrnn's description in it, and the numbers."""
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    return header, json.loads(header["__metadata__"]["pyrnn"]), content[8 + size :]


def written(header, description, rest):
    """The file of them."""
    header["__metadata__"]["pyrnn"] = json.dumps(description)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


def places(tree):
    """Each container of a tree with each of its keys."""
    found = []
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        found.append((tree, key))
        if isinstance(value, dict | list):
            found += places(value)
    return found


ODD = [None, True, -1, 0, 10**12, 1e308, float("nan"), "x", [], {}, [[]], {"$tuple": [1]}]
ODD += [{"$learnt": "Form", "$fields": {}}, {"$tensor": "none"}, {"$module": {}, "$weights": {}}]


def changed_places(tree, key):
    """The containers of a tree that have this key."""
    return [where for where, own in places(tree) if own == key]


@pytest.mark.parametrize("key", ["horizon", "lookback", "direct"])
@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_sizes_that_do_not_belong_together_are_refused(key, strategy, tmp_path):
    """No number in a file makes memory of it in predict."""
    Forecaster(horizon=2, strategy=strategy, epochs=1, random_state=0).fit(SERIES).save(
        tmp_path / "e"
    )
    header, description, rest = header_and_rest((tmp_path / "e").read_bytes())
    cutter = changed_places(description, key)[-1]
    assert "burn" in cutter
    cutter[key] = not cutter[key] if key == "direct" else 10**12
    (tmp_path / "e").write_bytes(written(header, description, rest))
    if key == "lookback":  # of which there is no more than the series' last steps
        assert load(tmp_path / "e").predict().shape == (2,)
        return
    with pytest.raises(ValueError, match="Fitted has"):
        load(tmp_path / "e")


@pytest.mark.parametrize("name", ["words", "a CRF", "a number", "one series", "a dict"])
def test_a_changed_file_is_refused_or_harmless(name, tmp_path):
    """250 changes of what the file says, and of its bytes: an error in words, or an estimator
    that predicts or says what is wrong."""
    estimator, X, *y = (SEQUENCES | FORECASTS)[name]
    path, rng = tmp_path / "e", np.random.default_rng(1)
    estimator = clone(estimator).fit(X, *y)
    estimator.save(path)
    content, refused = path.read_bytes(), 0
    count = len(places(header_and_rest(content)[1]))
    for number in range(250):
        header, description, rest = header_and_rest(content)
        if number % 5:
            tree, key = places(description)[rng.integers(count)]
            tree[key] = ODD[rng.integers(len(ODD))]
            changed = written(header, description, rest)
        else:
            changed = bytearray(content)
            changed[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(changed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                again = load(path)
            except ValueError as error:
                assert str(error).startswith(str(path))
                refused += 1
                continue
            said = (TypeError, ValueError, LookupError, FloatingPointError)
            with contextlib.suppress(*said):
                again.predict(*([X] if y else []))
    assert refused > 50
