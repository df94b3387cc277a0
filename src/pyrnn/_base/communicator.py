"""Communicator: what processes that train together talk through."""

from collections.abc import Callable
from typing import Protocol

from .checks import Array


class Communicator(Protocol):
    """What `Trainer(communicator=...)` needs of a group of processes, the ranks 0 to size - 1.

    Every rank calls the same methods in the same order. `pyrnn.distributed.MPI` is one; another
    needs these two attributes and four methods, and no base class. What it raises where a rank is
    gone, and after which time, is its own to say.

    Examples
    --------
    >>> class Alone:  # one process
    ...     rank, size = 0, 1
    ...
    ...     def reduce(self, parts, add):
    ...         return add(parts)
    ...
    ...     def broadcast(self, data, root=0):
    ...         return data
    ...
    ...     def gather(self, data):
    ...         return [data]
    ...
    ...     def barrier(self):
    ...         pass
    >>> trainer = pyrnn.Trainer(
    ...     pyrnn.Linear(1, 1, seed=0), "mse", "sgd", shards=2, communicator=Alone()
    ... )
    """

    @property
    def rank(self) -> int:
        """The number of this process."""

    @property
    def size(self) -> int:
        """How many there are."""

    def reduce(self, parts: Array, add: Callable[[Array], Array]) -> Array:
        """Sums of what all ranks have, on every rank.

        `parts` (size, P, M) has P lines for each rank. Rank i gets parts[i] of every rank, in the
        order of the ranks as (size, P, M), and `add` makes its sums (M,) of them. The result (size,
        M) has the sums of all ranks, the same bits on each.
        """

    def broadcast(self, data: bytes, root: int = 0) -> bytes:
        """The bytes of rank `root`, on every rank; what the others give is ignored."""

    def gather(self, data: bytes) -> list[bytes]:
        """The bytes of all ranks in order, on every rank; they may have different lengths."""

    def barrier(self) -> None:
        """Waits until all ranks have come here."""
