"""Decoders one step at a time: in inference, and in training with scheduled sampling."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.inputs import map_state
from ..layers._embedding import Embedding
from ..layers._linear import Linear


class DecoderSteps:
    """A decoder's inference one step at a time; `state` may be read and set between steps."""

    def __init__(self, step: Callable[[Any, Any], tuple[Array, Any]], state: Any) -> None:
        self._step = step  # (x_t, state) -> (y_t, state)
        self.state = state

    def step(self, x_t: Any) -> Array:
        """y_t (B, F) of x_t (B, I)."""
        y, self.state = self._step(x_t, self.state)
        return y


class Seq2SeqSteps:
    """The logits of one step after the other, with the bits of the whole."""

    def __init__(self, target: Embedding, steps: DecoderSteps, output: Linear) -> None:
        self._target, self._steps, self._output = target, steps, output

    def step(self, ids: Array) -> Array:
        """The logits (B, V) after ids (B,)."""
        return self._output(self._steps.step(self._target(ids)))

    def take(self, rows: Array) -> None:
        """Continues with these rows; each attends to the memory of the row that it replaces."""
        self._steps.state = map_state(lambda a: np.take(a, rows, axis=1), self._steps.state)


def mixed_inputs(steps: Seq2SeqSteps, tokens: Array, replaced: Array) -> Array:
    """The ids (U + 1, B) that a decoder reads under scheduled sampling (Bengio et al. 2015).

    Where `replaced`, the most probable id after those read before; row 0, bos, stays.
    """
    mixed = tokens.copy()
    for before, now, where in zip(mixed, mixed[1:], replaced[1:], strict=False):
        now[where] = steps.step(before).argmax(axis=-1)[where]
    return mixed
