"""Promise: estimators take the arrays of other libraries, with the results of numpy's."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from array_kinds import KINDS, OnlyArray
from compare import assert_same_bits
from pyrnn.estimators import (
    Forecaster,
    SequenceClassifier,
    SequenceRegressor,
    SequenceTagger,
)

N, T, F = 20, 5, 3
QUICK = {"hidden_size": 4, "epochs": 2, "random_state": 0}
rng = np.random.default_rng(0)
X, WEIGHT = rng.standard_normal((N, T, F)), rng.random(N) + 0.5
CLASSES, TAGS, NUMBERS = (X[:, 0, 0] > 0).astype(int), (X[:, :, 0] > 0).astype(int), X[:, 0].copy()
LENGTHS = rng.integers(1, T + 1, N)
RAGGED = [x[:n].copy() for x, n in zip(X, LENGTHS, strict=True)]
IDS = [rng.integers(0, 5, n) for n in LENGTHS]
SERIES = 100 + np.cumsum(rng.standard_normal(90))


def classified(read, **options):
    def call(a):
        made = SequenceClassifier(**QUICK, **options)
        made.fit(read(a), a(CLASSES), sample_weight=a(WEIGHT))
        return made.classes_, made.predict_proba(read(a))

    return call


def tagged(a):
    of_lists = SequenceTagger(**QUICK)
    of_lists.fit([a(x) for x in RAGGED], [a(t[:n]) for t, n in zip(TAGS, LENGTHS, strict=True)])
    of_array = SequenceTagger(**QUICK).fit(a(X), a(TAGS))
    found = of_array.predict(a(X)), of_array.predict_proba(a(X)), of_array.score(a(X), a(TAGS))
    return of_lists.classes_, list(of_lists.predict([a(x) for x in RAGGED])), found


def forecast(a):
    own = {**QUICK, "lookback": 12, "horizon": 3}
    one, many, past = Forecaster(**own), Forecaster(**own), Forecaster(**own)
    one.fit(a(SERIES))
    many.fit([a(SERIES), a(SERIES[:70] * 2)])
    past.fit(a(SERIES), past=a(np.stack([SERIES, -SERIES], axis=1)))
    return [np.asarray(y) for y in (one.predict(), *many.predict(), past.predict())]


CALLS = {
    "an array": classified(lambda a: a(X)),
    "a list": classified(lambda a: [a(x) for x in RAGGED]),
    "a table": classified(lambda a: a(X.reshape(N, -1)), n_features_per_step=F),
    "ids": classified(lambda a: [a(ids) for ids in IDS], embedding=3),
    "numbers": lambda a: SequenceRegressor(**QUICK).fit(a(X), a(NUMBERS)).predict(a(X)),
    "tags": tagged,
    "series": forecast,
}
EXPECTED = {}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_on_other_arrays(name, kind):
    if name not in EXPECTED:
        EXPECTED[name] = CALLS[name](lambda array: array)
    assert_same_bits(CALLS[name](KINDS[kind]()), EXPECTED[name])


def test_a_tensor_that_requires_grad_and_a_packed_sequence():
    torch = pytest.importorskip("torch")
    x = torch.tensor(X)
    for given in (x.clone().requires_grad_(), [*x.clone().requires_grad_()]):
        with pytest.raises(TypeError, match=r"SequenceClassifier: X.* requires grad.*\.detach\(\)"):
            SequenceClassifier(**QUICK).fit(given, CLASSES)
    packed = torch.nn.utils.rnn.pack_sequence([*map(torch.tensor, RAGGED)], enforce_sorted=False)
    of_packed = SequenceClassifier(**QUICK).fit(packed, CLASSES).predict_proba(packed)
    assert_same_bits(
        of_packed, SequenceClassifier(**QUICK).fit(RAGGED, CLASSES).predict_proba(RAGGED)
    )


def test_an_array_that_cannot_be_read():
    class Elsewhere(OnlyArray):
        device = "gpu:0"

        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("no")

    with pytest.raises(TypeError, match="SequenceRegressor: y is on the device gpu:0"):
        SequenceRegressor(**QUICK).fit(X, Elsewhere(NUMBERS))
