"""A graph of ONNX while it is written: its inputs, constants, nodes and outputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper

from .._base.checks import Array
from .._base.names import dotted, free_name, in_messages

AXES_ARE_INPUTS = 18  # from this operator set on, those of ReduceMax
MOST = 2**31 - 2**20  # bytes of constants: protobuf writes no 2 GiB


class Signal(NamedTuple):
    """What goes from part to part: (T, N, features), or (N, features) without a time axis; ids
    have no axis of features."""

    name: str
    features: int
    has_steps: bool = True
    is_ids: bool = False


class Writer:
    """What is added is named after the part that it is added for, which `inside` says."""

    def __init__(self, opset: int, dtype: np.dtype[Any]) -> None:
        self.dtype, self._opset = dtype, opset
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, Array] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._taken: set[str] = set()
        self._known: dict[Any, str] = {}  # what is computed or stored once, by what it is
        self._scope = ""

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Inside, what is added belongs to a part of the part so far."""
        before, self._scope = self._scope, self.named(name)
        yield
        self._scope = before

    def named(self, name: str) -> str:
        """The name of what belongs to the part that is being written."""
        return dotted(self._scope, name)

    def where(self, cls: type) -> str:
        """How messages call that part, which is of this class."""
        return f"export: {in_messages(self._scope, cls)}"

    def check_features(self, x: Signal, features: int, cls: type) -> None:
        """ValueError for another number of features than a part takes."""
        if x.features != features:
            raise ValueError(f"{self.where(cls)} gets {x.features} features, expected {features}")

    def input(self, name: str, shape: Sequence[int | str], dtype: Any = None) -> str:
        """A new input; sizes that are words are free."""
        self._taken.add(name)
        self._inputs.append(self._info(name, shape, dtype))
        return name

    def output(
        self, name: str, value: str, shape: Sequence[int | str], *, first: bool = False
    ) -> None:
        """A new output, which is a value of the graph; it may be the first of all."""
        self._taken.add(name)
        self._nodes.append(helper.make_node("Identity", [value], [name], f"output {name}"))
        self._outputs.insert(0 if first else len(self._outputs), self._info(name, shape, None))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The output of a new node."""
        return self.add_several(operator, inputs, 1, **attributes)[0]

    def add_several(
        self, operator: str, inputs: Sequence[str], count: int, **attributes: Any
    ) -> list[str]:
        """The outputs of a new node."""
        name = self._free(f"{self._scope}/{operator}" if self._scope else operator)
        outputs = [name, *(self._free(f"{name}:{i}") for i in range(1, count))]
        self._nodes.append(helper.make_node(operator, list(inputs), outputs, name, **attributes))
        return outputs

    def reduce(self, operator: str, value: str, axis: int) -> str:
        """A value without one of its axes."""
        if operator == "ReduceSum" or self._opset >= AXES_ARE_INPUTS:
            return self.add(operator, value, self.integers(axis), keepdims=0)
        return self.add(operator, value, axes=[axis], keepdims=0)

    def unsqueezed(self, value: str, axis: int) -> str:
        """A value with one more axis."""
        return self.add("Unsqueeze", value, self.integers(axis))

    def stored(self, name: str, owner: Any, array: Array) -> str:
        """A weight as a constant, once for an owner that stands in several places."""
        key = id(owner), name
        if key not in self._known:
            self._known[key] = self._store(self.named(name), array)
        return self._known[key]

    def integers(self, *values: int) -> str:
        """A small vector of int64."""
        return self.once(("integers", values), lambda: self._store("integers", np.array(values)))

    def integer(self, value: int) -> str:
        """An int64 without axes."""
        return self.once(("integer", value), lambda: self._store("integer", np.array(value)))

    def number(self, value: float) -> str:
        """A number of the model's dtype, without axes."""
        array = np.array(value, self.dtype)
        return self.once(("number", value), lambda: self._store("number", array))

    def once(self, key: Any, make: Callable[[], str]) -> str:
        """A value that several parts may use, made for the first of them; it belongs to none."""
        if key not in self._known:
            before, self._scope = self._scope, ""
            self._known[key] = make()
            self._scope = before
        return self._known[key]

    def model(self, name: str) -> onnx.ModelProto:
        """All of it; ValueError if it is too large for a file."""
        size = sum(array.nbytes for array in self._constants.values())
        if size > MOST:
            raise ValueError(f"export: the weights have {size} bytes, a file holds {MOST} at most")
        tensors = [onnx.numpy_helper.from_array(array, n) for n, array in self._constants.items()]
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, tensors)
        opsets = [helper.make_opsetid("", self._opset)]
        version = helper.find_min_ir_version_for(opsets)
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=version, producer_name="pyrnn"
        )

    def _store(self, name: str, array: Array) -> str:
        name = self._free(name)
        self._constants[name] = array if array.flags.c_contiguous else array.copy(order="C")
        return name

    def _free(self, name: str) -> str:
        """The name, or one made of it that nothing has."""
        free = free_name(name, self._taken)
        self._taken.add(free)
        return free

    def _info(self, name: str, shape: Sequence[int | str], dtype: Any) -> onnx.ValueInfoProto:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype or self.dtype))
        return helper.make_tensor_value_info(name, kind, shape)
