"""Promise: the CRF's likelihood, marginals, best paths and gradients are those of all paths."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn.optim import SGD
from reference_structured import central_differences, crf_marginals, crf_scores, log_sum_exp

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
LENGTHS = [5, 0, 1, 3, 2]


def make_crf(K, dtype="float64", spread=2.0, **options):
    """A CRF whose transitions matter."""
    crf = pyrnn.CRF(K, dtype=dtype, seed=0, **options)
    rng = np.random.default_rng(K)
    for parameter in crf.parameters():
        parameter[...] = (spread * rng.standard_normal(parameter.shape)).astype(dtype)
    return crf


def problem(K, rng, dtype="float64", T=5, lengths=LENGTHS):
    """Emissions, target and lengths; what is after the lengths is NaN, and no tag."""
    emissions = (2 * rng.standard_normal((len(lengths), T, K))).astype(dtype)
    target = rng.integers(0, K, (len(lengths), T))
    padding = np.arange(T) >= np.array(lengths)[:, None]
    emissions[padding], target[padding] = np.nan, -100
    return emissions, target, np.array(lengths)


def all_paths(crf, emissions, row, length):
    """{path: score} of one row."""
    parts = (crf.transitions, crf.start_transitions, crf.end_transitions)
    scores = [np.asarray(p, np.float64) for p in parts]
    return crf_scores(emissions[row, :length].astype(np.float64), *scores)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("K", [1, 2, 3, 4])
def test_everything_equals_brute_force(K, dtype, rng, isa):
    crf = make_crf(K, dtype)
    emissions, target, lengths = problem(K, rng, dtype)
    likelihoods = crf.log_likelihood(emissions, target, lengths)
    marginals = crf.marginals(emissions, lengths)
    paths, scores = crf.decode(emissions, lengths, return_scores=True)
    allowed = TOLERANCE[dtype]
    for row, n in enumerate(lengths):
        assert (marginals[row, n:] == 0).all() and len(paths[row]) == n
        if n == 0:
            assert likelihoods[row] == 0 and scores[row] == 0
            continue
        expected = all_paths(crf, emissions, row, n)
        log_p = expected[tuple(target[row, :n])] - log_sum_exp(list(expected.values()))
        np.testing.assert_allclose(likelihoods[row], log_p, rtol=allowed, atol=allowed)
        of_tags = crf_marginals(expected, n, K)
        np.testing.assert_allclose(marginals[row, :n], of_tags, atol=allowed)
        best = max(expected, key=expected.get)
        assert tuple(paths[row]) == best
        np.testing.assert_allclose(scores[row], expected[best], rtol=allowed)
    value = crf(emissions, target, lengths)
    assert value == pytest.approx(-likelihoods.sum() / lengths.sum(), rel=1e-12)


@pytest.mark.parametrize("K", [20, 33])
def test_many_tags_and_steps_equal_a_recursion_in_numpy(K, rng, isa):
    """More tags than lanes: log Z by the forward recursion, marginals that sum to one."""
    crf = make_crf(K)
    emissions, _, _ = problem(K, rng, T=40, lengths=[40, 17])
    marginals = crf.marginals(emissions, [40, 17])
    real = np.arange(40) < np.array([40, 17])[:, None]
    np.testing.assert_allclose(marginals.sum(axis=-1), real, atol=1e-12)
    best = crf.decode(emissions, [40, 17])
    for row, n in enumerate([40, 17]):
        alpha = crf.start_transitions.data + emissions[row, 0]
        most = alpha
        for t in range(1, n):
            alpha = [log_sum_exp(alpha + column) for column in crf.transitions.data.T]
            alpha = alpha + emissions[row, t]
            most = (most[:, None] + crf.transitions.data).max(axis=0) + emissions[row, t]
        target = np.full((2, 40), 0)
        target[row, :n] = best[row]
        log_p = crf.log_likelihood(emissions, target, [40, 17])[row]
        expected = (most + crf.end_transitions.data).max()
        expected -= log_sum_exp(alpha + crf.end_transitions.data)
        assert log_p == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("reduction", ["token_mean", "mean"])
def test_gradients_equal_central_differences(reduction, rng, isa):
    crf = make_crf(3, reduction=reduction)
    emissions, target, lengths = problem(3, rng)
    emissions = np.nan_to_num(emissions)
    value, pullback = crf.vjp(emissions, target, lengths)
    assert value == pytest.approx(crf(emissions, target, lengths), rel=1e-14)
    d_emissions = pullback(2.0)

    def loss():
        return 2 * crf(emissions, target, lengths)

    np.testing.assert_allclose(d_emissions, central_differences(loss, emissions), atol=1e-8)
    for parameter in crf.parameters():
        with parameter.writing() as array:
            expected = central_differences(loss, array)
        np.testing.assert_allclose(parameter.grad, expected, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_has_the_same_bits_alone_in_any_layout_and_for_any_threads(dtype, rng, isa):
    crf = make_crf(18, dtype)
    lengths = rng.integers(0, 60, 40)
    emissions, target, lengths = problem(18, rng, dtype, T=60, lengths=lengths)
    by_time = np.ascontiguousarray(emissions.swapaxes(0, 1)).swapaxes(0, 1)
    both = []
    for threads in (1, 2):
        pyrnn.set_num_threads(threads)
        for x in (emissions, by_time):
            value, pullback = crf.vjp(x, target, lengths)
            crf.zero_grad()
            d = pullback()
            grads = [p.grad.copy() for p in crf.parameters()]
            marginals = crf.marginals(x, lengths)
            decoded = crf.decode(x, lengths, return_scores=True)
            both.append((np.float64(value), d, grads, marginals, decoded))
    for other in both[1:]:
        assert_same_bits(other, both[0])
    for row in (0, 7, 39):
        n = lengths[row]
        alone = crf.marginals(np.ascontiguousarray(emissions[row : row + 1, :n]))
        assert_same_bits(alone[0], both[0][3][row, :n])
        assert_same_bits(crf.decode(emissions[row : row + 1, :n])[0], both[0][4][0][row])


def test_reductions_divide_by_steps_and_by_sequences(rng):
    emissions, target, lengths = problem(3, rng)
    per_token, per_sequence = make_crf(3), make_crf(3, reduction="mean")
    total = -per_token.log_likelihood(emissions, target, lengths).sum()
    assert per_token(emissions, target, lengths) == pytest.approx(total / 11)
    assert per_sequence(emissions, target, lengths) == pytest.approx(total / 4)
    assert per_token.batch_weight(emissions.shape, target, lengths) == 11
    assert per_sequence.batch_weight(emissions.shape, target, lengths) == 4


def test_nothing_real_is_no_error():
    crf = make_crf(3)
    for shape in ((2, 0, 3), (0, 4, 3), (0, 0, 3)):
        emissions, target = np.zeros(shape), np.zeros(shape[:2], int)
        value, pullback = crf.vjp(emissions, target)
        assert value == 0 and pullback().shape == shape
        assert crf.marginals(emissions).shape == shape
        assert [len(path) for path in crf.decode(emissions)] == [0] * shape[0]
        assert crf.log_likelihood(emissions, target).shape == (shape[0],)
    assert all((p.grad == 0).all() for p in crf.parameters())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_and_infinite_emissions(dtype, isa):
    """1e30 decides, -inf forbids; nothing overflows, and far from the largest nothing is lost."""
    crf = make_crf(3, dtype, spread=0.5)
    emissions = np.zeros((1, 6, 3), dtype)
    emissions[0, np.arange(6), [0, 1, 2, 0, 1, 2]] = 1e30
    target = np.array([[0, 1, 2, 0, 1, 2]])
    value, pullback = crf.vjp(emissions, target)
    assert value == 0 and np.abs(pullback()).max() == 0
    assert list(crf.decode(emissions)[0]) == [0, 1, 2, 0, 1, 2]
    emissions = np.zeros((1, 6, 3), dtype)
    emissions[0, 3, :2] = -np.inf
    marginals = crf.marginals(emissions)
    assert list(marginals[0, 3]) == [0, 0, pytest.approx(1, abs=1e-5)]
    assert np.isfinite(crf.vjp(emissions, np.full((1, 6), 2))[1]()).all()
    assert crf(emissions, np.zeros((1, 6), int)) == np.inf
    emissions[0, 3] = -np.inf
    for decoder in (crf.decode, crf.marginals):
        with pytest.raises(ValueError, match="row 0 has no path"):
            decoder(emissions)


def test_a_state_far_below_the_largest_is_not_lost(isa):
    """Only tag 1 leads on from step 0, where tag 0 is e**300 times as probable."""
    crf = pyrnn.CRF(2, constraints=[[False, False], [True, True]], seed=0)
    emissions = np.zeros((1, 2, 2), np.float32)
    emissions[0, 0, 0] = 300
    assert crf.log_likelihood(emissions, np.array([[1, 0]]))[0] == pytest.approx(-0.7, abs=0.2)
    assert crf.marginals(emissions)[0, 0].tolist() == [0, pytest.approx(1)]


def test_a_nan_stays_in_its_row(rng):
    crf = make_crf(3)
    emissions = rng.standard_normal((2, 4, 3))
    emissions[0, 2, 1] = np.nan
    likelihoods = crf.log_likelihood(emissions, np.zeros((2, 4), int))
    assert np.isnan(likelihoods[0]) and np.isfinite(likelihoods[1])
    assert np.isfinite(crf.marginals(emissions)[1]).all()
    paths, scores = crf.decode(emissions, return_scores=True)
    assert paths[0][2] == 1 and np.isnan(scores[0]) and np.isfinite(scores[1])


def test_without_any_path_loss_and_gradient_of_the_row_are_nan(rng):
    crf = make_crf(3)
    emissions = rng.standard_normal((2, 4, 3))
    emissions[0, 2] = -np.inf
    loss, pullback = crf.vjp(emissions, np.zeros((2, 4), int))
    d_emissions = pullback()
    assert np.isnan(loss) and np.isnan(d_emissions[0]).all()
    assert np.isfinite(d_emissions[1]).all()


def test_save_load_and_pickle(tmp_path, rng):
    crf = make_crf(2, "float32", constraints=[[True, False], [True, True]], reduction="mean")
    crf.save(tmp_path / "crf.safetensors")
    loaded = pyrnn.load(tmp_path / "crf.safetensors")
    assert loaded.config() == crf.config()
    emissions, _, lengths = problem(2, rng, "float32")
    assert_same_bits(loaded.marginals(emissions, lengths), crf.marginals(emissions, lengths))
    assert set(crf.state_dict()) == {"transitions", "start_transitions", "end_transitions"}


def test_a_pullback_is_called_once_and_before_the_parameters_change(rng):
    crf = make_crf(3)
    emissions, target, lengths = problem(3, rng)
    _, pullback = crf.vjp(emissions, target, lengths)
    pullback()
    with pytest.raises(RuntimeError, match="CRF"):
        pullback()
    _, late = crf.vjp(emissions, target, lengths)
    SGD(0.1).step(crf)
    with pytest.raises(RuntimeError, match="written"):
        late()
