"""Constraints of a CRF: which tag may follow which, begin a sequence, end one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._base.checks import Array, as_plain_array, check_choice, describe
from .._base.targets import Bools

# What a prefix is in each scheme: "b" begins a span that may or must go on, "i" continues it,
# "e" ends it, "s" is a span of one step; in IOB1 "i" also begins one, and "b" separates two.
SCHEMES = {
    "IOB1": {"B": "b", "I": "i"},
    "IOB2": {"B": "b", "I": "i"},
    "BIOES": {"B": "b", "I": "i", "E": "e", "S": "s"},
    "BILOU": {"B": "b", "I": "i", "L": "e", "U": "s"},
}


def bio_constraints(tag_names: Sequence[str], scheme: str | None = None) -> Bools:
    """The transitions that a scheme of spans allows, for `CRF(constraints=...)`: (K+1, K+1) bools.

    `tag_names` are "O" and, for each type of span, a prefix and the type:

    - "IOB2" (BIO): "B-type" begins a span, "I-type" continues it and follows only B or I of its
      type.
    - "IOB1": "I-type" is any step of a span; "B-type" begins one right behind another of its type,
      and follows only B or I of its type.
    - "BIOES": as IOB2, and "E-type" ends a span of several steps, "S-type" is one of a single
      step: only I and E of their type follow B and I, which cannot end the sequence.
    - "BILOU": the same with "L-type" for E and "U-type" for S.

    Without `scheme` it is IOB2, or BIOES for those types that have an E. Ramshaw & Marcus 1995,
    Ratinov & Roth 2009. ValueError for a name of another form or one that comes twice.

    Examples
    --------
    >>> allowed = pyrnn.bio_constraints(["O", "B-PER", "I-PER"])
    >>> allowed.shape  # the last row is the beginning, the last column the end
    (4, 4)
    >>> bool(allowed[0, 2]), bool(allowed[1, 2])  # I-PER after O, after B-PER
    (False, True)
    >>> tags = ["O", "B-PER", "L-PER", "U-PER"]
    >>> pyrnn.bio_constraints(tags, "BILOU")[1].tolist()  # after B-PER; the end is the last
    [False, False, True, False, False]
    """
    if scheme is not None:
        check_choice("bio_constraints", "scheme", scheme, tuple(SCHEMES))
    roles = SCHEMES["BIOES" if scheme is None else scheme]
    tags = [_parse(i, name, roles) for i, name in enumerate(_as_names(tag_names))]
    kinds = {kind for role, kind in tags if scheme is None and role == "e"}
    if scheme is not None and "e" in roles.values():
        kinds = {kind for _, kind in tags}
    K = len(tags)
    allowed = np.ones((K + 1, K + 1), bool)
    for i, before in enumerate([*tags, ("o", "")]):
        opened = before[0] in ("b", "i")
        must_go_on = opened and before[1] in kinds
        for j, now in enumerate(tags):
            needs_open = now[0] == "b" if scheme == "IOB1" else now[0] in ("i", "e")
            goes_on = opened and before[1] == now[1]
            allowed[i, j] = goes_on if needs_open else not must_go_on
        allowed[i, K] = not must_go_on
    return allowed


class Constraints:
    """`allowed[i, j]`: tag j may follow tag i; [K, j]: begin; [i, K]: end. None allows all.

    TypeError for what is no array of bools, ValueError for another shape than (K, K) or
    (K+1, K+1), and if there is no path at all.
    """

    def __init__(self, owner: str, given: Any, num_tags: int) -> None:
        self.allowed = None if given is None else _as_mask(owner, given, num_tags)
        if self.allowed is not None and not _has_path(self.allowed):
            raise ValueError(
                f"{owner}: constraints leave no path from a tag that may begin a sequence to one "
                "that may end it"
            )

    def apply(self, transitions: Array, start: Array, end: Array) -> tuple[Array, Array, Array]:
        """The scores, with -inf for what is not allowed."""
        if self.allowed is None:
            return transitions, start, end
        none = transitions.dtype.type(-np.inf)
        allowed, K = self.allowed, len(start)
        return (
            np.where(allowed[:K, :K], transitions, none),
            np.where(allowed[K, :K], start, none),
            np.where(allowed[:K, K], end, none),
        )

    def check_paths(self, owner: str, tags: Array, real: Bools) -> None:
        """ValueError for tags (T, B) that break the constraints where they are real."""
        if self.allowed is None or not real.any():
            return
        outside = len(self.allowed) - 1
        tags = np.pad(np.where(real, tags, outside), ((1, 1), (0, 0)), constant_values=outside)
        before, now = tags[:-1], tags[1:]
        wrong = ~self.allowed[before, now] & ((before != outside) | (now != outside))
        if wrong.any():
            row, step = (int(i) for i in np.argwhere(wrong.T)[0])
            i, j = int(before[step, row]), int(now[step, row])
            broken = f"tag {j} may not follow tag {i}"
            if outside in (i, j):
                broken = f"tag {min(i, j)} may not {'begin' if i == outside else 'end'} a sequence"
            raise ValueError(
                f"{owner}: target of row {row} breaks the constraints at step "
                f"{step - (j == outside)}: {broken}"
            )

    def as_lists(self) -> list[list[bool]] | None:
        """What the constructor takes, as JSON values."""
        return None if self.allowed is None else self.allowed.tolist()


def _as_mask(owner: str, given: Any, num_tags: int) -> Bools:
    """A copy of a mask, (K+1, K+1)."""
    mask = as_plain_array(owner, "constraints", given, "of bools")
    if mask.dtype != bool:
        raise TypeError(f"{owner}: constraints have dtype {mask.dtype}, expected bools")
    K = num_tags
    if mask.shape not in ((K, K), (K + 1, K + 1)):
        raise ValueError(
            f"{owner}: constraints have shape {mask.shape}, expected {(K, K)} = (num_tags, "
            f"num_tags), or {(K + 1, K + 1)} with beginning and end"
        )
    allowed = np.ones((K + 1, K + 1), bool)
    allowed[: len(mask), : len(mask)] = mask
    return allowed


def _has_path(allowed: Bools) -> bool:
    """Whether a tag that may end a sequence is reached from one that may begin it."""
    K = len(allowed) - 1
    reached, fresh = np.zeros(K, bool), allowed[K, :K]
    while fresh.any():
        reached = reached | fresh
        fresh = allowed[:K, :K][fresh].any(axis=0) & ~reached
    return bool((reached & allowed[:K, K]).any())


def _as_names(tag_names: Any) -> list[Any]:
    """The names, each once."""
    if isinstance(tag_names, str) or not isinstance(tag_names, Sequence):
        raise TypeError(f"bio_constraints: tag_names is {describe(tag_names)}, expected a list")
    names = list(tag_names)
    if not names:
        raise ValueError("bio_constraints: tag_names is empty, expected at least one name")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ValueError(f"bio_constraints: tag_names holds {describe(repeated[0])} twice")
    return names


def _parse(position: int, name: Any, roles: Mapping[str, str]) -> tuple[str, str]:
    """("b", "PER") of "B-PER", ("o", "") of "O"."""
    if not isinstance(name, str):
        raise TypeError(
            f"bio_constraints: tag_names[{position}] is {describe(name)}, expected a string"
        )
    prefix, dash, kind = name.partition("-")
    if name != "O" and not (prefix in roles and dash and kind):
        *others, last = roles
        raise ValueError(
            f"bio_constraints: tag_names[{position}] is {describe(name)}, "
            f"expected 'O' or {', '.join(others)} or {last} with a type, such as 'B-PER'"
        )
    return roles.get(prefix, "o"), kind
