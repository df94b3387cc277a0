"""How long OpenMP's idle threads spin, which libgomp reads from the environment when it loads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SPIN_COUNT = "2000"  # about 50 us: longer than Python needs between two calls of a training step


@contextmanager
def bounded_spinning() -> Iterator[None]:
    """Loads libgomp, inside the `with`, with idle threads that soon sleep.

    By its own default they spin for milliseconds between two parallel regions. Beside another busy
    process that uses up their share of a core, and the next region waits for them: training was
    13 times slower than with one thread. What the user has set in the environment stays.
    """
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    if any(name in os.environ for name in names):
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]
