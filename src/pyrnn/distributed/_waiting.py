"""Waiting for other ranks, with an eye on Ctrl-C and on ranks that have left."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SPINS = 2000  # looks before the first rest
REST, LONGEST = 2e-5, 1e-3  # seconds
LOOK = 0.05  # seconds between looks for ranks that have left


class Waiting:
    """Waits until a request is done. MPI's own wait would neither notice Ctrl-C nor a rank whose
    program has ended; this one looks again and again, and rests between."""

    def __init__(self, mpi: Any, world: Any) -> None:
        self._mpi, self._notices = mpi, world.Dup()

    def until(self, is_done: Callable[[], bool]) -> None:
        """RuntimeError if another rank has left meanwhile."""
        for _ in range(SPINS):
            if is_done():
                return
            os.sched_yield() if hasattr(os, "sched_yield") else time.sleep(0)
        rest, looked = REST, time.monotonic()
        while not is_done():
            time.sleep(rest)
            rest = min(rest * 1.2, LONGEST)
            if time.monotonic() - looked > LOOK:
                self._look(is_done)
                looked = time.monotonic()

    def say_goodbye(self) -> None:
        """Tells the other ranks that this one leaves."""
        own = self._notices.Get_rank()
        for rank in range(self._notices.Get_size()):
            if rank != own:
                self._notices.Isend(np.zeros(0, np.uint8), rank)

    def _look(self, is_done: Callable[[], bool]) -> None:
        status = self._mpi.Status()
        if self._notices.Iprobe(source=self._mpi.ANY_SOURCE, status=status):
            time.sleep(LOOK)  # what it sent before may still be on the way
            if not is_done():
                raise RuntimeError(
                    f"MPI: rank {status.Get_source()} has left the program, and rank "
                    f"{self._notices.Get_rank()} waits for it: expected the same calls of fit on "
                    "every rank"
                )
