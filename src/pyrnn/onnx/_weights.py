"""W, R, B, P and the attributes of ONNX' RNN, LSTM and GRU as layers of pyrnn, and back.

Three things differ. ONNX has the gates in an order of its own: i, o, f, c and z, r, h, where pyrnn
has torch's i, f, g, o and r, z, n. It has one tensor for both directions, and both biases in one.
And its LSTM with input_forget has the rows of a forget gate that nothing reads. The equations are
the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import onnx

from .._base.checks import Array, check_choice, check_shape, describe
from .._base.foreign import is_half
from ..layers import GRU, LSTM, RNN

POSITIONS = {"W": 1, "R": 2, "B": 3, "P": 7}  # among the inputs of a node; 4 to 6: lengths, states
SHARED = (
    "activation_alpha",  # what Sigmoid, Tanh and Relu do not read
    "activation_beta",
    "activations",
    "direction",
    "hidden_size",
    "layout",
    "output_sequence",  # of operator set 1, which said so of an output that is there or not
)
DIRECTIONS = ("forward", "reverse", "bidirectional")


class Operator:
    """One of ONNX' recurrent operators and the layer that computes it; a subclass for each.

    A gate is a letter, as in the equations of the layers.
    """

    layer: ClassVar[Any]
    gates: ClassVar[str]  # the blocks of rows of W and R, in ONNX' order
    peepholes: ClassVar[str] = ""  # the blocks of P
    attributes: ClassVar[tuple[str, ...]] = ()  # besides the shared ones
    named: ClassVar[dict[str, type["Operator"]]] = {}

    def __init_subclass__(cls) -> None:
        cls.named[cls.layer.__name__] = cls

    @classmethod
    def options(cls, owner: str, attributes: Mapping[str, Any], peephole: bool) -> dict[str, Any]:
        """The keywords of the layer that computes a node of these attributes; ValueError for
        activations that pyrnn does not have."""
        raise NotImplementedError

    @classmethod
    def own_attributes(cls, layer: Any) -> dict[str, Any]:
        """The attributes of a node that computes a layer, besides the shared ones."""
        raise NotImplementedError

    @classmethod
    def blocks(cls, layer: Any) -> tuple[str, str]:
        """The gates of a layer's weights and of its peepholes, in pyrnn's order."""
        raise NotImplementedError


class _Rnn(Operator):
    layer = RNN
    gates = "n"

    @classmethod
    def options(cls, owner: str, attributes: Mapping[str, Any], peephole: bool) -> dict[str, Any]:
        names = _activations(attributes) or ["tanh"] * _directions(attributes)
        found = set(names)
        if found == {"affine"} and _is_identity(attributes):
            return {"nonlinearity": "identity"}
        one = len(found) == 1 and len(names) == _directions(attributes)
        if not one or not found <= {"tanh", "relu", "sigmoid"}:
            raise _unknown_activations(owner, attributes, "Tanh, Relu or Sigmoid")
        return {"nonlinearity": names[0]}

    @classmethod
    def own_attributes(cls, layer: Any) -> dict[str, Any]:
        name, count = layer.nonlinearity, layer.num_directions
        if name != "identity":
            return {"activations": [name.capitalize()] * count}
        scales = {"activation_alpha": [1.0] * count, "activation_beta": [0.0] * count}
        return {"activations": ["Affine"] * count, **scales}

    @classmethod
    def blocks(cls, layer: Any) -> tuple[str, str]:
        return "n", ""


class _Lstm(Operator):
    layer = LSTM
    gates, peepholes = "iofg", "iof"
    attributes = ("input_forget",)

    @classmethod
    def options(cls, owner: str, attributes: Mapping[str, Any], peephole: bool) -> dict[str, Any]:
        _expect_activations(owner, attributes, ("Sigmoid", "Tanh", "Tanh"))
        return {"peephole": peephole, "coupled_gates": bool(attributes.get("input_forget", 0))}

    @classmethod
    def own_attributes(cls, layer: Any) -> dict[str, Any]:
        return {"input_forget": 1} if layer.coupled_gates else {}

    @classmethod
    def blocks(cls, layer: Any) -> tuple[str, str]:
        return ("igo", "io") if layer.coupled_gates else ("ifgo", "ifo")


class _Gru(Operator):
    layer = GRU
    gates = "zrn"
    attributes = ("linear_before_reset",)

    @classmethod
    def options(cls, owner: str, attributes: Mapping[str, Any], peephole: bool) -> dict[str, Any]:
        _expect_activations(owner, attributes, ("Sigmoid", "Tanh"))
        return {"reset_after": bool(attributes.get("linear_before_reset", 0))}

    @classmethod
    def own_attributes(cls, layer: Any) -> dict[str, Any]:
        return {"linear_before_reset": int(layer.reset_after)}

    @classmethod
    def blocks(cls, layer: Any) -> tuple[str, str]:
        return "rzn", ""


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
    attributes = _attributes(owner, node, operator)
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


def _attributes(owner: str, node: onnx.NodeProto, operator: type[Operator]) -> dict[str, Any]:
    """The attributes of a node by name, as Python's values; ValueError for one that is unknown."""
    known = {*SHARED, *operator.attributes}
    found: dict[str, Any] = {"direction": b"forward"}
    for attribute in node.attribute:
        if attribute.name not in known:
            raise ValueError(f"{owner}: pyrnn does not compute the attribute {attribute.name}")
        found[attribute.name] = onnx.helper.get_attribute_value(attribute)
    way = found["direction"]
    way = way.decode(errors="replace") if isinstance(way, bytes) else way
    found["direction"] = check_choice(owner, "direction", way, DIRECTIONS)
    for flag in {"layout", "input_forget", "linear_before_reset"} & set(found):
        if found[flag] not in (0, 1):
            raise ValueError(f"{owner}: {flag} is {describe(found[flag])}, expected 0 or 1")
    for name in {"activations", "activation_alpha", "activation_beta"} & set(found):
        if not isinstance(found[name], list):
            raise ValueError(f"{owner}: {name} is {describe(found[name])}, expected a list")
    return found


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
    directions = _directions(attributes)
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


def _directions(attributes: Mapping[str, Any]) -> int:
    return 2 if attributes["direction"] == "bidirectional" else 1


def _activations(attributes: Mapping[str, Any]) -> list[str]:
    """The names that a node has for its functions, in small letters."""
    names: Iterable[Any] = attributes.get("activations", ())
    return [
        name.decode(errors="replace").lower() if type(name) is bytes else str(name)
        for name in names
    ]


def _expect_activations(
    owner: str, attributes: Mapping[str, Any], functions: tuple[str, ...]
) -> None:
    """ValueError for other functions than these, in each direction."""
    expected = [name.lower() for name in functions] * _directions(attributes)
    if _activations(attributes) not in ([], expected):
        raise _unknown_activations(owner, attributes, ", ".join(functions))


def _is_identity(attributes: Mapping[str, Any]) -> bool:
    """Whether Affine, alpha * a + beta, is a itself in each direction."""
    scales = attributes.get("activation_alpha", ())
    return all(a == 1 for a in scales) and not any(attributes.get("activation_beta", ()))


def _unknown_activations(owner: str, attributes: Mapping[str, Any], expected: str) -> ValueError:
    came = ", ".join(_activations(attributes))
    return ValueError(
        f"{owner}: the activations are {describe(came)}, expected {expected}, the same in each "
        "direction"
    )
