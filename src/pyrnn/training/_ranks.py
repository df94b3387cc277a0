"""Ranks: the processes that train one model together, and how they agree."""

import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from .._base.agreed import mark_agreed
from .._base.checks import Array, check_size, describe
from .._base.communicator import Communicator

Result = TypeVar("Result")
NEEDED = ("rank", "size", "reduce", "broadcast", "gather", "barrier")


class Failure(NamedTuple):
    """An exception, as the other ranks are told of it."""

    kind: str
    message: str
    trace: str
    module: str  # of the kind; a rank that has not imported it raises a RuntimeError


class Ranks:
    """The processes of a communicator, or this one alone.

    Where one of them fails in `together` or `from_first`, all of them raise: the error of the
    first rank that failed, and which one that was. So none waits for one that is gone. What they
    send each other is pickled: the ranks of one job run one program.
    """

    def __init__(self, communicator: Communicator | None) -> None:
        self.communicator = communicator
        self.rank, self.size = 0, 1
        if communicator is not None:
            missing = [name for name in NEEDED if not hasattr(communicator, name)]
            if missing or isinstance(communicator, type):
                raise TypeError(
                    f"Trainer: communicator is {describe(communicator)}, expected an object with "
                    f"{', '.join(NEEDED)}, such as pyrnn.distributed.MPI()"
                )
            self.size = check_size("Trainer", "communicator.size", communicator.size)
            self.rank = check_size(
                "Trainer", "communicator.rank", communicator.rank, minimum=0, maximum=self.size - 1
            )

    def __deepcopy__(self, memo: Any) -> "Ranks":
        return self

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes, shows and calls back."""
        return self.rank == 0

    @property
    def ordered(self) -> bool:
        """Whether sums over ranks have the order of one rank."""
        return bool(getattr(self.communicator, "deterministic", True))

    def together(self, work: Callable[[], Result]) -> list[Result]:
        """What `work` gives on each rank, on every rank; raises everywhere what one of them
        raises."""
        if self.communicator is None or self.size == 1:
            return [work()]
        return self._results(work, self.communicator.gather)

    def each(self, work: Callable[[], Result]) -> Result:
        """What `work` gives on this rank, once all have it."""
        found: list[Result] = []
        self.together(lambda: found.append(work()))
        return found[0]

    def from_first(self, work: Callable[[], Result]) -> Result:
        """What `work` gives on rank 0, which alone does it, on every rank."""
        if self.communicator is None or self.size == 1:
            return work()
        send = self.communicator.broadcast
        return self._results(work if self.is_first else None, lambda data: [send(data)])[0]

    def in_order(
        self, own: Iterator[Any], count: int, work: Callable[[Any], Iterable[Result]]
    ) -> Iterator[Result]:
        """What `work` gives for `count` tasks, in their order. This rank does its `own`: one in
        `size` of them, from that of its number on."""
        if self.size == 1:
            for task in own:
                yield from work(task)
            return

        def next_one() -> list[Result]:
            return [result for task in islice(own, 1) for result in work(task)]

        for _ in range(-(-count // self.size)):
            for results in self.together(next_one):
                yield from results

    def first_with(self, flags: Iterable[bool]) -> str:
        """Which rank is the first of which something holds, in words; "" for one alone."""
        rank = next((rank for rank, flag in enumerate(flags) if flag), None)
        return "" if rank is None or self.size == 1 else f" on rank {rank}"

    def share_state(self, generator: "np.random.Generator") -> None:
        """Gives the generator of every rank the state of rank 0's."""
        state = self.from_first(lambda: dict(generator.bit_generator.state))
        if not self.is_first:
            generator.bit_generator.state = state

    @contextmanager
    def naming(self, origin: Callable[[], str]) -> Iterator[None]:
        """A FloatingPointError from within, which all ranks raise, says where it comes from."""
        try:
            yield
        except FloatingPointError as error:
            if self.size == 1:
                raise
            named = FloatingPointError(f"{error}{origin()}")
            mark_agreed(named)
            raise named from error

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """All ranks raise an error from within alike: it goes by what all have."""
        try:
            yield
        except Exception as error:
            if self.size > 1:
                mark_agreed(error)
            raise

    def sums(self, parts: Array, add: Callable[[Array], Array]) -> Array:
        """See Communicator.reduce."""
        assert self.communicator is not None
        return self.communicator.reduce(parts, add)

    def wait(self) -> None:
        """Until all ranks have come here."""
        if self.communicator is not None and self.size > 1:
            self.communicator.barrier()

    def _results(
        self, work: Callable[[], Result] | None, send: Callable[[bytes], list[bytes]]
    ) -> list[Result]:
        """What `send` gives of the results of `work`, or the first error."""
        error: BaseException | None = None
        try:
            told = pickle.dumps(None if work is None else work())
        except BaseException as raised:  # what cannot be pickled is an error, too
            error, told = raised, pickle.dumps(_failure(raised))
        found = [pickle.loads(data) for data in send(told)]
        failures = {i: each for i, each in enumerate(found) if isinstance(each, Failure)}
        if failures:
            _raise(failures, error, self.size)
        return found


ALONE = Ranks(None)


def _failure(error: BaseException) -> Failure:
    import traceback

    trace = "".join(traceback.format_exception(error))
    return Failure(type(error).__name__, str(error), trace, type(error).__module__)


def _raise(failures: dict[int, Failure], own: BaseException | None, size: int) -> NoReturn:
    """Raises the error of the first rank that failed, with its name unless all have the same."""
    rank, first = next(iter(failures.items()))
    alike = all(each[:2] == first[:2] for each in failures.values())
    if own is not None and alike and len(failures) == size:
        mark_agreed(own)
        raise own
    kind = getattr(sys.modules.get(first.module), first.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception | KeyboardInterrupt)):
        kind = RuntimeError
    shown = first.message if kind.__name__ == first.kind else f"{first.kind}: {first.message}"
    try:
        error = kind(f"rank {rank}: {shown}")
    except Exception:  # such as UnicodeDecodeError, which takes more than a message
        error = RuntimeError(f"rank {rank}: {first.kind}: {first.message}")
    mark_agreed(error)
    if own is None:
        error.add_note(f"On rank {rank}:\n{first.trace}")
    raise error from own
