"""What a file says of a graph, as far as it runs."""

from typing import Any, NamedTuple

import numpy as np

from .._base.checks import Array, describe, read_integers
from ._nodes import Node


class Output(NamedTuple):
    """What a graph gives under a name; the file need not say of what dtype and shape."""

    name: str
    dtype: "np.dtype[Any] | None"
    shape: tuple[int | None, ...] | None


class Input(NamedTuple):
    """What a graph takes under a name."""

    name: str
    dtype: "np.dtype[Any]"
    shape: tuple[int | None, ...] | None  # None for a size that the file leaves open

    def read(self, value: Any) -> Any:
        """An array, or a Value, of this dtype and shape; TypeError or ValueError for another."""
        kind = getattr(getattr(value, "dtype", None), "kind", "iu")
        if self.dtype.kind in "iu" and kind in "iu":
            value = self._with_bounds(read_integers("Graph", self.name, value))
        elif not hasattr(value, "dtype") or value.dtype != self.dtype:
            came = getattr(value, "dtype", describe(value))
            raise TypeError(f"Graph: {self.name} is {came}, expected an array of {self.dtype}")
        self._check_sizes(value.shape)
        return value

    def _with_bounds(self, array: Array) -> Array:
        """Integers in this dtype; ValueError for those that it does not hold."""
        bounds = np.iinfo(self.dtype)
        if array.size and not bounds.min <= array.min() <= array.max() <= bounds.max:
            raise ValueError(f"Graph: {self.name} has numbers that {self.dtype} does not hold")
        return array.astype(self.dtype)

    def _check_sizes(self, shape: tuple[int, ...]) -> None:
        """ValueError for a shape that is not what the file says of an input."""
        if self.shape is None:
            return
        pairs = zip(shape, self.shape, strict=False)
        if len(shape) != len(self.shape) or any(n not in (size, None) for size, n in pairs):
            shown = ", ".join("any" if size is None else str(size) for size in self.shape)
            raise ValueError(f"Graph: {self.name} has shape {shape}, expected ({shown})")


class Contents(NamedTuple):
    """What a file says of a graph, less its weights."""

    inputs: list[Input]
    outputs: list[Output]
    nodes: list[Node]  # those that the outputs need, in an order in which they can run
    constants: dict[str, Array]
    opsets: dict[str, int]  # the version of each domain's operators
    batch_first: bool | None  # None: the graph does not tell
