"""What is known of a graph before it runs: its constants, and what is computed of them alone."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from .._base.checks import MESSAGE, Array, describe, printable
from ._external import Folder
from ._file import tensor_array

GROWTH = 16  # bytes that folding may make of each byte in the file
SPARE = 2**20  # and besides
WIDEST = 16  # Cast makes at most so many bytes of one


class Constants:
    """The constants of a graph, or of a body of If, Loop, Scan or a function, and of the graphs
    around it."""

    # None makes more than it gets, Concat no more than the sum: no file asks for much memory.
    folded: ClassVar[frozenset[str]] = frozenset(
        {
            "Cast",
            "Concat",
            "Constant",
            "Flatten",
            "Identity",
            "Reshape",
            "Slice",
            "Split",
            "Squeeze",
            "Transpose",
            "Unsqueeze",
        }
    )

    def __init__(
        self, graph: Any, opsets: dict[str, int], folder: Folder | None, outer: "Constants | None"
    ) -> None:
        self._tensors = {tensor.name: tensor for tensor in getattr(graph, "initializer", ())}
        self._makers = {name: node for node in graph.node for name in node.output if name}
        self._given = {getattr(given, "name", given) for given in graph.input}
        self._opsets, self._folder, self._outer = opsets, folder, outer

    def inside(self, graph: Any) -> "Constants":
        """The constants that a body of this graph sees."""
        return Constants(graph, self._opsets, self._folder, self)

    def value(self, owner: str, name: str) -> Array:
        """The array of a name; ValueError if it depends on what is known only in a run."""
        known: dict[str, Array] = {}
        room = SPARE
        for needed in self._order(owner, name):
            home = self._home(needed)
            if home is None or needed in known:  # another output of a node that has run
                continue
            tensor = home._tensor(needed)
            if tensor is not None:
                known[needed] = tensor_array(owner, tensor, self._folder)
                room += GROWTH * known[needed].nbytes
                continue
            made = home._made(owner, needed, known, room)
            room -= sum(array.nbytes for array in made.values())
            known |= made
        return known[name]

    def _order(self, owner: str, name: str) -> Iterator[str]:
        """A name and all that it is computed from, what is needed first in front."""
        waiting, done, open_names = [name], set[str](), set[str]()
        while waiting:
            current = waiting[-1]
            missing = [n for n in self._inputs(owner, current) if n not in done]
            if not missing:
                waiting.pop()
                if current not in done:
                    done.add(current)
                    yield current
            elif current in open_names:
                raise ValueError(f"{owner}: {describe(name)} is computed from itself")
            else:
                open_names.add(current)
                waiting += missing

    def _inputs(self, owner: str, name: str) -> list[str]:
        """The names that a constant is computed from."""
        home = self._home(name)
        if home is None:
            raise ValueError(
                f"{owner}: {describe(name)} is known only when the model runs, expected a constant"
            )
        if name in home._tensors:
            return []
        node = home._makers[name]
        if node.op_type not in self.folded or node.domain not in ("", "ai.onnx"):
            operators = ", ".join(sorted(self.folded))
            raise ValueError(
                f"{owner}: {describe(name)} comes from {node.op_type} node {describe(node.name)}, "
                f"expected a constant, or one that {operators} make of constants"
            )
        return [n for n in node.input if n]

    def _home(self, name: str) -> "Constants | None":
        """The innermost graph that has a name, if that is a constant or a node's output there."""
        scope: Constants | None = self
        while scope is not None and name not in scope._tensors and name not in scope._makers:
            scope = None if name in scope._given else scope._outer
        return scope

    def _tensor(self, name: str) -> onnx.TensorProto | None:
        """What the file has for a name, in an initializer or a Constant node."""
        if name in self._tensors:
            return self._tensors[name]
        return next((a.t for a in self._makers[name].attribute if a.name == "value"), None)

    def _made(self, owner: str, name: str, known: dict[str, Array], room: int) -> dict[str, Array]:
        """All outputs, by name, of the node that makes a constant of what is known."""
        node = self._makers[name]
        owner = f"{owner}: {node.op_type} node {describe(node.name or name)}"
        if any(attribute.name == "sparse_value" for attribute in node.attribute):
            raise ValueError(f"{owner}: its value is sparse, expected a tensor")
        needed = sum(known[n].nbytes for n in node.input if n)
        if needed * (WIDEST if node.op_type == "Cast" else 1) > room:
            raise ValueError(f"{owner}: it repeats constants until they are large beyond measure")
        return self._run(owner, node, known)

    def _run(self, owner: str, node: onnx.NodeProto, known: dict[str, Array]) -> dict[str, Array]:
        """What the package onnx computes for a node."""
        outputs = [name for name in node.output if name]
        graph = onnx.helper.make_graph(
            [node],
            "constants",
            [onnx.ValueInfoProto(name=name) for name in dict.fromkeys(node.input) if name],
            [onnx.ValueInfoProto(name=name) for name in outputs],
        )
        try:
            results: Any = ReferenceEvaluator(graph, opsets=self._opsets).run(
                None, {name: known[name] for name in node.input if name}
            )
        except Exception as error:  # whatever numpy says of a node that is wrong
            raise ValueError(f"{owner}: {printable(str(error), MESSAGE)}") from None
        return dict(zip(outputs, map(np.asarray, results), strict=True))
