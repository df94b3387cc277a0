"""Promise: schedules give the learning rates of Keras', step by step."""

from bisect import bisect_left

import pytest

from pyrnn import optim

STEPS, LR = 200, 0.1
BOUNDARIES, VALUES = [30, 31, 120], [0.1, 0.05, 0.2, 0.01]
CASES = {  # pyrnn's on an optimizer of rate LR; Keras'
    "ExponentialDecay": (
        lambda o: optim.Exponential(o, 0.5 ** (1 / 40), per="step"),
        lambda K: K.ExponentialDecay(LR, 40, 0.5),
    ),
    "staircase": (
        lambda o: optim.Step(o, 40, gamma=0.5, per="step"),
        lambda K: K.ExponentialDecay(LR, 40, 0.5, staircase=True),
    ),
    "PolynomialDecay": (
        lambda o: optim.Polynomial(o, 150, power=2.5, final=0.01 / LR),
        lambda K: K.PolynomialDecay(LR, 150, 0.01, power=2.5),
    ),
    "line": (
        lambda o: optim.Polynomial(o, 70),
        lambda K: K.PolynomialDecay(LR, 70, end_learning_rate=0.0),
    ),
    "PiecewiseConstantDecay": (  # a value holds up to its boundary, and there
        lambda o: optim.Lambda(o, lambda k: VALUES[bisect_left(BOUNDARIES, k)] / LR),
        lambda K: K.PiecewiseConstantDecay(BOUNDARIES, VALUES),
    ),
    "equal falls": (
        lambda o: optim.MultiStep(o, [30 + 1, 100 + 1], gamma=0.1, per="step"),
        lambda K: K.PiecewiseConstantDecay([30, 100], [LR, LR / 10, LR / 100]),
    ),
    "CosineDecay": (
        lambda o: optim.Cosine(o, 150, final=0.1),
        lambda K: K.CosineDecay(LR, 150, alpha=0.1),
    ),
    "warmup": (
        lambda o: optim.Warmup(optim.Cosine(o, 120, final=0.1), 30, start_factor=0.2),
        lambda K: K.CosineDecay(0.2 * LR, 120, alpha=0.1, warmup_target=LR, warmup_steps=30),
    ),
    "CosineDecayRestarts": (
        lambda o: optim.WarmRestarts(o, 20, growth=2, gamma=0.8, final=0.1),
        lambda K: K.CosineDecayRestarts(LR, 20, t_mul=2.0, m_mul=0.8, alpha=0.1),
    ),
    "equal restarts": (
        lambda o: optim.WarmRestarts(o, 17),
        lambda K: K.CosineDecayRestarts(LR, 17, t_mul=1.0),
    ),
    "InverseTimeDecay": (
        lambda o: optim.Lambda(o, lambda k: 1 / (1 + 0.5 * k / 40)),
        lambda K: K.InverseTimeDecay(LR, 40, 0.5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rates_are_keras(name, keras):
    make, make_theirs = CASES[name]
    optimizer, theirs = optim.SGD(LR), make_theirs(keras.optimizers.schedules)
    schedule = make(optimizer)
    for step in range(STEPS):
        assert optimizer.lr == pytest.approx(float(theirs(step)), rel=1e-9, abs=1e-12), step
        schedule.step()
