"""The seed of all that is given none."""

import itertools
from collections.abc import Iterator

import numpy as np

from .checks import check_size

# The seed, and the numbers of what is to come. Both are replaced at once, and `next` of a count is
# one step for Python's threads, so that no two draws share a number.
_source: tuple[int, Iterator[int]] | None = None


def seed(number: int | None) -> None:
    """Seeds everything that is given no seed of its own from here on.

    Modules (first weights, dropout), the order of a Trainer's batches, CRF, `init`, `generate` and
    estimators whose random_state is None: the k-th of them after this call gets the same numbers
    in every run, regardless of objects with a seed of their own, which is unaffected. Each further
    call starts anew; None goes back to the operating system's random numbers. It holds for all
    threads; which thread gets which numbers follows from the order of their calls. TypeError or
    ValueError unless the number is an integer of 0 to 2^64 - 1, or None.

    Examples
    --------
    >>> pyrnn.seed(7)
    >>> first, second = pyrnn.Linear(3, 2), pyrnn.Linear(3, 2)
    >>> pyrnn.seed(7)
    >>> again = pyrnn.Linear(3, 2)
    >>> np.array_equal(first.weight, again.weight), np.array_equal(first.weight, second.weight)
    (True, False)
    >>> pyrnn.seed(None)
    """
    global _source
    if number is not None:
        number = check_size("seed", "number", number, minimum=0, maximum=2**64 - 1)
    _source = None if number is None else (number, itertools.count())


def is_seeded() -> bool:
    """Whether a seed has been set for all."""
    return _source is not None


def unseeded() -> "np.random.Generator":  # its import takes a while
    """A generator for what is given no seed: the next of `seed`, or the operating system's."""
    if (source := _source) is None:
        return np.random.default_rng()
    number, count = source
    return np.random.default_rng(np.random.SeedSequence(number, spawn_key=(next(count),)))


def generator(owner: str, given: int | None, name: str = "seed") -> "np.random.Generator":
    """The generator of the seed that an argument gives, or for None of that of `seed`."""
    if given is None:
        return unseeded()
    return np.random.default_rng(check_size(owner, name, given, minimum=0, maximum=2**64 - 1))
