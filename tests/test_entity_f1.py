"""Promise: EntityF1 counts the spans that conlleval's and seqeval's rules find."""

import numpy as np
import pytest

import pyrnn
from pyrnn import metrics
from training import make_trainer

BILOU = ["O", "B-PER", "I-PER", "L-PER", "U-PER", "B-LOC", "L-LOC", "U-LOC"]
TAGS = ["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]


def spans(tags):
    """{(first, last, type)} by the rules, tag by tag."""
    found, first, before = set(), 0, ("O", "_")
    for i, tag in enumerate([*tags, "O"]):
        prefix, kind = {"L": "E", "U": "S"}.get(tag[0], tag[0]), tag[2:] or "_"
        changes = before[1] != kind
        ends = before[0] != "O" and (
            before[0] in "ES" or (before[0] in "BI" and prefix in "BSO") or changes
        )
        begins = prefix in "BS" or (prefix != "O" and (changes or before[0] in "ESO"))
        if ends:
            found.add((first, i - 1, before[1]))
        if begins:
            first = i
        before = (prefix, kind)
    return found


def f1(pairs, kind=None):
    """2 * right / (predicted + true), of one type or of all."""
    counts = np.zeros(3)
    for told, right in pairs:
        told, right = (
            {span for span in found if kind in (None, span[2])}
            for found in map(spans, (told, right))
        )
        counts += len(told & right), len(told), len(right)
    return (2 * counts[0] / (counts[1] + counts[2]) if counts[1:].any() else np.nan), counts[2]


@pytest.mark.parametrize(
    "names", [TAGS, BILOU, TAGS[:3], ["O", "I-PER", "I-LOC", "B-PER"], ["O", "B", "I"]]
)
def test_random_tags_by_the_rules(names, rng):
    """Spans of all schemes, and of none; padded, cut into batches and by itself."""
    N, T = 60, 8
    target = rng.integers(0, len(names), (N, T))
    told = np.where(rng.random((N, T)) < 0.7, target, rng.integers(0, len(names), (N, T)))
    lengths = rng.integers(0, T + 1, N)
    y = np.eye(len(names))[told]
    pairs = [
        ([names[k] for k in told[i, :n]], [names[k] for k in target[i, :n]])
        for i, n in enumerate(lengths)
    ]
    metric = metrics.EntityF1(names)
    y[np.arange(T) >= lengths[:, None]] = np.nan
    target[np.arange(T) >= lengths[:, None]] = 99
    for cut in (slice(0, 20), slice(20, 21), slice(21, N)):
        metric.update(y[cut], target[cut], lengths[cut])
    assert metric.value == pytest.approx(f1(pairs)[0], rel=1e-14)
    each = metrics.EntityF1(names, None)
    each.update(y, target, lengths)
    expected = [f1(pairs, kind) for kind in each.types]
    np.testing.assert_allclose(each.value, [score for score, _ in expected], rtol=1e-14)
    scores, support = np.array(expected).T
    for average, value in (
        ("macro", scores.mean()),
        ("weighted", np.average(scores, weights=support)),
    ):
        metric = metrics.EntityF1(names, average)
        metric.update(y, target, lengths)
        assert metric.value == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("told", "right", "score"),
    [
        # Examples of the paper's and of seqeval's documentation.
        (["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"],
         ["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], 0.0),
        (["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], 1.0),
        (["I-PER", "B-PER"], ["B-PER", "I-PER"], 0.0),
        (["I-PER", "I-PER", "I-LOC"], ["B-PER", "I-PER", "B-LOC"], 1.0),
        (["O", "O"], ["O", "O"], np.nan),
    ],
)  # fmt: skip
def test_known_cases(told, right, score):
    names = sorted({*told, *right, "O", "B-PER"})
    metric = metrics.EntityF1(names)
    assert np.isnan(metric.value)
    y = np.eye(len(names))[[[names.index(tag) for tag in told]]]
    metric.update(y, np.array([[names.index(tag) for tag in right]]))
    assert metric.value == pytest.approx(score, nan_ok=True)


def test_ignored_steps_are_left_out_between_neighbours():
    """Pieces of words have ignore_index: the next word is the neighbour."""
    metric, whole = metrics.EntityF1(TAGS[:3]), metrics.EntityF1(TAGS[:3])
    target = np.array([[1, -100, 2, -100, 0, 1]])
    metric.update(np.eye(3)[[[1, 1, 2, 0, 0, 0]]], target)
    whole.update(np.eye(3)[[[1, 2, 0, 0]]], np.array([[1, 2, 0, 1]]))
    assert metric.value == whole.value == pytest.approx(2 / 3)


def test_with_a_crf_in_a_trainer():
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 3)).astype(np.float32) for n in rng.integers(1, 7, 20)]
    tags = [rng.integers(0, 3, len(row)) for row in x]
    metric = metrics.EntityF1(TAGS[:3])
    crf = pyrnn.CRF(3, constraints=pyrnn.bio_constraints(TAGS[:3]), seed=0)
    tags = [np.where((t == 2) & (np.r_[0, t[:-1]] == 0), 1, t) for t in tags]
    trainer = make_trainer(pyrnn.Sequential(pyrnn.GRU(3, 3, seed=0)), loss=crf, metrics=[metric])
    history = trainer.fit(x, tags, validation=0.25, epochs=2, progress=False)
    assert 0 <= history.metrics["entity_f1"][-1] <= 1
    pairs = [
        ([TAGS[k] for k in path], [TAGS[k] for k in right])
        for y, right in zip(trainer.predict(x), tags, strict=True)
        for path in [crf.decode(y[None])[0]]
    ]
    assert trainer.evaluate(x, tags)["entity_f1"] == pytest.approx(f1(pairs)[0])


@pytest.mark.parametrize(
    ("tags", "error", "words"),
    [
        (["O", "PER"], ValueError, "tags has 'PER', expected 'O', or a prefix"),
        (["O", "X-PER"], ValueError, "'X-PER'"),
        (["O", "O-PER"], ValueError, "'O-PER'"),
        (["O", 3], ValueError, "tags has 3"),
        (["O"], ValueError, "no entities"),
        ("O", TypeError, "tags is 'O'"),
    ],
)
def test_bad_tags(tags, error, words):
    with pytest.raises(error, match=words):
        metrics.EntityF1(tags)


def test_bad_batches():
    metric = metrics.EntityF1(TAGS)
    for y, target in (
        (np.zeros((2, 3, 4)), np.zeros((2, 3), int)),
        (np.zeros((2, 9)), np.zeros(2, int)),
    ):
        with pytest.raises(ValueError, match=r"EntityF1: y has shape .*expected \(N, T, 9\)"):
            metric.update(y, target)
    with pytest.raises(ValueError, match="an array of 2 numbers, expected one number"):
        make_trainer(
            pyrnn.Sequential(pyrnn.GRU(3, 9, seed=0)), metrics=[metrics.EntityF1(TAGS, None)]
        ).fit(np.zeros((2, 3, 3)), np.zeros((2, 3), int), progress=False)
