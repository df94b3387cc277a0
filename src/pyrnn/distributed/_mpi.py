"""MPI: ranks that talk by the Message Passing Interface."""

import importlib
import os
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from .._base.bfloat16 import narrowed, widened
from .._base.checks import Array, check_flag, describe
from .._base.runtime import share_threads
from .._base.settings import Settings
from ._end import end_together
from ._waiting import Waiting

HEAD = 1024  # bytes that are sent at once, with the length of all in front
WORD = 8  # bytes of a length
LAUNCHED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")  # say how many were started


class MPI(Settings):
    """The processes that mpiexec started, for `Trainer(communicator=...)`; without it, one alone.

    Gradients are cut in pieces, one for each rank: a rank gets its piece from all others, adds them
    in the order of `Trainer(shards=...)`, and sends the sum to all, so that 2 (k - 1) / k times
    their size goes out of each of k ranks, and the sums have the same bits for any k.

    - `deterministic=False`: the MPI's own Allreduce adds them, in an order that depends on the
      number of ranks and on the MPI.
    - `compress="bf16"`: gradients travel in bfloat16, half the bytes. Each sum that a rank sends is
      rounded to 8 bits of precision, and the total once more: the error is at most about 2^-7 times
      the sum of the absolute values of what the ranks send. The bits then depend on the number of
      ranks.

    The ranks of one machine share its cores: each takes its share of them as the most threads, if
    neither PYRNN_NUM_THREADS nor OMP_NUM_THREADS nor `set_num_threads` says otherwise. An exception
    that a rank does not catch ends all of them with its traceback and an exit status that is not
    zero. If a rank leaves the program while others wait for it, they raise a RuntimeError.

    It has messages of its own: every rank makes the same ones in the same order, and one that is
    not used any more anywhere leaves its place to the next.

    ImportError if mpi4py or an MPI is missing; RuntimeError if mpiexec is of another MPI than
    mpi4py's, so that every process would be rank 0. TypeError or ValueError for other arguments.

    Examples
    --------
    >>> import pyrnn.distributed
    >>> ranks = pyrnn.distributed.MPI()
    >>> ranks.rank, ranks.size  # of a process that mpiexec did not start
    (0, 1)
    >>> model, optimizer = pyrnn.Linear(1, 1, seed=0), pyrnn.optim.Adam(0.1)
    >>> trainer = pyrnn.Trainer(model, "mse", optimizer, communicator=ranks)
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> trainer.fit(x, 2 * x, epochs=20, progress=False).loss[-1] < 0.1
    True
    """

    def __init__(self, *, deterministic: bool = True, compress: str | None = None) -> None:
        self.deterministic = check_flag("MPI", "deterministic", deterministic)
        if compress not in (None, "bf16"):
            raise ValueError(f"MPI: compress is {describe(compress)}, expected None or 'bf16'")
        if compress and not self.deterministic:
            raise ValueError(
                "MPI: compress is 'bf16' and deterministic False, expected one of them: an MPI "
                "does not add bfloat16"
            )
        self.compress = compress
        self._mpi = mpi = _load()
        world = mpi.COMM_WORLD
        _check_launched(world.Get_size(), mpi)
        self._comm = _lent(self, world)
        self._waiting = _waiting()
        end_together(mpi, self._waiting)
        share_threads(_neighbours(mpi, world))

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        number: int = self._comm.Get_rank()
        return number

    @property
    def size(self) -> int:
        """How many processes there are."""
        number: int = self._comm.Get_size()
        return number

    def reduce(self, parts: Array, add: Callable[[Array], Array]) -> Array:
        """Sums of what all ranks have; see Communicator."""
        if self.size == 1:
            return add(parts)[None]
        if not self.deterministic:
            sums = parts[:, 0].copy()  # the parts stay what this rank has
            self._wait(self._comm.Iallreduce(self._mpi.IN_PLACE, sums))
            return sums
        sent = np.ascontiguousarray(parts)
        if self.compress:
            sent = narrowed(sent)
        received = np.empty_like(sent)
        self._wait(self._comm.Ialltoall(_bytes(sent), _bytes(received)))
        own = add(widened(received).astype(parts.dtype, copy=False) if self.compress else received)
        own = narrowed(own) if self.compress else np.ascontiguousarray(own)
        sums = np.empty((self.size, *own.shape), own.dtype)
        self._wait(self._comm.Iallgather(_bytes(own), _bytes(sums)))
        return widened(sums).astype(parts.dtype, copy=False) if self.compress else sums

    def broadcast(self, data: bytes, root: int = 0) -> bytes:
        """The bytes of rank `root`, on every rank."""
        head = _head(data)
        self._wait(self._comm.Ibcast(head, root))
        length = _length(head)
        if length <= HEAD - WORD:
            return head[WORD : WORD + length].tobytes()
        whole = (
            np.frombuffer(data, np.uint8).copy() if self.rank == root else np.empty(length, "u1")
        )
        self._wait(self._comm.Ibcast(whole, root))
        return whole.tobytes()

    def gather(self, data: bytes) -> list[bytes]:
        """The bytes of all ranks, on every rank."""
        heads = np.empty((self.size, HEAD), np.uint8)
        self._wait(self._comm.Iallgather(_head(data), heads))
        lengths = [_length(head) for head in heads]
        if max(lengths) <= HEAD - WORD:
            return [head[WORD : WORD + n].tobytes() for head, n in zip(heads, lengths, strict=True)]
        whole = np.empty(sum(lengths), np.uint8)
        own = np.frombuffer(data, np.uint8)
        self._wait(self._comm.Iallgatherv(own, [whole, lengths]))
        ends = np.cumsum(lengths)
        return [whole[end - n : end].tobytes() for end, n in zip(ends, lengths, strict=True)]

    def barrier(self) -> None:
        """Waits until all ranks have come here."""
        self._wait(self._comm.Ibarrier())

    def _wait(self, request: Any) -> None:
        self._waiting.until(request.Test)

    def __reduce__(self) -> Any:
        return _made, (self.deterministic, self.compress)

    def _phrases(self) -> Iterator[str]:
        yield f"rank {self.rank} of {self.size}"
        yield from super()._phrases()


def _made(deterministic: bool, compress: str | None) -> MPI:
    return MPI(deterministic=deterministic, compress=compress)


def _load() -> Any:
    """mpi4py.MPI; an ImportError or a RuntimeError with what helps."""
    needed = "pyrnn.distributed.MPI needs {}: pip install mpi4py mpich"
    try:
        import mpi4py
    except ImportError as error:
        raise ImportError(needed.format("mpi4py, which is not installed")) from error
    try:
        library = importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:  # it found no library
        text = f"an MPI, which mpi4py {mpi4py.__version__} does not find ({error})"
        raise ImportError(needed.format(text)) from error
    return library


@cache
def _waiting() -> Waiting:
    """The one of this process: a rank that leaves says so once, to whoever waits."""
    mpi = _load()
    return Waiting(mpi, mpi.COMM_WORLD)


class _Lent:
    """The communicators of this process, each for one MPI object at a time. An MPI has room for few
    thousand, and to free one is a call of all ranks together, which collect garbage when they
    like: so they are lent again instead."""

    def __init__(self) -> None:
        self._all, self._free = list[Any](), set[int]()

    def __call__(self, owner: MPI, world: Any) -> Any:
        """One that is free on every rank, or a new one; all ranks ask together."""
        free = set.intersection(*world.allgather(set(self._free)))
        number = min(free, default=len(self._all))
        if number == len(self._all):
            self._all.append(world.Dup())
        self._free.discard(number)
        weakref.finalize(owner, self._free.add, number).atexit = False
        return self._all[number]


_lent = _Lent()


def _check_launched(size: int, mpi: Any) -> None:
    """RuntimeError where a launcher has started several processes and this one is alone."""
    for name in LAUNCHED:
        text = os.environ.get(name, "")
        if size == 1 and text.isdigit() and int(text) > 1:
            library = mpi.Get_library_version().strip().splitlines()[0][:60]
            raise RuntimeError(
                f"MPI: {name} says that {text} processes were started, and this one is alone: "
                f"mpiexec is of another MPI than mpi4py has loaded ({library}), expected the same"
            )


def _neighbours(mpi: Any, world: Any) -> int:
    """How many ranks use this process's cores, itself among them."""
    node = world.Split_type(mpi.COMM_TYPE_SHARED)
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    everyone = node.allgather(own)
    node.Free()
    return sum(not own.isdisjoint(other) for other in everyone)


def _bytes(array: Array) -> Array:
    return array.reshape(-1).view(np.uint8)


def _head(data: bytes) -> Array:
    """The length and as much as fits."""
    head = np.zeros(HEAD, np.uint8)
    head[:WORD] = np.frombuffer(len(data).to_bytes(WORD, "little"), np.uint8)
    first = np.frombuffer(data[: HEAD - WORD], np.uint8)
    head[WORD : WORD + len(first)] = first
    return head


def _length(head: Array) -> int:
    return int.from_bytes(head[:WORD].tobytes(), "little")
