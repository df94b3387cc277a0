"""OnPlateau: lower learning rates when a metric stops getting better."""

import math
from collections.abc import Mapping
from typing import Any

from .._base.checks import check_choice, check_number, check_probability, check_size
from ._groups import Group
from ._optimizer import Optimizer
from ._schedule import Schedule


class OnPlateau(Schedule):
    """A fall by `factor` after `patience` steps without a better metric: `schedule.step(metric)`.

    Better is below best - threshold * |best| in mode "min", above best + threshold * |best| in
    "max"; in the `cooldown` steps after a fall nothing is counted (torch's ReduceLROnPlateau with
    threshold_mode "rel"). The learning rates stay at least min_factor times their own. NaN is never
    better, nor is the worst infinity. TypeError if `step` gets no number; ValueError for numbers
    out of range.

    Examples
    --------
    >>> optimizer = pyrnn.optim.SGD(1.0)
    >>> schedule = pyrnn.optim.OnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 3.0, 3.0):  # the second step without a better one is too many
    ...     schedule.step(loss)
    >>> optimizer.lr
    0.5
    """

    _shown_state = ("count", "best", "scale")
    needs_metric = True

    def __init__(
        self,
        optimizer: Optimizer | Group,
        *,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_factor: float = 0.0,
    ) -> None:
        super().__init__(optimizer, per="epoch")
        self.mode = check_choice("OnPlateau", "mode", mode, ("min", "max"))
        self.fall = check_probability("OnPlateau", "factor", factor)
        self.patience = check_size("OnPlateau", "patience", patience, minimum=0)
        self.threshold = check_probability("OnPlateau", "threshold", threshold)
        self.cooldown = check_size("OnPlateau", "cooldown", cooldown, minimum=0)
        self.min_factor = check_probability("OnPlateau", "min_factor", min_factor)
        self.best: float | None = None
        self.waited = 0  # steps since the best, and left of the cooldown
        self.cooling = 0
        self.scale = 1.0
        self.apply()

    def config(self) -> dict[str, Any]:
        """The constructor's arguments; `factor` is a method here."""
        return super().config() | {"factor": self.fall}

    def factor(self, count: int) -> float:
        return self.scale

    def step(self, metric: float | None = None) -> None:
        self._refuse_if_inner()
        value = check_number("OnPlateau", "metric", metric)
        better = self._is_better(value)
        waited, cooling, scale = 0 if better else self.waited + 1, self.cooling, self.scale
        if cooling:
            cooling, waited = cooling - 1, 0
        if waited > self.patience:
            cooling, waited, scale = self.cooldown, 0, max(scale * self.fall, self.min_factor)
        best = value if better else self.best
        vars(self).update({"best": best, "waited": waited, "cooling": cooling, "scale": scale})
        super().step()

    def state_dict(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("best", "waited", "cooling", "scale")}
        return super().state_dict() | own

    def read_state(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        state, best = super().read_state(mapping), mapping["best"]
        return state | {
            "best": None if best is None else check_number("OnPlateau", "best", best),
            "waited": check_size("OnPlateau", "waited", mapping["waited"], minimum=0),
            "cooling": check_size("OnPlateau", "cooling", mapping["cooling"], minimum=0),
            "scale": check_probability("OnPlateau", "scale", mapping["scale"]),
        }

    def _is_better(self, value: float) -> bool:
        """Whether the metric has become better by more than the threshold."""
        worst = math.inf if self.mode == "min" else -math.inf
        best = worst if self.best is None else self.best
        margin = self.threshold * abs(best) if math.isfinite(best) else 0.0
        return value < best - margin if self.mode == "min" else value > best + margin
