"""How each library does a case: one file per library, looked up by name and imported when asked.

A module has `about()`, a dict with at least its "version", and `make(problem, threads)`, which
returns a Job, or None where the library cannot do such a case.
"""

import importlib
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

import numpy as np


class Job(NamedTuple):
    """What is timed, and what is compared: y, in training also dx and d_<weight>."""

    call: Callable[[], object]
    outputs: Callable[[], dict[str, np.ndarray]]


def load(name):
    """The module of a library; ImportError where it is not installed."""
    return importlib.import_module(f"jobs.with_{name}")


def versions(*packages):
    """The installed versions, as "1.2 (other 3.4)"."""
    first, *rest = packages
    others = ", ".join(f"{p} {metadata.version(p)}" for p in rest)
    return metadata.version(first) + (f" ({others})" if others else "")


def stream_outputs(step, x):
    """y of a stream that is fed x (T, B, I) step by step."""
    return {"y": np.stack([np.array(step(x_t)) for x_t in x])}
