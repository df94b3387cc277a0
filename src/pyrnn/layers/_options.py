"""The options that all recurrent layers share."""

import math
from typing import Any

from .._base.checks import check_choice, check_size, describe

MERGES = ("concat", "sum", "mul", "average")
MAX_LAYERS = 10_000

Every = int | str | None


def check_every(owner: str, value: Any) -> Every:
    """recompute_every: a number of steps, "sqrt", or None (all activations are kept)."""
    if value is None or (isinstance(value, str) and value == "sqrt"):
        return value
    if isinstance(value, str):
        raise ValueError(
            f"{owner}: recompute_every is {describe(value)}, expected an integer, 'sqrt' or None"
        )
    if not hasattr(value, "__index__"):
        raise TypeError(
            f"{owner}: recompute_every is {describe(value)}, expected an integer, 'sqrt' or None"
        )
    return check_size(owner, "recompute_every", value)


def check_merge(owner: str, value: Any, bidirectional: bool) -> str:
    """How the outputs of both directions become one."""
    merge = check_choice(owner, "merge", value, MERGES)
    if merge != "concat" and not bidirectional:
        raise ValueError(
            f"{owner}: merge is {describe(merge)}, expected 'concat' with bidirectional=False"
        )
    return merge


def check_projection(owner: str, value: Any, hidden_size: int) -> int:
    """proj_size: 0, or less than hidden_size."""
    size = check_size(owner, "proj_size", value, minimum=0)
    if size >= hidden_size:
        raise ValueError(
            f"{owner}: proj_size is {size}, expected less than "
            f"hidden_size = {hidden_size} (0: no projection)"
        )
    return size


def steps_between(every: Every, steps: int) -> int:
    """The steps from one kept state to the next, of a sequence of `steps`; 0 for None."""
    if isinstance(every, str):
        return 1 + math.isqrt(max(steps - 1, 0))
    return every or 0
