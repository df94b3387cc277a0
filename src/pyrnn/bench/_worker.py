"""A process that does one library's cases when asked, and the clock beside it.

Every library has a process of its own: inside one, the idle threads of the others would slow it.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from ._cases import CASES
from ._jobs import Job, job

SLICE = 0.05  # seconds of one turn, unless a single call takes longer
GROUP = 0.001  # seconds of a group of short calls, as the first one tells its length


def seconds_of(call: Callable[[], Any], count: int) -> float:
    """Of one call, over `count` of them."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def turn(call: Callable[[], Any]) -> float:
    """Seconds of a call: the median over one turn's groups, after a call that is not in it."""
    count = max(1, int(GROUP / max(seconds_of(call, 1), 1e-9)))
    times: list[float] = []
    start = time.perf_counter()
    while not times or time.perf_counter() - start < SLICE:
        times.append(seconds_of(call, count))
    return statistics.median(times)


def serve(pipe: Connection, library: str, threads: int) -> None:
    """Answers (request, argument) until the pipe ends; an exception is an answer, too."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    current: Job | None = None
    while True:
        try:
            request, argument = pipe.recv()
        except EOFError:
            return
        try:
            if request == "make":
                current = None  # before the next one takes memory
                current = job(library, CASES[argument], threads)
                pipe.send(None if current is None else dict(current.outputs()))
            else:
                pipe.send(turn(current.call))  # type: ignore[union-attr]
        except Exception as error:  # told by the process that asked
            pipe.send(error)


class Worker:
    """The other end: asks, and waits for the answer."""

    def __init__(self, library: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, library, threads), daemon=True)
        self._process.start()
        other.close()

    def ask(self, request: str, argument: int = 0) -> Any:
        """The answer; an exception of the other process is raised here."""
        self._pipe.send((request, argument))
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.join(5)
        self._process.kill()
