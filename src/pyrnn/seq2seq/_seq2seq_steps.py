"""Seq2Seq, step by step: for decoding, and for training with scheduled sampling."""

from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.state import map_state
from ..layers._embedding import Embedding
from ..layers._linear import Linear
from ..layers._recurrent import Recurrent
from ._attention_decoder import AttentionDecoder
from ._decoder_steps import DecoderSteps, LayerSteps
from ._encoder import Encoded


class Seq2SeqSteps:
    """The logits of one step after the other, with the bits of the whole."""

    def __init__(
        self,
        target: Embedding,
        decoder: AttentionDecoder | Recurrent[Any],
        output: Linear,
        encoded: Encoded,
    ) -> None:
        self._target, self._output = target, output
        self._steps: DecoderSteps | LayerSteps
        if isinstance(decoder, AttentionDecoder):
            self._steps = decoder.steps(encoded.memory, encoded.state, encoded.lengths)
        else:
            self._steps = LayerSteps(decoder, encoded.state)

    def step(self, ids: Array) -> Array:
        """The logits (B, V) behind ids (B,)."""
        return self._output(self._steps.step(self._target(ids)))

    def take(self, rows: Array) -> None:
        """Goes on with these rows, which must attend to the same memory as those in their place."""
        self._steps.state = map_state(lambda a: np.take(a, rows, axis=1), self._steps.state)


def mixed_inputs(steps: Seq2SeqSteps, tokens: Array, replaced: Array) -> Array:
    """The ids (U + 1, B) that a decoder reads under scheduled sampling (Bengio et al. 2015).

    Where `replaced`, the most probable id behind those read before; row 0, bos, stays.
    """
    mixed = tokens.copy()
    for before, now, where in zip(mixed, mixed[1:], replaced[1:], strict=False):
        now[where] = steps.step(before).argmax(axis=-1)[where]
    return mixed
