"""Promise: twenty steps of an optimizer give torch's weights, with every option that both have."""

import itertools

import numpy as np
import pytest

import pyrnn
from pyrnn import optim

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

DECAY = {"weight_decay": 0.1}
MAXIMIZE = {"maximize": True}
MOMENTUM = {"momentum": 0.9}
OPTIONS = {  # each one alone, and any two together
    "SGD": [
        DECAY,
        MAXIMIZE,
        MOMENTUM,
        {**MOMENTUM, "nesterov": True},
        {**MOMENTUM, "dampening": 0.3},
    ],
    "Adam": [DECAY, MAXIMIZE, {"amsgrad": True}, {"betas": (0.6, 0.5)}],
    "AdamW": [DECAY, MAXIMIZE, {"amsgrad": True}, {"betas": (0.6, 0.5)}],
    "NAdam": [DECAY, MAXIMIZE, {**DECAY, "decoupled_weight_decay": True}, {"momentum_decay": 0.1}],
    "RMSprop": [DECAY, MAXIMIZE, MOMENTUM, {"centered": True}, {"alpha": 0.5, "eps": 1e-2}],
    "Adagrad": [DECAY, MAXIMIZE, {"lr_decay": 0.1}, {"initial_accumulator_value": 0.2}],
}
CASES = [
    (name, {**one, **other})
    for name, options in OPTIONS.items()
    for one, other in [({}, {}), *itertools.combinations_with_replacement(options, 2)]
    if not ("nesterov" in one and "dampening" in other)
]
if "decoupled_weight_decay" in torch.optim.Adam([torch.zeros(1)]).defaults:
    CASES.append(("Adam", {**DECAY, "decoupled_weight_decay": True, "amsgrad": True}))


@pytest.fixture
def wide_scalars():
    """torch keeps NAdam's product of momenta in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_twenty_steps(name, options, rng, wide_scalars):
    ours = [pyrnn.Parameter(rng.standard_normal(shape)) for shape in ((3, 7), (11,))]
    theirs = [torch.tensor(p.data, requires_grad=True) for p in ours]
    optimizer = getattr(optim, name)(0.01, **options)
    other = getattr(torch.optim, name)(theirs, lr=0.01, **options)
    for _ in range(20):
        for p, q in zip(ours, theirs, strict=True):
            p.grad[...] = rng.standard_normal(p.shape)
            q.grad = torch.tensor(p.grad)
        optimizer.step(ours)
        other.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-13)
