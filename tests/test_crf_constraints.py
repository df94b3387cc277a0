"""Promise: a CRF never takes a path that its constraints forbid, and says which target does."""

import numpy as np
import pytest

import pyrnn
from reference_structured import central_differences, crf_marginals, crf_scores, log_sum_exp

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def names_of(mask, names):
    """{name: what may follow it}, with "" for the outside of a sequence."""
    outside = [*names, ""]
    return {
        a: {outside[j] for j in np.flatnonzero(row)} for a, row in zip(outside, mask, strict=True)
    }


def test_bio():
    follows = names_of(pyrnn.bio_constraints(BIO), BIO)
    anywhere = {"O", "B-PER", "B-LOC", ""}
    assert follows == {
        "O": anywhere,
        "B-PER": anywhere | {"I-PER"},
        "I-PER": anywhere | {"I-PER"},
        "B-LOC": anywhere | {"I-LOC"},
        "I-LOC": anywhere | {"I-LOC"},
        "": anywhere,
    }


def test_bioes():
    names = ["O", "B-X", "I-X", "E-X", "S-X"]
    follows = names_of(pyrnn.bio_constraints(names), names)
    outer = {"O", "B-X", "S-X", ""}
    inner = {"I-X", "E-X"}
    expected = {"O": outer, "B-X": inner, "I-X": inner, "E-X": outer, "S-X": outer, "": outer}
    assert follows == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_only_allowed_paths_count(dtype, rng, isa):
    """Likelihood, marginals and best path are those of the allowed paths, by brute force."""
    mask = pyrnn.bio_constraints(["O", "B-X", "I-X"])
    crf = pyrnn.CRF(3, constraints=mask, dtype=dtype, seed=1)
    emissions = (3 * rng.standard_normal((20, 5, 3))).astype(dtype)
    emissions[..., 2] += 2  # I-X would be the best almost everywhere
    marginals, paths = crf.marginals(emissions), crf.decode(emissions)
    target = np.array(paths)
    likelihoods = crf.log_likelihood(emissions, target)
    barred = [np.where(m, 0.0, -np.inf) for m in (mask[:3, :3], mask[3, :3], mask[:3, 3])]
    parts = (crf.transitions, crf.start_transitions, crf.end_transitions)
    scores = [p.data + b for p, b in zip(parts, barred, strict=True)]
    for row in range(20):
        expected = crf_scores(emissions[row].astype(np.float64), *scores)
        best = max(expected, key=expected.get)
        assert tuple(paths[row]) == best
        log_p = expected[best] - log_sum_exp(list(expected.values()))
        assert likelihoods[row] == pytest.approx(log_p, abs=2e-5)
        np.testing.assert_allclose(marginals[row], crf_marginals(expected, 5, 3), atol=2e-6)
    assert (marginals[:, 0, 2] == 0).all()
    assert (emissions.argmax(axis=-1)[:, 0] == 2).any()  # what no constraint would have refused


def test_gradients_of_forbidden_transitions_are_zero(rng, isa):
    crf = pyrnn.CRF(
        3, constraints=pyrnn.bio_constraints(["O", "B-X", "I-X"]), dtype="float64", seed=0
    )
    emissions = rng.standard_normal((6, 4, 3))
    target = np.array(crf.decode(rng.standard_normal((6, 4, 3))))
    _, pullback = crf.vjp(emissions, target)
    d_emissions = pullback()

    def loss():
        return crf(emissions, target)

    np.testing.assert_allclose(d_emissions, central_differences(loss, emissions), atol=1e-8)
    for parameter in crf.parameters():
        with parameter.writing() as array:
            np.testing.assert_allclose(parameter.grad, central_differences(loss, array), atol=1e-8)
    assert crf.transitions.grad[0, 2] == 0 and crf.start_transitions.grad[2] == 0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([0, 2, 0], "row 1 breaks the constraints at step 1: tag 2 may not follow tag 0"),
        ([2, 0, 0], "row 1 breaks the constraints at step 0: tag 2 may not begin a sequence"),
        ([0, 0, 1], "row 1 breaks the constraints at step 2: tag 1 may not end a sequence"),
    ],
)
def test_an_impossible_target_is_named(target, message):
    mask = pyrnn.bio_constraints(["O", "B-X", "I-X"])
    mask[1, 3] = False
    crf = pyrnn.CRF(3, constraints=mask)
    emissions = np.zeros((2, 4, 3), np.float32)
    targets = np.array([[0, 0, 0, 0], [*target, 2]])
    for call in (
        crf,
        crf.vjp,
        crf.log_likelihood,
        lambda *a: crf.count((*targets.shape, 3), *a[1:]),
    ):
        with pytest.raises(ValueError, match=message):
            call(emissions, targets, [4, 3])


def test_constraints_that_leave_no_path():
    nothing_begins = np.ones((3, 3), bool)
    nothing_begins[2, :2] = False
    dead_end = np.eye(3, dtype=bool)
    dead_end[2] = [True, False, False]
    dead_end[:2, 2] = [False, True]
    for mask in (nothing_begins, dead_end):
        with pytest.raises(ValueError, match="constraints leave no path"):
            pyrnn.CRF(2, constraints=mask)
    alternating = pyrnn.CRF(1, constraints=[[False]])  # sequences of one step alone
    assert list(alternating.decode(np.zeros((1, 1, 1), np.float32))[0]) == [0]
    with pytest.raises(ValueError, match="row 0 has no path"):
        alternating.decode(np.zeros((1, 2, 1), np.float32))


def test_bad_constraints():
    for bad in (np.ones((3, 3)), [[1, 0], [0, 1]], "O", object()):
        with pytest.raises(TypeError, match="constraints"):
            pyrnn.CRF(2, constraints=bad)
    for shape in ((2,), (2, 3), (4, 4), (0, 0), (1, 1)):
        with pytest.raises(ValueError, match=r"constraints have shape .*expected \(2, 2\)"):
            pyrnn.CRF(2, constraints=np.ones(shape, bool))
    for bad in ("O", None, 3, ["O", 3]):
        with pytest.raises(TypeError, match="tag_names"):
            pyrnn.bio_constraints(bad)
    for bad in ([], ["O", "O"], ["X"], ["O", "B-"], ["O", "B"], ["o"], ["I_PER"]):
        with pytest.raises(ValueError, match="tag_names"):
            pyrnn.bio_constraints(bad)
