"""Sequences in a graph of ONNX: their layout, the real steps of each row, and states."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from ._writer import Signal, Writer


class Sequences(Writer):
    """A graph whose x is a batch of sequences, with `lengths` and states as inputs on request.

    Inside, sequences are time-major, as the recurrent operators want them; x and y are in the
    model's layout.
    """

    def __init__(
        self, opset: int, dtype: np.dtype[Any], *, batch_first: bool, state: bool, lengths: bool
    ) -> None:
        super().__init__(opset, dtype)
        self.has_states, self.has_lengths, self._batch_first = state, lengths, batch_first
        self.lengths: str | None = None
        self._x = ""

    def take_ids(self, name: str) -> Signal:
        """An input of ids, time-major, id 0 after the end of a row."""
        x = self._take(name, [], np.int64)
        if self.lengths is not None:  # what comes there is no id
            x = self.add("Where", self._is_real(), x, self.integer(0))
        return Signal(x, 0, is_ids=True)

    def take_floats(self, name: str, features: int) -> Signal:
        """An input of floats, time-major."""
        return Signal(self._take(name, [features], self.dtype), features)

    def take_step(self, name: str) -> Signal:
        """An input of one step: an id for each row."""
        return Signal(self.input(name, ["N"], np.int64), 0, has_steps=False, is_ids=True)

    def give_y(self, y: Signal) -> None:
        """The first output, in the model's layout, 0 after the end of a row."""
        if not y.has_steps:
            self.output("y", y.name, ["N", y.features], first=True)
            return
        value = self.real_steps(y.name)
        if self._batch_first:
            value = self.add("Transpose", value, perm=[1, 0, 2])
        self.output("y", value, self._in_layout("T", "N", y.features), first=True)

    def initial_states(self, layer: Any) -> list[str]:
        """Inputs for a layer's states, (L*D, N, H), if the graph has states."""
        names = layer.state_names if self.has_states else ()
        return [self.input(self.named(name), self._state_shape(layer)) for name in names]

    def final_states(self, layer: Any, initial: Sequence[str], final: Sequence[str]) -> None:
        """Outputs for them: "hn" for "h0". Those of a row without steps are the initial ones."""
        if not self.has_states:
            return
        for i, (name, state) in enumerate(zip(layer.state_names, final, strict=True)):
            value = self.real_rows(state, initial[i]) if initial else state
            shape = self._state_shape(layer)
            self.output(self.named(f"{name[0]}n"), value, shape)

    def real_steps(self, value: str, other: float = 0.0) -> str:
        """(T, N, features) with another number after the end of each row."""
        if self.lengths is None:
            return value
        real = self.once("real steps", lambda: self.unsqueezed(self._is_real(), 2))
        return self.add("Where", real, value, self.number(other))

    def real_rows(self, value: str, other: str | None = None) -> str:
        """(..., N, features) with other values, or 0, in the rows without steps."""
        if (lengths := self.lengths) is None:
            return value
        some = self.once(
            "real rows",
            lambda: self.unsqueezed(self.add("Greater", lengths, self.integer(0)), 1),
        )
        return self.add("Where", some, value, self.number(0.0) if other is None else other)

    def ends(self) -> str:
        """The lengths as the recurrent operators take them; "" where there are none."""
        if (lengths := self.lengths) is None:
            return ""
        return self.once("ends", lambda: self.add("Cast", lengths, to=TensorProto.INT32))

    def first_step(self, value: str) -> str:
        """(N, features) of (T, N, features)."""
        return self.add("Gather", value, self.integer(0), axis=0)

    def last_step(self, value: str) -> str:
        """The same, of each row's last step, or of any where there is none."""
        if (lengths := self.lengths) is None:
            return self.add("Gather", value, self.integer(-1), axis=0)

        def places() -> str:
            step = self.add("Max", self.add("Sub", lengths, self.integer(1)), self.integer(0))
            row = self._counted(self._size(1))
            pair = self.unsqueezed(step, 1), self.unsqueezed(row, 1)
            return self.add("Concat", *pair, axis=1)

        return self.add("GatherND", value, self.once("last steps", places))

    def count_of_steps(self) -> str:
        """The number of steps, of each row (N, 1) if they differ; at least 1 then."""
        if (lengths := self.lengths) is None:
            return self._size(0)
        return self.unsqueezed(self.add("Max", lengths, self.integer(1)), 1)

    def _take(self, name: str, features: list[int], dtype: Any) -> str:
        """An input whose steps the lengths count, made time-major."""
        self._x = self.input(name, self._in_layout("T", "N", *features), dtype)
        self.lengths = self.input("lengths", ["N"], np.int64) if self.has_lengths else None
        if self._batch_first:
            self._x = self.add("Transpose", self._x, perm=[1, 0, *([2] if features else [])])
        return self._x

    def _is_real(self) -> str:
        """(T, N): whether a step comes before the end of its row."""
        assert self.lengths is not None
        lengths = self.lengths

        def made() -> str:
            steps = self.unsqueezed(self._counted(self._size(0)), 1)
            return self.add("Less", steps, self.unsqueezed(lengths, 0))

        return self.once("is real", made)

    def _size(self, axis: int) -> str:
        """The number of steps (axis 0) or of rows (1) in x."""

        def made() -> str:
            shape = self.once("shape", lambda: self.add("Shape", self._x))
            return self.add("Gather", shape, self.integer(axis))

        return self.once(("size", axis), made)

    def _counted(self, size: str) -> str:
        """0, 1, ..., size - 1."""
        return self.add("Range", self.integer(0), size, self.integer(1))

    def _in_layout(self, steps: str, rows: str, *features: Any) -> list[Any]:
        """The sizes of a sequence in the model's layout."""
        return [*((rows, steps) if self._batch_first else (steps, rows)), *features]

    @staticmethod
    def _state_shape(layer: Any) -> list[int | str]:
        return [layer.num_layers * layer.num_directions, "N", layer.output_size]
