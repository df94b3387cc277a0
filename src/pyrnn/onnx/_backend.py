"""Backend: pyrnn behind the interface that the package onnx has for what runs models."""

from collections.abc import Mapping
from typing import Any

import onnx
from onnx.backend.base import Backend as _Backend
from onnx.backend.base import BackendRep

from .._base.checks import Array, describe
from ._file import ModelFile
from ._graph import Graph
from ._load import graph_of
from ._nodes import NEWEST
from ._weights import POSITIONS, is_recurrent


class Prepared(BackendRep):
    """A model that `Backend.prepare` has read."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        constants = {tensor.name for tensor in model.graph.initializer}
        self._inputs = [x.name for x in model.graph.input if x.name not in constants]
        of_nodes = {
            node.input[i]
            for node in model.graph.node
            if is_recurrent(node)
            for i in POSITIONS.values()
            if i < len(node.input)
        }
        self._weights = [name for name in self._inputs if name in of_nodes]
        self._graph = None if self._weights else graph_of(ModelFile(model))

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs, of inputs in their order, by their names, or of one array."""
        if not isinstance(inputs, Mapping):
            listed = inputs if isinstance(inputs, list | tuple) else [inputs]
            inputs = dict(zip(self._inputs, listed, strict=True))
        graph = self._graph or self._with_weights(inputs)
        outputs = graph.forward(**{name: inputs[name] for name in graph.inputs})
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def _with_weights(self, inputs: Mapping[str, Array]) -> Graph:
        """The graph with the weights of recurrent nodes that came as inputs."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for name in self._weights:
            model.graph.initializer.append(onnx.numpy_helper.from_array(inputs[name], name))
        return graph_of(ModelFile(model))


class Backend(_Backend):
    """A backend of the package onnx, which runs what `pyrnn.onnx.load` can read.

    `Backend.prepare(model).run(inputs)`, `run_model` and `run_node`, as onnx.backend.base describes
    them, on "CPU" alone. Weights of recurrent nodes may be inputs of the graph, as they are in
    onnx' own tests. TypeError or ValueError that names the node for what pyrnn does not compute.

    Examples
    --------
    >>> import onnx
    >>> node = onnx.helper.make_node("Softmax", ["x"], ["y"])
    >>> (y,) = pyrnn.onnx.Backend.run_node(node, [np.zeros((1, 4), np.float32)])
    >>> y
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Prepared:
        """The model, ready to run."""
        if not cls.supports_device(device):
            raise ValueError(f"Backend: device is {describe(device)}, expected 'CPU'")
        return Prepared(model)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """The outputs of one node, of the operators of `opset_version`, or the newest."""
        names = [name for name in node.input if name]
        graph = onnx.helper.make_graph(
            [node],
            "node",
            [
                onnx.helper.make_tensor_value_info(
                    name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
                )
                for name, array in zip(names, inputs, strict=True)
            ],
            [onnx.ValueInfoProto(name=name) for name in node.output if name],
        )
        opset = onnx.helper.make_opsetid("", kwargs.get("opset_version", NEWEST))
        model = onnx.helper.make_model(graph, opset_imports=[opset])
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether it is the CPU."""
        return device.partition(":")[0] == "CPU"
