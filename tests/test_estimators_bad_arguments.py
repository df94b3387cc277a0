"""Promise: a bad value of any argument of an estimator is an error that names the argument."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from bad_values import complaints
from pyrnn.estimators import (
    Forecaster,
    RollingOrigins,
    SequenceClassifier,
    SequenceRegressor,
    SequenceTagger,
    naive_forecast,
)

QUICK = {"epochs": 1, "hidden_size": 2, "random_state": 0}
X = [np.ones((n, 2)) for n in (2, 3, 2, 3)]
TOKENS = [["a", "b"], ["b"], ["a"], ["b", "a"]]
TAGS = [["p", "q"], ["q"], ["p"], ["q", "p"]]
Y = np.sin(np.arange(60.0))


def classifier(**options):
    return SequenceClassifier(**QUICK, **options)


def tagger(**options):
    return SequenceTagger(embedding=2, **QUICK, **options)


def forecaster(**options):
    return Forecaster(lookback=4, **QUICK | options)


def fitted(model, *data):
    return model.fit(*data)


def forecaster_search(y, **options):
    return forecaster().search({"hidden_size": [2]}, y, **options)


CLASSES = ["p", "q", "p", "q"]
CALLS = {
    "classifier-X": ("X", lambda bad: classifier().fit(bad, CLASSES)),
    "classifier-y": ("y", lambda bad: classifier().fit(X, bad)),
    "classifier-tokens": ("X", lambda bad: classifier(embedding=2).fit(bad, CLASSES)),
    "classifier-predict": ("X", fitted(classifier(), X, CLASSES).predict),
    "classifier-classes": ("classes|y", lambda bad: classifier().partial_fit(X, CLASSES, bad)),
    "regressor-X": ("X", lambda bad: SequenceRegressor(**QUICK).fit(bad, Y[:4])),
    "regressor-y": ("y", lambda bad: SequenceRegressor(**QUICK).fit(X, bad)),
    "regressor-predict": ("X", fitted(SequenceRegressor(**QUICK), X, Y[:4]).predict),
    "tagger-X": ("X", lambda bad: tagger().fit(bad, TAGS)),
    "tagger-y": ("y", lambda bad: tagger().fit(TOKENS, bad)),
    "tagger-predict": ("X", fitted(tagger(), TOKENS, TAGS).predict),
    "tagger-score": ("y", lambda bad: fitted(tagger(), TOKENS, TAGS).score(TOKENS, bad)),
    "naive-y": ("y", lambda bad: naive_forecast(bad, 1)),
    "naive-horizon": ("horizon", lambda bad: naive_forecast(Y, bad)),
    "naive-season": ("season", lambda bad: naive_forecast(Y, 1, bad)),
    "forecaster-y": ("y", lambda bad: forecaster().fit(bad)),
    "forecaster-past": ("past", lambda bad: forecaster().fit(Y, past=bad)),
    "forecaster-future": ("future", lambda bad: forecaster().fit(Y, future=bad)),
    "forecaster-predict-horizon": ("horizon", fitted(forecaster(), Y).predict),
    "forecaster-predict-past": ("past", lambda bad: fitted(forecaster(), Y).predict(past=bad)),
    "forecaster-interval-level": ("level", fitted(forecaster(), Y).interval),
    "forecaster-update-y": ("y", fitted(forecaster(), Y).update),
    "forecaster-update-epochs": (
        "epochs",
        lambda bad: fitted(forecaster(), Y).update(Y, epochs=bad),
    ),
    "forecaster-backtest-y": ("y", fitted(forecaster(), Y).backtest),
    **{
        f"forecaster-backtest-{name}": (
            name,
            lambda bad, name=name: fitted(forecaster(), Y).backtest(Y, **{name: bad}),
        )
        for name in ("start", "stride", "refit", "horizon", "season", "level")
    },
    "forecaster-score-y": ("y", fitted(forecaster(), Y).score),
    "forecaster-search-space": ("space", lambda bad: forecaster().search(bad, Y)),
    "forecaster-search-y": ("y", forecaster_search),
    **{
        f"forecaster-search-{name}": (
            name,
            lambda bad, name=name: forecaster_search(Y, **{"n_trials": 1, name: bad}),
        )
        for name in ("n_trials", "n_splits", "stride")
    },
    **{
        f"rolling-origins-{name}": (
            name,
            lambda bad, name=name: RollingOrigins(**{"horizon": 1, name: bad}),
        )
        for name in ("horizon", "n_splits", "stride")
    },
    "rolling-origins-X": ("X", lambda bad: list(RollingOrigins(2).split(bad))),
}


@pytest.mark.parametrize("call", CALLS)
def test_bad_data(call):
    assert not complaints(CALLS[call][1], CALLS[call][0])


def regressor(**options):
    return SequenceRegressor(embedding=2, **QUICK, **options)


IDS = [[1, 2], [2], [1], [2, 1]]
UNREAD = [
    (classifier, (X, CLASSES), "vocabulary", "nonsense"),
    (classifier, (X, CLASSES), "vocabulary", 5),
    (classifier, (X, CLASSES), "verbose", "no"),
    (classifier, (X, CLASSES), "warm_start", 1),
    (classifier, (X, CLASSES), "patience", "long"),
    (classifier, (X, CLASSES), "validation_fraction", 2.0),
    (regressor, (IDS, Y[:4]), "scale", "nonsense"),
    (tagger, (TOKENS, TAGS), "scheme", "nonsense"),
    (tagger, (TOKENS, TAGS), "scheme", "BILOU"),
    (tagger, (TOKENS, TAGS), "constraints", np.ones((2, 2), bool)),
    (tagger, (TOKENS, TAGS), "scale", None),
    (forecaster, (Y,), "verbose", "no"),
    (forecaster, (Y,), "patience", 0),
    (forecaster, (Y,), "validation_fraction", -1),
    (lambda **o: forecaster(quantiles=[0.5], **o), (Y,), "loss", "nonsense"),
]


@pytest.mark.parametrize(("make", "data", "name", "bad"), UNREAD, ids=range(len(UNREAD)))
def test_no_parameter_is_taken_unread(make, data, name, bad):
    """Whether this training needs it or not; other estimators of the class do."""
    model = make().set_params(**{name: bad})
    with pytest.raises((TypeError, ValueError), match=f"^{type(model).__name__}: {name} is "):
        model.fit(*data)
    assert set(vars(model)) == set(model.get_params())


def test_flags_are_checked_by_partial_fit_and_update():
    for model, call in (
        (classifier(), lambda m: m.partial_fit(X, CLASSES)),
        (forecaster().fit(Y), lambda m: m.update(Y)),
    ):
        model.set_params(verbose="no")
        with pytest.raises(TypeError, match=f"^{type(model).__name__}: verbose is 'no'"):
            call(model)


@pytest.mark.parametrize("first", [True, False])
def test_a_learning_rate_is_named_as_the_estimators(first):
    model = classifier()
    if not first:
        model.partial_fit(X, CLASSES)
    model.set_params(learning_rate=-1.0)
    with pytest.raises(ValueError, match=r"^SequenceClassifier: learning_rate .*-1\.0"):
        model.partial_fit(X, CLASSES)


@pytest.mark.parametrize(
    ("make", "data", "name"),
    [
        pytest.param(make, data, name, id=f"{make.__name__}-{name}")
        for make, data in ((classifier, (X, CLASSES)), (tagger, (TOKENS, TAGS)), (forecaster, (Y,)))
        for name in make().get_params()
    ],
)
def test_bad_parameter(make, data, name):
    said = f"{name}|X" if name in ("embedding", "vocabulary") else name  # of which X holds no ids
    assert not complaints(lambda bad: make().set_params(**{name: bad}).fit(*data), said)
