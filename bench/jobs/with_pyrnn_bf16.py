"""pyrnn with products of bfloat16."""

import pyrnn
from jobs import with_pyrnn
from problem import TOLERANCE_OF_BF16 as TOLERANCE  # noqa: F401

about = with_pyrnn.about


def make(problem, threads):
    """A job of any mode, or None where the CPU has no such products."""
    try:
        pyrnn.set_precision("bf16")
    except ValueError:
        return None
    return with_pyrnn.make(problem, threads)
