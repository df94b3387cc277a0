"""Promise: CRF and CTC give the numbers of pytorch-crf and of torch's CTC: 1e-10, float32 1e-5.

torch's own CTC is off by up to 6e-5 in float32, as its alphas grow with time, so its float32
gradients are held against its float64.
"""

import numpy as np
import pytest

import pyrnn

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

ALLOWED = {"float32": 1e-5, "float64": 1e-10}


def assert_near(actual, expected, dtype):
    expected = np.asarray(expected)
    allowed = ALLOWED[dtype] * max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=allowed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["token_mean", "mean"])
def test_crf_is_pytorch_crf(reduction, dtype, rng):
    torchcrf = pytest.importorskip("torchcrf", reason="pytorch-crf is not installed")
    B, T, K = 12, 30, 20
    lengths = rng.integers(1, T + 1, B)
    lengths[0] = T  # the longest: pytorch-crf takes no more padding
    emissions = (2 * rng.standard_normal((B, T, K))).astype(dtype)
    target = rng.integers(0, K, (B, T))
    mask = torch.from_numpy(np.arange(T) < lengths[:, None])
    mine = pyrnn.CRF(K, reduction=reduction, dtype=dtype, seed=0)
    other = torchcrf.CRF(K, batch_first=True).to(getattr(torch, dtype))
    other.load_state_dict({n: torch.from_numpy(v) for n, v in mine.state_dict().items()})
    x = torch.from_numpy(emissions).requires_grad_()
    expected = -other(x, torch.from_numpy(target), mask, reduction=reduction)
    expected.backward()
    value, pullback = mine.vjp(emissions, target, lengths)
    assert_near(value, expected.item(), dtype)
    assert_near(pullback(), x.grad.numpy(), dtype)
    gradients = {n: p.grad.numpy() for n, p in other.named_parameters()}
    for name, parameter in mine.named_parameters():
        assert_near(parameter.grad, gradients[name], dtype)
    paths = other.decode(torch.from_numpy(emissions), mask)
    assert [list(path) for path in mine.decode(emissions, lengths)] == paths


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("zero_infinity", [False, True])
def test_ctc_is_torchs(zero_infinity, dtype, rng):
    T, B, C, S = 80, 10, 28, 20
    logits = (2 * rng.standard_normal((B, T, C))).astype(dtype)
    counts, lengths = rng.integers(0, S + 1, B), rng.integers(2 * S, T + 1, B)
    targets = rng.integers(1, C, (B, S))
    if zero_infinity:
        lengths[3], counts[3] = 5, 10
    x = torch.from_numpy(logits.astype(np.float64)).requires_grad_()
    expected = torch.nn.CTCLoss(zero_infinity=zero_infinity)(
        x.log_softmax(-1).transpose(0, 1), *map(torch.from_numpy, (targets, lengths, counts))
    )
    expected.backward()
    loss = pyrnn.losses.CTC(zero_infinity=zero_infinity)
    value, pullback = loss.vjp(logits, targets, lengths, counts)
    assert_near(value, expected.item(), dtype)
    assert_near(B * pullback(), B * x.grad.numpy(), dtype)
