"""Which values of a graph have the steps of x, and whether each comes from its own step alone.

Two runs over sequences of two and of three steps tell where the steps are: an axis that has both
sizes. What only moves elements is asked with the numbers of the steps in their place.
"""

from collections.abc import Iterable
from typing import Any, Literal, NoReturn

import numpy as np

from .._base.checks import Array
from ._nodes import Node
from ._values import is_float

STEPS = 2, 3  # of the two runs
# What exporters do with sizes; if that gives the same for two and three steps, it does for all.
OF_SIZES = frozenset({"Cast", "Equal", "Mul", "Where"})

# The same at every step; made of sizes alone; one entry for each step; of the steps up to the last.
Kind = Literal["constant", "size", "steps", "last"]


class Trace:
    """The kinds of a graph's values, and the axes of those that have steps.

    ValueError that names the first node that a stream cannot run.
    """

    def __init__(
        self, nodes: Iterable[Node], runs: list[dict[str, Any]], x: str, axis: int
    ) -> None:
        self._runs = runs
        self.kinds: dict[str, Kind] = dict.fromkeys(runs[0], "constant")
        self.kinds[x] = "steps"
        self.axes = {x: axis}
        for node in nodes:
            for run in runs:
                run.update(zip(node.outputs, node.run(run), strict=False))
            self._follow(node)

    def _follow(self, node: Node) -> None:
        """Notes what the outputs of a node are."""
        kinds = {self.kinds[name] for name in node.inputs if name}
        if kinds <= {"constant"}:
            self._note(node, "constant")
        elif node.operator.steps == "sizes":
            self._note(node, "size")
        elif node.layer is not None:
            self._after_layer(node)
        elif {"steps", "last"} <= kinds:
            _refuse(node, "takes all steps beside the last one")
        elif "steps" in kinds:
            self._after_steps(node)
        elif "last" in kinds:
            self._note(node, "last")
        else:
            self._after_sizes(node)

    def _note(self, node: Node, kind: Kind) -> None:
        self.kinds |= dict.fromkeys(filter(None, node.outputs), kind)

    def _note_by_shape(self, node: Node, without: Kind) -> None:
        """Notes outputs that have the steps, or else are of another kind."""
        for name in filter(None, node.outputs):
            shapes = [run[name].shape for run in self._runs]
            found = [i for i, sizes in enumerate(zip(*shapes, strict=False)) if sizes == STEPS]
            if len(shapes[0]) != len(shapes[1]) or len(found) != (shapes[0] != shapes[1]):
                _refuse(node, f"gives the shapes {shapes[0]} and {shapes[1]} of {STEPS} steps")
            self.kinds[name] = "steps" if found else without
            if found:
                self.axes[name] = found[0]

    def _after_sizes(self, node: Node) -> None:
        """Integers stay sizes; floats are the same number wherever they are."""
        how, arrays = node.operator.steps, [self._runs[0][name] for name in node.outputs if name]
        if not any(map(is_float, arrays)) and (how != "each" or node.operator.name in OF_SIZES):
            self._note(node, "size")
        elif node.operator.steps == "filled" and self.kinds[node.inputs[0]] in ("constant", "size"):
            self._note_by_shape(node, "constant")
        else:
            _refuse(node, "computes with the number of steps")

    def _after_layer(self, node: Node) -> None:
        x, lengths, *states = (*node.inputs[:1], *node.inputs[4:7], "", "", "")[:4]
        if self.axes.get(x) != node.attributes.get("layout", 0):
            _refuse(node, "goes along another axis than that of the steps")
        if lengths:
            _refuse(node, "takes lengths")
        if any(self.kinds[name] != "constant" for name in states if name):
            _refuse(node, "starts from what is computed of x")
        self._note(node, "last")
        self._note_by_shape(node._replace(outputs=node.outputs[:1]), "steps")

    def _after_steps(self, node: Node) -> None:
        how, having = node.operator.steps, [n for n in node.inputs if n in self.axes]
        if how == "each" and any(self.kinds[name] == "size" for name in node.inputs if name):
            _refuse(node, "computes with the number of steps")
        elif how == "each":
            self._note_by_shape(node, "last")
            y = node.outputs[0]
            from_end = {self._runs[0][n].ndim - self.axes.get(n, -1) for n in (*having, y)}
            if len(from_end) > 1:
                _refuse(node, "puts the steps beside another axis")
        elif how in ("moved", "filled"):
            self._after_move(node, having)
        elif callable(how) and having == [node.inputs[0]]:
            x = self._runs[0][having[0]]
            if self.axes[having[0]] in how(
                node, x, *(self._runs[0][n] for n in node.inputs[1:] if n)
            ):
                _refuse(node, "combines the steps")
            self._note_by_shape(node, "last")
        else:
            _refuse(node, "is not computed step by step")

    def _after_move(self, node: Node, having: list[str]) -> None:
        """Numbers of steps move as the elements do: each has to stay at its step, or to be the
        last one. What is no step is -1."""
        self._note_by_shape(node, "last")
        if node.operator.name == "Gather" and having == [node.inputs[1]]:
            return  # of a table, by the ids of each step
        for run, steps in zip(self._runs, STEPS, strict=True):
            numbered = dict(run)
            for name in filter(None, node.inputs):
                if name in having:
                    numbered[name] = _numbers(run[name].shape, self.axes[name])
                elif node.operator.name == "Concat":
                    numbered[name] = np.full(run[name].shape, -1)
            for name, y in zip(node.outputs, node.run(numbered), strict=False):
                place = _numbers(y.shape, self.axes[name]) if name in self.axes else steps - 1
                if name and not np.all((y == place) | (y == -1)):
                    _refuse(node, "moves the steps")


def _numbers(shape: tuple[int, ...], axis: int) -> Array:
    """The number of the step at each place."""
    place = [1] * len(shape)
    place[axis] = -1
    return np.broadcast_to(np.arange(shape[axis]).reshape(place), shape)


def _refuse(node: Node, why: str) -> NoReturn:
    raise ValueError(f"Graph.stream: {node.title} {why}")
