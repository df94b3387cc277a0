"""ONNX' RNN, LSTM and GRU, computed by layers of pyrnn."""

from typing import Any

import numpy as np

from .._base import operations
from .._base.checks import check_shape
from .._base.inputs import as_state, has_c, parts_of
from .._base.value import numbers
from ._nodes import Node, operator
from ._values import computed


def _recurrent(
    node: Node,
    x: Any,
    w: None,
    r: None,
    b: None = None,
    lengths: Any = None,
    h0: Any = None,
    c0: Any = None,
    p: None = None,
) -> tuple[Any, ...]:
    """Y, Y_h and Y_c of an LSTM. The weights are the layer's."""
    layer, batch_first = node.layer, bool(node.attributes.get("layout", 0))
    if x.ndim != 3:
        raise ValueError(f"X has shape {x.shape}, expected 3 axes")
    states = [None if s is None else _turned(s, batch_first) for s in (h0, c0)]
    shape = (layer.num_directions, x.shape[0 if batch_first else 1], layer.hidden_size)
    for name, state in zip(("initial_h", "initial_c"), states, strict=True):
        if state is not None:
            check_shape("state", name, state, shape, "(directions, batch, hidden_size)")
    if any(state is not None for state in states):
        states = [np.zeros(shape, x.dtype) if state is None else state for state in states]
    h, c = states
    given = None if h is None else as_state(h, c if has_c(layer) else None)
    y, state = layer(x, state=given, lengths=None if lengths is None else numbers(lengths))
    y = computed(operations.reshape, y, shape=(*y.shape[:2], layer.num_directions, shape[-1]))
    y = y if batch_first else computed(operations.transpose, y, axes=(0, 2, 1, 3))
    return (y, *(_turned(s, batch_first) for s in parts_of(state) if s is not None))


def _turned(state: Any, batch_first: bool) -> Any:
    """A state (D, N, H) as (N, D, H), and back."""
    return computed(operations.transpose, state, axes=(1, 0, 2)) if batch_first else state


operator("RNN", outputs=2)(_recurrent)
operator("GRU", outputs=2)(_recurrent)
operator("LSTM", outputs=3)(_recurrent)
