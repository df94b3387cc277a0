"""Schedule: the base of schedules, learning rates over time as factors of the optimizer's own.

schedule = pyrnn.optim.Cosine(optimizer, steps)     # sets the learning rates of step 0
...; optimizer.step(model); schedule.step()         # sets those of the next
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._base.checks import (
    check_choice,
    check_mapping,
    check_size,
    describe,
    describe_all,
)
from .._base.description import kept_options
from .._base.settings import Settings
from ._groups import Group, check_rates
from ._optimizer import Optimizer


class Schedule(Settings):
    """Base of the schedules: lr = the group's own lr * factor(count), for each of its groups.

    The groups' own rates are those that the optimizer was made with, or that were set by hand
    since; `count` is the number of calls of `step`, once per batch or once per epoch as `per` says
    ("step" or "epoch"). After its last step a schedule holds its last factor. One schedule belongs
    to one optimizer. A schedule that is made takes the place of those that the optimizer followed
    before. Several act together, their factors multiplied: as a list for a Trainer, or each from
    its first `step` on. With a group in the place of the optimizer, as in
    `Cosine(optimizer.group("0.*"), 100)`, a schedule acts on this group alone, and takes the place
    of those of this group.

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
    def scope(self) -> Optimizer | Group:
        """What it acts on: the optimizer, or the one group that it was made with."""
        return self.optimizer if self.group is None else self.optimizer.group(self.group)

    @property
    def base_lrs(self) -> tuple[float, ...]:
        """The learning rates that the factor multiplies: the optimizer's own."""
        return self.optimizer.own_lrs

    def factor(self, count: int) -> float:
        """What the learning rates are multiplied by after `count` steps."""
        raise NotImplementedError

    def step(self, metric: float | None = None) -> None:
        """Counts one and sets the learning rates; `metric` is for schedules that need one.
        RuntimeError for a schedule inside a Warmup or Chain, which steps it."""
        self._refuse_if_inner()
        vars(self)["count"] += 1
        self.apply()

    def config(self) -> dict[str, Any]:
        """The constructor's options that it keeps, and the number of its one group."""
        group = {} if self.group is None else {"group": self.group}
        return kept_options(self) | group

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
        acting = self.optimizer.schedules
        if not self._was_applied:  # those of other groups stay
            acting = tuple(s for s in acting if self.group not in (None, s.group))
        self._was_applied = True
        self.optimizer.follow(*acting, *(() if self in acting else (self,)))

    def _options(self) -> dict[str, Any]:
        own = kept_options(self, self._defaults()) | self.config()
        return {name: value for name, value in own.items() if name != "optimizer"}
