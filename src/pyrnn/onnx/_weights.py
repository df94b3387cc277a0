"""W, R, B, P and the attributes of ONNX' RNN, LSTM and GRU as layers of pyrnn, and back.

Three things differ. ONNX has the gates in an order of its own: i, o, f, c and z, r, h, where pyrnn
has torch's i, f, g, o and r, z, n. It has one tensor for both directions, and both biases in one.
And its LSTM with input_forget has the rows of a forget gate that nothing reads. The equations are
the same.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from .._base.checks import Array, check_shape, describe
from .._base.foreign import is_half
from ._operators import Operator, directions_of, read_attributes

POSITIONS = {"W": 1, "R": 2, "B": 3, "P": 7}  # among the inputs of a node; 4 to 6: lengths, states


def is_recurrent(node: onnx.NodeProto) -> bool:
    """Whether a node is ONNX' RNN, LSTM or GRU."""
    return node.op_type in Operator.named and node.domain in ("", "ai.onnx")


def named_node(node: onnx.NodeProto) -> str:
    """How messages call a node: by its name, else by its first output."""
    name = node.name or next(filter(None, node.output), "")
    return f"{node.op_type} node {describe(name)}"


def layer_of(node: onnx.NodeProto, weights: Mapping[str, Array]) -> Any:
    """The RNN, LSTM or GRU that computes an ONNX node with the weights W, R and perhaps B and P.

    It takes x as the node does, (T, N, F), or (N, T, F) with layout=1; its y is (T, N, D*H) where
    the node has (T, D, N, H). ValueError or TypeError that names the node for weights that do not
    fit its attributes, and for what pyrnn does not compute: clip, other activations, one activation
    for each direction.
    """
    owner, operator = named_node(node), Operator.named[node.op_type]
    attributes = read_attributes(owner, node, operator)
    arrays = _checked_weights(owner, operator, attributes, weights)
    count, rows, width = arrays["W"].shape
    layer = operator.layer(
        width,
        rows // len(operator.gates),
        bias="B" in arrays,
        batch_first=bool(attributes.get("layout", 0)),
        bidirectional=count == 2,
        direction="reverse" if attributes["direction"] == "reverse" else "forward",
        dtype=arrays["W"].dtype,
        seed=0,
        **operator.options(owner, attributes, "P" in arrays),
    )
    gates, peepholes = operator.blocks(layer)
    parts = {"weight_ih": arrays["W"], "weight_hh": arrays["R"]}
    if "B" in arrays:
        parts["bias_ih"], parts["bias_hh"] = np.split(arrays["B"], 2, axis=1)
    named = {name: _reordered(array, operator.gates, gates) for name, array in parts.items()}
    if "P" in arrays:
        named["weight_peephole"] = _reordered(arrays["P"], operator.peepholes, peepholes)
    layer.load_state_dict(
        {
            f"{name}_{suffix}": array[direction]
            for name, array in named.items()
            for direction, suffix in enumerate(_suffixes(0, count))
        }
    )
    return layer


def node_weights(layer: Any, depth: int) -> dict[str, Array]:
    """W, R, B and P, those that there are, of the node that computes layer `depth` of a stack."""
    operator = Operator.named[type(layer).__name__]
    gates, peepholes = operator.blocks(layer)
    weights = {name: parameter.data for name, parameter in layer.named_parameters()}

    def stacked(name: str, ours: str, theirs: str) -> Array | None:
        names = [f"{name}_{suffix}" for suffix in _suffixes(depth, layer.num_directions)]
        if names[0] not in weights:
            return None
        return _reordered(np.stack([weights[n] for n in names]), ours, theirs)

    inputs, hidden, bias, more = (
        stacked(name, gates, operator.gates)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    if bias is not None:  # with bias="single" there is no second one
        bias = np.concatenate([bias, np.zeros_like(bias) if more is None else more], axis=1)
    diagonal = stacked("weight_peephole", peepholes, operator.peepholes)
    found = {"W": inputs, "R": hidden, "B": bias, "P": diagonal}
    return {name: array for name, array in found.items() if array is not None}


def node_attributes(layer: Any) -> dict[str, Any]:
    """The attributes of the nodes that compute the layers of a stack."""
    direction = "bidirectional" if layer.bidirectional else layer.direction
    own = Operator.named[type(layer).__name__].own_attributes(layer)
    return {"hidden_size": layer.hidden_size, "direction": direction, **own}


def _suffixes(depth: int, directions: int) -> tuple[str, ...]:
    return (f"l{depth}", f"l{depth}_reverse")[:directions]


def _reordered(array: Array, came: str, wanted: str) -> Array:
    """(D, gates * H, ...) with its blocks in another order; zeros for a gate that did not come."""
    blocks = dict(zip(came, np.split(array, len(came), axis=1), strict=True))
    zeros = np.zeros_like(next(iter(blocks.values())))
    return np.concatenate([blocks.get(gate, zeros) for gate in wanted], axis=1)


def _checked_weights(
    owner: str, operator: type[Operator], attributes: Mapping[str, Any], given: Mapping[str, Array]
) -> dict[str, Array]:
    """The weights that there are, floats of one dtype, whose shapes agree with the attributes."""
    arrays = {name: _as_floats(owner, name, array) for name, array in given.items()}
    for name in ("W", "R"):
        if name not in arrays:
            raise ValueError(f"{owner}: it has no {name}")
        if arrays[name].ndim != 3:
            raise ValueError(f"{owner}: {name} has shape {arrays[name].shape}, expected 3 axes")
    if len({array.dtype for array in arrays.values()}) > 1:
        dtypes = {name: array.dtype.name for name, array in arrays.items()}
        raise TypeError(f"{owner}: the weights have the dtypes {dtypes}, expected one")
    directions = directions_of(attributes)
    size = attributes.get("hidden_size", arrays["R"].shape[2])
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"{owner}: hidden_size is {describe(size)}, expected an integer >= 1")
    rows = len(operator.gates) * size
    shapes = {
        "W": (
            (directions, rows, arrays["W"].shape[2]),
            "(directions, gates * hidden_size, inputs)",
        ),
        "R": ((directions, rows, size), "(directions, gates * hidden_size, hidden_size)"),
        "B": ((directions, 2 * rows), "(directions, 2 * gates * hidden_size)"),
        "P": ((directions, len(operator.peepholes) * size), "(directions, 3 * hidden_size)"),
    }
    for name, array in arrays.items():
        check_shape(owner, name, array, *shapes[name])
    return arrays


def _as_floats(owner: str, name: str, array: Array) -> Array:
    """float32 or float64; half precision becomes float32, which is exact."""
    array = array.astype(np.float32) if is_half(array.dtype) else array
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{owner}: {name} has dtype {array.dtype}, expected float32 or float64")
    return array
