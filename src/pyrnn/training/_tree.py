"""How a batch is cut into shards, and in which order what they give is added."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from .._base.checks import Array

Node = tuple[int, int]  # shards from the first to before the second: a node of the tree
Sum = TypeVar("Sum")


def cut_evenly(lengths: Array, count: int) -> list[slice]:
    """The rows of a batch in `count` runs of nearly equal numbers of steps, one row at least in
    each; of fewer rows than that, one in each of the first runs."""
    rows = len(lengths)
    if rows <= count:
        return [slice(min(i, rows), min(i + 1, rows)) for i in range(count)]
    ends = np.cumsum(np.maximum(lengths, 1))  # a row without steps is work, too
    bounds = [0]
    for i in range(1, count):
        wanted = int(ends[-1]) * i  # all in steps times `count`
        row = int(np.searchsorted(ends * count, wanted))
        below = int(ends[row - 1]) if row else 0
        row += wanted - below * count >= int(ends[row]) * count - wanted  # the nearer of two
        bounds.append(min(max(row, bounds[-1] + 1), rows - (count - i)))
    return [slice(a, b) for a, b in zip(bounds, [*bounds[1:], rows], strict=True)]


def middle(node: Node) -> int:
    """Where a node of the tree of sums divides: the left part has the largest power of two."""
    first, end = node
    return first + (1 << ((end - first - 1).bit_length() - 1))


def nodes_within(node: Node, part: Node) -> list[Node]:
    """The largest nodes under `node` that lie within a run of shards, in order."""
    first, end = node
    if part[0] <= first and end <= part[1]:
        return [node] if first < end else []
    if end <= part[0] or part[1] <= first:
        return []
    half = middle(node)
    return [*nodes_within((first, half), part), *nodes_within((half, end), part)]


def total(node: Node, known: Mapping[Node, Sum], add: Callable[[Sum, Sum], Sum]) -> Sum:
    """The sum of a node from those of some nodes under it: always (left) + (right)."""
    if node in known:
        return known[node]
    half = middle(node)
    return add(total((node[0], half), known, add), total((half, node[1]), known, add))


def total_of_numbers(numbers: Mapping[int, float], count: int) -> float:
    """The sum of a number for each of `count` shards, 0 where there is none."""
    known = {(i, i + 1): numbers.get(i, 0.0) for i in range(count)}
    return total((0, count), known, lambda a, b: a + b)


def owned(rank: int, ranks: int, count: int) -> Node:
    """The shards of a rank: nearly as many for each, the first ranks have the more."""
    each, more = divmod(count, ranks)
    first = rank * each + min(rank, more)
    return first, first + each + (rank < more)
