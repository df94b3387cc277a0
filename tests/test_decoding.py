"""Promise: beam search finds the best there is, one beam is greedy, rows end by themselves."""

import itertools

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits

V, W, BOS, EOS = 6, 4, 1, 1  # source and target vocabulary
NAMES = {"attention": 4, "plain": 34, "features": 5}  # seeds of models whose rows end one by one


def build(name, batch_first=None, seed=None, sharpness=8.0, **options):
    """A model whose next id depends on the ids before, and ends now and then."""
    sizes = (None if name == "features" else V), W, 5, 6
    options |= {"feature_size": 3} if name == "features" else {}
    options |= {} if name == "attention" else {"attention": None}
    options |= {"bos": BOS, "eos": EOS, "batch_first": batch_first}
    options |= {"seed": NAMES[name] if seed is None else seed}
    model = pyrnn.Seq2Seq(*sizes, cell="lstm", num_layers=2, **options)
    model.output.weight[...] = model.output.weight.data * sharpness
    return model


def sources(name, rng):
    if name == "features":
        return list(3 * rng.standard_normal((5, 3)).astype("f4"))
    return [rng.integers(0, V, n) for n in (4, 1, 0, 3, 6)]


def log_p(model, source, ids, ended):
    """log p of a sequence, eos included if it has ended, from the whole model in one call."""
    target = np.array(ids, np.int64)[None]
    logits = model(source[None], target)[0].astype(np.float64)
    log_softmax = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    chosen = [*ids, EOS] if ended else list(ids)
    return sum(log_softmax[t, token] for t, token in enumerate(chosen))


def exhaustive(model, source, max_length, alpha, suppressed=None):
    """The best of all sequences: those that end in time, and those cut off at max_length."""
    others, best = [token for token in range(W) if token not in (EOS, suppressed)], (-np.inf, None)
    for n in range(max_length + 1):
        for ids in itertools.product(others, repeat=n):
            count = min(n + 1, max_length)
            score = log_p(model, source, ids, n < max_length) / ((5 + count) / 6) ** alpha
            best = max(best, (score, list(ids)))
    return best


@pytest.mark.parametrize("alpha", [0.0, 1.5])
@pytest.mark.parametrize("name", NAMES)
def test_a_full_beam_is_exhaustive_search(name, alpha, rng):
    max_length = 3
    for seed in (1, 2, NAMES[name]):
        model, given = build(name, seed=seed), sources(name, rng)
        options = {"max_length": max_length, "length_penalty": alpha}
        found = model.generate(given, method="beam", beam_width=W**max_length, **options)
        for source, ids, score in zip(given, *found, strict=True):
            expected, best = exhaustive(model, source, max_length, alpha)
            assert ids == best
            assert abs(score - expected) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_suppressed_ids_are_never_written(name, rng):
    """A full beam finds the best without them; scores remain those under the model."""
    model, given = build(name), sources(name, rng)
    free, _ = model.generate(given, max_length=3)
    common = max(range(W), key=lambda token: (token != EOS) * sum(row.count(token) for row in free))
    options = {"max_length": 3, "suppress": common}
    for method in ("greedy", "beam", "sample"):
        ids, scores = model.generate(given, method=method, beam_width=W**3, seed=0, **options)
        assert any(common in row for row in free) and not any(common in row for row in ids)
        for source, row, score in zip(given, ids, scores, strict=True):
            assert abs(log_p(model, source, row, len(row) < 3) - score) < 1e-5
            if method == "beam":
                assert score == pytest.approx(exhaustive(model, source, 3, 0, common)[0], abs=1e-5)
    ids, _ = model.generate(given, max_length=20, suppress=EOS)
    assert [len(row) for row in ids] == [20] * len(given)


def test_wider_beams_find_better_sequences():
    """Over 40 sources: never much worse on average, and sometimes better than greedy."""
    rng = np.random.default_rng(3)
    model = build("attention", seed=1, sharpness=5.0)
    given = [rng.integers(0, V, 4) for _ in range(40)]
    scores = [
        model.generate(given, max_length=8, method="beam", beam_width=width)[1]
        for width in (1, 2, 8)
    ]
    means = [score.mean() for score in scores]
    assert means[2] > means[1] > means[0] and (scores[2] > scores[0] + 0.1).any()


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_one_beam_and_the_best_id_are_greedy(name, batch_first, rng):
    """Also a sample of temperature 0 or of the best id; the scores are the model's."""
    model, given = build(name, batch_first), sources(name, rng)
    ids, scores = model.generate(given, max_length=9)
    for options in (
        {"method": "beam", "beam_width": 1},
        {"method": "sample", "temperature": 0},
        {"method": "sample", "top_k": 1, "seed": 0},
    ):
        assert_same_bits(model.generate(given, max_length=9, **options), (ids, scores))
    for source, row, score in zip(given, ids, scores, strict=True):
        assert len(row) <= 9 and EOS not in row
        alone = build(name)
        assert abs(log_p(alone, source, row, len(row) < 9) - score) < 1e-5
        logits = alone(source[None], np.array(row, int)[None])
        chosen = [*row, EOS] if len(row) < 9 else row
        assert logits[0, : len(chosen)].argmax(axis=-1).tolist() == list(chosen)
    assert len({len(row) for row in ids}) > 1  # some end early


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_a_row_does_not_depend_on_its_neighbours(name, method, rng):
    model, given = build(name), sources(name, rng)
    options = {"max_length": 7, "method": method, "seed": 1}
    ids, scores = model.generate(given, **options)
    first = given[:1] + sources(name, rng)[1:3]
    again, other_scores = model.generate(first, **options)
    assert again[0] == ids[0]
    assert_same_bits(other_scores[0], scores[0])
    if method != "sample":  # whose rows draw by their place
        for source, row, score in zip(given, ids, scores, strict=True):
            alone, (score_alone,) = model.generate([source], **options)
            assert alone == [row]
            assert_same_bits(score_alone, score)


def test_arrays_with_lengths_are_lists(rng):
    for batch_first in (False, True):
        model, given = build("attention", batch_first), sources("attention", rng)
        lengths = np.array([len(ids) for ids in given])
        padded = np.full((5, 6), 99)
        for row, ids in zip(padded, given, strict=True):
            row[: len(ids)] = ids
        array = padded if batch_first else padded.T
        for method in ("greedy", "beam"):
            options = {"method": method, "max_length": 5}
            expected = model.generate(given, **options)
            assert_same_bits(model.generate(array, lengths, **options), expected)


def test_samples_follow_the_model(rng):
    """Of one source 4000 times: the first ids' frequencies are their probabilities."""
    model, n = build("attention", sharpness=2.0), 4000
    source = [np.array([1, 2, 3])] * n
    ids, scores = model.generate(source, max_length=1, method="sample", seed=0)
    first = [([], True) if k == EOS else ([k], False) for k in range(W)]
    p = np.exp([log_p(model, source[0], *ids_and_end) for ids_and_end in first])
    counts = np.bincount([row[0] if row else EOS for row in ids], minlength=W)
    assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()
    chosen = [row[0] if row else EOS for row in ids]
    assert np.abs(scores - np.log(p)[chosen]).max() < 1e-5


def test_lengths_zero_and_no_rows():
    model = build("attention")
    assert model.generate([np.array([1])], max_length=0)[0] == [[]]
    assert model.generate([np.array([1])], max_length=0, method="beam")[0] == [[]]
    for method in ("greedy", "beam", "sample"):
        ids, scores = model.generate([], method=method)
        assert ids == [] and scores.shape == (0,)


def test_features_in_a_list():
    """Each row is checked, none is cast, and there may be none."""
    model, row = build("features"), np.ones(3, "f4")
    assert model.generate([])[0] == []
    assert model.generate([[1.0, 1.0, 1.0]])[0] == model.generate([row])[0]
    with pytest.raises(ValueError, match=r"source\[1\] has shape \(2,\), expected \(3,\)"):
        model.generate([row, row[:2]])
    with pytest.raises(TypeError, match=r"source\[0\] has dtype float64, expected float32"):
        model.generate([row.astype("f8")])


def test_bad_values():
    model = build("attention")
    wrong = [
        ({"beam_width": 0}, ValueError, "beam_width is 0"),
        ({"length_penalty": -1.0}, ValueError, "length_penalty is -1.0"),
        ({"length_penalty": float("nan")}, ValueError, "length_penalty is nan"),
        ({"length_penalty": float("inf")}, ValueError, "length_penalty is inf"),
        ({"max_length": -1}, ValueError, "max_length is -1"),
        ({"method": "best"}, ValueError, "method is 'best'"),
        ({"suppress": W}, ValueError, f"suppress holds {W}, expected ids in 0..{W - 1}"),
        ({"suppress": range(W), "method": "beam"}, ValueError, f"suppress holds all {W} ids"),
        ({"method": "sample", "temperature": -1}, ValueError, "temperature is -1"),
        ({"method": "sample", "top_k": 0}, ValueError, "top_k is 0"),
        ({"method": "sample", "top_p": 2.0}, ValueError, "top_p is 2.0"),
        ({"source": [np.array([V])]}, ValueError, "source_vocabulary"),
        ({"source": [np.array([0.5])]}, TypeError, r"source\[0\] has dtype float64"),
        ({"lengths": [1]}, ValueError, "lengths is given"),
    ]
    for change, error, message in wrong:
        with pytest.raises(error, match=message):
            model.generate(**{"source": [np.array([1])]} | change)


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_nothing_left_to_write(method):
    """The model gives all but one id the probability 0, and that one is suppressed."""
    model = build("attention")
    model.output.bias[...] = np.where(np.arange(W) == 2, 0, -np.inf).astype(np.float32)
    assert model.generate([np.array([1])], method=method, max_length=3)[0] == [[2, 2, 2]]
    with pytest.raises(FloatingPointError, match="all ids that suppress leaves"):
        model.generate([np.array([1])], method=method, suppress=2)


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_logits_that_are_not_finite(method):
    model = build("attention")
    model.output.bias[...] = np.full(W, np.nan, np.float32)
    with pytest.raises(FloatingPointError, match="logits"):
        model.generate([np.array([1])], method=method)
