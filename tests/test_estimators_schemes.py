"""Promise: a tagger with a CRF never breaks the scheme that its labels are named by."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import pyrnn
from compare import assert_same_bits
from pyrnn.estimators import SequenceTagger
from sequences import QUICK


def spans(rng, steps):
    """Random spans of two types: (first, last, type), not beside each other but by chance."""
    found, step = [], 0
    while step < steps:
        if rng.random() < 0.6:
            last = min(step + int(rng.integers(0, 4)), steps - 1)
            found.append((step, last, rng.choice(["A", "B"])))
            step = last + 1
        else:
            step += 1
    return found


def named(steps, spans, scheme):
    """The labels of spans, as the scheme names them."""
    labels, before = ["O"] * steps, None
    for first, last, kind in spans:
        for step in range(first, last + 1):
            labels[step] = f"I-{kind}"
        if scheme == "IOB2" or (scheme == "IOB1" and before == (first - 1, kind)):
            labels[first] = f"B-{kind}"
        if scheme in ("BILOU", "BIOES"):
            end, single = ("L", "U") if scheme == "BILOU" else ("E", "S")
            labels[first], labels[last] = f"B-{kind}", f"{end}-{kind}"
            if first == last:
                labels[first] = f"{single}-{kind}"
        before = (last, kind)
    return labels


def is_broken(before, now, scheme):
    """Whether a scheme forbids a label after another, written out without pyrnn; O is the end."""
    (a, _, kind_a), (b, _, kind_b) = before.partition("-"), now.partition("-")
    follows = a in ("B", "I") and kind_a == kind_b
    if scheme == "IOB1":
        return b == "B" and not follows
    if scheme == "IOB2":
        return b == "I" and not follows
    inner = b in (("I", "L") if scheme == "BILOU" else ("I", "E"))
    return (a in ("B", "I")) != inner or (inner and not follows)


def breaks(labels, scheme):
    """Whether a path of labels breaks a scheme."""
    return any(is_broken(a, b, scheme) for a, b in pairwise(["O", *labels, "O"]))


SCHEMES = ["IOB1", "IOB2", "BILOU", "BIOES"]


def corpus(scheme, N=60, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 12, N)
    found = [spans(rng, steps) for steps in lengths]
    y = [named(steps, s, scheme) for steps, s in zip(lengths, found, strict=True)]
    return [rng.standard_normal((n, 2)).astype(float) for n in lengths], y


def tagger(**options):
    return SequenceTagger(**{"crf": True, "epochs": 3, **QUICK, **options})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_predictions_keep_to_the_scheme(scheme):
    """Of noise, on which a CRF without it breaks it."""
    X, y = corpus(scheme)
    assert not any(breaks(labels, scheme) for labels in y)
    unseen = np.random.default_rng(1).standard_normal((300, 15, 2)) * 5
    model, free = tagger(scheme=scheme).fit(X, y), tagger().fit(X, y)
    for m in (model, free):  # so that not a trained habit keeps them
        m.crf_.transitions[...] = np.random.default_rng(2).standard_normal(m.crf_.transitions.shape)
    assert any(breaks(labels, scheme) for labels in free.predict(unseen))
    for m in (model, model.partial_fit(X, y)):
        told = m.predict(unseen)
        assert not any(breaks(labels, scheme) for labels in told)
        assert len(np.unique(told)) > 3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_matrix_is_the_schemes(scheme):
    _, y = corpus(scheme)
    names = sorted(set(np.concatenate(y)))
    expected = [[not is_broken(a, b, scheme) for b in [*names, "O"]] for a in [*names, "O"]]
    assert pyrnn.bio_constraints(names, scheme).tolist() == expected


def test_constraints_of_the_users_own():
    """In the order of classes_; with a scheme, what both allow."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 1)) for n in rng.integers(2, 9, 40)]
    y = [np.sort((x[:, 0] > 0).astype(int)) for x in X]  # never from 1 to 0
    mask = np.array([[True, True], [False, True]])
    model = tagger(constraints=mask).fit(X, y)
    told = model.predict(rng.standard_normal((50, 9, 1)))
    assert (np.diff(told, axis=1) >= 0).all() and len(np.unique(told)) == 2
    again = tagger(constraints=mask, warm_start=True).fit(X, y)
    assert_same_bits(list(again.predict_proba(X)), list(model.predict_proba(X)))
    again.fit(X, y)
    with pytest.raises(ValueError, match="constraints is of type ndarray, expected"):
        again.set_params(constraints=~mask).fit(X, y)
    names = [np.array(["B-X", "I-X"])[row] for row in y]
    X, names = X[:1], [["B-X"] + ["I-X"] * (len(X[0]) - 1)]
    both = tagger(scheme="IOB2", constraints=np.array([[False, True], [True, True]])).fit(X, names)
    assert both.crf_.constraints.allowed.tolist() == [
        [False, True, True],
        [True, True, True],
        [True, False, True],
    ]


BAD = [
    ({"scheme": "IOB2"}, [["O", "I-A"]], r"y\[0\] has 'I-A' after 'O' at step 1, which IOB2 does"),
    ({"scheme": "IOB2"}, [["I-A", "O"]], r"y\[0\] has 'I-A' after nothing at step 0, which"),
    ({"scheme": "BILOU"}, [["O", "B-A"]], r"y\[0\] has nothing after 'B-A' at step 2, which BILOU"),
    ({"scheme": "IOB1"}, [["O", "B-A"]], r"y\[0\] has 'B-A' after 'O' at step 1, which IOB1 does"),
    ({"scheme": "IOB2"}, [["NOUN", "O"]], r"scheme does not fit: .*'NOUN', expected 'O' or B or I"),
    ({"scheme": "BILOU"}, [["O", "E-A"]], r"scheme does not fit: .*'E-A', .* B, I, L or U with a"),
    ({"scheme": "IOB3"}, [["O", "I-A"]], "scheme is 'IOB3', expected one of"),
    ({"scheme": "IOB2", "crf": False}, [["O", "B-A"]], "scheme is 'IOB2', expected None without"),
    (
        {"constraints": "IOB2"},
        [["O", "B-A"]],
        "constraints is 'IOB2', .* as scheme='IOB2'$",
    ),
    ({"constraints": "BIO"}, [["O", "B-A"]], "constraints is 'BIO', .* as scheme=$"),
    ({"constraints": np.ones((2, 2))}, [["O", "I"]], "constraints have dtype float64, expected"),
    ({"constraints": np.ones((3, 2), bool)}, [["O", "I"]], r"constraints have shape \(3, 2\)"),
    (
        {"constraints": ~np.ones((2, 2), bool)},
        [["O", "I"]],
        r"y\[0\] has 'I' after 'O' at step 1",
    ),
]


@pytest.mark.parametrize(("options", "y", "words"), BAD, ids=range(len(BAD)))
def test_what_does_not_fit(options, y, words):
    model = tagger(**options)
    with pytest.raises((TypeError, ValueError), match=f"^SequenceTagger: {words}"):
        model.fit([np.ones((2, 1))], y)
    assert set(vars(model)) == set(model.get_params())
