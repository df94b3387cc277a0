"""AttentionDecoder: recurrent layers that attend to a memory before each step."""

from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from .. import _core
from .._base.checks import (
    Array,
    as_contiguous,
    as_floats,
    check_choice,
    check_flag,
    check_probability,
    check_shape,
    check_size,
    read_floats,
)
from .._base.computed_once import ComputedOnce
from .._base.inputs import (
    Inputs,
    as_state,
    has_c,
    map_state,
    read_gradient,
    read_inputs,
    read_state,
)
from .._base.layout import turned
from .._base.module import Module, storable
from .._base.packing import PackedWeights
from .._base.pullback import Additions, Pullback, compute
from .._base.runtime import num_threads
from .._base.seeding import generator
from ..layers._dropout import Dropout
from ..layers._options import MAX_LAYERS, check_dropout
from ..layers._recurrent import Recurrent, cells
from ._attention import Attended, Attention
from ._decoder_steps import DecoderSteps


@storable
class AttentionDecoder(Module):
    """Recurrent layers, the first of which attends to a memory before each step:

        context_t = attention of h^1_{t-1} over the memory           (Bahdanau et al. 2015)
        h^1_t     = cell([x_t; context_t], h^1_{t-1})
        h^l_t     = cell([h^1_t; context_t] or h^{l-1}_t, h^l_{t-1})     for the layers above
        y_t       = [h^L_t; context_t]

    The first layer's state asks, as in Wu et al. 2016, so that the layers above go through all
    steps at once. `cell` is "rnn_tanh", "lstm" or "gru"; `score`, `attention_size` and `scale` are
    Attention's. `bottom`, `above` and `attention` hold the parameters, named "bottom.weight_ih_l0"
    (G*H, I + M) and so on. `dropout` acts between layers, `attention_dropout` on the weights of the
    attention, with a mask for each step.

    `y, state = decoder(x, memory, state=None, lengths=None, memory_lengths=None,
    memory_mask=None)`: x (N, T, I), memory (N, S, M), y (N, T, H + M), state as that of one cell
    with all layers; with batch_first=False N and T, or S, change places. `return_weights=True` adds
    the attention's weights (N, T, S). `lengths` are those of x.

    `(y, state), pullback = decoder.vjp(...)`, `dx, dmemory, dstate = pullback(dy, dstate)`. All
    steps run in C++, forward and back through time. `decoder.steps(memory, state)` runs step by
    step, with the same bits. Padding, of x or of the memory, never matters.

    Examples
    --------
    >>> decoder = pyrnn.AttentionDecoder(3, 8, 6, cell="gru", seed=0)
    >>> x, memory = np.ones((2, 5, 3), np.float32), np.ones((2, 7, 6), np.float32)
    >>> (y, h), pullback = decoder.vjp(x, memory, memory_lengths=[7, 4])
    >>> dx, dmemory, dh = pullback(np.ones_like(y))
    >>> y.shape, h.shape, dmemory.shape
    ((2, 5, 14), (1, 2, 8), (2, 7, 6))
    """

    random = True
    training_options = frozenset({"dropout", "attention_dropout"})
    proj_size = 0  # these three as a Recurrent has them
    num_directions = 1
    _not_pickled: ClassVar[frozenset[str]] = Module._not_pickled | {"_stack"}

    parts_from_config = True

    attention_dropout: float = 0.0  # of what was pickled before there was some

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        memory_size: int,
        *,
        cell: str = "gru",
        num_layers: int = 1,
        score: str = "additive",
        attention_size: int | None = None,
        scale: bool = False,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        batch_first: bool | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        owner = "AttentionDecoder"
        self.input_size = check_size(owner, "input_size", input_size, minimum=0)
        self.hidden_size = check_size(owner, "hidden_size", hidden_size)
        self.memory_size = check_size(owner, "memory_size", memory_size)
        self.cell = check_choice(owner, "cell", cell, tuple(cells()))
        self.num_layers = check_size(owner, "num_layers", num_layers, maximum=MAX_LAYERS)
        seeds = [int(s) for s in generator(owner, seed).integers(2**63, size=4)]
        options: dict[str, Any] = {"batch_first": batch_first, "dtype": dtype}
        inputs = self.input_size + self.memory_size
        layer = cells()[cell]
        self.bottom: Recurrent[Any] = layer(inputs, self.hidden_size, seed=seeds[0], **options)
        self.batch_first, self.dtype = batch_first, self.bottom.dtype
        self.state_names = self.bottom.state_names
        self.attention_dropout = check_probability(owner, "attention_dropout", attention_dropout)
        self.attention = Attention(
            self.hidden_size,
            self.memory_size,
            score=score,
            attention_size=attention_size,
            scale=scale,
            dropout=self.attention_dropout,
            seed=seeds[1],
            **options,
        )
        self.score, self.attention_size = self.attention.score, self.attention.attention_size
        self.scale = self.attention.scale
        self.dropout = check_dropout(owner, dropout, self.num_layers, stacklevel=4)
        self.drop = Dropout(self.dropout, batch_first=batch_first, seed=seeds[2])
        self.above: Recurrent[Any] | None = None
        if self.num_layers > 1:
            options |= {"num_layers": self.num_layers - 1, "seed": seeds[3]}
            options |= {"dropout": dropout} if self.num_layers > 2 else {}
            self.above = layer(self.num_features, self.hidden_size, **options)
        self._packing: PackedWeights[_core.Packed] = PackedWeights()

    @property
    def num_features(self) -> int:
        """The width of y: that of h and of the context."""
        return self.hidden_size + self.memory_size

    @property
    def output_size(self) -> int:
        """The width of h."""
        return self.hidden_size

    def __call__(
        self,
        x: Any,
        memory: Any,
        state: Any = None,
        lengths: Any = None,
        memory_lengths: Any = None,
        memory_mask: Any = None,
        *,
        return_weights: bool = False,
    ) -> Any:
        """(y, state), or (y, state, weights): inference."""
        inputs, memory = self._read(x, memory, state, lengths)
        attended = self.attention.attend_to(memory, memory_lengths, memory_mask)
        y, state, weights = self.run(inputs, attended)
        if not check_flag("AttentionDecoder", "return_weights", return_weights):
            return y, state
        return y, state, attended.to_caller(weights)

    def run(self, inputs: Inputs, attended: Attended) -> tuple[Array, Any, Array]:
        """y, state and weights of checked arguments, in the caller's layout."""
        batch_first = self.batch_first
        h, hn, cn, contexts, weights = self._stack.attend(*self._given(inputs, attended))
        y, state = np.concatenate([h, contexts], axis=-1), as_state(hn, cn)
        if self.above is not None:
            top, upper = self.above(turned(y, batch_first), upper_state(inputs), inputs.lengths)
            y = np.concatenate([turned(top, batch_first), contexts], axis=-1)
            state = stacked(state, upper)
        return turned(y, batch_first), state, turned(weights, batch_first)

    def vjp(
        self,
        x: Any,
        memory: Any,
        state: Any = None,
        lengths: Any = None,
        memory_lengths: Any = None,
        memory_mask: Any = None,
        *,
        need_dx: bool = True,
        rng: int | None = None,
    ) -> tuple[Any, Pullback]:
        """((y, state), pullback): training; `rng` numbers the masks of all dropout."""
        inputs, memory = self._read(x, memory, state, lengths)
        mask = self.attention.next_mask(rng)
        attended = self.attention.attend_to(memory, memory_lengths, memory_mask, mask)
        given = self._given(inputs, attended)
        h, hn, cn, contexts, _, saved = self._stack.attend_train(*given)
        y, state = np.concatenate([h, contexts], axis=-1), as_state(hn, cn)
        backs: tuple[Any, ...] = ()
        batch_first = self.batch_first
        if self.above is not None:
            dropped, drop_back = self.drop.vjp(turned(y, batch_first), rng=rng)
            given = dropped, upper_state(inputs), inputs.lengths
            (top, upper), above_back = self.above.vjp(*given, rng=rng)
            y = np.concatenate([turned(top, batch_first), contexts], axis=-1)
            state = stacked(state, upper)
            backs = above_back, drop_back
        y = turned(y, batch_first)
        shape = y.shape

        def backward(dy: Any = None, dstate: Any = None) -> tuple[Any, Additions]:
            dy = read_gradient(self, inputs, "dy", dy, shape)
            ends = read_state(self, dstate, inputs.batch, gradient=True)
            dh, dcontexts, upper, additions = self._backward_above(backs, dy, ends)
            weights, query = self.bottom.weights(), self.attention.query
            w_query = None if query is None else query.weight.data
            dx, dh0, dc0, dqueries, dkeys, dvalues, dv, gradients = self._stack.attend_backward(
                saved,
                [p.data for p in weights],
                w_query,
                dh,
                dcontexts,
                *layers(*ends, 0, 1),
                need_dx,
                num_threads(),
            )
            additions += [partial(gradients.add_into, [p.grad for p in weights])]
            before = states_before(h, layers(inputs.h0, None, 0, 1)[0])
            additions += self.attention.query_additions(before, dqueries, dv)
            dmemory, more = attended.memory_gradient(dkeys, dvalues)
            dstate = stacked(as_state(dh0, dc0), upper) if backs else as_state(dh0, dc0)
            dx = None if dx is None else turned(dx, batch_first)
            return (dx, dmemory, dstate), additions + more

        return (y, state), Pullback(self, backward, self.parameters())

    def steps(
        self, memory: Any, state: Any = None, memory_lengths: Any = None, memory_mask: Any = None
    ) -> DecoderSteps:
        """Inference step by step, from a state: nothing is dropped."""
        memory = read_floats("AttentionDecoder", "memory", memory, self.dtype)
        batch = memory.shape[0 if self.batch_first else 1] if memory.ndim == 3 else 0
        memory = self.attention.read_memory(memory, batch, False)
        attended = self.attention.attend_to(memory, memory_lengths, memory_mask)
        return DecoderSteps(partial(self._step, attended, batch), state)

    def _step(self, attended: Attended, batch: int, x_t: Any, state: Any) -> tuple[Array, Any]:
        """y_t (B, H + M) of x_t (B, I), and the state after it."""
        x = as_floats("AttentionDecoder.steps", "x_t", x_t, self.dtype)
        shape = (batch, self.input_size)
        check_shape("AttentionDecoder.steps", "x_t", x, shape, "(batch, input_size)")
        axis = 1 if self.batch_first else 0
        inputs = read_inputs(self, np.expand_dims(x, axis), state, None, None)
        y, state, _ = self.run(inputs, attended)
        return y.squeeze(axis), state

    def _backward_above(
        self, backs: tuple[Any, ...], dy: Array | None, ends: tuple[Array | None, Array | None]
    ) -> tuple[Array | None, Array | None, Any, Additions]:
        """dh and dcontexts of the bottom layer, and the layers' above dstate."""
        dh, dcontexts = (None, None) if dy is None else self._halves(dy)
        if not backs:
            return dh, dcontexts, None, []
        above_back, drop_back = backs
        dh_above, dc_above = layers(*ends, 1, None)
        dstate = (dh_above, dc_above) if has_c(self) else dh_above
        given = None if dh is None else turned(dh, self.batch_first)
        (dlower, upper), additions = compute(above_back, given, dstate)
        dlower, more = compute(drop_back, dlower)
        dh, below = self._halves(turned(dlower, self.batch_first))
        dcontexts = below if dcontexts is None else dcontexts + below
        return dh, dcontexts, upper, additions + more

    def _halves(self, y: Array) -> tuple[Array, Array]:
        """What belongs to h, and to the context."""
        H = self.hidden_size
        return as_contiguous(y[..., :H]), as_contiguous(y[..., H:])

    def _read(self, x: Any, memory: Any, state: Any, lengths: Any) -> tuple[Inputs, Array]:
        """The checked arguments; always batched."""
        x = as_floats("AttentionDecoder", "x", x, self.dtype)
        if x.ndim != 3:
            raise ValueError(f"AttentionDecoder: x has {x.ndim} axes, expected three")
        inputs = read_inputs(self, x, state, lengths, None)
        return inputs, self.attention.read_memory(memory, inputs.batch, False)

    def _given(self, inputs: Inputs, attended: Attended) -> tuple[Any, ...]:
        """What both forward passes of the core take."""
        weights, query = self.bottom.weights(), self.attention.query
        packed = self._packing.get(
            weights, lambda: self._stack.pack([p.data for p in weights], num_threads())
        )
        w_query = None if query is None else query.packed()
        state = layers(inputs.h0, inputs.c0, 0, 1)
        given = inputs.x, *state, inputs.lengths, num_threads()
        return packed, attended.core, w_query, *given

    @ComputedOnce
    def _stack(self) -> _core.Stack:
        """The core's description of the layer that attends."""
        sizes = self.input_size, self.hidden_size
        stack = _core.Stack(self.cell, self.dtype.name, *sizes, 1, False, True, 0, 0.0, "concat")
        return stack.attending(self.memory_size)


def layers(
    h: Array | None, c: Array | None, first: int, end: int | None
) -> tuple[Array | None, Array | None]:
    """(h, c) of some layers."""
    return None if h is None else h[first:end], None if c is None else c[first:end]


def upper_state(inputs: Inputs) -> Any:
    """The initial state of the layers above the first."""
    return as_state(*layers(inputs.h0, inputs.c0, 1, None))


def stacked(lower: Any, upper: Any) -> Any:
    """The state of two groups of layers as that of all."""
    return map_state(lambda *groups: np.concatenate(groups), lower, upper)


def states_before(h: Array, h0: Array | None) -> Array:
    """h_{t-1} of each step, for all h_t (T, B, H) and h0 (1, B, H), or zero."""
    before = np.zeros_like(h)
    before[1:] = h[:-1]
    if h0 is not None:
        before[:1] = h0
    return before
