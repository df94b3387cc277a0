"""What RNN, LSTM and GRU become in C: a call of a cell for each layer and direction."""

from typing import Any

import numpy as np

from .._base.names import dotted
from ..layers import GRU, LSTM, RNN
from ._layers import FUNCTIONS, combined, side_by_side
from ._parts import Parts, check_takes, where, writes
from ._program import FORWARD, REVERSE, Value

OPTIONS = {"peephole", "coupled_gates", "layer_norm", "cell_clip", "single_bias"}
OPTIONS |= {"zoneout", "zoneout_cell"}


@writes(RNN)
def rnn(parts: Parts, module: Any, path: str, x: Value) -> Value:
    def cell(layer: "Direction") -> str:
        return f"model_rnn({layer.cell()}, {FUNCTIONS[module.nonlinearity]}"

    return stack(parts, module, path, x, cell)


@writes(GRU)
def gru(parts: Parts, module: Any, path: str, x: Value) -> Value:
    def cell(layer: "Direction") -> str:
        if module.reset_after:
            return f"model_gru({layer.cell()}"
        rows = 2 * module.hidden_size  # of r and z; the others are those of n
        w_hn = layer.struct("matrix", "w_hn", layer.matrix("hh", slice(rows, None)))
        return f"model_gru_reset_before({layer.cell(rows)}, {w_hn}"

    return stack(parts, module, path, x, cell)


@writes(LSTM)
def lstm(parts: Parts, module: Any, path: str, x: Value) -> Value:
    def cell(layer: "Direction") -> str:
        if not (module.peephole or module.coupled_gates or module.cell_clip or module.layer_norm):
            return f"model_lstm({layer.cell()}"
        options = layer.struct("lstm_options", "options", lstm_options(layer))
        return f"model_lstm_with_options({layer.cell()}, {options}"

    return stack(parts, module, path, x, cell)


def lstm_options(layer: "Direction") -> list[str]:
    """The members of the options of an LSTM's layer."""
    module, peephole = layer.module, "0"
    if module.peephole:
        parameter = layer.parameter("weight_peephole")
        rows = parameter.data.reshape(-1, module.hidden_size)
        if module.coupled_gates:  # i and o; there is no f
            rows = np.stack([rows[0], np.zeros_like(rows[0]), rows[1]])
        peephole = layer.parts.tables.table(layer.name("weight_peephole"), parameter, rows)
    gain, bias = layer.table("weight_ln_c"), layer.table("bias_ln_c")
    clip = layer.number("cell_clip")
    return [str(int(module.coupled_gates)), clip, peephole, gain, bias]


def stack(parts: Parts, module: Any, path: str, x: Value, cell: Any) -> Value:
    """Layer after layer, the outputs of both directions merged."""
    if module.input_size == 0:
        raise ValueError(f"{where(module, path)} has input_size=0, expected at least 1")
    for name, value in module._cell_options().items():
        if value and name not in OPTIONS | module.training_options:
            raise ValueError(f"{where(module, path)} has {name}={value}, which is not written in C")
    check_takes(module, path, x, module.input_size)
    for i in range(module.num_layers):
        ways = (FORWARD, REVERSE) if module.bidirectional else (module.direction,)
        layers = [Direction(parts, module, path, s) for s in (f"l{i}", f"l{i}_reverse")]
        ys = [layer.call(x, way, cell(layer)) for layer, way in zip(layers, ways, strict=False)]
        x = merged(parts, module.merge, dotted(path, f"l{i}_merged"), ys)
    return x


def merged(parts: Parts, merge: str, path: str, ys: list[Value]) -> Value:
    """The outputs of a layer's directions as one."""
    if len(ys) == 1:
        return ys[0]
    if merge == "concat":
        return side_by_side(parts, path, ys)
    half = parts.tables.number(path, 0.5) if merge == "average" else ""
    return combined(parts, path, "multiply" if merge == "mul" else "add", ys, half)


class Direction:
    """One layer in one direction: its tables, its members of the state, its step."""

    def __init__(self, parts: Parts, module: Any, path: str, suffix: str) -> None:
        self.parts = parts
        self.module = module
        self._path = path
        self._suffix = suffix
        self._own = dotted(path, suffix)

    def name(self, word: str) -> str:
        """The name of something of this layer: a parameter's dotted name."""
        return dotted(self._path, f"{word}_{self._suffix}")

    def parameter(self, word: str) -> Any:
        """A parameter, or None."""
        return vars(self.module).get(f"{word}_{self._suffix}")

    def number(self, option: str) -> str:
        """The number of an option; 0 for None."""
        value = getattr(self.module, option) or 0.0
        return self.parts.tables.number(dotted(self._path, option), value)

    def table(self, word: str) -> str:
        """The table of a parameter; "0" for none."""
        return self.parts.table(self.name(word), self.parameter(word))

    def struct(self, type_name: str, word: str, members: list[str]) -> str:
        """The address of a constant struct of this layer."""
        return self.parts.tables.struct(type_name, self.name(word), members)

    def matrix(self, part: str, rows: slice = slice(None)) -> list[str]:
        """Some rows of W_ih or W_hh, with the bias and the gain of layer normalisation."""
        self.table(f"weight_{part}")  # before the bias
        bias, gain = self.table(f"bias_{part}"), self.table(f"weight_ln_{part}")
        weight = f"weight_{part}"
        return self.parts.matrix(self.name(weight), self.parameter(weight), bias, gain, rows)

    def cell(self, h_rows: int | None = None) -> str:
        """The address of the cell's struct, with all rows of W_hh or the first ones."""
        matrices = self.matrix("ih"), self.matrix("hh", slice(h_rows))
        inner = [f"{{{', '.join(members)}}}" for members in matrices]
        return self.struct("cell", "cell", [str(self.module.hidden_size), *inner])

    def call(self, x: Value, direction: str, cell: str) -> Value:
        """h at every step; `cell` is the call of the cell's function as far as x."""
        module, program = self.module, self.parts.program
        program.units = max(program.units, module.hidden_size)
        y = self.parts.value(self._own, module.output_size)
        y.member = self.parts.names.new("h", self._own)
        states = [program.state(y.member, y.width)]
        if len(module.state_names) > 1:
            member = self.parts.names.new("c", self._own)
            states.append(program.state(member, module.hidden_size))
        return program.call("\n".join(self._step(cell, *states)), (x,), y, direction)

    def _step(self, cell: str, h: str, c: str = "") -> list[str]:
        """The lines that make h and c of those before and of x."""
        module = self.module
        H, P = module.hidden_size, module.output_size
        before: list[str] = []
        after: list[str] = []
        made = h
        if module.zoneout:
            made = self._array("new_h", P, before)
            after.append(f"model_zoneout({self.number('zoneout')}, {made}, {P}, {h});")
        if module.proj_size:
            projected, made = made, self._array("m", H, before)
            w_hr = self.parts.matrix(self.name("weight_hr"), self.parameter("weight_hr"), "0")
            struct = self.struct("matrix", "w_hr", w_hr)
            after.insert(0, f"model_affine({struct}, {made}, {projected});")
        if getattr(module, "zoneout_cell", 0.0):
            kept = self._array("kept_c", H, before)
            before.append(f"model_copy({c}, {H}, {kept});")
            after.append(f"model_zoneout({self.number('zoneout_cell')}, {c}, {H}, {kept});")
            after.append(f"model_copy({kept}, {H}, {c});")
        states = f"{h}, {c}" if c else h
        return [*before, f"{cell}, {{x[0]}}, {states}, {made});", *after]

    def _array(self, word: str, size: int, lines: list[str]) -> str:
        """The name of a local array, which the lines declare."""
        name = self.parts.names.new(word, self._own)
        lines.append(f"{self.parts.tables.real} {name}[{size}];")
        return name
