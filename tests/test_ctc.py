"""Promise: CTC's loss and gradient are those of all alignments, whatever the shapes and lengths."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn.losses import CTC
from reference_structured import central_differences, ctc_log_probabilities

LENGTHS = [5, 1, 3, 0, 5, 4, 2]
TARGETS = [[1, 2], [2], [1, 1], [], [2, 1, 2], [], [1, 2]]
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def problem(rng, dtype="float64", C=3, T=5):
    """Logits with NaN after the lengths."""
    logits = (2 * rng.standard_normal((len(LENGTHS), T, C))).astype(dtype)
    logits[np.arange(T) >= np.array(LENGTHS)[:, None]] = np.nan
    return logits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("blank", [0, 1, 2])
def test_loss_equals_brute_force(blank, dtype, rng, isa):
    logits = problem(rng, dtype)
    targets = [[(label + blank) % 3 for label in labels] for labels in TARGETS]
    for reduction in ("mean", "sequence_mean"):
        expected = []
        for row, (n, labels) in enumerate(zip(LENGTHS, targets, strict=True)):
            log_p = ctc_log_probabilities(logits[row, :n], blank)[tuple(labels)]
            expected.append(-log_p / (max(1, len(labels)) if reduction == "mean" else 1))
        loss = CTC(blank, reduction=reduction)
        value = loss(logits, targets, LENGTHS)
        assert value == pytest.approx(np.mean(expected), rel=TOLERANCE[dtype])
        assert value == loss.vjp(logits, targets, LENGTHS)[0]


@pytest.mark.parametrize("reduction", ["mean", "sequence_mean"])
def test_gradient_equals_central_differences(reduction, rng, isa):
    logits = np.nan_to_num(problem(rng))
    loss = CTC(reduction=reduction)
    _, pullback = loss.vjp(logits, TARGETS, LENGTHS)
    expected = central_differences(lambda: 3 * loss(logits, TARGETS, LENGTHS), logits)
    np.testing.assert_allclose(pullback(3.0), expected, atol=1e-8)


@pytest.mark.parametrize("S", [7, 8, 16, 31])
def test_gradient_of_more_states_than_lanes(S, rng, isa):
    """Rows of several chains one after the other, and repeated labels."""
    logits = rng.standard_normal((3, 60, 4))
    targets = [rng.integers(1, 4, n) for n in (S, S // 2, S // 3)]
    targets[1][:2] = 2
    loss, lengths = CTC(), [60, 50, 35]
    _, pullback = loss.vjp(logits, targets, lengths)
    d = pullback()
    direction = rng.standard_normal(logits.shape)
    eps = 1e-5
    slope = loss(logits + eps * direction, targets, lengths)
    slope -= loss(logits - eps * direction, targets, lengths)
    assert (d * direction).sum() == pytest.approx(slope / (2 * eps), rel=1e-6)
    np.testing.assert_allclose(d.sum(axis=-1), 0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_has_the_same_bits_alone_in_any_layout_and_for_any_threads(dtype, rng, isa):
    T, B, C = 60, 24, 30
    logits = rng.standard_normal((B, T, C)).astype(dtype)
    lengths = rng.integers(30, T + 1, B)
    targets = [rng.integers(1, C, n) for n in rng.integers(0, 15, B)]
    logits[np.arange(T) >= lengths[:, None]] = np.nan
    by_time = np.ascontiguousarray(logits.swapaxes(0, 1)).swapaxes(0, 1)
    results = []
    for threads in (1, 2):
        pyrnn.set_num_threads(threads)
        for y in (logits, by_time):
            value, pullback = CTC().vjp(y, targets, lengths)
            results.append((np.float64(value), pullback()))
    for other in results[1:]:
        assert_same_bits(other, results[0])
    whole = CTC(reduction="sequence_mean").vjp(logits, targets, lengths)[1](B)
    for row in (0, 11, 23):
        n = lengths[row]
        _, alone = CTC().vjp(np.ascontiguousarray(logits[row : row + 1, :n]), [targets[row]])
        one = alone(max(1, len(targets[row])))[0]
        np.testing.assert_allclose(whole[row, :n], one, atol=1e-5 if dtype == "float32" else 1e-13)
        assert (whole[row, n:] == 0).all()


def test_layouts_of_targets(rng):
    logits = problem(rng)
    padded = np.zeros((7, 4), np.int64)
    padded[:] = 99  # what is after a target's length is never looked at
    for row, labels in zip(padded, TARGETS, strict=True):
        row[: len(labels)] = labels
    counts = [len(labels) for labels in TARGETS]
    ragged = CTC()(logits, TARGETS, LENGTHS)
    assert CTC()(logits, padded, LENGTHS, counts) == ragged
    assert CTC()(logits, [np.array(t, np.int32) for t in TARGETS], LENGTHS) == ragged
    whole = rng.standard_normal((2, 5, 3))
    assert CTC()(whole, np.array([[1, 2], [2, 1]])) == CTC()(whole, [[1, 2], [2, 1]])


def test_targets_that_need_more_steps():
    logits = np.zeros((3, 3, 4))
    for target, needed in (([1, 2, 3, 1], 4), ([1, 1, 1], 5), ([2, 2, 3], 4)):
        with pytest.raises(
            ValueError, match=rf"target\[1\] has .* need {needed} steps; row 1 has 3"
        ):
            CTC()(logits, [[1], target, []])
    with pytest.raises(ValueError, match=r"target\[2\] .* row 2 has 0"):
        CTC()(logits, [[1], [1], [1]], [3, 3, 0])
    loss = CTC(zero_infinity=True)
    value, pullback = loss.vjp(logits, [[1], [1, 1, 1], []])
    dy = pullback()
    assert (dy[1] == 0).all() and (dy[[0, 2]] != 0).any()
    assert value == pytest.approx(CTC()(logits, [[1], [1], []]) - CTC()(logits, [[1]] * 3) / 3)


def test_huge_and_infinite_logits(isa):
    for dtype in ("float32", "float64"):
        logits = np.zeros((1, 4, 3), dtype)
        logits[0, [0, 1, 2, 3], [1, 0, 1, 2]] = 1e30
        value, pullback = CTC().vjp(logits, [[1, 1, 2]])
        assert value == 0 and (pullback() == 0).all()
        logits = np.zeros((1, 4, 3), dtype)
        logits[0, :, 2] = -np.inf
        assert np.isfinite(CTC().vjp(logits, [[1, 1]])[1]()).all()
        assert CTC()(logits, [[2]]) == np.inf
        value, pullback = CTC(zero_infinity=True).vjp(logits, [[2]])
        assert value == 0 and (pullback() == 0).all()


def test_long_sequences_keep_their_precision(rng, isa):
    """2000 steps: the float32 loss is that of float64 within 1e-6, its gradient within 1e-4."""
    logits = 3 * rng.standard_normal((1, 2000, 20))
    target = [np.tile(np.arange(1, 20), 15)]
    value, pullback = CTC().vjp(logits, target)
    low, low_pullback = CTC().vjp(logits.astype(np.float32), target)
    assert low == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(285 * low_pullback(), 285 * pullback(), atol=1e-3)


def test_a_shift_of_all_logits_changes_nothing(isa):
    logits = np.zeros((1, 1000, 2), np.float32)
    loss = CTC(reduction="sequence_mean")
    plain, shifted = (loss(logits + shift, [[1]]) for shift in (0, 1e4))
    assert shifted == pytest.approx(plain, rel=1e-6)


def test_nothing_real_is_no_error():
    for shape, target in (((2, 0, 3), [[], []]), ((0, 4, 3), []), ((0, 0, 3), [])):
        value, pullback = CTC().vjp(np.zeros(shape), target)
        assert value == 0 and pullback().shape == shape


def test_bad_input():
    logits, good = np.zeros((2, 4, 3)), [[1], [2]]
    for target, message in (
        ([[1], [3]], r"target\[1\]\[0\] is 3"),
        ([[-1], [1]], r"target\[0\]\[0\] is -1"),
        ([[1], [1, 0]], r"target\[1\]\[1\] is 0, .*not the blank"),
        ([[1]], "target holds 1, expected 2"),
        ([[[1]], [1]], r"target\[0\] of shape \(1, 1\)"),
        (np.array([1, 2]), r"target has shape \(2,\)"),
        (np.ones((3, 1), int), r"expected \(2, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            CTC()(logits, target)
    for target in ([[1.0], [2]], [1, 2], None, np.ones((2, 1)), "ab", [["a"], ["b"]]):
        with pytest.raises(TypeError, match="target"):
            CTC()(logits, target)
    for counts in ([1], [2, 1], [-1, 1]):
        with pytest.raises(ValueError, match="target_lengths"):
            CTC()(logits, np.ones((2, 1), int), None, counts)
    for y in (np.zeros((4, 3)), np.zeros((4, 2, 0)), np.zeros(3)):
        with pytest.raises(ValueError, match=r"CTC: y has shape .*expected \(N, T, C\)"):
            CTC()(y, good)
    with pytest.raises(TypeError, match="y has dtype int64"):
        CTC()(np.zeros((4, 2, 3), int), good)
    with pytest.raises(ValueError, match="lengths"):
        CTC()(logits, good, [5, 1])
    with pytest.raises(ValueError, match="blank is 3"):
        CTC(blank=3)(logits, good)
    for options, error in (
        ({"blank": -1}, ValueError),
        ({"blank": 1.5}, TypeError),
        ({"reduction": "average"}, ValueError),
        ({"zero_infinity": 1}, TypeError),
        ({"batch_first": True}, TypeError),
    ):
        with pytest.raises(error, match=next(iter(options))):
            CTC(**options)
