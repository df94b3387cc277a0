"""Decoding: sequences of ids from a model that gives the next one's logits, step by step."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from .._base.checks import Array
from ._choice import check_finite, without

Decoded = tuple[list[list[int]], Array]  # ids of each row, without eos, and scores (B,)


class Steps(Protocol):
    """A model that reads rows of ids step by step."""

    def step(self, ids: Array) -> Array:
        """The logits (B, V) after ids (B,)."""

    def take(self, rows: Array) -> None:
        """Continues with copies of these rows' states."""


class Frame(NamedTuple):
    """How many rows there are, where they begin and end, and which ids they never hold."""

    rows: int
    bos: int
    eos: int
    max_length: int
    suppressed: Array


def log_softmax(logits: Array) -> Array:
    """log softmax of (B, V) in float64; FloatingPointError for logits that are not finite."""
    check_finite(logits)
    shifted: Array = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def follow(steps: Steps, choose: Callable[[Array], Array], frame: Frame) -> Decoded:
    """One id after the other, as `choose` takes them from the logits; a row ends at eos.

    A row's score is the sum of its ids' log-probabilities, eos included.
    """
    ids: list[list[int]] = [[] for _ in range(frame.rows)]
    last, scores = np.full(frame.rows, frame.bos), np.zeros(frame.rows)
    running = np.ones(frame.rows, bool)
    for _ in range(frame.max_length):
        logits = steps.step(last)
        last = choose(without(logits, frame.suppressed))
        scores += np.where(running, log_softmax(logits)[np.arange(frame.rows), last], 0)
        running &= last != frame.eos
        for row in np.flatnonzero(running):
            ids[row].append(int(last[row]))
        if not running.any():
            break
    return ids, scores


def beam_search(steps: Steps, frame: Frame, width: int, length_penalty: float) -> Decoded:
    """The best of the sequences that `width` beams per row find; `steps` has a row for each.

    At every step the `width` best continuations of a row's beams stay; one that ends with eos
    leaves them, so that with one beam all is greedy. A sequence of n ids, eos included, has the
    score log p / ((5 + n) / 6)**length_penalty (Wu et al. 2016). Those that are cut off at
    max_length count too. A row is done when no beam can overtake its best sequence.
    """
    beams = Beams(frame, width, length_penalty)
    last = np.full(frame.rows * width, frame.bos)
    for count in range(1, frame.max_length + 1):
        log_p = without(log_softmax(steps.step(last)), frame.suppressed)
        parents, last = beams.extend(log_p, count)
        if not beams.running:
            break
        steps.take(parents)
    return beams.results()


class Beams:
    """The beams of all rows, and the best sequence that each row has ended so far."""

    def __init__(self, frame: Frame, width: int, length_penalty: float) -> None:
        B = frame.rows
        self._frame, self._width, self._alpha = frame, width, length_penalty
        self._log_p = np.full((B, width), -np.inf)  # of each beam; -inf: there is none
        self._log_p[:, 0] = 0
        self._ids = np.zeros((B, width, frame.max_length), np.int64)
        self._best: list[list[int]] = [[] for _ in range(B)]
        self._scores = np.full(B, -np.inf if frame.max_length else 0.0)

    @property
    def running(self) -> bool:
        """Whether a beam is left."""
        return bool((self._log_p > -np.inf).any())

    def extend(self, log_p: Array, count: int) -> tuple[Array, Array]:
        """The rows that continue, their next ids, for log-probabilities (B*width, V) of those."""
        B, V = self._frame.rows, log_p.shape[-1]
        totals = self._log_p[:, :, None] + log_p.reshape(B, self._width, V)
        totals = totals.reshape(B, self._width * V)
        kept = np.zeros((B, self._width), np.int64)
        for row, values in zip(kept, totals, strict=True):
            row[:] = _largest(values, self._width)
        self._log_p = np.take_along_axis(totals, kept, axis=1)
        parents, tokens = kept // V, kept % V
        self._ids = np.take_along_axis(self._ids, parents[:, :, None], axis=1)
        self._ids[:, :, count - 1] = tokens
        ended = (tokens == self._frame.eos) | (count == self._frame.max_length)
        for row, beam in np.argwhere(ended & (self._log_p > -np.inf)):
            self._finish(row, beam, count)
        self._log_p[ended] = -np.inf
        bound = self._log_p.max(axis=1, initial=-np.inf) / self._penalty(self._frame.max_length)
        self._log_p[bound <= self._scores] = -np.inf
        return (parents + np.arange(B)[:, None] * self._width).ravel(), tokens.ravel()

    def results(self) -> Decoded:
        """The best sequences and their scores."""
        return self._best, self._scores

    def _finish(self, row: int, beam: int, count: int) -> None:
        """Keeps a sequence that has ended, if it is the best of its row."""
        score = self._log_p[row, beam] / self._penalty(count)
        if score > self._scores[row]:
            ids = self._ids[row, beam, :count].tolist()
            self._scores[row] = score
            self._best[row] = ids[:-1] if ids[-1] == self._frame.eos else ids

    def _penalty(self, count: int) -> float:
        return float(((5 + count) / 6) ** self._alpha)


def _largest(values: Array, count: int) -> Array:
    """Where the largest values are, in their order; of equal ones the first."""
    least = np.partition(values, -count)[-count]
    above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
    chosen = np.concatenate([above, equal])[:count]
    return chosen[np.lexsort((chosen, -values[chosen]))]
