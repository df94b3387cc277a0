"""Promise: schedules give the learning rates of torch's, step by step."""

import pytest

from pyrnn import optim

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

S = torch.optim.lr_scheduler
STEPS, LR = 200, 0.1


def cyclic(up, down=None, **options):
    """Both Cyclics, with the lowest rate a quarter of the highest."""
    theirs = {"base_lr": LR / 4, "max_lr": LR, "step_size_up": up, "step_size_down": down}
    return (
        lambda o: optim.Cyclic(o, up, step_size_down=down, **options),
        lambda o: S.CyclicLR(o, **theirs, cycle_momentum=False, **options),
    )


def one_cycle(steps, **options):
    """Both OneCycles; torch's `final_div_factor` divides the first rate too."""
    return (
        lambda o: optim.OneCycle(o, steps, **options),
        lambda o: S.OneCycleLR(o, max_lr=LR, total_steps=steps, cycle_momentum=False, **options),
    )


CASES = {
    "Lambda": (
        lambda o: optim.Lambda(o, lambda k: 0.95**k + k % 3),
        lambda o: S.LambdaLR(o, lambda k: 0.95**k + k % 3),
    ),
    "Step": (lambda o: optim.Step(o, 30), lambda o: S.StepLR(o, 30)),
    "MultiStep": (
        lambda o: optim.MultiStep(o, [3, 50, 50, 120], gamma=0.3),
        lambda o: S.MultiStepLR(o, [3, 50, 50, 120], gamma=0.3),
    ),
    "Exponential": (lambda o: optim.Exponential(o, 0.97), lambda o: S.ExponentialLR(o, 0.97)),
    "Polynomial": (
        lambda o: optim.Polynomial(o, 150, power=2.5),
        lambda o: S.PolynomialLR(o, 150, power=2.5),
    ),
    "line": (lambda o: optim.Polynomial(o, 7), lambda o: S.PolynomialLR(o, 7)),
    "Cosine": (
        lambda o: optim.Cosine(o, STEPS, final=0.1),
        lambda o: S.CosineAnnealingLR(o, STEPS, eta_min=0.1 * LR),
    ),
    "triangular": cyclic(7, 12),
    "triangular2": cyclic(9, mode="triangular2"),
    "exp_range": cyclic(9, 3, mode="exp_range", gamma=0.99),
    "WarmRestarts": (
        lambda o: optim.WarmRestarts(o, 13, final=0.05),
        lambda o: S.CosineAnnealingWarmRestarts(o, 13, eta_min=0.05 * LR),
    ),
    "growing": (
        lambda o: optim.WarmRestarts(o, 5, growth=2),
        lambda o: S.CosineAnnealingWarmRestarts(o, 5, T_mult=2),
    ),
    "OneCycle": one_cycle(STEPS),
    "only up": one_cycle(STEPS, pct_start=1.0),
    "linear": one_cycle(STEPS, anneal_strategy="linear", pct_start=0.4),
    "three phases": one_cycle(STEPS, three_phase=True, div_factor=10, final_div_factor=50),
    "linear, three": one_cycle(STEPS, three_phase=True, anneal_strategy="linear", pct_start=0.5),
    "Warmup": (lambda o: optim.Warmup(o, 40), lambda o: S.LinearLR(o, total_iters=40)),
    "Chain": (
        lambda o: optim.Chain(
            [
                optim.Warmup(o, 20, start_factor=0.2),
                optim.Exponential(o, 0.98, per="step"),
                optim.Polynomial(o, 60, power=2.0),
            ],
            [25, 100],
        ),
        lambda o: S.SequentialLR(
            o,
            [
                S.LinearLR(o, 0.2, total_iters=20),
                S.ExponentialLR(o, 0.98),
                S.PolynomialLR(o, 60, power=2.0),
            ],
            [25, 100],
        ),
    ),
    "together": (
        lambda o: (optim.Exponential(o, 0.98, per="step"), optim.Polynomial(o, 100)),
        lambda o: S.ChainedScheduler([S.ExponentialLR(o, 0.98), S.PolynomialLR(o, 100)]),
    ),
}


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_rates_are_torchs(name):
    """The largest difference is that of torch's rates from their formula: it multiplies step by
    step, which adds half a rounding for each."""
    make, make_theirs = CASES[name]
    weight = torch.zeros(1, requires_grad=True)
    optimizer, theirs = optim.SGD(LR), torch.optim.SGD([weight], lr=LR)
    made, scheduler = make(optimizer), make_theirs(theirs)
    schedules = made if isinstance(made, tuple) else (made,)
    optimizer.follow(*schedules)
    last = STEPS - 1 if "OneCycle" in type(scheduler).__name__ else STEPS
    for step in range(last):
        rate = theirs.param_groups[0]["lr"]
        assert optimizer.lr == pytest.approx(rate, rel=1e-12, abs=1e-15), step
        for schedule in schedules:
            schedule.step()
        theirs.step()
        scheduler.step()
