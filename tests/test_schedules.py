"""Promise: schedules multiply each group's own learning rate by their published curves."""

import json
import math

import numpy as np
import pytest

import pyrnn
from pyrnn import optim


def optimizer(lr=0.5, other=0.25):
    """Two groups, with learning rates 0.5 and 0.25."""
    return optim.SGD(lr, groups=[{"params": pyrnn.Linear(2, 2), "lr": other}])


def steps():
    return optim.Step(optimizer(), 2)


def curve(schedule, steps, metrics=None):
    """The factors at steps 0, 1, ..., as the first group shows them; the second agrees."""
    found = []
    for k in range(steps):
        first, second = schedule.optimizer.lrs
        assert first == 2 * second
        found.append(first / 0.5)
        schedule.step(None if metrics is None else metrics[k])
    return found


def test_step():
    expected = [1, 1, 1, 0.1, 0.1, 0.1, 0.01]
    assert curve(optim.Step(optimizer(), 3), 7) == pytest.approx(expected)
    assert curve(optim.Step(optimizer(), 1, gamma=0.5), 4) == [1, 0.5, 0.25, 0.125]


def test_cosine():
    half = math.sqrt(0.5)
    expected = [1, (1 + half) / 2, 0.5, (1 - half) / 2, 0, 0, 0]
    assert curve(optim.Cosine(optimizer(), 4), 7) == pytest.approx(expected, abs=1e-15)
    found = curve(optim.Cosine(optimizer(), 4, final=0.2), 7)
    assert found == pytest.approx([0.2 + 0.8 * f for f in expected], abs=1e-15)


def test_one_cycle():
    schedule = optim.OneCycle(optimizer(), 10, pct_start=0.5, div_factor=5, final_div_factor=2)
    found = curve(schedule, 13)
    assert found[0] == pytest.approx(0.2) and found[4] == 1
    assert found[2] == pytest.approx(0.6)  # half way up
    assert found[:5] == sorted(found[:5]) and found[4:10] == sorted(found[4:10])[::-1]
    assert found[9:] == pytest.approx([0.1] * 4)
    for steps in (1, 2, 3):
        assert all(0 < f <= 1 for f in curve(optim.OneCycle(optimizer(), steps), 5))


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_one_cycle_without_a_way_down(steps):
    found = curve(optim.OneCycle(optimizer(), steps, pct_start=1.0), steps + 3)
    assert found == sorted(found) and found[steps - 1 :] == [1] * 4


def test_warmup():
    found = curve(optim.Warmup(optim.Step(optimizer(), 2), 4, start_factor=0.5), 9)
    assert found == pytest.approx([0.5, 0.625, 0.75, 0.875, 1, 1, 0.1, 0.1, 0.01])
    found = curve(optim.Warmup(optimizer(), 2, start_factor=0.0), 5)
    assert found == [0, 0.5, 1, 1, 1]
    inner = optim.OneCycle(optimizer(), 5, pct_start=0.0)
    found = curve(optim.Warmup(inner, 2), 3)
    assert found == pytest.approx([inner.factor(0) * f for f in (1 / 3, 2 / 3, 1)])
    assert optim.Warmup(optim.Step(optimizer(), 2), 4).per == "epoch"
    assert optim.Warmup(optim.Cosine(optimizer(), 2), 4).per == "step"


def test_on_plateau():
    metrics = [5, 4, 4, 4, 4, 3, math.nan, 3, 3, 3]
    schedule = optim.OnPlateau(optimizer(), patience=1, factor=0.5, cooldown=1, min_factor=0.2)
    found = curve(schedule, 10, metrics)
    # two bad (the 2nd and 3rd 4) make a fall, the 5th step cools down; then NaN and two 3
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    found = curve(optim.OnPlateau(optimizer(), patience=1, factor=0.5, cooldown=1), 9, [4] * 9)
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    for _ in range(20):
        schedule.step(9)
    assert schedule.optimizer.lr == 0.5 * 0.2
    best = optim.OnPlateau(optimizer(), mode="max", patience=0)
    assert curve(best, 4, [-2, -1, -1, -3]) == pytest.approx([1, 1, 1, 0.1])
    with pytest.raises(TypeError, match="metric is None, expected a number"):
        best.step()


def test_warmup_in_front_of_a_plateau():
    schedule = optim.Warmup(optim.OnPlateau(optimizer(), patience=0, factor=0.5), 2)
    assert schedule.needs_metric and schedule.per == "epoch"
    found = curve(schedule, 6, [1, 1, 1, 1, 0, 0])  # the first two do not count
    assert found == pytest.approx([1 / 3, 2 / 3, 1, 1, 0.5, 0.5])


def test_lambda():
    schedule = optim.Lambda(optimizer(), lambda count: 1 / (1 + count))
    assert curve(schedule, 3) == [1, 1 / 2, 1 / 3] and schedule.per == "step"
    for bad, error in ((-1.0, ValueError), (math.nan, ValueError), ("1", TypeError)):
        schedule = optim.Lambda(optimizer(), lambda count, bad=bad: bad if count == 2 else 1.0)
        schedule.step()
        with pytest.raises(error, match=r"Lambda: function\(2\) is"):
            schedule.step()
    with pytest.raises(ValueError, match=r"function\(0\) is -1"):
        optim.Lambda(optimizer(), lambda count: -1)


def test_multi_step():
    schedule = optim.MultiStep(optimizer(), [2, 3, 3], gamma=0.5)
    assert curve(schedule, 6) == [1, 1, 0.5, 0.125, 0.125, 0.125] and schedule.per == "epoch"


def test_exponential_and_polynomial():
    assert curve(optim.Exponential(optimizer(), 0.5), 4) == [1, 0.5, 0.25, 0.125]
    found = curve(optim.Polynomial(optimizer(), 4, power=2.0, final=0.2), 7)
    assert found == pytest.approx([1, 0.65, 0.4, 0.25, 0.2, 0.2, 0.2])


def test_cyclic():
    found = curve(optim.Cyclic(optimizer(), 2, div_factor=2.0, mode="triangular2"), 9)
    assert found == [0.5, 0.75, 1, 0.75, 0.5, 0.625, 0.75, 0.625, 0.5]
    found = curve(optim.Cyclic(optimizer(), 1, step_size_down=2, div_factor=2.0), 4)
    assert found == [0.5, 1, 0.75, 0.5]
    found = curve(optim.Cyclic(optimizer(), 1, div_factor=2.0, mode="exp_range", gamma=0.5), 5)
    assert found == [0.5, 0.75, 0.5, 0.5625, 0.5]


def test_warm_restarts():
    found = curve(optim.WarmRestarts(optimizer(), 2, final=0.5), 5)
    assert found == pytest.approx([1, 0.75, 1, 0.75, 1])
    found = curve(optim.WarmRestarts(optimizer(), 1, growth=2), 9)
    assert [k for k, f in enumerate(found) if f == 1] == [0, 1, 3, 7]
    found = curve(optim.WarmRestarts(optimizer(), 2, final=0.2, gamma=0.5), 6)
    assert found == pytest.approx([1, 0.6, 0.6, 0.4, 0.4, 0.3])


def test_three_phases():
    schedule = optim.OneCycle(
        optimizer(), 11, three_phase=True, anneal_strategy="linear", pct_start=3 / 11,
        div_factor=2, final_div_factor=5,
    )  # fmt: skip
    expected = [0.5, 0.75, 1, 0.75, 0.5, *(0.5 - 0.4 * k / 6 for k in range(1, 7)), 0.1, 0.1]
    assert curve(schedule, 13) == pytest.approx(expected)


def test_chain():
    """Each begins at its 0, however long the one before was; the last goes on."""
    o = optimizer()
    parts = [optim.Step(o, 1, gamma=0.5), optim.Exponential(o, 0.5), optim.MultiStep(o, [2])]
    found = curve(optim.Chain(parts, [3, 5]), 9)
    assert found == pytest.approx([1, 0.5, 0.25, 1, 0.5, 1, 1, 0.1, 0.1])
    o = optimizer()
    plateau = optim.OnPlateau(o, patience=0, factor=0.5)
    chain = optim.Chain([optim.Step(o, 1, gamma=0.5), plateau], [2])
    assert chain.needs_metric and chain.per == "epoch"
    assert curve(chain, 5, [1, 1, 1, 1, 1]) == [1, 0.5, 1, 1, 0.5]
    with pytest.raises(RuntimeError, match="inside another schedule"):
        plateau.step(1.0)


def test_chains_within_chains():
    """Warmup in a Chain, a Chain in a Warmup."""
    o = optimizer()
    first = optim.Warmup(optim.Exponential(o, 0.5), 2, start_factor=0.5)
    found = curve(optim.Chain([first, optim.Step(o, 9)], [4]), 6)
    assert found == [0.5, 0.75, 1, 0.5, 1, 1]
    o = optimizer()
    chain = optim.Chain([optim.Step(o, 9), optim.Exponential(o, 0.5)], [2])
    assert curve(optim.Warmup(chain, 2, start_factor=0.0), 7) == [0, 0.5, 1, 1, 1, 0.5, 0.25]


def chained(o):
    parts = [optim.Warmup(o, 2), optim.WarmRestarts(o, 3), optim.Polynomial(o, 4)]
    return optim.Chain(parts, [3, 7])


MAKERS = {
    "Lambda": lambda o: optim.Lambda(o, lambda count: 1 / (1 + count)),
    "MultiStep": lambda o: optim.MultiStep(o, [2, 5]),
    "Exponential": lambda o: optim.Exponential(o, 0.9),
    "Polynomial": lambda o: optim.Polynomial(o, 9, power=0.5),
    "Cyclic": lambda o: optim.Cyclic(o, 3, mode="triangular2"),
    "WarmRestarts": lambda o: optim.WarmRestarts(o, 2, growth=2),
    "three phases": lambda o: optim.OneCycle(o, 9, three_phase=True),
    "Chain": chained,
    "Chain of OnPlateau": lambda o: optim.Chain(
        [optim.Step(o, 1), optim.OnPlateau(o, patience=0)], [2]
    ),
    "Step": lambda o: optim.Step(o, 2),
    "Cosine": lambda o: optim.Cosine(o, 9),
    "OneCycle": lambda o: optim.OneCycle(o, 9),
    "Warmup": lambda o: optim.Warmup(optim.Cosine(o, 5), 4),
    "OnPlateau": lambda o: optim.OnPlateau(o, patience=1, cooldown=1),
    "Warmup of OnPlateau": lambda o: optim.Warmup(optim.OnPlateau(o, patience=0), 3),
}
each_schedule = pytest.mark.parametrize("name", MAKERS)


@each_schedule
def test_state_continues_where_it_stopped(name):
    """Also after a way through JSON, and with an optimizer whose lr is already scaled."""
    metrics = [3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1]

    def run(stop):
        schedule, found = MAKERS[name](optimizer()), []
        for k, metric in enumerate(metrics):
            schedule.step(metric)
            if k == stop:
                states = json.dumps([schedule.state_dict(), schedule.optimizer.lrs])
                state, lrs = json.loads(states)
                schedule = MAKERS[name](optimizer(*lrs))
                schedule.load_state_dict(state)
            found.append(schedule.optimizer.lrs)
        return found

    for stop in (0, 4, 7):
        assert run(stop) == run(None)


@each_schedule
@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("base_lrs", 3, "base_lrs is 3, expected a list"),
        ("base_lrs", [0.1, "x"], r"base_lrs\[1\] is 'x', expected a number"),
        ("base_lrs", [-1.0, 0.1], r"base_lrs\[0\] is -1.0, expected a finite number >= 0"),
        ("count", 0.5, "count is 0.5"),
    ],
)
def test_a_load_names_what_does_not_fit(name, key, value, words):
    schedule = MAKERS[name](optimizer())
    with pytest.raises((TypeError, ValueError), match=words):
        schedule.load_state_dict(schedule.state_dict() | {key: value})


@each_schedule
def test_a_load_that_fails_changes_nothing(name):
    schedule = MAKERS[name](optimizer())
    schedule.step(1.0)
    before, lrs = schedule.state_dict(), schedule.optimizer.lrs
    for bad in (
        {},
        before | {"more": 1},
        before | {"count": -1},
        before | {"base_lrs": [0.1]},
        before | {"base_lrs": 3},
        before | {"base_lrs": [0.1, np.nan]},
    ):
        with pytest.raises((TypeError, ValueError)):
            schedule.load_state_dict(bad)
        assert schedule.state_dict() == before and schedule.optimizer.lrs == lrs


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: optim.Cosine(None, 3), TypeError, "optimizer is None"),
        (lambda: optim.Cosine(optimizer(), 0), ValueError, "steps is 0"),
        (lambda: optim.Cosine(optimizer(), 3, final=2), ValueError, "final"),
        (lambda: optim.Cosine(optimizer(), 3, per="batch"), ValueError, "per is 'batch'"),
        (lambda: optim.Step(optimizer(), 2.5), TypeError, "step_size"),
        (lambda: optim.Step(optimizer(), 2, gamma=-1), ValueError, "gamma"),
        (lambda: optim.OneCycle(optimizer(), 3, div_factor=0), ValueError, "div_factor"),
        (lambda: optim.OneCycle(optimizer(), 9, anneal_strategy="cosine"), ValueError, "'cosine'"),
        (lambda: optim.OneCycle(optimizer(), 9, three_phase=1), TypeError, "three_phase is 1"),
        (
            lambda: optim.OneCycle(optimizer(), 9, three_phase=True, pct_start=0.6),
            ValueError,
            "pct_start is 0.6 with three_phase=True",
        ),
        (
            lambda: optim.OneCycle(optimizer(), 9, three_phase=True, pct_start=0.1),
            ValueError,
            "pct_start is 0.1",
        ),
        (lambda: optim.Lambda(optimizer(), 0.5), TypeError, "function is 0.5"),
        (lambda: optim.MultiStep(optimizer(), []), ValueError, "milestones is"),
        (lambda: optim.MultiStep(optimizer(), [3, 2]), ValueError, "ascending"),
        (lambda: optim.MultiStep(optimizer(), [0]), ValueError, r"milestones\[0\] is 0"),
        (lambda: optim.MultiStep(optimizer(), 3), TypeError, "milestones is 3"),
        (lambda: optim.Exponential(optimizer(), 1.5), ValueError, "gamma"),
        (lambda: optim.Polynomial(optimizer(), 3, power=0), ValueError, "power is 0"),
        (lambda: optim.Polynomial(optimizer(), 0), ValueError, "steps is 0"),
        (lambda: optim.Cyclic(optimizer(), 0), ValueError, "step_size_up is 0"),
        (lambda: optim.Cyclic(optimizer(), 3, div_factor=0.5), ValueError, "div_factor is 0.5"),
        (lambda: optim.Cyclic(optimizer(), 3, gamma=0.5), ValueError, "gamma is 0.5 in mode"),
        (lambda: optim.Cyclic(optimizer(), 3, mode="exp_range"), ValueError, "expected a number <"),
        (lambda: optim.Cyclic(optimizer(), 3, mode="square"), ValueError, "mode is 'square'"),
        (lambda: optim.WarmRestarts(optimizer(), 3, growth=0), ValueError, "growth is 0"),
        (lambda: optim.WarmRestarts(optimizer(), 3, growth=1.5), TypeError, "growth is 1.5"),
        (lambda: optim.WarmRestarts(optimizer(), 3, gamma=1.5), ValueError, "gamma is 1.5"),
        (lambda: optim.Chain(3, [1]), TypeError, "schedules is 3"),
        (lambda: optim.Chain([], []), ValueError, "schedules are 0"),
        (lambda: optim.Chain([steps()], []), ValueError, "schedules are 1"),
        (lambda: optim.Chain([steps(), 3], [1]), TypeError, r"schedules\[1\] is 3"),
        (lambda: optim.Chain([steps(), steps()], [1]), ValueError, "another optimizer"),
        (lambda: optim.Chain([s := steps(), s], [1]), ValueError, "comes twice"),
        (
            lambda: optim.Chain([s := steps(), optim.Cosine(s.optimizer, 2)], [1]),
            ValueError,
            "counts per 'step'",
        ),
        (
            lambda: optim.Chain([s := steps(), optim.Step(s.optimizer, 2)], [1, 2]),
            ValueError,
            "milestones are 2, expected 1",
        ),
        (
            lambda: optim.Chain(
                [s := steps(), optim.Step(s.optimizer, 2), optim.Step(s.optimizer, 3)], [2, 2]
            ),
            ValueError,
            "expected each once",
        ),
        (lambda: optim.Warmup(3, 3), TypeError, "schedule is 3"),
        (lambda: optim.Warmup(optimizer(), 3, start_factor=-1), ValueError, "start_factor"),
        (lambda: optim.OnPlateau(optimizer(), mode="low"), ValueError, "mode"),
        (lambda: optim.OnPlateau(optimizer(), patience=-1), ValueError, "patience"),
    ],
)
def test_bad_options(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    "around",
    [
        lambda inner: optim.Warmup(inner, 2),
        lambda inner: optim.Chain([optim.Cosine(inner.optimizer, 3), inner], [2]),
    ],
)
def test_a_schedule_is_inside_one_other_at_most(around):
    inner = optim.Cosine(optimizer(), 5)
    optim.Warmup(inner, 2)
    with pytest.raises(ValueError, match="the Cosine is inside another schedule"):
        around(inner)


def test_an_inner_schedule_is_stepped_by_the_one_around_it_alone():
    for make in (lambda o: optim.Cosine(o, 5), lambda o: optim.OnPlateau(o, patience=0)):
        inner = make(optimizer())
        outer = optim.Warmup(inner, 1)
        before = inner.state_dict()
        with pytest.raises(RuntimeError, match="inside another schedule"):
            inner.step(1.0)
        assert inner.state_dict() == before
        outer.step(1.0)
        outer.step(1.0)
        assert inner.count == 1
        with pytest.raises(RuntimeError, match="inside another schedule"):
            inner.step(1.0)
        twice = optim.Warmup(outer, 1)
        with pytest.raises(RuntimeError, match="inside another schedule"):
            outer.step(1.0)
        twice.step(1.0)
        twice.step(1.0)
        assert (outer.count, inner.count) == (3, 2)
