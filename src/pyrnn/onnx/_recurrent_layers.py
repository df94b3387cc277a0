"""The recurrent layers in a model, whatever else is in it."""

from collections.abc import Iterator
from typing import Any

import onnx

from .._base.names import free_name
from ._constants import Constants
from ._file import read_model
from ._weights import POSITIONS, is_recurrent, layer_of, named_node


def recurrent_layers(path: Any, *, external_data: bool = False) -> dict[str, Any]:
    """{node name: RNN, LSTM or GRU} of the nodes in an ONNX file, with their weights.

    Bodies of If, Loop, Scan and of functions are searched too. The weights are constants of the
    file, or made of some by nodes that move them around, as Transpose, Slice and Concat. A node
    without a name has that of its first output; one whose name came before has " (2)" after it.

    Each layer takes x as its node does: (T, N, F), as `batch_first=False` says, or (N, T, F) with
    layout=1. Its y is (T, N, D*H), where the node has (T, D, N, H), and states are (D, N, H).
    Half precision becomes float32, which is exact. `external_data=True` reads weights that are in
    other files, inside the folder of `path`.

    ValueError or TypeError that names the node, if its weights depend on the model's inputs or do
    not fit, or if pyrnn does not compute what it does (clip, other activations); ValueError for a
    file that is no model; OSError for one that cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.onnx")
    >>> pyrnn.onnx.export(pyrnn.Sequential(rnn=pyrnn.GRU(3, 8, seed=0)), path)
    >>> layers = pyrnn.onnx.recurrent_layers(path)
    >>> y, h = layers["rnn/GRU"](np.ones((5, 2, 3), np.float32))  # five steps, two rows
    >>> y.shape, h.shape
    ((5, 2, 8), (1, 2, 8))
    """
    file = read_model("recurrent_layers", path, external_data)
    model, folder = file
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    layers: dict[str, Any] = {}
    nbytes = 0
    for graph in (model.graph, *model.functions):
        for node, constants in _recurrent_nodes(graph, Constants(graph, opsets, folder, None)):
            owner = f"recurrent_layers: {named_node(node)}"
            weights = {
                name: constants.value(f"{owner}: {name}", node.input[i])
                for name, i in POSITIONS.items()
                if i < len(node.input) and node.input[i]
            }
            nbytes += sum(array.nbytes for array in weights.values())
            file.check_layers(owner, nbytes)
            layers[_free_name(node, layers)] = layer_of(node, weights)
    return layers


def _recurrent_nodes(
    graph: Any, constants: Constants
) -> Iterator[tuple[onnx.NodeProto, Constants]]:
    """The recurrent nodes of a graph and of the bodies in it, with the constants that they see."""
    for node in graph.node:
        if is_recurrent(node):
            yield node, constants
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _recurrent_nodes(body, constants.inside(body))


def _free_name(node: onnx.NodeProto, taken: dict[str, Any]) -> str:
    """A node's name, or one made of it that no other has."""
    name = node.name or next(filter(None, node.output), "")
    return free_name(name, taken, "{} ({})")
