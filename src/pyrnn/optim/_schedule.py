"""Schedule, the base of all schedules: learning rates over time, as factors of the optimizer's own.

schedule = pyrnn.optim.Cosine(optimizer, steps)     # sets the learning rates of step 0
...; optimizer.step(model); schedule.step()         # sets those of the next
"""

from collections.abc import Mapping
from typing import Any

from .._base.checks import check_choice, check_size, describe
from ._optimizer import Optimizer


class Schedule:
    """Base of the schedules: lr = the group's own lr * factor(count), for each of its groups.

    The groups' own are those that the optimizer has when the schedule is made; `count` is the
    number of calls of `step`, once per batch or once per epoch as `per` says ("step" or "epoch").
    One schedule belongs to one optimizer; what else sets `lr` is overwritten. A subclass writes
    `factor`, and calls `apply` when it is made; the factor follows from what `state_dict` holds,
    so that a loaded state gives the same bits.
    """

    needs_metric = False  # whether `step` must be told one

    def __init__(self, optimizer: Optimizer, *, per: str = "step") -> None:
        owner = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{owner}: optimizer is {describe(optimizer)}, expected an Optimizer")
        self.optimizer = optimizer
        self.per = check_choice(owner, "per", per, ("step", "epoch"))
        self.base_lrs = optimizer.lrs
        self.count = 0

    def factor(self, count: int) -> float:
        """What the learning rates are multiplied by after `count` steps."""
        raise NotImplementedError

    def step(self, metric: float | None = None) -> None:
        """Counts one and sets the learning rates; `metric` is for schedules that need one."""
        self.count += 1
        self.apply()

    def state_dict(self) -> dict[str, Any]:
        """What continues the schedule: plain numbers."""
        return {"count": self.count, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, mapping: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` returned, and sets the learning rates; TypeError or
        ValueError, with nothing changed, if it does not fit."""
        self.take(self.read(mapping))
        self.apply()

    def read(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """A state, checked, as attributes."""
        owner, expected = type(self).__name__, self.state_dict()
        if set(mapping) != set(expected):
            raise ValueError(
                f"{owner}: the state has the keys {sorted(mapping)}, expected {sorted(expected)}"
            )
        count = check_size(owner, "count", mapping["count"], minimum=0)
        base_lrs = [self.optimizer.check("lr", value) for value in mapping["base_lrs"]]
        if len(base_lrs) != len(self.base_lrs):
            raise ValueError(
                f"{owner}: base_lrs are of {len(base_lrs)} groups, expected {len(self.base_lrs)}"
            )
        return {"count": count, "base_lrs": base_lrs}

    def take(self, state: dict[str, Any]) -> None:
        """Takes over what `read` returned."""
        vars(self).update(state)

    def apply(self) -> None:
        """Sets the learning rates."""
        factor = self.factor(self.count)
        self.optimizer.lrs = [lr * factor for lr in self.base_lrs]

    def __repr__(self) -> str:
        hidden = ("optimizer", "base_lrs", "needs_metric")
        options = (f"{k}={v!r}" for k, v in vars(self).items() if k not in hidden)
        return f"{type(self).__name__}({', '.join(options)})"
