"""What all ranks of a training must have in common: looked at before its first step."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.tree import to_tree
from ._checkpoint import Parts, states_of
from ._description import first_difference
from ._ranks import Ranks

APART = ("progress", "history")  # which hold times, and the generator that rank 0 shares
ADVICE = (
    "the ranks train one model on the same data; seed= of each layer, or pyrnn.seed(n) before it "
    "is made, gives all the same first weights and dropout"
)


def digests(parts: Parts) -> dict[str, Any]:
    """The state of all parts, each array by a fingerprint of its bytes."""
    import hashlib

    arrays: dict[str, Array] = {}
    states = states_of({name: part for name, part in parts.items() if name not in APART})
    tree = to_tree(states, "", arrays, "a training")
    marks = {
        name: hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:12]
        for name, array in arrays.items()
    }
    return {"fingerprint": marks, "state": tree}


def check_alike(ranks: Ranks, own: Mapping[str, Any]) -> None:
    """ValueError that names the first rank that differs from rank 0, and in what."""
    first, *others = ranks.together(lambda: own)
    for rank, other in enumerate(others, 1):
        difference = first_difference(other, first)
        if difference:
            with ranks.agreed():
                raise ValueError(f"Trainer: rank {rank} has {difference} as on rank 0: {ADVICE}")
