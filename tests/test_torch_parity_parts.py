"""Promise: layer norm, pooling, averaged weights, schedules and groups give torch's numbers."""

from functools import partial

import numpy as np
import pytest

import pyrnn
from pyrnn import losses, optim

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

F = torch.nn.functional
DTYPES = ("float64", "float32")
WEIGHT, POSITIVE = [0.3, 0.0, 2.0, 1.0, 0.7], [0.5, 2.0, 1.0, 0.0, 3.0]


def tensor(array, **options):
    return torch.tensor(array, dtype=torch.float64, **options)


LOSSES = {
    "smoothed": (
        losses.CrossEntropy(label_smoothing=0.1, ignore_index=2),
        lambda y, t: F.cross_entropy(y, t, label_smoothing=0.1, ignore_index=2),
    ),
    "weighted": (
        losses.CrossEntropy(weight=WEIGHT),
        lambda y, t: F.cross_entropy(y, t, weight=tensor(WEIGHT)),
    ),
    "weighted and smoothed": (
        losses.CrossEntropy(weight=WEIGHT, label_smoothing=0.3, ignore_index=4),
        lambda y, t: F.cross_entropy(
            y, t, weight=tensor(WEIGHT), label_smoothing=0.3, ignore_index=4
        ),
    ),
    "pos_weight": (
        losses.BCEWithLogits(pos_weight=POSITIVE),
        lambda y, t: F.binary_cross_entropy_with_logits(y, t, pos_weight=tensor(POSITIVE)),
    ),
    "MAE": (losses.MAE(), F.l1_loss),
    "Huber": (losses.Huber(0.3), lambda y, t: F.huber_loss(y, t, delta=0.3)),
    "PoissonNLL": (losses.PoissonNLL(full=True), partial(F.poisson_nll_loss, full=True)),
    "GaussianNLL": (
        losses.GaussianNLL(full=True, eps=0.2),
        lambda y, t: F.gaussian_nll_loss(y[:, :5], t, y[:, 5:].exp(), full=True, eps=0.2),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, rng):
    loss, function = LOSSES[name]
    y = 2 * rng.standard_normal((9, 10 if name == "GaussianNLL" else 5))
    target = rng.integers(0, 5, 9) if loss.integer_target else rng.random((9, 5))
    value, pullback = loss.vjp(y, target)
    theirs = tensor(y, requires_grad=True)
    expected = function(theirs, torch.tensor(target))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(pullback(), theirs.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7,), (2, 5)], ids=str)
def test_layer_norm(shape, dtype, rng):
    ours = pyrnn.LayerNorm(shape, dtype=np.dtype(dtype))
    theirs = torch.nn.LayerNorm(shape, dtype=getattr(torch, dtype))
    for p in ours.parameters():
        p[...] = rng.standard_normal(shape)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    theirs.load_state_dict({k: torch.tensor(p.data) for k, p in ours.named_parameters()})
    x, dy = (rng.standard_normal((6, 4, *shape)).astype(dtype) for _ in range(2))
    y, pullback = ours.vjp(x)
    d_x = pullback(dy)
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = theirs(x_torch)
    y_torch.backward(torch.tensor(dy))
    bound = 1e-12 if dtype == "float64" else 1e-5
    for actual, expected in (
        (y, y_torch.detach()),
        (d_x, x_torch.grad),
        *((p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)),
    ):
        np.testing.assert_allclose(actual, expected.numpy(), rtol=10 * bound, atol=10 * bound)


@pytest.mark.parametrize("name", ["sum", "mean", "amax"])
def test_pools(name, rng):
    x = rng.standard_normal((6, 4, 3))
    pool = {"sum": pyrnn.SumPool, "mean": pyrnn.MeanPool, "amax": pyrnn.MaxPool}[name]()
    y, pullback = pool.vjp(x)
    x_torch = tensor(x, requires_grad=True)
    y_torch = getattr(x_torch, name)(dim=1)
    y_torch.backward(tensor(y))
    np.testing.assert_allclose(y, y_torch.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(pullback(y), x_torch.grad.numpy(), rtol=1e-13)


def pairs(rng, shapes=((3, 7), (33,))):
    """The same parameters of both kinds."""
    ours = [pyrnn.Parameter(rng.standard_normal(s)) for s in shapes]
    return ours, [tensor(p.data, requires_grad=True) for p in ours]


def give_gradients(ours, theirs, rng):
    for p, q in zip(ours, theirs, strict=True):
        p.grad[...] = rng.standard_normal(p.shape)
        q.grad = tensor(p.grad)


def assert_equal_weights(ours, theirs, rtol=1e-11):
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=rtol)


OPTIMIZERS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9}, {"lr": 0.03, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01}, {"betas": (0.5, 0.7), "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}, {"weight_decay": 0.0}),
    ("RMSprop", {"lr": 0.01}, {"alpha": 0.5}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}, {"lr": 0.2, "weight_decay": 0.1}),
    ("Adagrad", {"initial_accumulator_value": 0.3, "eps": 1e-3}, {"lr": 0.2}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1}, {"betas": (0.5, 0.7), "momentum_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, {"lr": 0.1}),
]


@pytest.fixture
def wide_scalars():
    """torch keeps NAdam's product of momenta in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("name", "options", "own"), OPTIMIZERS, ids=str)
def test_parameter_groups_step_for_step(name, options, own, rng, wide_scalars):
    ours, theirs = pairs(rng)
    optimizer = getattr(optim, name)(**options, groups=[{"params": ours[1], **own}])
    groups = [{"params": [theirs[0]]}, {"params": [theirs[1]], **own}]
    torch_optimizer = getattr(torch.optim, name)(groups, **options)
    for _ in range(20):
        give_gradients(ours, theirs, rng)
        optimizer.step(ours)
        torch_optimizer.step()
        assert_equal_weights(ours, theirs)


S = torch.optim.lr_scheduler
METRICS = [5, 4, 4, 3.9999, 4, 3, 3, 3, float("nan"), 3, 2, 2, 2, 2, 2, 2]
SCHEDULES = {
    "Step": (lambda o: optim.Step(o, 3, gamma=0.5), lambda o: S.StepLR(o, 3, gamma=0.5)),
    "Cosine": (
        lambda o: optim.Cosine(o, 15, final=0.1),
        lambda o: S.CosineAnnealingLR(o, 15, eta_min=0.01),
    ),
    "OneCycle": (
        lambda o: optim.OneCycle(o, 16),
        lambda o: S.OneCycleLR(o, max_lr=0.1, total_steps=17 - 1, cycle_momentum=False),
    ),
    "Warmup": (
        lambda o: optim.Warmup(optim.Step(o, 3), 5),
        lambda o: S.SequentialLR(o, [S.LinearLR(o, total_iters=5), S.StepLR(o, 3)], [5]),
    ),
    "OnPlateau": (
        lambda o: optim.OnPlateau(o, patience=1, cooldown=2, factor=0.5),
        lambda o: S.ReduceLROnPlateau(o, patience=1, cooldown=2, factor=0.5),
    ),
}


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name, rng):
    make, make_theirs = SCHEDULES[name]
    ours, theirs = pairs(rng)
    optimizer, torch_optimizer = optim.SGD(0.1), torch.optim.SGD(theirs, lr=0.1)
    schedule, scheduler = make(optimizer), make_theirs(torch_optimizer)
    for metric in METRICS[: 15 if name == "OneCycle" else None]:
        assert optimizer.lr == pytest.approx(torch_optimizer.param_groups[0]["lr"], rel=1e-12)
        give_gradients(ours, theirs, rng)
        optimizer.step(ours)
        torch_optimizer.step()
        schedule.step(metric)
        scheduler.step(*([metric] if name == "OnPlateau" else []))
    assert_equal_weights(ours, theirs)


def test_averaged_weights(rng):
    net, theirs = pyrnn.Linear(3, 4, seed=0, dtype=np.float64), torch.nn.Linear(3, 4).double()
    swa = torch.optim.swa_utils
    averaged = swa.AveragedModel(theirs, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
    ema = optim.EMA(net, decay=0.9)
    for _ in range(10):
        for p, q in zip(net.parameters(), theirs.parameters(), strict=True):
            p[...] = rng.standard_normal(p.shape)
            q.data = tensor(p.data)
        ema.update()
        averaged.update_parameters(theirs)
    with ema.applied():
        assert_equal_weights(net.parameters(), averaged.module.parameters(), rtol=1e-12)
