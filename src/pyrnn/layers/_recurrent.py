"""Recurrent: how RNN, LSTM and GRU are called; what they are made with is in `_options.py`."""

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, overload

import numpy as np

from .. import _core, init
from .._base.checks import Array, check_flag, check_memory
from .._base.computed_once import ComputedOnce
from .._base.draws import Draws
from .._base.inputs import has_c, read_gradient, read_inputs, read_state
from .._base.module import STORABLE, Module
from .._base.packing import PackedWeights
from .._base.parameter import Parameter
from .._base.pullback import Additions, Pullback
from .._base.quantized import check_trainable, form_of
from .._base.runtime import num_threads
from .._base.seeding import generator
from ._inside import Inside
from ._options import RecurrentOptions, check_every, steps_between
from ._stream import Stream

State = TypeVar("State")
ResetTo = Literal["zero", "state"]


class Recurrent(RecurrentOptions, Generic[State]):
    """A stack of recurrent layers in one or both directions; use RNN, LSTM or GRU.

    State is what a call returns besides y: h, or (h, c).
    """

    weight_ih_l0: Parameter
    weight_hh_l0: Parameter
    bias_ih_l0: Parameter
    bias_hh_l0: Parameter
    if TYPE_CHECKING:  # those of further layers, directions and options

        def __getattr__(self, name: str) -> Parameter: ...

    stateful: ClassVar[bool] = True
    random: ClassVar[bool] = True
    _width = "input_size"
    _inside: ClassVar[Any] = Inside
    _not_pickled: ClassVar[frozenset[str]] = Module._not_pickled | {"_stack"}

    def __init__(self, given: Mapping[str, Any]) -> None:
        """`given` has the subclass's arguments by name: its `locals()`."""
        super().__init__(given)
        self._make_parameters(generator(type(self).__name__, given["seed"]))

    def _make_parameters(self, rng: "np.random.Generator") -> None:
        """Weights and biases from U(-1/sqrt(H), 1/sqrt(H)), as torch's."""
        described = self._stack.parameters()
        elements = sum(math.prod(shape) for _, shape, _ in described)
        check_memory(type(self).__name__, elements, self.dtype)
        self._draws = Draws(int(rng.integers(2**63)))
        for name, shape, initial in described:
            parameter = Parameter.zeros(shape, self.dtype)
            if initial == "ones":
                init.ones(parameter)
            elif initial == "uniform":
                init.uniform(parameter, 1 / math.sqrt(self.hidden_size), generator=rng)
            vars(self)[name] = parameter
        self._names = [name for name, *_ in described]
        self._packing: PackedWeights[_core.Packed] = PackedWeights()

    @overload
    def __call__(
        self,
        x: Any,
        state: Any = ...,
        lengths: Any = ...,
        mask: Any = ...,
        *,
        resets: Any = ...,
        reset_to: ResetTo = ...,
        return_cells: Literal[False] = ...,
    ) -> tuple[Array, State]: ...
    @overload
    def __call__(
        self,
        x: Any,
        state: Any = ...,
        lengths: Any = ...,
        mask: Any = ...,
        *,
        resets: Any = ...,
        reset_to: ResetTo = ...,
        return_cells: Literal[True],
    ) -> tuple[Array, State, Array]: ...
    def __call__(
        self,
        x: Any,
        state: Any = None,
        lengths: Any = None,
        mask: Any = None,
        *,
        resets: Any = None,
        reset_to: ResetTo = "zero",
        return_cells: bool = False,
    ) -> Any:
        """(y, state), or (y, state, cells): inference. The class says what goes in and out."""
        inputs = read_inputs(self, x, state, lengths, mask, resets, reset_to)
        return_cells = self._check_return_cells(return_cells)
        given = (inputs.x, inputs.h0, inputs.c0, inputs.lengths, return_cells)
        how = num_threads(), inputs.batch_first
        y, hn, cn, cells = self._stack.forward(self._packed(), *given, *how, **inputs.resetting)
        outputs = inputs.from_core(y), inputs.state_from_core(hn, cn)
        return outputs if cells is None else (*outputs, inputs.from_core(cells))

    @overload
    def vjp(
        self,
        x: Any,
        state: Any = ...,
        lengths: Any = ...,
        mask: Any = ...,
        *,
        resets: Any = ...,
        reset_to: ResetTo = ...,
        return_cells: Literal[False] = ...,
        need_dx: bool = ...,
        rng: int | None = ...,
        recompute_every: int | str | None = ...,
    ) -> tuple[tuple[Array, State], Pullback]: ...
    @overload
    def vjp(
        self,
        x: Any,
        state: Any = ...,
        lengths: Any = ...,
        mask: Any = ...,
        *,
        resets: Any = ...,
        reset_to: ResetTo = ...,
        return_cells: Literal[True],
        need_dx: bool = ...,
        rng: int | None = ...,
        recompute_every: int | str | None = ...,
    ) -> tuple[tuple[Array, State, Array], Pullback]: ...
    def vjp(
        self,
        x: Any,
        state: Any = None,
        lengths: Any = None,
        mask: Any = None,
        *,
        resets: Any = None,
        reset_to: ResetTo = "zero",
        return_cells: bool = False,
        need_dx: bool = True,
        rng: int | None = None,
        recompute_every: int | str | None = None,
    ) -> tuple[Any, Pullback]:
        """((y, state), pullback): the forward pass of training, with all dropout and zoneout.

        `dx, dstate = pullback(dy=None, dstate=None)` goes back through time: shapes as those of
        x, state and y; None is zero; dx is None with need_dx=False. It adds into every
        parameter's .grad; after Ctrl-C in a pullback .grad is as before, and a new vjp is needed.
        `rng` numbers the dropout masks; without it the module counts. x is referenced, not
        copied: leave it as it is until the pullback was called.

        With return_cells, ((y, state, cells), pullback) and `pullback(dy, dstate, dcells)`.
        `recompute_every`, a number of steps or "sqrt", replaces the layer's own for this call;
        None leaves that in force, more steps than x has keep all activations.
        """
        weights = self.weights()
        check_trainable(f"{type(self).__name__}.vjp", weights)
        inputs = read_inputs(self, x, state, lengths, mask, resets, reset_to)
        need_dx = check_flag(type(self).__name__, "need_dx", need_dx)
        return_cells = self._check_return_cells(return_cells)
        every = check_every(type(self).__name__, recompute_every) or self.recompute_every
        key = self._draws.key(self, rng)
        given = (inputs.x, inputs.h0, inputs.c0, inputs.lengths, return_cells)
        steps = steps_between(every, inputs.steps)
        training = (key.seed, key.draw, steps, num_threads(), inputs.batch_first)
        y, hn, cn, cells, saved = self._stack.forward_train(
            self._packed(), *given, *training, **inputs.resetting, first_row=key.first_row
        )
        outputs: tuple[Any, ...] = inputs.from_core(y), inputs.state_from_core(hn, cn)
        if cells is not None:
            outputs = (*outputs, inputs.from_core(cells))
        shapes = [a.shape for a in outputs[::2]]  # of y, and of cells; the state may be read anew

        def backward(
            dy: Any = None, dstate: Any = None, dcells: Any = None
        ) -> tuple[Any, Additions]:
            dy = read_gradient(self, inputs, "dy", dy, shapes[0])
            if dcells is not None and not return_cells:
                raise ValueError(
                    f"{type(self).__name__}: dcells is given, expected None: "
                    "vjp was called without return_cells=True"
                )
            dcells = read_gradient(self, inputs, "dcells", dcells, shapes[-1])
            dhn, dcn = read_state(
                self, dstate, inputs.batch, unbatched=inputs.unbatched, gradient=True
            )
            arrays = [parameter.data for parameter in weights]
            need_dw = any([parameter.requires_grad for parameter in weights])
            how = need_dx, num_threads(), inputs.batch_first, need_dw
            dx, dh0, dc0, gradients = self._stack.backward(
                saved, arrays, dy, dhn, dcn, dcells, *how
            )
            add = partial(gradients.add_into, [parameter.grad for parameter in weights])
            dx = inputs.from_core(dx) if dx is not None else None
            return (dx, inputs.state_from_core(dh0, dc0)), [add] if need_dw else []

        return outputs, Pullback(self, backward, weights)

    def step_part(self, batch_size: int) -> Stream:
        """The same as `stream`, for a Sequential."""
        return self.stream(batch_size)

    def stream(self, batch_size: int = 1) -> Stream:
        """Inference step by step on a snapshot of the weights; ValueError if bidirectional, or with
        direction="reverse"."""
        if self.reads_backwards:
            came = "bidirectional is True, expected False"
            if not self.bidirectional:
                came = "direction is 'reverse', expected 'forward'"
            raise ValueError(
                f"{type(self).__name__}: stream: {came}: the reverse direction starts at the end"
            )
        return Stream(self, self._stack, self._packed(), batch_size)

    def extra_state(self) -> dict[str, Any]:
        """The dropout seed and the number of the next mask."""
        return self._draws.state()

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `extra_state` returned; ValueError if it does not fit."""
        super().load_extra_state(state)
        self._draws.load(self, state)

    @ComputedOnce
    def _stack(self) -> _core.Stack:
        """The core's description of this layer."""
        kind = self.cell, self.dtype.name
        sizes = self.input_size, self.hidden_size, self.num_layers
        bias = bool(self.bias)
        options = self.bidirectional, bias, self.proj_size, self.dropout, self.merge
        reverse = self.direction == "reverse"
        return _core.Stack(*(kind + sizes + options), reverse=reverse, **self._cell_options())

    def _check_return_cells(self, value: Any) -> bool:
        """The flag, False for layers without cells."""
        if value is False:
            return False
        owner = type(self).__name__
        if check_flag(owner, "return_cells", value) and not has_c(self):
            raise ValueError(f"{owner}: return_cells is True, expected False: only an LSTM has c")
        return bool(value)

    def matrices(self) -> dict[str, Parameter]:
        """The weights of all products."""
        return {name: vars(self)[name] for name in self._names if vars(self)[name].ndim == 2}

    def weights(self) -> list[Parameter]:
        """The parameters in the core's order."""
        own = vars(self)
        return [own[name] for name in self._names]

    def _packed(self) -> _core.Packed:
        """The weights in the kernels' layout, packed anew when one was written."""
        weights = self.weights()

        def pack() -> _core.Packed:
            arrays = [parameter.data for parameter in weights]
            form = form_of(self.matrices().values())
            return self._stack.pack(arrays, num_threads(), form=form)

        return self._packing.get(weights, pack)


def cells() -> dict[str, Any]:
    """pyrnn's recurrent layers by the name of their cell, those with the fewest gates first."""
    found = [cls for cls in STORABLE.values() if issubclass(cls, Recurrent)]
    return {cls.cell: cls for cls in sorted(found, key=lambda cls: cls.gates)}
