"""Cycles: schedules that rise and fall."""

import math

from .._base.checks import check_choice, check_flag, check_number, check_probability, check_size
from ._curves import cosine, line
from ._groups import Group
from ._optimizer import Optimizer
from ._schedule import Schedule

SHAPES = {"cos": cosine, "linear": line}


class OneCycle(Schedule):
    """From 1/div_factor up to 1 and down to 1/(div_factor * final_div_factor), by half cosines.

    The optimizer's own lr is the peak, after pct_start of the `steps` steps, the first of which is
    0 and the last steps - 1; with pct_start=1.0 the rate stays there. With
    `anneal_strategy="linear"` by straight lines; with `three_phase` the way down mirrors the way
    up, to 1/div_factor, and the rest of the steps leads to the end (Smith & Topin 2019; torch's
    OneCycleLR, with max_lr = lr; momentum stays as it is). ValueError unless steps >= 1,
    0 <= pct_start <= 1, at most 0.5 and at least 1/steps with three phases, and the divisors are
    >= 1.

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.OneCycle(optimizer, 10)
    >>> round(optimizer.lr, 6)  # 1 / div_factor
    0.04
    >>> for _ in range(2):  # to the peak, which is step pct_start * steps - 1
    ...     schedule.step()
    >>> optimizer.lr
    1.0
    """

    def __init__(
        self,
        optimizer: Optimizer | Group,
        steps: int,
        *,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        three_phase: bool = False,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        per: str = "step",
    ) -> None:
        super().__init__(optimizer, per=per)
        self.steps = check_size("OneCycle", "steps", steps)
        self.pct_start = check_probability("OneCycle", "pct_start", pct_start)
        self.anneal_strategy = check_choice(
            "OneCycle", "anneal_strategy", anneal_strategy, tuple(SHAPES)
        )
        self.three_phase = check_flag("OneCycle", "three_phase", three_phase)
        if self.three_phase and not 1 / self.steps <= self.pct_start <= 0.5:
            raise ValueError(
                f"OneCycle: pct_start is {self.pct_start} with three_phase=True and "
                f"steps={self.steps}, expected 1/steps <= pct_start <= 0.5: the first phase has "
                "this share of the steps, and so has the second"
            )
        self.div_factor = check_divisor("OneCycle", "div_factor", div_factor)
        self.final_div_factor = check_divisor("OneCycle", "final_div_factor", final_div_factor)
        self.apply()

    def factor(self, count: int) -> float:
        shape, start = SHAPES[self.anneal_strategy], 1 / self.div_factor
        peak, end = self.pct_start * self.steps - 1, float(self.steps - 1)
        if count < peak:
            return shape(start, 1.0, count / peak)
        last = start / self.final_div_factor
        if not self.three_phase:
            return shape(1.0, last, _share(count, peak, end))
        if count < 2 * peak:
            return shape(1.0, start, _share(count, peak, 2 * peak))
        return shape(start, last, _share(count, 2 * peak, end))


class Cyclic(Schedule):
    """Up and down between 1/div_factor and 1, on straight lines, for ever (Smith 2017).

    The optimizer's own lr is the peak, after step_size_up steps; step_size_down more lead back
    (None: as many), and a new cycle begins. In mode "triangular" all cycles are alike; in
    "triangular2" each is half as high above the lowest rate as the one before; in "exp_range" its
    height is multiplied by gamma^count (torch's CyclicLR, with max_lr = lr and base_lr =
    lr / div_factor; momentum stays as it is). ValueError unless the sizes are >= 1, div_factor is
    >= 1 and gamma is 1, or in [0, 1) for "exp_range".

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.Cyclic(optimizer, 2)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates.append(optimizer.lr)
    ...     schedule.step()
    >>> rates
    [0.25, 0.625, 1.0, 0.625, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer | Group,
        step_size_up: int,
        *,
        step_size_down: int | None = None,
        div_factor: float = 4.0,
        mode: str = "triangular",
        gamma: float = 1.0,
        per: str = "step",
    ) -> None:
        super().__init__(optimizer, per=per)
        self.step_size_up = check_size("Cyclic", "step_size_up", step_size_up)
        down = step_size_up if step_size_down is None else step_size_down
        self.step_size_down = check_size("Cyclic", "step_size_down", down)
        self.div_factor = check_divisor("Cyclic", "div_factor", div_factor)
        modes = "triangular", "triangular2", "exp_range"
        self.mode = check_choice("Cyclic", "mode", mode, modes)
        self.gamma = check_probability("Cyclic", "gamma", gamma)
        if (self.gamma < 1) != (self.mode == "exp_range"):
            expected = "a number < 1" if self.mode == "exp_range" else "1"
            raise ValueError(f"Cyclic: gamma is {gamma} in mode {mode!r}, expected {expected}")
        self.apply()

    def factor(self, count: int) -> float:
        up, down, low = self.step_size_up, self.step_size_down, 1 / self.div_factor
        cycle, place = divmod(count, up + down)
        height = place / up if place <= up else (up + down - place) / down
        scale = 0.5**cycle if self.mode == "triangular2" else self.gamma**count
        return low + (1.0 - low) * height * scale


class WarmRestarts(Schedule):
    """Half a cosine from 1 to `final`, again and again: SGDR (Loshchilov & Hutter 2017).

    The first way down takes `steps` steps, each next one `growth` times as many as the one before,
    and at its end the rate is 1 again (torch's CosineAnnealingWarmRestarts, with T_0 = steps,
    T_mult = growth and eta_min = final * lr). With `gamma` each way down begins gamma times as high
    above `final` as the one before, 1 - (1 - final) * (1 - gamma^k) after k restarts (Keras'
    CosineDecayRestarts, with first_decay_steps = steps, t_mul = growth, m_mul = gamma and alpha =
    final). ValueError unless steps and growth are >= 1 and final and gamma are in [0, 1].

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.WarmRestarts(optimizer, 2, growth=2)
    >>> rates = []
    >>> for _ in range(5):  # restarts after 2 steps, and after 4 more
    ...     rates.append(round(optimizer.lr, 6))
    ...     schedule.step()
    >>> rates
    [1.0, 0.5, 1.0, 0.853553, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer | Group,
        steps: int,
        *,
        growth: int = 1,
        final: float = 0.0,
        gamma: float = 1.0,
        per: str = "step",
    ) -> None:
        super().__init__(optimizer, per=per)
        self.steps = check_size("WarmRestarts", "steps", steps)
        self.growth = check_size("WarmRestarts", "growth", growth)
        self.final = check_probability("WarmRestarts", "final", final)
        self.gamma = check_probability("WarmRestarts", "gamma", gamma)
        self.apply()

    def factor(self, count: int) -> float:
        period, restarts = self.steps, 0
        if self.growth == 1:
            restarts, count = divmod(count, period)
        while count >= period:
            count, period, restarts = count - period, period * self.growth, restarts + 1
        top = 1.0 - (1.0 - self.final) * (1.0 - self.gamma**restarts)
        return cosine(top, self.final, count / period)


def _share(count: int, start: float, end: float) -> float:
    """How much of the way from one step to another is done, at most 1; 0 where there is none."""
    return min((count - start) / (end - start), 1.0) if end > start else 0.0


def check_divisor(owner: str, name: str, value: float) -> float:
    """A finite number >= 1."""
    number = check_number(owner, name, value)
    if not 1 <= number < math.inf:
        raise ValueError(f"{owner}: {name} is {number}, expected a finite number >= 1")
    return number
