"""DecoderSteps: a decoder's inference step by step; and what both of its groups of layers need."""

from typing import Any, Protocol

import numpy as np

from .. import _core
from .._base.checks import Array, as_floats, check_shape
from .._base.inputs import Inputs, Sizes, read_inputs
from .._base.module import Additions, add_arrays
from .._base.runtime import num_threads
from .._base.state import as_state, map_state
from ..layers._recurrent import Recurrent
from ._attention import Attended, Attention


class Decoder(Sizes, Protocol):
    """What has to be known of a decoder."""

    def run(self, inputs: Inputs, attended: Attended) -> tuple[Array, Any, Array]: ...


class DecoderSteps:
    """A decoder's inference one step at a time; `state` may be read and set between steps."""

    def __init__(self, decoder: Decoder, attended: Attended, batch: int, state: Any) -> None:
        self._decoder, self._attended, self._batch = decoder, attended, batch
        self.state = state

    def step(self, x_t: Any) -> Array:
        """y_t (B, H + M) of x_t (B, I)."""
        decoder = self._decoder
        x = as_floats("AttentionDecoder.steps", "x_t", x_t, decoder.dtype)
        shape = (self._batch, decoder.input_size)
        check_shape("AttentionDecoder.steps", "x_t", x, shape, "(batch, input_size)")
        axis = 1 if decoder.batch_first else 0
        inputs = read_inputs(decoder, np.expand_dims(x, axis), self.state, None, None)
        y, self.state, _ = decoder.run(inputs, self._attended)
        return y.squeeze(axis)


class LayerSteps:
    """A recurrent layer's inference one step at a time, as DecoderSteps."""

    def __init__(self, layer: Recurrent[Any], state: Any) -> None:
        self._layer = layer
        self.state = state

    def step(self, x_t: Array) -> Array:
        """y_t (B, H) of x_t (B, I)."""
        axis = 1 if self._layer.batch_first else 0
        y, self.state = self._layer(np.expand_dims(x_t, axis), self.state)
        return np.asarray(y.squeeze(axis))


def layers(
    h: Array | None, c: Array | None, first: int, end: int | None
) -> tuple[Array | None, Array | None]:
    """(h, c) of some layers."""
    return None if h is None else h[first:end], None if c is None else c[first:end]


def upper_state(inputs: Inputs) -> Any:
    """The initial state of the layers above the first."""
    return as_state(*layers(inputs.h0, inputs.c0, 1, None))


def stacked(lower: Any, upper: Any) -> Any:
    """The state of two groups of layers as that of all."""
    return map_state(lambda *groups: np.concatenate(groups), lower, upper)


def states_before(h: Array, h0: Array | None, axis: int) -> Array:
    """h_{t-1} of each step, for all h_t along that axis and h0 (1, B, H), or zero."""
    before = np.zeros_like(h)
    to, source = before.swapaxes(0, axis), h.swapaxes(0, axis)
    to[1:] = source[:-1]
    if h0 is not None:
        to[:1] = h0
    return before


def query_additions(
    attention: Attention, states: Array, dqueries: Array | None, dv: Array | None
) -> Additions:
    """The gradients of W_q, one product over all steps' states, and of v."""
    query, v = attention.query, attention.v
    if query is None or v is None or dqueries is None or dv is None:
        return []
    rows = states.reshape(-1, query.in_features), dqueries.reshape(-1, query.out_features)
    _, dw, _ = _core.linear_backward(
        rows[0], query.weight.data, rows[1], False, False, num_threads()
    )
    return add_arrays([query.weight, v], [dw, dv])
