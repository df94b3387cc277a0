"""Promise: padded samples give the bits of the sequences in them, by lengths, a mask or padding
ids; sequences without steps have an answer of their own."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import pyrnn
from compare import assert_same_bits
from pyrnn.estimators import SequenceClassifier, SequenceRegressor, SequenceTagger

N, T, F = 24, 7, 2
QUICK = {"hidden_size": 4, "epochs": 2, "random_state": 0}
rng = np.random.default_rng(0)
LENGTHS = rng.integers(1, T + 1, N)
MASK = rng.random((N, T)) < 0.6
MASK[np.arange(N), rng.integers(0, T, N)] = True
BEHIND = np.arange(T) < LENGTHS[:, None]


def padded(real):
    """Numbers, NaN where they are no steps."""
    x = np.random.default_rng(1).standard_normal((N, T, F))
    x[~real] = np.nan
    return x


def problem(kind, x, real):
    """An estimator, its y with padding, its y without, and how it predicts."""
    sums = np.where(real, np.nan_to_num(x[:, :, 0]), 0).cumsum(axis=1)
    if kind == "classifier":
        y = (sums[:, -1] > 0).astype(int)
        return SequenceClassifier(**QUICK), y, y, "predict_proba"
    if kind == "regressor":
        return SequenceRegressor(**QUICK), sums[:, -1], sums[:, -1], "predict"
    if kind == "every step":
        y = np.where(real, sums, np.nan)
        return SequenceRegressor(pooling=None, **QUICK), y, cut(y, real), "predict"
    y = np.where(real, np.where(sums > 0, "up", "down"), "no label")
    crf = {"crf": True} if kind == "crf" else {}
    return SequenceTagger(**crf, **QUICK), y, cut(y, real), "predict_proba"


def cut(rows, real):
    return [row[kept] for row, kept in zip(rows, real, strict=True)]


KINDS = ["classifier", "regressor", "every step", "tagger", "crf"]


@pytest.mark.parametrize("options", ["lengths", "mask"])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_as_if_it_were_not_there(kind, options):
    """In fit, partial_fit, predict and score; padded y and y without padding."""
    real, given = (BEHIND, {"lengths": LENGTHS}) if options == "lengths" else (MASK, {"mask": MASK})
    x = padded(real)
    model, y, y_cut, method = problem(kind, x, real)
    ragged, forms = cut(x, real), [x, list(x)] + ([x.reshape(N, -1)] if kind != "crf" else [])
    model.fit(ragged, y_cut).partial_fit(ragged, y_cut)
    expected, score = getattr(model, method)(ragged), model.score(ragged, y_cut)
    for X in forms:
        if getattr(X, "ndim", 0) == 2:
            model.set_params(n_features_per_step=F)
        for target in (y, y_cut):
            found = model.fit(X, target, **given).partial_fit(X, target, **given)
            assert_same_bits(list(getattr(found, method)(X, **given)), list(expected))
            assert model.score(X, target, **given) == score
    labels = model.predict(x, **given)
    assert len(labels) == N
    if kind not in ("classifier", "regressor"):
        assert labels.dtype == object and [len(row) for row in labels] == real.sum(axis=1).tolist()


def test_weights_of_steps_are_padded_too():
    x = padded(MASK)
    model, y, y_cut, method = problem("tagger", x, MASK)
    weight = np.where(MASK, rng.random((N, T)), np.nan)
    expected = model.fit(cut(x, MASK), y_cut, sample_weight=cut(weight, MASK))
    expected = list(getattr(expected, method)(cut(x, MASK)))
    for weights in (weight, cut(weight, MASK)):
        model.fit(x, y, sample_weight=weights, mask=MASK)
        assert_same_bits(list(getattr(model, method)(x, mask=MASK)), expected)


@pytest.mark.parametrize("place", ["front", "behind", "both"])
def test_padding_of_a_vocabulary(place):
    """Ids and tokens; a tagger's labels are those of the real steps."""
    words = [["good", "film"], ["bad", "film"], ["good"], ["bad", "plot", "film"]] * 5
    y = [1, 0, 1, 0] * 5
    tags = [[word.upper() for word in sentence] for sentence in words]
    vocabulary = pyrnn.Vocabulary.build(words)
    front, behind = (place != "behind"), (place != "front")

    def fill(row, what, width):
        room = width - len(row)
        ahead = room // 2 if front and behind else room * front
        return [what] * ahead + list(row) + [what] * (room - ahead)

    ids = np.array([fill(vocabulary.encode(row), vocabulary.padding, 5) for row in words])
    tokens = [fill(row, "<pad>", 5) for row in words]
    options = {"embedding": 4, "vocabulary": vocabulary, **QUICK}
    expected = SequenceClassifier(**options).fit(words, y).predict_proba(words)
    for X in (ids, tokens):
        assert_same_bits(SequenceClassifier(**options).fit(X, y).predict_proba(X), expected)
    tagger = SequenceTagger(**options).fit(words, tags)
    expected = list(tagger.predict_proba(words))
    for X, labels in ((ids, tags), (tokens, [fill(row, "none", 5) for row in tags])):
        again = SequenceTagger(**options).fit(X, labels)
        assert_same_bits(list(again.predict_proba(X)), expected)
        assert again.score(X, labels) == tagger.score(words, tags)
        assert [len(row) for row in again.predict(X)] == [len(row) for row in words]
    assert again.predict(ids[[3, 3]]).dtype == object  # without any padding, too


def test_without_a_vocabulary_zero_is_an_id():
    model = SequenceClassifier(embedding=4, **QUICK).fit([[1, 0], [0, 2]] * 4, [0, 1] * 4)
    assert not np.array_equal(*model.predict_proba([[1], [1, 0]]))


def test_padding_between_ids_is_refused():
    vocabulary = pyrnn.Vocabulary(["good", "bad"])
    model = SequenceClassifier(embedding=4, vocabulary=vocabulary, **QUICK)
    model.fit([[2, 3], [3]] * 3, [0, 1] * 3)
    with pytest.raises(ValueError, match=r"X\[1\] holds '<pad>', id 0, at step 2 between others"):
        model.predict([[2, 3], [0, 2, 0, 3, 0]])
    by_mask = model.predict_proba([[0, 2, 0, 3, 0]], mask=[[False, True, False, True, False]])
    assert_same_bits(by_mask, model.predict_proba([[2, 3]]))


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_lengths_are_routed():
    """Through a Pipeline, a search over it, and cross_validate: the numbers of ragged lists."""
    x = padded(BEHIND)
    ragged = cut(x, BEHIND)
    for kind in ("classifier", "tagger"):
        model, y, y_cut, _ = problem(kind, x, BEHIND)
        model.set_fit_request(lengths=True).set_score_request(lengths=True)
        model.set_predict_request(lengths=True)
        pipe = make_pipeline(FunctionTransformer(), model)
        pipe.fit(x, y, lengths=LENGTHS)
        plain = problem(kind, x, BEHIND)[0].fit(ragged, y_cut)
        assert_same_bits(list(pipe.predict(x, lengths=LENGTHS)), list(plain.predict(ragged)))
        grid = {"hidden_size": [2, 4]}
        found = GridSearchCV(model, grid, cv=2).fit(x, y, lengths=LENGTHS)
        expected = GridSearchCV(plain, grid, cv=2).fit(ragged, y_cut)
        name = "mean_test_score"
        assert_same_bits(found.cv_results_[name], expected.cv_results_[name])
        scores = [
            cross_validate(model, x, y, cv=2, params={"lengths": LENGTHS}),
            cross_validate(plain, ragged, y_cut, cv=2),
        ]
        assert_same_bits(scores[0]["test_score"], scores[1]["test_score"])
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError):
            GridSearchCV(plain, grid, cv=2).fit(x, y, lengths=LENGTHS)


@pytest.mark.usefixtures("routing")
def test_a_mask_is_routed():
    x = padded(MASK)
    model, y, y_cut, _ = problem("every step", x, MASK)
    model.set_fit_request(mask=True).set_score_request(mask=True)
    found = cross_validate(model, x, y, cv=2, params={"mask": MASK})
    expected = cross_validate(problem("every step", x, MASK)[0], cut(x, MASK), y_cut, cv=2)
    assert_same_bits(found["test_score"], expected["test_score"])


BAD = [
    ({"lengths": LENGTHS, "mask": MASK}, "mask is of type ndarray, expected None with lengths"),
    ({"lengths": LENGTHS[:-1]}, r"lengths has shape \(23,\), expected \(24,\)"),
    ({"lengths": LENGTHS + T}, r"lengths\[0\] is \d+, expected 0 <= length <= 7, the steps of X"),
    ({"lengths": -LENGTHS}, r"lengths\[0\] is -\d+, expected 0 <= length"),
    ({"lengths": LENGTHS * 0.5}, "lengths has dtype float64, expected integers"),
    ({"lengths": "all"}, "lengths"),
    ({"mask": MASK.astype(int)}, r"mask\[0\] has dtype int64, expected bools"),
    ({"mask": MASK[:, :-1]}, r"mask\[0\] has shape \(6,\), expected \(7,\)"),
    ({"mask": MASK[:-1]}, "mask has 23 rows, expected 24"),
    ({"mask": True}, "mask has no rows, expected 24"),
    ({"lengths": LENGTHS * 0}, "X has no steps, expected at least one"),
    ({"lengths": np.minimum(LENGTHS + 1, T)}, r"X\[\d+\] contains NaN or infinity at step \d"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=range(len(BAD)))
def test_bad_padding(options, words):
    x = padded(BEHIND)
    model, y, *_ = problem("classifier", x, BEHIND)
    with pytest.raises((TypeError, ValueError), match=f"^SequenceClassifier: {words}"):
        model.fit(x, y, **options)
    assert set(vars(model)) == set(model.get_params())
    if "no steps" not in words:
        model.fit(x, y, lengths=LENGTHS)
        for call in (model.predict, model.transform, lambda *a, **o: model.score(*a, y, **o)):
            with pytest.raises((TypeError, ValueError), match=f"^SequenceClassifier: {words}"):
                call(x, **options)


@pytest.mark.parametrize("form", ["numbers", "ids", "tokens", "padded"])
def test_a_sequence_without_steps_is_answered_with_the_prior(form):
    """The shares of the classes by weight, and the mean; the others' answers are as ever."""
    x, options, given = cut(padded(BEHIND), BEHIND), {}, {}
    y, numbers = rng.integers(0, 3, N), rng.standard_normal((N, 2)) + 5
    y[0], numbers[0], x[0] = 2, (100.0, -50.0), x[0][:0]
    weight = rng.random(N)
    if form != "numbers":
        options = {"embedding": 3} if form != "padded" else {}
        x = [(row[:, 0] > 0).astype(int) + 2 for row in x] if form != "padded" else x
    if form == "tokens":
        x = [["abc"[i - 1] for i in row] for row in x]
    if form == "padded":
        lengths = np.where(np.arange(N) == 0, 0, LENGTHS)
        x, given = padded(BEHIND), {"lengths": lengths}
    classifier = SequenceClassifier(**options, **QUICK).fit(x, y, sample_weight=weight, **given)
    regressor = SequenceRegressor(**options, **QUICK).fit(x, numbers, **given)
    p, predicted = classifier.predict_proba(x, **given), regressor.predict(x, **given)
    shares = np.bincount(y, weight) / weight.sum()
    np.testing.assert_allclose(p[0], shares, rtol=1e-12)
    assert classifier.predict(x, **given)[0] == shares.argmax()
    np.testing.assert_allclose(predicted[0], numbers.mean(axis=0), rtol=1e-12)
    rest = {"lengths": lengths[1:]} if given else {}
    assert_same_bits(p[1:], classifier.predict_proba(x[1:], **rest))
    assert_same_bits(predicted[1:], regressor.predict(x[1:], **rest))
    assert not classifier.transform(x, **given)[0].any()
    nothing = {"lengths": lengths[:1]} if given else {}
    np.testing.assert_allclose(classifier.predict_proba(x[:1], **nothing)[0], shares, rtol=1e-12)


def test_what_has_no_steps_does_not_train():
    """Its label counts in the prior, and a network of the others learns as without it."""
    x, y = cut(padded(BEHIND), BEHIND), rng.integers(0, 2, N)
    one, other = (
        SequenceClassifier(early_stopping=stop, **QUICK).fit([*x, x[0][:0]], [*y, 1])
        for stop in (False, True)
    )
    plain = SequenceClassifier(**QUICK).fit(x, y)
    assert_same_bits(one.predict_proba(x), plain.predict_proba(x))
    assert np.isfinite(other.history_.val_loss).all()
    share = (y.sum() + 1) / (N + 1)
    np.testing.assert_allclose(one.predict_proba([x[0][:0]])[0, 1], share, rtol=1e-12)
    again = one.partial_fit(x[:10], y[:10])  # the prior is of all that came
    share = (y.sum() + 1 + y[:10].sum()) / (N + 11)
    np.testing.assert_allclose(again.predict_proba([x[0][:0]])[0, 1], share, rtol=1e-12)
    every = SequenceRegressor(pooling=None, **QUICK).fit(
        [*x, x[0][:0]], [*(r[:, 0] for r in x), []]
    )
    assert every.predict([x[0][:0], x[1]])[0].shape == (0,)
