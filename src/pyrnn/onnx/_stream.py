"""A graph step by step, with the states of its recurrent nodes carried on."""

import copy
from typing import Any

import numpy as np

from .._base.checks import SEQUENCES, Array, as_plain_array, check_size
from .._base.inputs import as_state, parts_of
from ._contents import Contents
from ._nodes import Node
from ._trace import STEPS, Trace

CARRIED = "state h", "state c"  # names of what a node has left for the next step


class GraphSteps:
    """What a stream of a Sequential runs for a graph, whose constants and weights are `known`."""

    def __init__(self, contents: Contents, known: dict[str, Any], batch_size: int) -> None:
        self._time = 1 if contents.batch_first is not False else 0
        check_streams(contents, self._time)
        self._contents, self._known, self._x = contents, known, contents.inputs[0]
        self._states: tuple[Any, ...] = (None,) * sum(n.layer is not None for n in contents.nodes)
        self._rows = check_size("Graph.stream", "batch_size", batch_size)
        runs = [known | {self._x.name: self._zeros(self._rows, steps)} for steps in STEPS]
        with np.errstate(all="ignore"):  # of zeros
            trace = Trace(contents.nodes, runs, self._x.name, self._time)
        y = contents.outputs[0].name
        if trace.axes.get(y, self._time) != self._time:
            raise ValueError(f"Graph.stream: it gives the steps in axis {trace.axes[y]} of {y}")
        self._gives_steps = y in trace.axes

    def __repr__(self) -> str:
        return f"{len(self._contents.nodes)} nodes"

    def step(self, x: Any) -> Any:
        """The output of one step."""
        y = self.run(np.expand_dims(self._array(x), self._time))
        return y.squeeze(self._time) if self._gives_steps else y

    def run(self, x: Any) -> Any:
        """The outputs of a chunk, or that after its last step."""
        x = self._x.read(self._array(x))
        if x.shape[1 - self._time] != self._rows:
            raise ValueError(
                f"Graph.stream: x has shape {x.shape}, expected {self._rows} rows in axis "
                f"{1 - self._time}: stream(batch_size={x.shape[1 - self._time]}) takes as many"
            )
        values = self._known | {self._x.name: x}
        before, after = iter(self._states), []
        for node in self._contents.nodes:
            if node.layer is not None:
                node = _from_state(node, next(before), values)
            made = node.run(values)
            if node.layer is not None:
                after.append(as_state(*made[1:3], *[None] * (3 - len(made))))
            values.update(zip(node.outputs, made, strict=False))
        self._states = tuple(after)
        return values[self._contents.outputs[0].name]

    @property
    def states(self) -> tuple[Any, ...]:
        """A copy of the states of the recurrent nodes, None before the first step."""
        return copy.deepcopy(self._states)

    @states.setter
    def states(self, states: tuple[Any, ...]) -> None:
        self._states = copy.deepcopy(states)

    def _array(self, x: Any) -> Array:
        """A step or chunk as an array; the numbers of a list have the dtype that the file says."""
        array = as_plain_array("Graph.stream", "x", x, "of numbers")
        return array.astype(self._x.dtype) if isinstance(x, SEQUENCES) else array

    def _zeros(self, batch_size: int, steps: int) -> Array:
        """An x of some steps."""
        sizes = [batch_size, steps] if self._time else [steps, batch_size]
        return np.zeros((*sizes, *(self._x.shape or ())[2:]), self._x.dtype)  # type: ignore[arg-type]


def check_streams(contents: Contents, time: int) -> None:
    """ValueError for a graph that has no stream by what the file says of it."""
    (_, dtype, shape), came = contents.inputs[0], ""
    if len(contents.inputs) > 1 or len(contents.outputs) > 1:
        count = f"{len(contents.inputs)} inputs and {len(contents.outputs)} outputs"
        came = f"{count}, expected one of each"
    elif shape is None or len(shape) < 2 + (dtype.kind == "f") or None in shape[2:]:
        came = f"x of shape {shape}, expected steps, a batch and a known number of features"
    elif shape[time] is not None:
        came = f"{shape[time]} steps of x in the file, expected any number"
    if came:
        raise ValueError(f"Graph.stream: it has {came}")
    for node in contents.nodes:
        if node.layer is not None and node.layer.reads_backwards:
            raise ValueError(f"Graph.stream: {node.title} starts at the end of x")


def _from_state(node: Node, state: Any, values: dict[str, Any]) -> Node:
    """A recurrent node that goes on from a state; from the file's own before the first step."""
    if state is None:
        return node
    parts = parts_of(state)
    names = ["" if part is None else name for name, part in zip(CARRIED, parts, strict=True)]
    values.update(zip(CARRIED, parts, strict=True))
    return node._replace(inputs=(*(*node.inputs, "", "", "")[:5], *names))
