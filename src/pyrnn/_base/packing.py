"""The cache of packed weights: made again when a parameter was written or the kernels changed."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from .. import _core
from .parameter import Parameter

P = TypeVar("P")


class PackedWeights(Generic[P]):
    """Weights in the kernels' layout, with the versions and the kernels they belong to.

    A module keeps one as an attribute that pickle and deepcopy leave empty.
    """

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], P] | None = None

    def get(self, parameters: Sequence[Parameter], pack: Callable[[], P]) -> P:
        """What `pack()` made of these parameters as they are now."""
        # The key is taken first: what is written while `pack` reads makes the next call pack again.
        changes = _core.kernel_changes()
        key = changes, [parameter._version for parameter in parameters]
        kept = self._kept  # one read, since another thread may replace it
        if kept is None or kept[0] != key:
            kept = key, pack()
            if changes == _core.kernel_changes():  # else it may be of either kernels
                self._kept = kept
        return kept[1]

    def __getstate__(self) -> dict[str, None]:
        return {"_kept": None}
