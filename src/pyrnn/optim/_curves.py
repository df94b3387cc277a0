"""Curves: schedules that follow one formula from the first step to the last."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

from .._base.checks import check_list, check_number, check_probability, check_size, describe
from ._groups import Group
from ._optimizer import Optimizer
from ._schedule import Schedule


class Lambda(Schedule):
    """function(count), a number >= 0 (torch's LambdaLR; Keras' LearningRateScheduler as a factor).

    The function is called with whole numbers from 0, may be called again for the same ones, and is
    not part of a checkpoint: it has to be given again. TypeError or ValueError, which names the
    step, where it gives no finite number >= 0.

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.Lambda(optimizer, lambda count: 1 / (1 + count))
    >>> schedule.step()
    >>> optimizer.lr
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer | Group,
        function: Callable[[int], float],
        *,
        per: str = "step",
    ) -> None:
        super().__init__(optimizer, per=per)
        if not callable(function):
            raise TypeError(f"Lambda: function is {describe(function)}, expected a function")
        self.function = function
        self.apply()

    def factor(self, count: int) -> float:
        value = check_number("Lambda", f"function({count})", self.function(count))
        if not 0 <= value < math.inf:
            raise ValueError(f"Lambda: function({count}) is {value}, expected a finite number >= 0")
        return value


class Step(Schedule):
    """gamma^(count // step_size): a fall by gamma every step_size steps (torch's StepLR).

    ValueError unless step_size >= 1 and gamma is in [0, 1].

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.Step(optimizer, 2, gamma=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(
        self,
        optimizer: Optimizer | Group,
        step_size: int,
        *,
        gamma: float = 0.1,
        per: str = "epoch",
    ) -> None:
        super().__init__(optimizer, per=per)
        self.step_size = check_size("Step", "step_size", step_size)
        self.gamma = check_probability("Step", "gamma", gamma)
        self.apply()

    def factor(self, count: int) -> float:
        return self.gamma ** (count // self.step_size)


class Cosine(Schedule):
    """final + (1 - final) * (1 + cos(pi * count/steps)) / 2, then final.

    Half a cosine from 1 to `final` in `steps` steps, without restarts (Loshchilov & Hutter 2017;
    torch's CosineAnnealingLR, whose eta_min is final * lr). ValueError unless steps >= 1 and final
    is in [0, 1].

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.Cosine(optimizer, 10, final=0.1)
    >>> for _ in range(5):  # half way
    ...     schedule.step()
    >>> round(optimizer.lr, 6)
    0.55
    """

    def __init__(
        self, optimizer: Optimizer | Group, steps: int, *, final: float = 0.0, per: str = "step"
    ) -> None:
        super().__init__(optimizer, per=per)
        self.steps = check_size("Cosine", "steps", steps)
        self.final = check_probability("Cosine", "final", final)
        self.apply()

    def factor(self, count: int) -> float:
        return cosine(1.0, self.final, min(count / self.steps, 1.0))


class MultiStep(Schedule):
    """gamma^k after k of the milestones: a fall by gamma at each (torch's MultiStepLR).

    `milestones` are numbers of steps in ascending order; one that comes twice counts twice.
    ValueError unless there is one, each is >= 1 and gamma is in [0, 1].

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.MultiStep(optimizer, [2, 3], gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(
        self,
        optimizer: Optimizer | Group,
        milestones: Sequence[int],
        *,
        gamma: float = 0.1,
        per: str = "epoch",
    ) -> None:
        super().__init__(optimizer, per=per)
        self.milestones = check_milestones("MultiStep", milestones)
        self.gamma = check_probability("MultiStep", "gamma", gamma)
        self.apply()

    def factor(self, count: int) -> float:
        return self.gamma ** bisect_right(self.milestones, count)


class Exponential(Schedule):
    """gamma^count: a fall by gamma at every step (torch's ExponentialLR).

    ValueError unless gamma is in [0, 1].

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.Exponential(optimizer, 0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> optimizer.lr
    0.125
    """

    def __init__(self, optimizer: Optimizer | Group, gamma: float, *, per: str = "epoch") -> None:
        super().__init__(optimizer, per=per)
        self.gamma = check_probability("Exponential", "gamma", gamma)
        self.apply()

    def factor(self, count: int) -> float:
        return self.gamma**count


class Polynomial(Schedule):
    """final + (1 - final) * (1 - count/steps)^power, then final; a straight line with power 1.

    torch's PolynomialLR, which ends at 0; Keras' PolynomialDecay, whose end_learning_rate is
    final * lr. ValueError unless steps >= 1, power is finite and > 0, and final is in [0, 1].

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.Polynomial(optimizer, 10, power=2.0)
    >>> for _ in range(5):  # half way
    ...     schedule.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(
        self,
        optimizer: Optimizer | Group,
        steps: int,
        *,
        power: float = 1.0,
        final: float = 0.0,
        per: str = "step",
    ) -> None:
        super().__init__(optimizer, per=per)
        self.steps = check_size("Polynomial", "steps", steps)
        self.power = check_number("Polynomial", "power", power)
        if not 0 < self.power < math.inf:
            raise ValueError(f"Polynomial: power is {self.power}, expected a finite number > 0")
        self.final = check_probability("Polynomial", "final", final)
        self.apply()

    def factor(self, count: int) -> float:
        left = 1.0 - min(count / self.steps, 1.0)
        return self.final + (1.0 - self.final) * math.pow(left, self.power)


def cosine(start: float, end: float, done: float) -> float:
    """From start (done = 0) to end (done = 1) on half a cosine."""
    return end + (start - end) * (1.0 + math.cos(math.pi * done)) / 2


def line(start: float, end: float, done: float) -> float:
    """From start (done = 0) to end (done = 1) on a straight line."""
    return start + (end - start) * done


def check_milestones(owner: str, milestones: Sequence[int]) -> tuple[int, ...]:
    """Numbers of steps in ascending order."""
    given = check_list(owner, "milestones", milestones)
    numbers = [check_size(owner, f"milestones[{i}]", value) for i, value in enumerate(given)]
    if not numbers or numbers != sorted(numbers):
        raise ValueError(
            f"{owner}: milestones is {describe(milestones)}, expected ascending numbers of steps"
        )
    return tuple(numbers)
