"""Promise: estimators tell what does not fit, and an error leaves nothing half-fitted."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sequences import classifier, ragged

RAGGED, LABELS = ragged(N=6)
WITH_NAN = [*RAGGED[:4], np.full((3, 2), np.nan), RAGGED[5]]
TEXTS, IDS = ["a b"] * 6, [[1, 2, 3]] * 6
TOKENS = {"embedding": 4}
BAD = [
    ([], LABELS, {}, "0 sample|at least"),
    ([*RAGGED[:5], np.ones((4, 3))], LABELS, {}, r"X\[5\] has shape \(4, 3\), expected \(steps, 2"),
    ([np.ones((0, 2))] * 6, LABELS, {}, "X has no steps, expected at least one"),
    (WITH_NAN, LABELS, {}, r"X\[4\] contains NaN or infinity at step 0"),
    (RAGGED, LABELS[:5], {}, "inconsistent numbers of samples"),
    (RAGGED, None, {}, "requires y"),
    (np.ones((6, 5)), LABELS, {"n_features_per_step": 2}, "5 columns, expected a multiple of 2"),
    (RAGGED, LABELS, {"cell": "tree"}, "cell is 'tree', expected one of"),
    (RAGGED, LABELS, {"pooling": "sum"}, "pooling is 'sum'"),
    (RAGGED, LABELS, {"optimizer": "best"}, "optimizer is 'best'"),
    (RAGGED, LABELS, {"epochs": 0}, "epochs is 0"),
    (RAGGED, LABELS, {"hidden_size": 0}, "hidden_size is 0"),
    (RAGGED, LABELS, {"early_stopping": True, "validation_fraction": 0.01}, "holds out 0 of 6"),
    (RAGGED, LABELS, {"scale": "yes"}, "scale is 'yes', expected True or False"),
    ([*RAGGED[:5], np.full((3, 2), 1e200)], LABELS, {}, "as large as 1e.200"),
    ([*RAGGED[:5], np.full((3, 2), 1e40)], LABELS, {"scale": False}, "X is 1e.40 when scaled"),
    (TEXTS, LABELS, TOKENS, r"text.split\(\)"),
    (None, LABELS, TOKENS, "X is None, expected sequences of ids or tokens"),
    ([1, 2, 3, 4, 5, 6], LABELS, TOKENS, r"X\[0\] is 1, expected a sequence"),
    (IDS, LABELS, {**TOKENS, "vocabulary": ["a"]}, "expected a pyrnn.Vocabulary"),
    ([*IDS[:5], [1.5]], LABELS, TOKENS, r"X\[5\] has dtype float64"),
    ([[]] * 6, LABELS, TOKENS, "X has no steps, expected at least one"),
    ([*IDS[:5], [9]], LABELS, {**TOKENS, "vocabulary": 4}, r"X\[5\] holds the id 9, .*id < 4"),
    (TEXTS, LABELS, {}, "X holds the text 'a b', expected numbers; tokens need `embedding`"),
    ([["a"]] * 6, LABELS, {}, "X holds the text 'a', expected numbers; tokens need `embedding`"),
    (np.array([["a", "b"]] * 6), LABELS, {}, "X holds the text 'a', .*`embedding`"),
    (np.array([["a", 1]] * 6, object), LABELS, {}, "X holds the text 'a', .*`embedding`"),
    ([["a"], ["a", "<pad>", "a"], *[["a"]] * 4], LABELS, TOKENS, r"X\[1\] holds '<pad>', .*step 1"),
    (RAGGED, [[0], [0, 1], [0], [1], [0], [1]], {}, "y does not fit"),
    ([*IDS[:5], [-1]], LABELS, TOKENS, r"X\[5\] holds the id -1"),
]


@pytest.mark.parametrize(("X", "y", "options", "words"), BAD, ids=range(len(BAD)))
def test_bad_input_leaves_nothing_half_fitted(X, y, options, words):
    """Neither a new estimator nor one that was fitted before is changed."""
    model = classifier(epochs=1).set_params(**options)
    with pytest.raises((TypeError, ValueError), match=words):
        model.fit(X, y)
    assert set(vars(model)) == set(model.get_params())
    fitted = classifier(epochs=1).fit(RAGGED, LABELS).set_params(**options)
    before = pickle.dumps(fitted)
    with pytest.raises((TypeError, ValueError), match=words):
        fitted.fit(X, y)
    assert pickle.dumps(fitted) == before


def test_bad_input_of_predict():
    model = classifier(epochs=1).fit(RAGGED, LABELS)
    for X, words in (
        (np.ones((2, 4, 3)), "X has 3 features per step, expected 2 as in fit"),
        ([np.ones((4, 3))], "X has 3 features per step"),
        (np.ones((2, 4)), "X has 1 features per step"),
        (WITH_NAN, "NaN"),
        ([np.full((3, 2), 1e60)], "when scaled, expected numbers that float32 can hold"),
    ):
        with pytest.raises(ValueError, match=words):
            model.predict(X)
    with pytest.raises(ValueError, match="label 'left', expected one of"):
        model.partial_fit(RAGGED[:1], ["left"])
    words = classifier(epochs=1, embedding=4).fit(IDS, LABELS)
    with pytest.raises(ValueError, match="id 4, expected 0 <= id < 4"):
        words.predict([[1, 4]])
    with pytest.raises(TypeError, match="expected integer ids as in fit"):
        words.predict([["a"]])


def test_without_scikit_learn():
    """pyrnn is as ever; the estimators say what to install."""
    code = "import sys; sys.modules['sklearn'] = None; import pyrnn; import pyrnn.estimators"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError" in child.stderr and "pip install scikit-learn" in child.stderr


def test_a_column_of_arrays_is_a_list_of_them():
    column = np.empty(6, object)
    column[:] = RAGGED
    models = [classifier(epochs=1).fit(X, LABELS) for X in (RAGGED, column)]
    assert (models[0].predict_proba(RAGGED) == models[1].predict_proba(column)).all()
