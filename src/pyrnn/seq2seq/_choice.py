"""Sampling: how the next id is chosen from logits."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.checks import Array, as_integers, check_number, check_size
from .._base.seeding import generator


@dataclass(frozen=True)
class Sampling:
    """One id per row of logits (B, V); every row has a random generator of its own.

    Of softmax(logits / temperature) the `top_k` most probable ids stay (Fan et al. 2018), of these
    the fewest whose probabilities add up to `top_p` (Holtzman et al. 2020); what stays is drawn by
    its probability. Of equal logits the lower id comes first. A temperature of 0 takes the largest.
    """

    temperature: float
    top_k: int | None
    top_p: float | None
    generators: list["np.random.Generator"]

    @classmethod
    def of(
        cls, owner: str, rows: int, temperature: Any, top_k: Any, top_p: Any, seed: Any
    ) -> "Sampling":
        """The checked arguments of a call for `rows` rows."""
        temperature = check_number(owner, "temperature", temperature)
        if not 0 <= temperature < np.inf:
            raise ValueError(f"{owner}: temperature is {temperature}, expected 0 <= temperature")
        if top_k is not None:
            top_k = check_size(owner, "top_k", top_k)
        if top_p is not None:
            top_p = check_number(owner, "top_p", top_p)
            if not 0 < top_p <= 1:
                raise ValueError(f"{owner}: top_p is {top_p}, expected 0 < top_p <= 1")
        return cls(temperature, top_k, top_p, generator(owner, seed).spawn(rows))

    def __call__(self, logits: Array) -> Array:
        """The chosen ids (B,). FloatingPointError for logits that are not finite."""
        check_finite(logits)
        if self.temperature == 0:
            return np.asarray(logits.argmax(axis=-1))
        sums = self.probabilities(logits).cumsum(axis=-1)
        both = zip(self.generators, sums, strict=True)
        return np.array([_draw(rng.random(), row) for rng, row in both], np.int64)

    def probabilities(self, logits: Array) -> Array:
        """What is drawn from (B, V): 0 for what `top_k` and `top_p` leave out; not normalised."""
        scaled = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
        with np.errstate(over="ignore"):  # a tiny temperature leaves the largest alone
            p: Array = np.exp(scaled / self.temperature)
        if self.top_k is None and self.top_p is None:
            return p
        order = np.argsort(-scaled, axis=-1, kind="stable")
        ranked = np.take_along_axis(p, order, axis=-1)
        if self.top_k is not None:
            ranked[:, self.top_k :] = 0
        if self.top_p is not None:
            before = ranked.cumsum(axis=-1) - ranked
            ranked[before >= self.top_p * ranked.sum(axis=-1, keepdims=True)] = 0
        np.put_along_axis(p, order, ranked, axis=-1)
        return p


def read_ids(owner: str, name: str, value: Any) -> Array:
    """An id, several, or None for none, as an array."""
    given = [value] if isinstance(value, int | float | str | np.generic) else value
    return np.atleast_1d(as_integers(owner, name, [] if value is None else given))


def check_suppressed(owner: str, ids: Array, count: int) -> None:
    """ValueError unless `ids`, which are never to be chosen, are some of `count`, but not all."""
    wrong = ids[(ids < 0) | (ids >= count)]
    if wrong.size:
        raise ValueError(f"{owner}: suppress holds {wrong[0]}, expected ids in 0..{count - 1}")
    if len(np.unique(ids)) == count:
        raise ValueError(f"{owner}: suppress holds all {count} ids, expected one to be left")


def without(logits: Array, suppressed: Array) -> Array:
    """Logits (B, V), or their log softmax, by which no suppressed id is ever chosen.

    FloatingPointError where the model gives every other id the probability 0.
    """
    if not suppressed.size:
        return logits
    left = logits.copy()
    left[:, suppressed] = -np.inf
    if np.isneginf(left.max(axis=-1)).any():
        raise FloatingPointError("the model gives all ids that suppress leaves the logit -inf")
    return left


def check_finite(logits: Array) -> None:
    """FloatingPointError for logits without a finite largest one; some may be -inf."""
    if not np.isfinite(logits.max(axis=-1)).all():
        raise FloatingPointError("the model's logits are NaN or infinite: no id can be chosen")


def _draw(u: float, sums: Array) -> int:
    """The index whose share of the running sums holds u, 0 <= u < 1."""
    below = min(u * sums[-1], np.nextafter(sums[-1], 0))  # the product may round up
    return int(np.searchsorted(sums, below, side="right"))


def until(ids: Array, stops: Any) -> Array:
    """A copy of the ids in front of the first that is one of `stops`."""
    ends = np.flatnonzero(np.isin(ids, stops))
    return ids[: ends[0] if ends.size else None].copy()
