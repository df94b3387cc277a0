"""load: a file of ONNX as a Module."""

from collections.abc import Mapping
from typing import Any

import onnx

from .._base.checks import MESSAGE, Array, check_path, describe, describe_all, printable
from . import _elementwise, _moves, _recurrent, _sums  # noqa: F401  (they enter operators)
from ._constants import Constants
from ._contents import Contents, Input, Output
from ._external import Folder
from ._file import ModelFile, read_model, shown, tensor_array
from ._graph import Graph
from ._nodes import Node, read_node, read_opsets
from ._values import dtype_of
from ._weights import POSITIONS, is_recurrent, layer_of, node_attributes

MOST = 100_000  # nodes, of which each takes memory beside what it has in the file


def load(path: Any, *, external_data: bool = False) -> Graph:
    """The model in an ONNX file as one Module, which runs, is trained, and streams.

    Operators: RNN, LSTM and GRU with all attributes but `clip` and other activations than pyrnn's;
    MatMul, Gemm, arithmetic, comparisons, Relu, Sigmoid, Tanh, Softmax, LogSoftmax,
    LayerNormalization, ReduceSum, ReduceMean, ReduceMax, and those that move elements and compute
    shapes, as the exporters of torch, Keras and scikit-learn use them. Operator sets 7 to 28.

    Nothing in a file is executed, and memory is bounded by the file's size.
    `external_data=True` reads weights that are in other files, inside the folder of `path`.

    ValueError that names the node for all that pyrnn does not compute: it is refused, never left
    out; also for a file that is damaged or no model. OSError for one that cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.onnx")
    >>> model = pyrnn.Sequential(pyrnn.LSTM(3, 8, seed=0), pyrnn.LastStep())
    >>> pyrnn.onnx.export(model, path)
    >>> graph, x = pyrnn.onnx.load(path), np.ones((2, 5, 3), np.float32)
    >>> graph.inputs, graph.outputs, bool(np.abs(graph(x) - model(x)).max() < 1e-6)
    (('x',), ('y',), True)
    """
    path = check_path("load", path)
    file = read_model("load", path, external_data)
    try:
        return graph_of(file)
    except (LookupError, OverflowError, RecursionError, TypeError, ValueError) as error:
        text = printable(str(error), MESSAGE)
        raise ValueError(f"load: {shown(path)}: {text}") from None


def graph_of(file: ModelFile) -> Graph:
    """The Module of a model; TypeError or ValueError for what cannot be run."""
    graph, folder, versions = file.model.graph, file.folder, read_opsets(file.model)
    _check_model(file.model)
    stored = _initializers(graph, folder)
    inputs = [_input(known) for known in graph.input if known.name not in stored]
    outputs = [_output(known) for known in graph.output]
    nodes = [read_node(proto, versions, folder) for proto in graph.node]
    _check_names(nodes, inputs, stored, outputs)
    given = {n.outputs[0]: n.run({})[0] for n in nodes if n.operator.name == "Constant"}
    nodes = _with_layers(file, nodes, Constants(graph, versions, folder, None))
    nodes = _needed(nodes, {output.name for output in outputs})
    used = {name for node in nodes for name in node.inputs} | {output.name for output in outputs}
    weights = _weights(nodes, outputs, stored)
    constants = {n: a for n, a in (stored | given).items() if n in used and n not in weights}
    way = batch_first(nodes, inputs)
    return Graph(Contents(inputs, outputs, nodes, constants, versions, way), weights)


def _check_model(model: onnx.ModelProto) -> None:
    """ValueError for what is not a graph of nodes alone."""
    if len(model.graph.node) > MOST or len(model.graph.initializer) > MOST:
        raise ValueError(f"it has more than {MOST} nodes or initializers")
    if model.functions:
        names = describe_all(function.name for function in model.functions)
        raise ValueError(f"it has the functions {names}, expected ONNX' operators alone")
    if model.graph.sparse_initializer:
        raise ValueError("it has sparse initializers, expected tensors")


def _initializers(graph: onnx.GraphProto, folder: Folder | None) -> dict[str, Array]:
    """The constants that the file has by name."""
    found: dict[str, Array] = {}
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in found:
            raise ValueError(f"it has two initializers of the name {describe(tensor.name)}")
        dtype_of(f"initializer {describe(tensor.name)}", tensor.data_type)
        found[tensor.name] = tensor_array("initializer", tensor, folder)
    return found


def _input(known: onnx.ValueInfoProto) -> Input:
    """What the graph takes under a name."""
    what, kind = f"input {describe(known.name)}", known.type.WhichOneof("value")
    if kind != "tensor_type":
        raise ValueError(f"{what} is a {kind}, expected a tensor")
    return Input(known.name, dtype_of(what, known.type.tensor_type.elem_type), _sizes(known))


def _output(known: onnx.ValueInfoProto) -> Output:
    """What it gives under a name; the file need not say more."""
    what, number = f"output {describe(known.name)}", known.type.tensor_type.elem_type
    return Output(known.name, dtype_of(what, number) if number else None, _sizes(known))


def _sizes(known: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """A shape, None for what the file leaves open."""
    tensor = known.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)


def _check_names(
    nodes: list[Node], inputs: list[Input], stored: Mapping[str, Array], outputs: list[Output]
) -> None:
    """ValueError for a name that has two meanings or none, or that is used before it is known."""
    known = {*stored, *(given.name for given in inputs)}
    if not inputs or not outputs or len(known) < len(stored) + len(inputs):
        raise ValueError("its graph has no inputs or outputs, or two inputs of one name")
    for node in nodes:
        missing = [name for name in node.inputs if name and name not in known]
        if missing:
            raise ValueError(f"{node.title}: its input {describe(missing[0])} is not known there")
        for name in filter(None, node.outputs):
            if name in known:
                raise ValueError(f"{node.title}: its output {describe(name)} has another meaning")
            known.add(name)
    for output in outputs:
        if output.name not in known:
            raise ValueError(f"no node makes its output {describe(output.name)}")
    if all(output.dtype is not None and output.dtype.kind != "f" for output in outputs):
        raise ValueError("it gives no floats, expected an output of floats")


def _with_layers(file: ModelFile, nodes: list[Node], known: Constants) -> list[Node]:
    """The nodes, the recurrent ones with their layers; what shares all weights shares a layer."""
    layers: dict[Any, Any] = {}
    nbytes, found = 0, []
    for node, proto in zip(nodes, file.model.graph.node, strict=True):
        if is_recurrent(proto):
            names = {k: proto.input[i] for k, i in POSITIONS.items() if i < len(proto.input)}
            names = {k: name for k, name in names.items() if name}
            attributes = sorted(a.SerializeToString() for a in proto.attribute)
            key = proto.op_type, *attributes, *names.items()
            if key not in layers:
                arrays = {k: known.value(node.title, name) for k, name in names.items()}
                nbytes += sum(array.nbytes for array in arrays.values())
                file.check_layers(node.title, nbytes)
                layers[key] = layer_of(proto, arrays)
            layer = layers[key]
            inputs = ("" if i in POSITIONS.values() else n for i, n in enumerate(node.inputs))
            # ONNX' default of an RNN's activations fits two directions alone.
            own = node.attributes | node_attributes(layer)
            node = node._replace(layer=layer, inputs=tuple(inputs), attributes=own)
        found.append(node)
    return found


def _needed(nodes: list[Node], names: set[str]) -> list[Node]:
    """The nodes that some names are computed from, less the constants."""
    needed, kept = set(names), []
    for node in reversed(nodes):
        if needed & set(node.outputs) and node.operator.name != "Constant":
            kept.append(node)
            needed |= set(node.inputs) - {""}
    return kept[::-1]


def _weights(
    nodes: list[Node], outputs: list[Output], stored: Mapping[str, Array]
) -> dict[str, Array]:
    """The initializers of floats that have axes and are computed with: not states."""
    used = {name for node in nodes for name in node.inputs[: None if node.layer is None else 5]}
    used |= {output.name for output in outputs}
    return {n: a for n, a in stored.items() if n in used and a.dtype.kind == "f" and a.ndim}


def batch_first(nodes: list[Node], inputs: list[Input]) -> bool | None:
    """Whether the first recurrent node has the batch in the first axis of the graph's first input,
    followed back from it; None if the ways to it are not plain, or disagree."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    first = next((node for node in nodes if node.layer is not None), None)
    waiting = [] if first is None else [(first.inputs[0], first.attributes.get("layout", 0))]
    seen, found = set(waiting), set()
    while waiting:
        name, axis = waiting.pop()
        found |= {axis} if name == inputs[0].name else set()
        for before in _axis_before(makers[name], axis) if name in makers else ():
            if before not in seen:
                seen.add(before)
                waiting.append(before)
    return found == {1} if found in ({0}, {1}) else None


def _axis_before(node: Node, axis: int) -> list[tuple[str, int]]:
    """The inputs that a node's output may have an axis of, and which axis of theirs that is."""
    if node.operator.name == "Transpose":
        perm = node.attributes.get("perm", ())
        return [(node.inputs[0], perm[axis])] if axis < len(perm) else []
    if node.operator.name == "Gather":
        return [(node.inputs[1], axis)] if node.attributes["axis"] == 0 else []
    if node.operator.steps == "each":
        return [(name, axis) for name in node.inputs if name]
    if callable(node.operator.steps) and node.attributes.get("keepdims", 1):
        return [(node.inputs[0], axis)]
    return []
