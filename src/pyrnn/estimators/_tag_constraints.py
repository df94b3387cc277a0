"""Which label of a tagger may follow which: by a scheme of names, or as the user says."""

from typing import Any

import numpy as np

from .._base.checks import Array, check_choice, describe
from .._base.targets import Bools
from ..losses._constraints import SCHEMES, Constraints, bio_constraints
from ._naming import naming


def constraints_of(owner: str, classes: Array, scheme: Any, constraints: Any) -> Bools | None:
    """(C+1, C+1) for a CRF, of what both allow; None if neither is there."""
    if isinstance(constraints, str):
        right = f"scheme={constraints!r}" if constraints in SCHEMES else "scheme="
        raise TypeError(
            f"{owner}: constraints is {describe(constraints)}, expected an array of bools; a "
            f"scheme is given by its name as {right}"
        )
    by_user = Constraints(owner, constraints, len(classes)).allowed
    if scheme is None:
        return by_user
    check_choice(owner, "scheme", scheme, tuple(SCHEMES))
    with naming(owner, "scheme"):
        allowed = bio_constraints(classes.tolist(), scheme)
    return allowed if by_user is None else allowed & by_user


def check_labels(
    owner: str, allowed: Bools | None, classes: Array, numbers: list[Array], scheme: Any
) -> None:
    """ValueError for labels that may not follow each other, begin or end a sequence."""
    if allowed is None:
        return
    whose = "the constraints do" if scheme is None else f"{scheme} does"
    outside = len(classes)
    for i, sample in enumerate(numbers):
        if len(sample) == 0:
            continue
        path = np.concatenate([[outside], sample, [outside]])
        wrong = np.flatnonzero(~allowed[path[:-1], path[1:]])
        if wrong.size:
            step = int(wrong[0])
            before, now = (
                "nothing" if k == outside else describe(classes[k].item())
                for k in path[step : step + 2]
            )
            raise ValueError(
                f"{owner}: y[{i}] has {now} after {before} at step {step}, which {whose} not allow"
            )
