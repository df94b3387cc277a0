"""Runs code in a child process; `run_stopped` counts its looks at the signals, as Ctrl-C needs."""

import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

TESTS = Path(__file__).parent
# An emulated Python cannot start itself again: whoever emulates it says how children are started.
PYTHON = shlex.split(os.environ.get("PYRNN_TEST_PYTHON", "")) or [sys.executable]


def ran(code, timeout=60, before=(), **environment):
    """A child that has ended, however it did; it can import what lies beside this file. The time
    limit only ends one that hangs. `before` is a command that runs the child."""
    path = os.pathsep.join(p for p in (str(TESTS), os.environ.get("PYTHONPATH")) if p)
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path} | environment
    command = [*before, *PYTHON, "-c", "import numpy as np\n" + textwrap.dedent(code)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)


def run(code, timeout=60, before=(), **environment):
    """A child's words; it must end well."""
    child = ran(code, timeout, before, **environment)
    assert child.returncode == 0, f"exit status {child.returncode}\n{child.stderr[-3000:]}"
    return child.stdout.split()


# A timer sends signals without end. If a call does not look at them, Python runs the handler once,
# after the call; so each further run at the same place of the code is a look. No clock is asked.
ENDED = """
import signal
from collections import Counter
import pyrnn

def ended(call, *arguments, looks=1):
    '''How a call ends if its look at the signals number `looks` raises.'''
    runs = Counter()

    def handle(_, frame):
        place = id(frame), frame.f_lasti
        runs[place] += 1
        if runs[place] > looks:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        call(*arguments)
        return "finished"
    except KeyboardInterrupt:
        return "stopped"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
"""


def run_stopped(code):
    """`run` for code that calls `ended`."""
    return run(ENDED + textwrap.dedent(code), timeout=120)
