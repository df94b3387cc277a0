"""A loaded graph as a model of ONNX again, with the weights that it has now."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper

from .._base.checks import Array, describe
from .._base.value import numbers
from ._contents import Input, Output
from ._export import model_of
from ._graph import Graph
from ._nodes import Node
from ._weights import POSITIONS, node_weights


@model_of.register
def _(graph: Graph, opset: int | None, *, state: bool, lengths: bool) -> onnx.ModelProto:
    """The model, with the names, inputs, outputs and operator set of the file."""
    contents = graph.contents()
    for name, given, own in (
        ("opset", opset, contents.opsets.get("")),
        ("state", state or None, False),
        ("lengths", lengths or None, False),
    ):
        if given not in (None, own):
            raise ValueError(
                f"export: {name} is {describe(given)}, expected {own} of a Graph, which is written "
                "as its file had it"
            )
    tensors = {name: np.asarray(numbers(array)) for name, array in graph.known().items()}
    taken = {*tensors, *graph.inputs, *(y for node in contents.nodes for y in node.outputs)}
    nodes = list(_nodes(contents.nodes, tensors, taken))
    made = helper.make_graph(
        nodes,
        "graph",
        [_info(known) for known in contents.inputs],
        [_info(known) for known in contents.outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    used = {"", *(node.key[0] for node in contents.nodes)}
    opsets = [
        helper.make_opsetid(d, version) for d, version in contents.opsets.items() if d in used
    ]
    version = helper.find_min_ir_version_for(opsets)
    return helper.make_model(made, opset_imports=opsets, ir_version=version, producer_name="pyrnn")


def _nodes(
    nodes: list[Node], tensors: dict[str, Array], taken: set[str]
) -> Iterator[onnx.NodeProto]:
    """The nodes; the weights of layers go to the tensors, once for each layer, under names that are
    not taken."""
    stored: dict[int, dict[str, str]] = {}
    for node in nodes:
        inputs = list(node.inputs)
        if node.layer is not None:
            if id(node.layer) not in stored:
                stored[id(node.layer)] = _store(node, tensors, taken)
            inputs += [""] * (8 - len(inputs))
            for letter, name in stored[id(node.layer)].items():
                inputs[POSITIONS[letter]] = name
            while not inputs[-1]:
                inputs.pop()
        domain, operator = node.key
        yield helper.make_node(
            operator, inputs, node.outputs, node.name, domain=domain, **_attributes(node)
        )


def _store(node: Node, tensors: dict[str, Array], taken: set[str]) -> dict[str, str]:
    """The names under which the tensors have W, R, B and P of a node from now on."""
    names = {}
    for letter, array in node_weights(node.layer, 0).items():
        name = f"{node.name}.{letter}"
        while name in taken:
            name += "_"
        taken.add(name)
        tensors[name], names[letter] = array, name
    return names


def _attributes(node: Node) -> dict[str, Any]:
    """The attributes as the package onnx takes them."""
    return {
        name: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
        if not (isinstance(value, list) and not value)
    }


def _info(known: Input | Output) -> onnx.ValueInfoProto:
    if known.dtype is None:
        return onnx.ValueInfoProto(name=known.name)
    kind = helper.np_dtype_to_tensor_dtype(known.dtype)
    return helper.make_tensor_value_info(known.name, kind, known.shape)
