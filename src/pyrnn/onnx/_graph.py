"""Graph: a model of ONNX, read from a file, as one Module."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from .._base.checks import Array, describe_all
from .._base.module import Module
from .._base.parameter import Parameter
from ..layers import SequentialStream
from ._contents import Contents
from ._stream import GraphSteps

LENGTHS = "lengths"


class Graph(Module):
    """A model of ONNX, as `pyrnn.onnx.load` makes it of a file.

    `y = graph(x)` takes and gives what the file's model does: arrays of its shapes and dtypes, in
    its layout, in the order of `inputs` and `outputs` or by the inputs' names; a tuple if there are
    several outputs. `graph.vjp(x)` and a Trainer train it, and `state_dict` has its weights:
    recurrent nodes are layers under their nodes' names, and the other constants with axes that are
    computed with are Parameters under theirs.

    `batch_first` says where the file has the time axis, as far as its recurrent nodes tell (else
    True). So `predict(x)` takes samples first, as of any Module, and ragged ones; it gives a file
    of a fixed batch as many rows at a time. An input `lengths`, as export writes it, may be left
    out: all rows then have all steps. `stream()` carries the states of recurrent nodes on from step
    to step.

    TypeError or ValueError that names the node for arrays that do not fit.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.onnx")
    >>> model = pyrnn.Sequential(pyrnn.GRU(3, 8, seed=0), pyrnn.Linear(8, 2, seed=1))
    >>> pyrnn.onnx.export(model, path)
    >>> graph, x = pyrnn.onnx.load(path), np.ones((2, 5, 3), np.float32)
    >>> graph.predict(x).shape, bool(np.abs(graph(x) - model(x)).max() < 1e-6)
    ((2, 5, 2), True)
    """

    _keeps_layout: ClassVar[bool] = True

    def __init__(self, contents: Contents, weights: Mapping[str, Array]) -> None:
        self._contents = contents
        names = tuple(given.name for given in contents.inputs)
        vars(self).update(_forward_names=names, time_aware=LENGTHS in names[1:])
        self._layout = contents.batch_first is not False
        for node in contents.nodes:
            if node.layer is not None:
                self._keep(node.name, node.layer)
        self._attributes = {name: self._keep(name, Parameter(a)) for name, a in weights.items()}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(given.name for given in self._contents.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return tuple(made.name for made in self._contents.outputs)

    @property
    def takes_ids(self) -> bool:  # type: ignore[override]
        """Whether the first input is integers."""
        return self._contents.inputs[0].dtype.kind in "iu"

    @property
    def input_dtype(self) -> "np.dtype[Any] | None":
        """The dtype of floats in the first input."""
        dtype = self._contents.inputs[0].dtype
        return dtype if dtype.kind == "f" else super().input_dtype

    @property
    def reads_backwards(self) -> bool:  # type: ignore[override]
        """Whether a recurrent node starts at the end."""
        return any(
            node.layer.reads_backwards for node in self._contents.nodes if node.layer is not None
        )

    def stream(self, batch_size: int = 1) -> SequentialStream:
        """Inference step by step, on a copy of the weights, from the states that the file has.

        An output without steps is that of the sequence which ended with the step. ValueError for a
        graph of several inputs or outputs, and with the node's name for one that reads backwards,
        or from which an output comes that needs more than a step and the states.
        """
        copied = copy.deepcopy(self)
        part = GraphSteps(copied._contents, copied.known(), batch_size)
        return SequentialStream("Graph.stream", [part], batch_size, self.batch_first)

    def step_part(self, batch_size: int) -> SequentialStream:
        """The same, for a Sequential."""
        return self.stream(batch_size)

    def predict(self, x: Any, lengths: Any = None, batch_size: int | None = None) -> Any:
        """As Module.predict; where the file fixes the batch, so many samples at a time."""
        shape = self._contents.inputs[0].shape or ()
        if batch_size is None and len(shape) > 1:
            batch_size = shape[0 if self.batch_first else 1]
        return super().predict(x, lengths, batch_size)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        values = self._values(inputs, named)
        for node in self._contents.nodes:
            values.update(zip(node.outputs, node.run(values), strict=False))
        outputs = tuple(values[name] for name in self.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def known(self) -> dict[str, Any]:
        """The constants and the weights that are no layer's, by the names that nodes have."""
        weights = {name: vars(self)[own] for name, own in self._attributes.items()}
        return {**self._contents.constants, **weights}

    def contents(self) -> Contents:
        """What the graph is made of."""
        return self._contents

    def _values(self, inputs: Any, named: Mapping[str, Any]) -> dict[str, Any]:
        """What is known by name before the first node."""
        names = self.inputs
        given = {**dict(zip(names, inputs, strict=False)), **named}
        if self.time_aware and given.get(LENGTHS) is None and names[0] in given:
            given[LENGTHS] = self._whole(given[names[0]])
        if len(inputs) > len(names) or set(given) != set(names):
            many = len(inputs) > len(names)
            came = f"{len(inputs)} arrays" if many else describe_all(given) or "nothing"
            raise TypeError(f"Graph: {came} came, expected {describe_all(names, 9)}")
        read = {known.name: known.read(given[known.name]) for known in self._contents.inputs}
        return {**self.known(), **read}

    def _whole(self, x: Any) -> Any:
        """The lengths of rows that all have as many steps as x."""
        shape = self._contents.inputs[0].read(x).shape
        batch, steps = shape[:2] if self.batch_first else shape[1::-1]
        return np.full(batch, steps)

    def _describe(self, name: str, seen: dict[int, str]) -> dict[str, Any]:
        raise TypeError(
            "Graph: a file of pyrnn does not hold one, expected pyrnn.onnx.export(graph, path), "
            "which writes it as ONNX, with the weights that it has now"
        )

    def _keep(self, name: str, part: Any) -> str:
        """Keeps a part or weight under the name that the file has for it, if no attribute has that
        name; under which one it is."""
        while name in vars(self) or hasattr(type(self), name) or name[:1] in ("_", ""):
            name = f"onnx.{name}"
        vars(self)[name] = part
        return name

    def _phrases(self) -> Iterator[str]:
        yield f"inputs={list(self.inputs)}"
        yield f"outputs={list(self.outputs)}"
        yield f"nodes={len(self._contents.nodes)}"
