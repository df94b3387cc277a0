"""How one rank's end becomes that of all."""

import atexit
import os
import sys
import time
from typing import Any

from .._base.agreed import is_agreed
from ._waiting import Waiting

PATIENCE = 0.5  # seconds for the other ranks' output
_ended: list[int] = []  # the processes that know how to end; a fork does not


def end_together(mpi: Any, waiting: Waiting) -> None:
    """From here on an exception that this rank does not catch ends all ranks, and when it leaves it
    says so."""
    if os.getpid() in _ended or mpi.COMM_WORLD.Get_size() == 1:
        return
    process = os.getpid()
    _ended[:] = [process]
    shown_before = sys.excepthook

    def end(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        shown_before(kind, error, trace)
        if os.getpid() != process or is_agreed(error):
            return
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        time.sleep(PATIENCE)
        mpi.COMM_WORLD.Abort(1)

    def leave() -> None:
        if os.getpid() == process and not mpi.Is_finalized():
            waiting.say_goodbye()

    sys.excepthook = end
    atexit.register(leave)
