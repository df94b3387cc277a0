"""What ONNX' RNN, LSTM and GRU are in pyrnn: their attributes and the order of their gates."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import onnx

from .._base.checks import check_choice, describe
from ..layers import GRU, LSTM, RNN

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
        names = _activations(attributes) or ["tanh"] * directions_of(attributes)
        name = names[0] if names == names[:1] * directions_of(attributes) else ""
        if name == "affine" and _is_identity(attributes):
            return {"nonlinearity": "identity"}
        if name not in ("tanh", "relu", "sigmoid"):
            raise _unknown_activations(owner, attributes, "Tanh, Relu or Sigmoid")
        return {"nonlinearity": name}

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


def read_attributes(owner: str, node: onnx.NodeProto, operator: type[Operator]) -> dict[str, Any]:
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


def directions_of(attributes: Mapping[str, Any]) -> int:
    """How many directions a node has."""
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
    expected = [name.lower() for name in functions] * directions_of(attributes)
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
