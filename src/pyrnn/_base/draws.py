"""Draws: which dropout mask comes next."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from .. import _core
from .checks import MAX_INT64, check_size
from .module import Module

Result = TypeVar("Result")
_first_row: ContextVar[int] = ContextVar("first_row", default=0)


class MaskKey(NamedTuple):
    """What the masks of one vjp depend on, besides the place in the batch."""

    seed: int
    draw: int
    first_row: int  # the number of the first row, where this batch is a part of a larger one


def with_rows_from(first: int, run: Callable[..., Result], *args: Any) -> Result:
    """What `run` gives where the rows of every vjp are those of a larger batch from `first` on."""
    token = _first_row.set(first)
    try:
        return run(*args)
    finally:
        _first_row.reset(token)


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

    def key(self, module: Module, rng: Any) -> MaskKey:
        """What the masks of a vjp depend on; the counter advances as in `next`."""
        return MaskKey(self.seed, self.next(module, rng), _first_row.get())

    def go_to(self, draw: int) -> None:
        """`draw` is the next one."""
        self._counter = _core.Counter(draw)

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
