"""Keras' recurrent cells as layers of pyrnn's: their options, their weights in pyrnn's order."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._base.checks import Array, describe, filled_from_file
from .._base.module import Module
from ..layers import GRU, LSTM, RNN
from ._config import Layer
from ._weights import Weights

IGNORED = ("implementation", "seed", "unit_forget_bias", "use_cudnn")  # of no output
Make = Any  # one of pyrnn's classes of recurrent layers


class Cell:
    """A cell: the class of pyrnn's layer, its options, and its weights by the ends of their names.

    `arrays` has "weight_ih", "weight_hh", and the biases that there are.
    """

    def __init__(
        self, make: Make, options: dict[str, Any], arrays: dict[str, Array], trainable: bool = True
    ) -> None:
        self.make, self.options, self.arrays, self.trainable = make, options, arrays, trainable
        self.input_size = arrays["weight_ih"].shape[1]
        self.hidden_size = arrays["weight_hh"].shape[1]

    def alike(self, other: "Cell") -> bool:
        """Whether the two differ in their weights alone."""
        sizes = self.input_size, self.hidden_size
        same = self.make is other.make and self.options == other.options
        return same and sizes == (other.input_size, other.hidden_size)


def read_cell(layer: Layer, weights: Weights) -> tuple[Cell, float]:
    """(the cell, its dropout of x) that a recurrent layer of Keras' or a cell describes."""
    kind = layer.kind.removesuffix("Cell")
    reader = _READERS.get(kind)
    if reader is None:
        raise layer.refused(f"expected a cell of {', '.join(_READERS)}: other code is never run")
    dropout = layer.number("dropout", 0.0)
    units, biased = layer.size("units"), layer.flag("use_bias", True)
    make, options, gates = reader(layer, biased)
    options["recurrent_dropout"] = layer.number("recurrent_dropout", 0.0)
    names = ["kernel", "recurrent_kernel", *["bias"] * biased]
    kernel, recurrent, *bias = weights.take(layer, *names)
    two = options["bias"] is True
    expected: list[Any] = [(*kernel.shape[:1], gates * units), (units, gates * units)]
    expected += [(2, gates * units) if two else (gates * units,)] * biased
    if [a.shape for a in (kernel, recurrent, *bias)] != expected:
        found = zip(names, (kernel, recurrent, *bias), strict=True)
        shapes = ", ".join(f"{name} {array.shape}" for name, array in found)
        raise layer.refused(f"its weights are {shapes}, which do not fit {units} units")
    arrays = in_order(gates, kernel, recurrent, *bias)
    return Cell(make, options, arrays, layer.trainable), dropout


def in_order(gates: int, kernel: Array, recurrent: Array, *bias: Array) -> dict[str, Array]:
    """A cell's arrays by pyrnn's names, in its layout: rows by gate. Three gates are z, r, h in
    Keras and r, z, n in pyrnn; four have one order in both, i, f, c or g, o. A bias of two rows is
    that of x and that of h."""
    arrays = {"weight_ih": kernel.T, "weight_hh": recurrent.T}
    if bias:
        rows = bias[0] if bias[0].ndim == 2 else bias
        arrays |= dict(zip(("bias_ih", "bias_hh"), rows, strict=False))
    if gates != 3:
        return arrays
    blocks = {name: np.split(array, 3) for name, array in arrays.items()}
    return {name: np.concatenate([r, z, n]) for name, (z, r, n) in blocks.items()}


def make_layer(cell: Cell, reverse: Cell | None = None, **options: Any) -> Module:
    """A layer of one direction, or of both."""
    ways = {"": cell} | ({"_reverse": reverse} if reverse else {})
    weights = {f"{n}_l0{way}": a for way, c in ways.items() for n, a in c.arrays.items()}
    sizes = cell.input_size, cell.hidden_size
    module = filled(
        weights,
        lambda dtype: cell.make(
            *sizes, bidirectional=reverse is not None, dtype=dtype, **cell.options, **options
        ),
    )
    frozen = [f"{n}_l0{way}" for way, c in ways.items() if not c.trainable for n in c.arrays]
    return module.freeze(*frozen) if frozen else module


def filled(weights: Mapping[str, Array], make: Callable[[Any], Module]) -> Module:
    """A module of the weights' dtype that has these; it takes their memory once."""
    sizes = [array.size for array in weights.values()]
    dtype = np.result_type(*weights.values())
    with filled_from_file(sum(sizes), max(sizes)):
        module = make(dtype)
    for name, parameter in module.named_parameters():
        assert parameter.shape == weights[name].shape, name
        parameter.fill(weights[name].astype(parameter.dtype, copy=False))
    return module


_READERS: dict[str, Any] = {}  # by the class of Keras' layer


def _reads(kind: str) -> Callable[[Any], Any]:
    def enter(reader: Any) -> Any:
        _READERS[kind] = reader
        return reader

    return enter


@_reads("SimpleRNN")
def _read_simple(layer: Layer, biased: bool) -> tuple[Make, dict[str, Any], int]:
    activation = layer.word("activation", "tanh")
    names = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "linear": "identity"}
    if activation not in names:
        raise layer.refused(
            f"activation is {describe(activation)}, expected one of {', '.join(names)}"
        )
    options = {"nonlinearity": names[activation], "bias": "single" if biased else False}
    return RNN, options, 1


@_reads("LSTM")
def _read_lstm(layer: Layer, biased: bool) -> tuple[Make, dict[str, Any], int]:
    layer.expect("activation", "tanh")
    layer.expect("recurrent_activation", "sigmoid")
    return LSTM, {"bias": "single" if biased else False}, 4


@_reads("GRU")
def _read_gru(layer: Layer, biased: bool) -> tuple[Make, dict[str, Any], int]:
    layer.expect("activation", "tanh")
    layer.expect("recurrent_activation", "sigmoid")
    reset_after = layer.flag("reset_after", True)
    bias = (reset_after or "single") if biased else False
    return GRU, {"reset_after": reset_after, "bias": bias}, 3
