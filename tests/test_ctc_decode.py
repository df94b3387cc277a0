"""Promise: a beam that holds all prefixes finds what exhaustive search finds, best first."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from reference_structured import collapsed, ctc_log_probabilities, log_softmax

LENGTHS = [5, 0, 1, 3, 4]
TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


def problem(rng, dtype="float64", C=3):
    """Logits with NaN after the lengths."""
    logits = (2 * rng.standard_normal((len(LENGTHS), 5, C))).astype(dtype)
    logits[np.arange(5) >= np.array(LENGTHS)[:, None]] = np.nan
    return logits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("blank", [0, 2])
def test_a_full_beam_equals_exhaustive_search(blank, dtype, rng, isa):
    logits = problem(rng, dtype)
    found = pyrnn.ctc_beam(logits, LENGTHS, beam_width=1000, blank=blank)
    for row, n in enumerate(LENGTHS):
        expected = ctc_log_probabilities(logits[row, :n], blank)
        got = {tuple(int(c) for c in labels): log_p for labels, log_p in found[row]}
        assert got.keys() == expected.keys() and len(got) == len(found[row])
        for labels, log_p in expected.items():
            assert got[labels] == pytest.approx(log_p, abs=20 * TOLERANCE[dtype])
        in_order = [log_p for _, log_p in found[row]]
        assert in_order == sorted(in_order, reverse=True)


def test_a_narrow_beam_is_a_beam_search_in_python(rng):
    """Prefixes leave the beam and come back; both sides prune at each step."""
    for seed in range(30):
        logits = 1.5 * np.random.default_rng(seed).standard_normal((1, 9, 4))
        for width in (1, 2, 3, 5):
            (found,) = pyrnn.ctc_beam(logits, beam_width=width)
            expected = beam_search(np.exp(log_softmax(logits[0])), width)
            assert [tuple(labels) for labels, _ in found] == [labels for labels, _ in expected]
            np.testing.assert_allclose(
                [log_p for _, log_p in found], [np.log(p) for _, p in expected], atol=1e-12
            )


def beam_search(p, width, blank=0):
    """Prefix beam search with dicts: {prefix: (ends in blank, ends in its last label)}."""
    beam = {(): (1.0, 0.0)}
    for now in p:
        new = {}
        for prefix, (in_blank, in_label) in beam.items():
            for c, p_c in enumerate(now):
                if c == blank:
                    gains = [(prefix, (in_blank + in_label) * p_c, 0.0)]
                elif prefix and c == prefix[-1]:
                    gains = [(prefix, 0.0, in_label * p_c), ((*prefix, c), 0.0, in_blank * p_c)]
                else:
                    gains = [((*prefix, c), 0.0, (in_blank + in_label) * p_c)]
                for to, more_blank, more_label in gains:
                    before = new.get(to, (0.0, 0.0))
                    new[to] = (before[0] + more_blank, before[1] + more_label)
        best = sorted(new.items(), key=lambda item: -sum(item[1]))[:width]
        beam = {prefix: parts for prefix, parts in best if sum(parts) > 0}
    return [(prefix, sum(parts)) for prefix, parts in beam.items()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_greedy_is_the_most_probable_alignment(dtype, rng, isa):
    logits = problem(rng, dtype, C=4)
    for row, (labels, log_p) in enumerate(pyrnn.ctc_greedy(logits, LENGTHS)):
        steps = log_softmax(logits[row, : LENGTHS[row]])
        assert tuple(labels) == collapsed(tuple(steps.argmax(axis=-1)), 0)
        assert labels.dtype == np.int64
        assert log_p == pytest.approx(steps.max(axis=-1).sum(), abs=TOLERANCE[dtype] * 10)


def test_layout_threads_and_neighbours_change_no_bit(rng):
    logits = rng.standard_normal((12, 50, 20)).astype(np.float32)
    lengths = rng.integers(0, 51, 12)
    logits[np.arange(50) >= lengths[:, None]] = np.nan
    results = []
    for threads in (1, 2):
        pyrnn.set_num_threads(threads)
        for x, batch_first in ((logits, True), (logits.swapaxes(0, 1), False)):
            options = {"lengths": lengths, "batch_first": batch_first}
            beams = pyrnn.ctc_beam(x, beam_width=10, **options)
            results.append((beams, pyrnn.ctc_greedy(x, **options)))
    for other in results[1:]:
        assert_same_bits(as_arrays(other), as_arrays(results[0]))
    alone = pyrnn.ctc_beam(logits[3:4, : lengths[3]], beam_width=10)
    assert_same_bits(as_arrays(alone), as_arrays(results[0][0][3:4]))


def as_arrays(nested):
    """Floats of nested lists as float64, so that bits can be compared."""
    if isinstance(nested, list | tuple):
        return [as_arrays(item) for item in nested]
    return np.float64(nested) if isinstance(nested, float) else nested


def test_huge_and_infinite_logits(isa):
    logits = np.zeros((1, 4, 3), np.float32)
    logits[0, [0, 1, 2, 3], [1, 0, 1, 2]] = 1e30
    (((labels, log_p),),) = pyrnn.ctc_beam(logits, beam_width=8)
    assert list(labels) == [1, 1, 2] and log_p == 0
    logits = np.zeros((1, 3, 3), np.float32)
    logits[..., 2] = -np.inf
    for labels, log_p in pyrnn.ctc_beam(logits, beam_width=100)[0]:
        assert 2 not in labels and np.isfinite(log_p)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_improbable_classes_are_not_lost(dtype):
    """exp(-100) is nothing in float32, but the beam has room for it."""
    logits = np.array([[[0, -100]]], dtype)
    assert [labels.tolist() for labels, _ in pyrnn.ctc_beam(logits, beam_width=10)[0]] == [[], [1]]
    assert pyrnn.ctc_beam(logits, beam_width=10)[0][1][1] == pytest.approx(-100)
    close = np.array([[[0, 2e-8]]], dtype)  # equal as probabilities
    assert pyrnn.ctc_greedy(close)[0][0].tolist() == [1]


def test_a_long_sequence_does_not_underflow(rng):
    logits = rng.standard_normal((1, 3000, 5))
    (best, *_), (_, greedy) = pyrnn.ctc_beam(logits, beam_width=5)[0], pyrnn.ctc_greedy(logits)[0]
    assert np.isfinite(best[1]) and best[1] > greedy > -6000


def test_empty_batches():
    assert pyrnn.ctc_beam(np.zeros((0, 3, 2)), beam_width=2) == []
    assert pyrnn.ctc_greedy(np.zeros((0, 0, 2))) == []
    (((labels, log_p),),) = pyrnn.ctc_beam(np.zeros((1, 0, 2)), beam_width=2)
    assert labels.shape == (0,) and log_p == 0


def test_bad_input():
    logits = np.zeros((2, 3, 4))
    for width in (0, -1):
        with pytest.raises(ValueError, match="beam_width is"):
            pyrnn.ctc_beam(logits, beam_width=width)
    for width in (1.5, None, True, "3"):
        with pytest.raises(TypeError, match="beam_width is"):
            pyrnn.ctc_beam(logits, beam_width=width)
    for decode in (pyrnn.ctc_greedy, lambda *a, **k: pyrnn.ctc_beam(*a, beam_width=2, **k)):
        for blank in (-1, 4):
            with pytest.raises(ValueError, match="blank is"):
                decode(logits, blank=blank)
        for bad in (np.zeros((3, 2)), np.zeros((3, 2, 0))):
            with pytest.raises(ValueError, match="logits has shape"):
                decode(bad)
        for bad in (np.zeros((3, 2, 4), int), None, "x"):
            with pytest.raises(TypeError, match="logits"):
                decode(bad)
        with pytest.raises(ValueError, match="lengths"):
            decode(logits, [4, 1])
        with pytest.raises(TypeError, match="batch_first"):
            decode(logits, batch_first=1)
