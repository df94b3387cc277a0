"""PlainDecoder: recurrent layers as a decoder that has no use for a memory."""

from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.pullback import Additions, Pullback, compute
from ..layers._recurrent import Recurrent
from ._decoder_steps import DecoderSteps


class PlainDecoder:
    """Recurrent layers with the signatures of AttentionDecoder; dmemory is None."""

    def __init__(self, layers: Recurrent[Any]) -> None:
        self.layers = layers

    def __call__(
        self, x: Any, memory: Any, state: Any, lengths: Any, memory_lengths: Any
    ) -> tuple[Array, Any]:
        """(y, state): inference."""
        return self.layers(x, state, lengths)

    def vjp(
        self,
        x: Any,
        memory: Any,
        state: Any,
        lengths: Any,
        memory_lengths: Any,
        *,
        rng: int | None = None,
    ) -> tuple[Any, Pullback]:
        """((y, state), pullback): training."""
        outputs, pullback = self.layers.vjp(x, state, lengths, rng=rng)

        def backward(dy: Any = None, dstate: Any = None) -> tuple[Any, Additions]:
            (dx, dstate), additions = compute(pullback, dy, dstate)
            return (dx, None, dstate), additions

        return outputs, Pullback(self.layers, backward)

    def steps(self, memory: Any, state: Any, memory_lengths: Any) -> DecoderSteps:
        """Inference step by step, from a state."""
        return DecoderSteps(self._step, state)

    def _step(self, x_t: Array, state: Any) -> tuple[Array, Any]:
        axis = 1 if self.layers.batch_first else 0
        y, state = self.layers(np.expand_dims(x_t, axis), state)
        return np.asarray(y.squeeze(axis)), state
