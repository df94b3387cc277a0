"""Nodes of a graph, checked by what ONNX says of their operators, and the table of these."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import onnx
from onnx.defs import OpSchema

from .._base.checks import describe, describe_all
from .._base.packing import PackedWeights
from ._external import Folder
from ._file import tensor_array
from ._weights import named_node

DEFAULT = ("", "ai.onnx")  # two names of one domain
OLDEST, NEWEST = 7, 28  # the operator sets whose operators are known here
NEWEST_ML = 5


class Node(NamedTuple):
    """A node: what its operator computes, and all that it reads of it."""

    name: str
    title: str  # for messages
    key: tuple[str, str]  # domain and name of its operator
    version: int  # of the operator set
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    layer: Any = None  # of RNN, LSTM and GRU
    packed: PackedWeights[Any] | None = None  # of a product

    @property
    def operator(self) -> "Operator":
        """What the node's operator is here."""
        return OPERATORS[self.key]

    def run(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The outputs of the node, in order; TypeError or ValueError that names it."""
        given = [values[name] if name else None for name in self.inputs]
        try:
            made = self.operator.compute(self, *given)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{self.title}: {error}") from None
        return made if isinstance(made, tuple) else (made,)


class Operator(NamedTuple):
    """An operator of ONNX as pyrnn computes it."""

    name: str
    compute: Callable[..., Any]  # of a node and its inputs, None for one that is left out
    outputs: int  # how many of its outputs there are
    check: Callable[[Node], None]  # ValueError for a node that cannot be run
    steps: Any  # what it does with steps: see `operator`


OPERATORS: dict[tuple[str, str], Operator] = {}
Compute = Callable[..., Any]


def operator(
    name: str,
    *,
    domain: str = "",
    outputs: int = 1,
    check: Callable[[Node], None] = lambda node: None,
    steps: str | Callable[..., Any] = "",
) -> Callable[[Compute], Compute]:
    """Enters the function that computes an operator.

    `steps` says of a stream: "each" element is computed of those at its place; elements are only
    "moved", or repeated ("filled"); the output tells "sizes"; or which axes of the first input are
    combined, a function of the node and its inputs. "": all steps may be.
    """

    def enter(compute: Compute) -> Compute:
        OPERATORS[domain, name] = Operator(name, compute, outputs, check, steps)
        return compute

    return enter


def read_opsets(model: onnx.ModelProto) -> dict[str, int]:
    """The version of each domain's operators; ValueError for ONNX' own if it is not known here."""
    versions: dict[str, int] = {}
    for opset in model.opset_import:
        domain = "" if opset.domain in DEFAULT else opset.domain
        if versions.setdefault(domain, opset.version) != opset.version:
            raise ValueError(f"it has two versions of the operators of {describe(domain)}")
    newest = {"": min(NEWEST, onnx.defs.onnx_opset_version()), "ai.onnx.ml": NEWEST_ML}
    oldest = {"": OLDEST, "ai.onnx.ml": 1}
    for domain, last in newest.items():
        if domain in versions and not oldest[domain] <= versions[domain] <= last:
            raise ValueError(
                f"its operators of {domain or 'ai.onnx'} are of version {versions[domain]}, "
                f"expected {oldest[domain]} to {last}"
            )
    return versions


def read_node(proto: onnx.NodeProto, versions: Mapping[str, int], folder: Folder | None) -> Node:
    """A node of a file; ValueError that names it if it is not what ONNX describes, or if pyrnn
    does not compute it."""
    title = named_node(proto)
    domain = "" if proto.domain in DEFAULT else proto.domain
    known = OPERATORS.get((domain, proto.op_type))
    if known is None:
        where = f" of {describe(domain)}" if domain else ""
        raise ValueError(f"{title}: pyrnn does not compute this operator{where}")
    if domain not in versions:
        raise ValueError(f"{title}: the file does not say which version its operators have")
    try:
        schema = onnx.defs.get_schema(proto.op_type, versions[domain], domain)
    except onnx.defs.SchemaError:
        raise ValueError(f"{title}: version {versions[domain]} has no such operator") from None
    attributes = _attributes(title, proto, schema, folder)
    check_count(title, "inputs", proto.input, schema.min_input, schema.max_input)
    check_count(title, "outputs", proto.output, schema.min_output, schema.max_output)
    for i, name in enumerate(proto.input):
        formal = schema.inputs[min(i, len(schema.inputs) - 1)]
        if not name and formal.option != OpSchema.FormalParameterOption.Optional:
            raise ValueError(f"{title}: its input {formal.name} is left out")
    if any(proto.output[known.outputs :]):
        raise ValueError(f"{title}: pyrnn does not compute its output {proto.output[-1]!r}")
    name = proto.name or next(filter(None, proto.output), "")
    names = tuple(proto.input), tuple(proto.output)
    key, packed = (domain, proto.op_type), PackedWeights[Any]()
    node = Node(name, title, key, versions[domain], *names, attributes, packed=packed)
    known.check(node)
    return node


def check_count(title: str, what: str, names: Any, least: int, most: int) -> None:
    """ValueError for more or fewer inputs or outputs than the operator has."""
    if not least <= len(names) <= most:
        raise ValueError(f"{title}: it has {len(names)} {what}, expected {least} to {most}")


def _attributes(
    title: str, proto: onnx.NodeProto, schema: Any, folder: Folder | None
) -> dict[str, Any]:
    """The attributes by name, with the defaults that ONNX gives them."""
    found: dict[str, Any] = {
        name: _value(title, known.default_value, folder)
        for name, known in schema.attributes.items()
        if known.default_value.name
    }
    seen: set[str] = set()
    for attribute in proto.attribute:
        known = schema.attributes.get(attribute.name)
        if known is None or attribute.name in seen:
            expected = "once" if known else describe_all(schema.attributes, 9) or "none"
            came = describe(attribute.name)
            raise ValueError(f"{title}: attribute {came} came, expected {expected}")
        if attribute.ref_attr_name or attribute.type != known.type.value:
            kind = known.type.name
            raise ValueError(f"{title}: attribute {attribute.name} is no {kind}, as expected")
        seen.add(attribute.name)
        found[attribute.name] = _value(title, attribute, folder)
    missing = [name for name, known in schema.attributes.items() if known.required]
    missing = [name for name in missing if name not in found]
    if missing:
        raise ValueError(f"{title}: attribute {missing[0]} is missing")
    return found


def _value(title: str, attribute: onnx.AttributeProto, folder: Folder | None) -> Any:
    """An attribute as a value of Python's, tensors as arrays."""
    if attribute.type == onnx.AttributeProto.TENSOR:
        return tensor_array(title, attribute.t, folder)
    value = onnx.helper.get_attribute_value(attribute)
    return value.decode(errors="replace") if isinstance(value, bytes) else value
