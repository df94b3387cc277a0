"""Recurrent: what RNN, LSTM and GRU share; a subclass adds its equation and its own options."""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from . import _core, init
from ._checks import (
    check_dtype,
    check_flag,
    check_memory,
    check_probability,
    check_size,
    generator,
)
from ._draws import Draws
from ._inputs import read_dy, read_inputs, read_state
from ._module import Additions, Module, Pullback
from ._packing import PackedWeights
from ._parameter import Parameter
from ._runtime import num_threads
from ._stream import Stream

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "gru_reset_before": 3}
MAX_LAYERS = 10_000


@dataclass(frozen=True)
class Options:
    """The keywords that all recurrent layers take, as they came."""

    input_size: Any
    hidden_size: Any
    num_layers: Any
    bias: Any
    batch_first: Any
    dropout: Any
    bidirectional: Any
    dtype: Any
    seed: Any
    proj_size: Any = 0


class Recurrent(Module):
    """A stack of recurrent layers in one or both directions; use RNN, LSTM or GRU."""

    stateful: ClassVar[bool] = True
    random: ClassVar[bool] = True
    state_names: ClassVar[tuple[str, ...]] = ("h0",)
    _not_pickled: ClassVar[frozenset[str]] = Module._not_pickled | {"_stack"}

    def __init__(self, cell: str, options: Options) -> None:
        owner = type(self).__name__
        self.cell = cell
        self.input_size = check_size(owner, "input_size", options.input_size, minimum=0)
        self.hidden_size = check_size(owner, "hidden_size", options.hidden_size)
        self.num_layers = check_size(owner, "num_layers", options.num_layers, maximum=MAX_LAYERS)
        self.bias = check_flag(owner, "bias", options.bias)
        self.batch_first = check_flag(owner, "batch_first", options.batch_first)
        self.dropout = check_probability(owner, "dropout", options.dropout)
        self.bidirectional = check_flag(owner, "bidirectional", options.bidirectional)
        self.dtype = check_dtype(owner, options.dtype)
        self.proj_size = check_size(owner, "proj_size", options.proj_size, minimum=0)
        if self.proj_size >= self.hidden_size:
            raise ValueError(
                f"{owner}: proj_size is {self.proj_size}, expected less than "
                f"hidden_size = {self.hidden_size} (0: no projection)"
            )
        if self.dropout and self.num_layers == 1:
            message = f"{owner}: dropout={self.dropout} acts between layers, and there is only one"
            warnings.warn(message, stacklevel=3)
        self._make_parameters(generator(owner, options.seed))

    def _make_parameters(self, rng: "np.random.Generator") -> None:
        """Weights and biases from U(-1/sqrt(H), 1/sqrt(H)), as torch's."""
        elements = sum(math.prod(shape) for _, shape in self._shapes())
        check_memory(type(self).__name__, elements, self.dtype)
        self._draws = Draws(int(rng.integers(2**63)))
        for name, shape in self._shapes():
            parameter = Parameter.zeros(shape, self.dtype)
            init.uniform(parameter, 1 / math.sqrt(self.hidden_size), generator=rng)
            setattr(self, name, parameter)
        self._names = [name for name, _ in self._shapes()]
        self._packing: PackedWeights[_core.Packed] = PackedWeights()

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """(name, shape) of every parameter, in torch's order, which is the core's too."""
        rows = GATES[self.cell] * self.hidden_size
        for layer in range(self.num_layers):
            width = self.num_directions * self.output_size if layer else self.input_size
            for direction in ("", "_reverse")[: self.num_directions]:
                suffix = f"l{layer}{direction}"
                yield f"weight_ih_{suffix}", (rows, width)
                yield f"weight_hh_{suffix}", (rows, self.output_size)
                if self.bias:
                    yield f"bias_ih_{suffix}", (rows,)
                    yield f"bias_hh_{suffix}", (rows,)
                if self.proj_size:
                    yield f"weight_hr_{suffix}", (self.proj_size, self.hidden_size)

    @property
    def num_directions(self) -> int:
        """2 if bidirectional, else 1."""
        return 1 + self.bidirectional

    @property
    def output_size(self) -> int:
        """The width of h in one direction: proj_size, or hidden_size without a projection."""
        return self.proj_size or self.hidden_size

    def __call__(self, x: Any, state: Any = None, lengths: Any = None, mask: Any = None) -> Any:
        """(y, state): inference. The class says what goes in and comes out."""
        inputs = read_inputs(self, x, state, lengths, mask)
        given = (inputs.x, inputs.h0, inputs.c0, inputs.lengths, inputs.batch_first)
        y, hn, cn = self._stack.forward(self._packed(), *given, num_threads())
        return inputs.from_core(y), inputs.state_from_core(hn, cn)

    def vjp(
        self,
        x: Any,
        state: Any = None,
        lengths: Any = None,
        mask: Any = None,
        *,
        need_dx: bool = True,
        rng: int | None = None,
    ) -> tuple[Any, Pullback]:
        """((y, state), pullback): the forward pass of training, with dropout between layers.

        `dx, dstate = pullback(dy=None, dstate=None)` goes back through time: shapes as those of
        x, state and y; None stands for zero; dx is None with need_dx=False. It adds into every
        parameter's .grad; after Ctrl-C in a pullback .grad is as before, and a new vjp is needed.
        `rng` numbers the dropout masks; without it the module counts. x is referenced, not
        copied: leave it as it is until the pullback was called.
        """
        inputs = read_inputs(self, x, state, lengths, mask)
        need_dx = check_flag(type(self).__name__, "need_dx", need_dx)
        draw = self._draws.next(self, rng)
        given = (inputs.x, inputs.h0, inputs.c0, inputs.lengths, inputs.batch_first)
        weights = self._weights()
        y, hn, cn, saved = self._stack.forward_train(
            self._packed(), *given, self._draws.seed, draw, num_threads()
        )
        y = inputs.from_core(y)
        y_shape = y.shape

        def backward(dy: Any = None, dstate: Any = None) -> tuple[Any, Additions]:
            dy = read_dy(self, inputs, dy, y_shape)
            dhn, dcn = read_state(
                self, dstate, inputs.batch, unbatched=inputs.unbatched, gradient=True
            )
            arrays = [parameter.data for parameter in weights]
            dx, dh0, dc0, gradients = self._stack.backward(
                saved, arrays, dy, dhn, dcn, need_dx, num_threads()
            )
            add = partial(gradients.add_into, [parameter.grad for parameter in weights])
            dx = inputs.from_core(dx) if dx is not None else None
            return (dx, inputs.state_from_core(dh0, dc0)), [add]

        return (y, inputs.state_from_core(hn, cn)), Pullback(self, backward, weights)

    def stream(self, batch_size: int = 1) -> Stream:
        """Inference step by step on a snapshot of the weights; ValueError if bidirectional."""
        if self.bidirectional:
            raise ValueError(
                f"{type(self).__name__}: stream: bidirectional is True, expected False: "
                "the reverse direction starts at the end"
            )
        return Stream(self, self._stack, self._packed(), batch_size)

    def extra_state(self) -> dict[str, Any]:
        """The dropout seed and the number of the next mask."""
        return self._draws.state()

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `extra_state` returned; ValueError if it does not fit."""
        super().load_extra_state(state)
        self._draws.load(self, state)

    @cached_property
    def _stack(self) -> _core.Stack:
        """The core's description of this layer."""
        return _core.Stack(
            self.cell,
            self.dtype.name,
            self.input_size,
            self.hidden_size,
            self.num_layers,
            self.bidirectional,
            self.bias,
            self.proj_size,
            self.dropout,
        )

    def _weights(self) -> list[Parameter]:
        """The parameters in the core's order."""
        return [getattr(self, name) for name in self._names]

    def _packed(self) -> _core.Packed:
        """The weights in the kernels' layout, packed anew when one was written."""
        weights = self._weights()

        def pack() -> _core.Packed:
            return self._stack.pack([parameter.data for parameter in weights], num_threads())

        return self._packing.get(weights, pack)
