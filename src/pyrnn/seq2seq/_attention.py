"""Attention: for each query, a weighted mean of the steps of a memory."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from .. import _core, init
from .._base.checks import (
    Array,
    as_contiguous,
    as_lengths,
    check_choice,
    check_dtype,
    check_flag,
    check_memory,
    check_probability,
    check_shape,
    check_size,
    read_floats,
)
from .._base.draws import Draws
from .._base.layout import time_major, turned
from .._base.mask import Mask, mask_of_lengths, read_mask
from .._base.module import Module, storable
from .._base.parameter import Parameter
from .._base.pullback import Additions, Pullback, add_arrays, compute
from .._base.runtime import num_threads
from .._base.seeding import generator
from ..layers._linear import Linear

SCORES = ("additive", "multiplicative", "dot")


class Attended(NamedTuple):
    """A memory, checked, with its keys; `core` is what the core takes of it."""

    core: _core.Memory
    mask: Mask | None
    batch_first: bool
    back: Any  # the pullback of the keys, None in inference and where the memory is its own keys

    def memory_gradient(self, d_keys: Array, d_values: Array) -> tuple[Array, Additions]:
        """The gradient of the memory from those (S, B, ...) of keys and values."""
        d_keys, d_values = (turned(d, self.batch_first) for d in (d_keys, d_values))
        d_memory, additions = (d_keys, []) if self.back is None else compute(self.back, d_keys)
        d_memory = d_values + d_memory
        return (self.mask.scatter(d_memory) if self.mask else d_memory), additions

    def to_caller(self, weights: Array) -> Array:
        """Weights (..., S) at the memory's own places."""
        return self._moved(weights, back=True)

    def from_caller(self, weights: Array) -> Array:
        """Weights at the core's places, of those at the memory's own."""
        return self._moved(weights, back=False)

    def _moved(self, weights: Array, *, back: bool) -> Array:
        if self.mask is None or self.mask.is_prefix:
            return weights
        axes = (0, 2, 1) if self.batch_first else (2, 1, 0)
        move = self.mask.scatter if back else self.mask.gather
        return move(weights.transpose(axes)).transpose(axes)


@storable
class Attention(Module):
    """For each query q, the mean of a memory's steps m_s under the weights softmax(e), with

        e_s = v . tanh(W_q q + W_m m_s + b)    score="additive" (Bahdanau et al. 2015)
        e_s = q . W m_s                        score="multiplicative" (Luong et al. 2015, "general")
        e_s = q . m_s                          score="dot", for query_size = memory_size

    `scale=True` divides the products by sqrt(query_size) (Vaswani et al. 2017). With `dropout` = p,
    vjp drops each weight with probability p and divides the others by 1 - p, as
    torch.nn.MultiheadAttention and Keras' Attention do; a call drops nothing. Parameters:
    `query.weight` (A, Q), `key.weight` (A, M), `key.bias` (A), `v` (A) with A = attention_size,
    by default query_size; or `key.weight` (Q, M); or none. All are drawn as a Linear's.

    `context, weights = attention(queries, memory, lengths=None, mask=None)`: queries (N, T, Q),
    memory (N, S, M), context (N, T, M), weights (N, T, S); with batch_first=False N and T, or S,
    change places; one sequence goes without N. `lengths` (N,) or `mask` (N, S), True = real, say
    which steps of the memory are real; what the others hold never matters, their weight is 0. A
    row of which nothing is real has context 0 and weights 0, and sends no gradient back.

    `(context, weights), pullback = attention.vjp(..., rng=None)`,
    `dqueries, dmemory = pullback(dcontext=None, dweights=None)`. Every query counts: what comes
    after the end of ragged queries must be finite, and its gradient 0. With dropout, these are the
    weights after it, of which the context is made, and dweights is their gradient. The masks come
    from Philox (Salmon et al. 2011), keyed by (seed, draw, t, row, s), with s counted over the real
    steps; `draw` is `rng`, or a counter that each vjp advances and a checkpoint keeps. TypeError or
    ValueError names the argument that does not fit.

    Examples
    --------
    >>> attention = pyrnn.Attention(2, 2, score="dot")
    >>> memory = np.array([[[1, 0], [0, 1], [9, 9]]], np.float32)  # N = 1, three steps, two real
    >>> context, weights = attention(np.array([[[5, 0]]], np.float32), memory, lengths=[2])
    >>> weights.round(3)
    array([[[0.993, 0.007, 0.   ]]], dtype=float32)
    """

    random = True
    training_options = frozenset({"dropout"})
    parts_from_config = True

    dropout: float = 0.0  # these two of what was pickled before there was dropout
    _draws = Draws(0)

    _gives_weights = True

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        *,
        score: str = "additive",
        attention_size: int | None = None,
        scale: bool = False,
        dropout: float = 0.0,
        batch_first: bool | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        self.query_size = Q = check_size("Attention", "query_size", query_size)
        self.memory_size = M = check_size("Attention", "memory_size", memory_size)
        self.score = check_choice("Attention", "score", score, SCORES)
        self.scale = check_flag("Attention", "scale", scale)
        self.dropout = check_probability("Attention", "dropout", dropout)
        self.batch_first = batch_first
        self.dtype = check_dtype("Attention", dtype)
        self.attention_size = (
            None
            if attention_size is None
            else check_size("Attention", "attention_size", attention_size)
        )
        self._check_score()
        rng = generator("Attention", seed)
        seeds = [int(s) for s in rng.integers(2**63, size=4)]
        self.query: Linear | None = None
        self.key: Linear | None = None
        self.v: Parameter | None = None
        if score == "additive":
            A = Q if self.attention_size is None else self.attention_size
            check_memory("Attention", A * (Q + M), self.dtype)
            self.query = Linear(Q, A, bias=False, dtype=self.dtype, seed=seeds[0])
            self.key = Linear(M, A, dtype=self.dtype, seed=seeds[1])
            self.v = Parameter.zeros((A,), self.dtype)
            init.uniform(self.v, A**-0.5, generator=np.random.default_rng(seeds[2]))
        elif score == "multiplicative":
            self.key = Linear(M, Q, bias=False, dtype=self.dtype, seed=seeds[1])
        self._draws = Draws(seeds[3])

    def __call__(self, queries: Any, memory: Any, lengths: Any = None, mask: Any = None) -> Any:
        """(context, weights): inference."""
        queries, memory, mask, unbatched = self._read(queries, memory, mask)
        attended = self.attend_to(memory, lengths, mask)
        projected = turned(queries if self.query is None else self.query(queries), self.batch_first)
        context, weights, _ = _core.attention_forward(attended.core, projected, num_threads())
        context, weights = (turned(a, self.batch_first) for a in (context, weights))
        return self._outputs(context, attended.to_caller(weights), unbatched)

    def vjp(
        self,
        queries: Any,
        memory: Any,
        lengths: Any = None,
        mask: Any = None,
        *,
        need_dx: bool = True,
        rng: int | None = None,
    ) -> tuple[Any, Pullback]:
        """((context, weights), pullback): training; without need_dx the pullback gives Nones.

        `rng` numbers the mask of the dropout; without it the module counts.
        """
        need_dx = check_flag("Attention", "need_dx", need_dx)
        queries, memory, mask, unbatched = self._read(queries, memory, mask)
        attended = self.attend_to(memory, lengths, mask, self.next_mask(rng))
        projected, query_back = (queries, None) if self.query is None else self.query.vjp(queries)
        batch_first = self.batch_first
        projected = turned(projected, batch_first)
        forward = _core.attention_forward(attended.core, projected, num_threads())
        context, weights, dropped = forward
        seen = attended.to_caller(turned(dropped, batch_first))
        outputs = self._outputs(turned(context, batch_first), seen, unbatched)
        shapes = [array.shape for array in outputs]

        def backward(dcontext: Any = None, dweights: Any = None) -> tuple[Any, Additions]:
            if dcontext is None:
                dcontext = np.zeros(shapes[0], self.dtype)
            dcontext = self._gradient("dcontext", dcontext, shapes[0], unbatched)
            if dweights is not None:
                dweights = self._gradient("dweights", dweights, shapes[1], unbatched)
                dweights = as_contiguous(turned(attended.from_caller(dweights), batch_first))
            dcontext = as_contiguous(turned(dcontext, batch_first))
            dqueries, dkeys, dvalues, dv = _core.attention_backward(
                attended.core, projected, weights, dcontext, dweights, num_threads()
            )
            dqueries = turned(dqueries, batch_first)
            dmemory, additions = attended.memory_gradient(dkeys, dvalues)
            if query_back is not None:
                dqueries, more = compute(query_back, dqueries)
                additions += more
            additions += [] if self.v is None or dv is None else add_arrays([self.v], [dv])
            if not need_dx:
                return (None, None), additions
            return self._outputs(dqueries, dmemory, unbatched), additions

        return outputs, Pullback(self, backward, self.parameters())

    def extra_state(self) -> dict[str, Any]:
        """The seed and the count of draws of the dropout; nothing without one."""
        return self._draws.state() if self.dropout else {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Takes back the seed and the count of draws."""
        super().load_extra_state(state)
        if self.dropout:
            self._draws.load(self, state)

    def next_mask(self, rng: Any) -> tuple[float, int, int, int]:
        """What the masks of a vjp depend on: for `attend_to`."""
        return self.dropout, *self._draws.key(self, rng)

    def attend_to(
        self,
        memory: Array,
        lengths: Any,
        mask: Any,
        dropout: tuple[float, int, int, int] | None = None,
    ) -> Attended:
        """A memory, in the caller's layout, with its keys, for any number of queries.

        With what `next_mask` gives for training, with None for inference.
        """
        memory = time_major(memory, self.batch_first)
        shape = memory.shape[:-1]
        B = shape[0] if self.batch_first else shape[1]
        if lengths is not None and mask is None:
            mask, lengths = mask_of_lengths("Attention", lengths, shape, self.batch_first), None
        moved = read_mask("Attention", mask, lengths, shape, self.batch_first)
        if moved is not None:  # a copy without the padding, which may hold NaN
            memory = moved.gather(memory)
        S = shape[1] if self.batch_first else shape[0]
        ends = as_lengths("Attention", np.full(B, S) if moved is None else moved.lengths, B, S)
        keys, back = memory, None
        if self.key is not None:
            keys, back = self.key.vjp(memory) if dropout else (self.key(memory), None)
        v = None if self.v is None else self.v.data
        scale = 1 / math.sqrt(self.query_size) if self.scale else 1.0
        keys, values = turned(keys, self.batch_first), turned(memory, self.batch_first)
        core = _core.Memory(keys, values, ends, v, scale, *(dropout or ()))
        return Attended(core, moved, self.batch_first, back)

    def query_additions(self, states: Array, dqueries: Array | None, dv: Array | None) -> Additions:
        """The gradients of W_q, one product over all states that queries came from, and of v."""
        query, v = self.query, self.v
        if query is None or v is None or dqueries is None or dv is None:
            return []
        rows = states.reshape(-1, query.in_features), dqueries.reshape(-1, query.out_features)
        _, dw, _ = _core.linear_backward(
            rows[0], query.weight.data, rows[1], False, False, num_threads()
        )
        return add_arrays([query.weight, v], [dw, dv])

    def _check_score(self) -> None:
        """ValueError for options that the score has no use for."""
        Q, M = self.query_size, self.memory_size
        if self.score == "dot" and Q != M:
            raise ValueError(f"Attention: memory_size is {M}, expected {Q} = query_size for 'dot'")
        if self.score != "additive" and self.attention_size is not None:
            raise ValueError(
                f"Attention: attention_size is {self.attention_size}, expected None for "
                f"{self.score!r}"
            )
        if self.score == "additive" and self.scale:
            raise ValueError("Attention: scale is True, expected False for 'additive'")

    def _read(self, queries: Any, memory: Any, mask: Any) -> tuple[Array, Array, Any, bool]:
        """All with the axis of the batch, and whether they came without."""
        queries = read_floats("Attention", "queries", queries, self.dtype)
        unbatched = queries.ndim == 2
        axis = 0 if self.batch_first else 1
        if unbatched:
            queries = np.expand_dims(queries, axis)
            mask = None if mask is None else np.expand_dims(mask, axis)
        axes = "(N, T" if self.batch_first else "(T, N"
        if queries.ndim != 3 or queries.shape[2] != self.query_size:
            raise ValueError(
                f"Attention: queries has shape {queries.shape}, expected {axes}, "
                f"{self.query_size}) with query_size, or (T, {self.query_size})"
            )
        memory = self.read_memory(memory, queries.shape[axis], unbatched)
        return time_major(queries, self.batch_first), memory, mask, unbatched

    def read_memory(self, memory: Any, batch: int, unbatched: bool) -> Array:
        """A memory of `batch` rows, its shape checked."""
        array: Array = read_floats("Attention", "memory", memory, self.dtype)
        axis = 0 if self.batch_first else 1
        if unbatched and array.ndim == 2:
            array = np.expand_dims(array, axis)
        if array.ndim != 3 or array.shape[axis] != batch or array.shape[2] != self.memory_size:
            sizes = f"({batch}, S" if self.batch_first else f"(S, {batch}"
            raise ValueError(
                f"Attention: memory has shape {array.shape}, expected {sizes}, "
                f"{self.memory_size}): the batch of the queries, and memory_size"
            )
        return array

    def _outputs(self, first: Array, second: Array, unbatched: bool) -> tuple[Array, Array]:
        """Both without the axis of the batch if the queries came without."""
        axis = 0 if self.batch_first else 1
        return (first.squeeze(axis), second.squeeze(axis)) if unbatched else (first, second)

    def _gradient(self, name: str, value: Any, shape: tuple[int, ...], unbatched: bool) -> Array:
        """The gradient of an output, with the axis of the batch."""
        array = read_floats("Attention", name, value, self.dtype)
        check_shape("Attention", name, array, shape, f"the shape of {name[1:]}")
        axis = 0 if self.batch_first else 1
        return np.expand_dims(array, axis) if unbatched else array
