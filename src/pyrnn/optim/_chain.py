"""Schedules around other schedules: Warmup in front of one, Chain of several."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._base.checks import check_list, check_probability, check_size, describe
from ._curves import check_milestones
from ._groups import Group
from ._optimizer import Optimizer
from ._schedule import Schedule


class Around(Schedule):
    """Base of schedules that have others inside, step them, and take their factors."""

    @property
    def inners(self) -> tuple[Schedule, ...]:
        """The schedules inside."""
        raise NotImplementedError

    def _take_in(self) -> None:
        """From here on only this schedule steps those inside; last in a constructor. ValueError
        for one that another schedule steps already, or that comes twice."""
        for i, inner in enumerate(self.inners):
            if inner._is_inner or inner in self.inners[:i]:
                raise ValueError(
                    f"{type(self).__name__}: the {type(inner).__name__} is inside another schedule "
                    "or comes twice, expected each schedule once"
                )
        self.needs_metric = any(inner.needs_metric for inner in self.inners)
        for inner in self.inners:
            inner._is_inner = True
        self.apply()

    def _lead(self, inner: Schedule, metric: float | None) -> None:
        """Steps a schedule inside."""
        inner._is_led = True
        try:
            inner.step(metric)
        finally:
            inner._is_led = False

    def chain(self) -> Iterator[Schedule]:
        yield self
        for inner in self.inners:
            yield from inner.chain()


class Warmup(Around):
    """A straight line from start_factor to 1 in `steps` steps, then another schedule from its 0.

    `schedule` is a Schedule, whose first factor the line ends at, or an Optimizer, whose learning
    rates stay then (torch's LinearLR, with SequentialLR). Steps are counted as the inner
    schedule's `per` says. ValueError unless steps >= 1 and start_factor is in [0, 1], and for a
    schedule that is inside another one already.

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
        self, schedule: Schedule | Optimizer | Group, steps: int, *, start_factor: float = 1 / 3
    ) -> None:
        if not isinstance(schedule, Schedule | Optimizer | Group):
            raise TypeError(
                f"Warmup: schedule is {describe(schedule)}, expected a Schedule or an Optimizer"
            )
        self.inner = schedule if isinstance(schedule, Schedule) else None
        scope = schedule.scope if isinstance(schedule, Schedule) else schedule
        super().__init__(scope, per=self.inner.per if self.inner else "step")
        self.steps = check_size("Warmup", "steps", steps)
        self.start_factor = check_probability("Warmup", "start_factor", start_factor)
        self._take_in()

    @property
    def inners(self) -> tuple[Schedule, ...]:
        return (self.inner,) if self.inner else ()

    @property
    def schedule(self) -> Schedule | Optimizer:
        """What it is in front of."""
        return self.inner or self.optimizer

    def factor(self, count: int) -> float:
        past = max(count - self.steps, 0)
        done = min(count / self.steps, 1.0)
        line = self.start_factor + (1.0 - self.start_factor) * done
        return line * (self.inner.factor(past) if self.inner else 1.0)

    def step(self, metric: float | None = None) -> None:
        self._refuse_if_inner()
        if self.inner and self.count >= self.steps:
            self._lead(self.inner, metric)
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


class Chain(Around):
    """One schedule after the other: the next begins, from its 0, at each milestone.

    `schedules` are two or more of one optimizer or group that count alike ("step" or "epoch");
    `milestones` are the numbers of steps, ascending, at which the second, third and so on take over
    (torch's SequentialLR). The last one goes on for ever. TypeError or ValueError for schedules
    that do not fit together, that another schedule has inside already, or that come twice, and
    unless there is one milestone less than schedules.

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> rise = pyrnn.optim.Warmup(optimizer, 2, start_factor=0.5)
    >>> fall = pyrnn.optim.Exponential(optimizer, 0.5, per="step")
    >>> schedule, rates = pyrnn.optim.Chain([rise, fall], [3]), []
    >>> for _ in range(6):
    ...     rates.append(optimizer.lr)
    ...     schedule.step()
    >>> rates
    [0.5, 0.75, 1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, schedules: Sequence[Schedule], milestones: Sequence[int]) -> None:
        given = check_list("Chain", "schedules", schedules)
        _check_fit(given)
        super().__init__(given[0].scope, per=given[0].per)
        self.milestones = check_milestones("Chain", milestones)
        if len(self.milestones) != len(given) - 1:
            raise ValueError(
                f"Chain: milestones are {len(self.milestones)}, expected {len(given) - 1}: one "
                f"less than the {len(given)} schedules"
            )
        if len(set(self.milestones)) < len(self.milestones):
            raise ValueError(f"Chain: milestones is {milestones}, expected each once")
        self.schedules = tuple(given)
        self._take_in()

    @property
    def inners(self) -> tuple[Schedule, ...]:
        return self.schedules

    def factor(self, count: int) -> float:
        number = self._acting(count)
        return self.inners[number].factor(count - (0, *self.milestones)[number])

    def _acting(self, count: int) -> int:
        """The number of the schedule that acts after `count` steps."""
        return bisect_right(self.milestones, count)

    def step(self, metric: float | None = None) -> None:
        self._refuse_if_inner()
        number = self._acting(self.count)
        if number == self._acting(self.count + 1):  # the next one begins at its 0
            self._lead(self.inners[number], metric)
        super().step()

    def state_dict(self) -> dict[str, Any]:
        inner = [schedule.state_dict() for schedule in self.inners]
        return super().state_dict() | {"schedules": inner}

    def read_state(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        state, expected = super().read_state(mapping), len(self.inners)
        inner = check_list("Chain", "schedules", mapping["schedules"])
        if len(inner) != expected:
            raise ValueError(f"Chain: schedules are {len(inner)}, expected {expected}")
        pairs = zip(self.inners, inner, strict=True)
        return state | {"schedules": [schedule.read_state(each) for schedule, each in pairs]}

    def take_state(self, state: dict[str, Any]) -> None:
        own = dict(state)
        for schedule, each in zip(self.inners, own.pop("schedules"), strict=True):
            schedule.take_state(each)
        super().take_state(own)


def _check_fit(schedules: Sequence[Any]) -> None:
    """TypeError or ValueError for schedules that cannot follow one another."""
    for i, schedule in enumerate(schedules):
        if not isinstance(schedule, Schedule):
            raise TypeError(f"Chain: schedules[{i}] is {describe(schedule)}, expected a Schedule")
        first = schedules[0]
        if (schedule.optimizer, schedule.group) != (first.optimizer, first.group):
            raise ValueError(
                f"Chain: schedules[{i}] is of another optimizer or group than the first, expected "
                "the same"
            )
        if schedule.per != first.per:
            raise ValueError(
                f"Chain: schedules[{i}] counts per {schedule.per!r}, the first per {first.per!r}, "
                "expected the same: most schedules take per=..."
            )
    if len(schedules) < 2:
        raise ValueError(f"Chain: schedules are {len(schedules)}, expected 2 or more")
