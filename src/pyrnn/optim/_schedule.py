"""Schedules: learning rates over time, as factors of the optimizer's own; OnPlateau is apart.

schedule = pyrnn.optim.Cosine(optimizer, steps)     # sets the learning rates of step 0
...; optimizer.step(model); schedule.step()         # sets those of the next
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._base.checks import (
    check_choice,
    check_mapping,
    check_number,
    check_probability,
    check_size,
    describe,
    describe_all,
)
from .._base.settings import Settings
from ._groups import Group, check_rates
from ._optimizer import Optimizer


class Schedule(Settings):
    """Base of the schedules: lr = the group's own lr * factor(count), for each of its groups.

    The groups' own rates are those that the optimizer was made with, or that were set by hand
    since; `count` is the number of calls of `step`, once per batch or once per epoch as `per` says
    ("step" or "epoch"). One schedule belongs to one optimizer. A schedule that is made takes the
    place of those that the optimizer followed before. Several act together, their factors
    multiplied: as a list for a Trainer, or each from its first `step` on. With a group in the place
    of the optimizer, `Cosine(optimizer.group("0.*"), 100)`, a schedule acts on this group alone.

    A subclass writes `factor`, and calls `apply` when it is made; the factor follows from what
    `state_dict` holds, so that a loaded state gives the same bits.

    Examples
    --------
    >>> class Halving(pyrnn.optim.Schedule):
    ...     def __init__(self, optimizer):
    ...         super().__init__(optimizer, per="epoch")
    ...         self.apply()
    ...     def factor(self, count):
    ...         return 0.5**count
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> Halving(optimizer).step()
    >>> optimizer.lr
    0.5
    """

    _shown_state: ClassVar[tuple[str, ...]] = ("count",)
    needs_metric = False  # whether `step` needs a metric
    group: int | None = None  # the number of the one group that it acts on; None: on all
    _is_inner = False  # whether a schedule around it steps it, and applies its factor
    _is_led = False  # whether that schedule is doing so
    _was_applied = False

    def __init__(self, optimizer: Optimizer | Group, *, per: str = "step") -> None:
        owner = type(self).__name__
        if not isinstance(optimizer, Optimizer | Group):
            raise TypeError(f"{owner}: optimizer is {describe(optimizer)}, expected an Optimizer")
        self.optimizer: Optimizer
        if isinstance(optimizer, Group):
            self.optimizer, self.group = optimizer.optimizer, optimizer.number
        else:
            self.optimizer = optimizer
        self.per = check_choice(owner, "per", per, ("step", "epoch"))
        self.count = 0

    @property
    def base_lrs(self) -> tuple[float, ...]:
        """The learning rates that the factor multiplies: the optimizer's own."""
        return self.optimizer.own_lrs

    def factor(self, count: int) -> float:
        """What the learning rates are multiplied by after `count` steps."""
        raise NotImplementedError

    def step(self, metric: float | None = None) -> None:
        """Counts one and sets the learning rates; `metric` is for schedules that need one.
        RuntimeError for the inner schedule of a Warmup, which steps it."""
        self._refuse_if_inner()
        vars(self)["count"] += 1
        self.apply()

    def state_dict(self) -> dict[str, Any]:
        """What continues the schedule: plain numbers."""
        return {"count": self.count, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, mapping: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` returned, and sets the learning rates; TypeError or
        ValueError, with nothing changed, if it does not fit."""
        self.take_state(self.read_state(mapping))
        self.apply()

    def read_state(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """A state, checked, as attributes."""
        owner, expected = type(self).__name__, self.state_dict()
        mapping = check_mapping(owner, "mapping", mapping)
        if set(mapping) != set(expected):
            raise ValueError(
                f"{owner}: mapping has the keys {describe_all(mapping)}, "
                f"expected {describe_all(expected)}"
            )
        count = check_size(owner, "count", mapping["count"], minimum=0)
        base_lrs = check_rates(owner, "base_lrs", mapping["base_lrs"])
        if len(base_lrs) != len(self.base_lrs):
            raise ValueError(
                f"{owner}: base_lrs are of {len(base_lrs)} groups, expected {len(self.base_lrs)}"
            )
        return {"count": count, "base_lrs": base_lrs}

    def take_state(self, state: dict[str, Any]) -> None:
        """Takes over what `read_state` returned; the learning rates stay."""
        own = dict(state)
        owns = own.pop("base_lrs")
        vars(self).update(own)
        if not self._is_inner:
            self.optimizer._own_lrs = tuple(owns)

    def chain(self) -> "Iterator[Schedule]":
        """This schedule, and those inside it."""
        yield self

    def _refuse_if_inner(self) -> None:
        """RuntimeError if a schedule around this one has to step it, and does not."""
        if self._is_inner and not self._is_led:
            owner = type(self).__name__
            raise RuntimeError(
                f"{owner}: step was called, and this {owner} is inside another schedule, which "
                "steps it: call step of that one alone"
            )

    def apply(self) -> None:
        """Sets the learning rates."""
        if self._is_inner:
            return
        acting = self.optimizer.schedules if self._was_applied else ()
        self._was_applied = True
        self.optimizer.follow(*acting, *(() if self in acting else (self,)))

    def _options(self) -> dict[str, Any]:
        own = {name: v for name, v in super()._options().items() if name != "optimizer"}
        return own if self.group is None else own | {"group": self.group}


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
        return _cosine(1.0, self.final, min(count / self.steps, 1.0))


class OneCycle(Schedule):
    """From 1/div_factor up to 1 and down to 1/(div_factor * final_div_factor), by half cosines.

    The optimizer's own lr is the peak, after pct_start of the `steps` steps, the first of which is
    0 and the last steps - 1 (Smith & Topin 2019; torch's OneCycleLR, with max_lr = lr; momentum
    stays as it is). ValueError unless steps >= 1, 0 <= pct_start <= 1 and the divisors are >= 1.

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
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        per: str = "step",
    ) -> None:
        super().__init__(optimizer, per=per)
        self.steps = check_size("OneCycle", "steps", steps)
        self.pct_start = check_probability("OneCycle", "pct_start", pct_start)
        self.div_factor = _divisor("div_factor", div_factor)
        self.final_div_factor = _divisor("final_div_factor", final_div_factor)
        self.apply()

    def factor(self, count: int) -> float:
        start, peak, end = 1 / self.div_factor, self.pct_start * self.steps - 1, self.steps - 1
        if count < peak:
            return _cosine(start, 1.0, count / peak)
        past = (count - peak) / (end - peak) if end > peak else 1.0
        return _cosine(1.0, start / self.final_div_factor, min(past, 1.0))


class Warmup(Schedule):
    """A straight line from start_factor to 1 in `steps` steps, then another schedule from its 0.

    `schedule` is a Schedule, whose first factor the line ends at, or an Optimizer, whose learning
    rates stay then (torch's LinearLR, with SequentialLR). Steps are counted as the inner
    schedule's `per` says. ValueError unless steps >= 1 and start_factor is in [0, 1].

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.Warmup(pyrnn.optim.Cosine(optimizer, 100), 10, start_factor=0.1)
    >>> optimizer.lr
    0.1
    >>> for _ in range(10):
    ...     schedule.step()
    >>> optimizer.lr
    1.0
    """

    def __init__(
        self, schedule: "Schedule | Optimizer | Group", steps: int, *, start_factor: float = 1 / 3
    ) -> None:
        if not isinstance(schedule, Schedule | Optimizer | Group):
            raise TypeError(
                f"Warmup: schedule is {describe(schedule)}, expected a Schedule or an Optimizer"
            )
        self.inner = schedule if isinstance(schedule, Schedule) else None
        super().__init__(of_schedule(schedule), per=self.inner.per if self.inner else "step")
        if self.inner:
            self.needs_metric, self.inner._is_inner = self.inner.needs_metric, True
        self.steps = check_size("Warmup", "steps", steps)
        self.start_factor = check_probability("Warmup", "start_factor", start_factor)
        self.apply()

    @property
    def schedule(self) -> "Schedule | Optimizer":
        """What it is in front of."""
        return self.inner or self.optimizer

    def factor(self, count: int) -> float:
        past = max(count - self.steps, 0)
        done = min(count / self.steps, 1.0)
        line = self.start_factor + (1.0 - self.start_factor) * done
        return line * (self.inner.factor(past) if self.inner else 1.0)

    def chain(self) -> Iterator[Schedule]:
        yield self
        if self.inner:
            yield from self.inner.chain()

    def step(self, metric: float | None = None) -> None:
        self._refuse_if_inner()
        if self.inner and self.count >= self.steps:
            self.inner._is_led = True
            try:
                self.inner.step(metric)
            finally:
                self.inner._is_led = False
        super().step()

    def state_dict(self) -> dict[str, Any]:
        inner = {"inner": self.inner.state_dict()} if self.inner else {}
        return super().state_dict() | inner

    def read_state(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        state = super().read_state(mapping)
        return state | ({"inner": self.inner.read_state(mapping["inner"])} if self.inner else {})

    def take_state(self, state: dict[str, Any]) -> None:
        own = dict(state)
        if self.inner:
            self.inner.take_state(own.pop("inner"))
        super().take_state(own)


def of_schedule(schedule: Any) -> Any:
    """What another schedule is made for that acts with this one: its optimizer, or its group."""
    if not isinstance(schedule, Schedule) or schedule.group is None:
        return schedule.optimizer if isinstance(schedule, Schedule) else schedule
    return schedule.optimizer.group(schedule.group)


def _cosine(start: float, end: float, done: float) -> float:
    """From start (done = 0) to end (done = 1) on half a cosine."""
    return end + (start - end) * (1.0 + math.cos(math.pi * done)) / 2


def _divisor(name: str, value: Any) -> float:
    """A finite number >= 1."""
    number = check_number("OneCycle", name, value)
    if not 1 <= number < math.inf:
        raise ValueError(f"OneCycle: {name} is {number}, expected a finite number >= 1")
    return number
