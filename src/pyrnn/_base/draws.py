"""Draws: which dropout mask comes next."""

from collections.abc import Mapping
from typing import Any

from .. import _core
from .checks import MAX_INT64, check_size
from .module import Module


class Draws:
    """The dropout masks of one module: a seed, and the number of the next draw."""

    def __init__(self, seed: int, draw: int = 0) -> None:
        self.seed = seed
        self._counter = _core.Counter(draw)

    @property
    def draw(self) -> int:
        """The number of the next draw."""
        return self._counter.upcoming

    def next(self, module: Module, rng: Any) -> int:
        """The draw of a vjp: `rng`, or else the counter, which advances."""
        if rng is not None:
            return check_size(type(module).__name__, "rng", rng, minimum=0, maximum=MAX_INT64)
        return self._counter.next()

    def state(self) -> dict[str, Any]:
        """For `Module.extra_state`."""
        return {"dropout_seed": self.seed, "dropout_draw": self.draw}

    def load(self, module: Module, state: Mapping[str, Any]) -> None:
        """For `Module.load_extra_state`."""
        owner = type(module).__name__
        seed, draw = (
            check_size(owner, name, state[name], minimum=0, maximum=MAX_INT64)
            for name in ("dropout_seed", "dropout_draw")
        )
        self.seed, self._counter = seed, _core.Counter(draw)

    def __getstate__(self) -> dict[str, int]:
        return {"seed": self.seed, "draw": self.draw}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.seed, self._counter = state["seed"], _core.Counter(state["draw"])
