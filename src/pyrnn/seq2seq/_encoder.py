"""Encoder: what a decoder reads of its source, a sequence of ids or a vector of features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._base.checks import (
    Array,
    as_contiguous,
    as_floats,
    as_integers,
    as_lengths,
    check_dtype,
    check_flag,
    check_shape,
)
from .._base.columns import pad
from .._base.inputs import as_state, has_c, map_state, parts_of
from .._base.layout import time_major, turned
from .._base.mask import mask_of_lengths
from .._base.module import Module
from .._base.pullback import Additions, Pullback, compute
from .._base.targets import check_ids
from ..layers._activations import Tanh
from ..layers._dropout import Dropout
from ..layers._embedding import Embedding
from ..layers._linear import Linear
from ..layers._recurrent import Recurrent, cells


class Encoded(NamedTuple):
    """An encoded source: a memory, in the model's layout, or None, with its lengths, and a
    state."""

    memory: Array | None
    lengths: Array | None
    state: Any
    rows: int

    def repeated(self, width: int, batch_first: bool) -> "Encoded":
        """Every row `width` times, one after the other."""
        state = map_state(lambda a: np.repeat(a, width, axis=1), self.state)
        axis = 0 if batch_first else 1
        memory = None if self.memory is None else np.repeat(self.memory, width, axis)
        lengths = None if self.lengths is None else np.repeat(self.lengths, width)
        return Encoded(memory, lengths, state, self.rows * width)


@dataclass(frozen=True)
class EncoderSizes:
    """What an encoder is made of; checked."""

    vocabulary: int | None
    features: int | None
    embedding: int
    hidden: int
    cell: str
    layers: int
    bidirectional: bool
    dropout: float


class Bridge(Module):
    """h = tanh(W_h a + b_h) and, for an LSTM, c = W_c b + b_c, of vectors a and b (..., I).

    `h, c = bridge(a, b)`; `(h, c), pullback = bridge.vjp(a, b)`; `da, db = pullback(dh, dc)`. For
    other cells c, b and db are None. As the first state of Bahdanau et al. 2015.
    """

    def __init__(
        self, in_features: int, out_features: int, *, has_c: bool, dtype: Any, seed: int
    ) -> None:
        self.in_features, self.out_features, self.has_c = in_features, out_features, has_c
        seeds = [int(s) for s in np.random.default_rng(seed).integers(2**63, size=2)]
        self.h = Linear(in_features, out_features, dtype=dtype, seed=seeds[0])
        self.c: Linear | None = None
        if has_c:
            self.c = Linear(in_features, out_features, dtype=dtype, seed=seeds[1])
        self.tanh = Tanh()
        self.dtype = self.h.dtype

    def __call__(self, a: Array, b: Array | None) -> tuple[Array, Array | None]:
        """(h, c): inference."""
        return self.tanh(self.h(a)), None if self.c is None else self.c(b)

    def vjp(self, a: Array, b: Array | None, *, need_dx: bool = True) -> tuple[Any, Pullback]:
        """((h, c), pullback): training."""
        linear, h_back = self.h.vjp(a, need_dx=need_dx)
        h, tanh_back = self.tanh.vjp(linear)
        c, c_back = (None, None) if self.c is None else self.c.vjp(b, need_dx=need_dx)

        def backward(dh: Array, dc: Array | None) -> tuple[Any, Additions]:
            dlinear, _ = compute(tanh_back, dh)
            da, additions = compute(h_back, dlinear)
            db, more = (None, []) if c_back is None else compute(c_back, dc)
            return (da, db), additions + more

        return (h, c), Pullback(self, backward, self.parameters())


class Encoder(Module):
    """Embedding and recurrent layers, or features alone; a part of Seq2Seq.

    `encoder(source, lengths)` and `encoded, pullback = encoder.vjp(source, lengths)` give an
    Encoded; `dsource = pullback(dmemory, dstate)`.
    """

    random = True

    def __init__(
        self, sizes: EncoderSizes, *, batch_first: bool | None, dtype: Any, seed: int
    ) -> None:
        self.batch_first = batch_first
        self.dtype = check_dtype("Seq2Seq", dtype)
        self.sizes = sizes
        seeds = [int(s) for s in np.random.default_rng(seed).integers(2**63, size=4)]
        L, H, D = sizes.layers, sizes.hidden, 1 + sizes.bidirectional
        self.source: Embedding | None = None
        self.bridge: Bridge | None = None
        layer = cells()[sizes.cell]
        bridge: dict[str, Any] = {"has_c": has_c(layer), "dtype": dtype, "seed": seeds[3]}
        if sizes.vocabulary is None:
            assert sizes.features is not None
            self.bridge = Bridge(sizes.features, L * H, **bridge)
            return
        self.source = Embedding(sizes.vocabulary, sizes.embedding, dtype=dtype, seed=seeds[0])
        self.drop = Dropout(sizes.dropout, batch_first=batch_first, seed=seeds[1])
        self.layers: Recurrent[Any] = layer(
            sizes.embedding,
            H,
            num_layers=L,
            bidirectional=sizes.bidirectional,
            dropout=sizes.dropout if L > 1 else 0.0,
            batch_first=batch_first,
            dtype=dtype,
            seed=seeds[2],
        )
        if sizes.bidirectional:
            self.bridge = Bridge(D * H, H, **bridge)

    def __call__(self, source: Any, lengths: Any = None) -> Encoded:
        """Inference."""
        source, lengths, rows = self._read(source, lengths)
        if self.source is None:
            assert self.bridge is not None
            h, c = self.bridge(source, source)
            return Encoded(None, None, self._from_features(h, c), rows)
        memory, state = self.layers(self.source(source), lengths=lengths)
        if self.bridge is not None:
            state = as_state(*self.bridge(*self._joined(state)))
        return Encoded(memory, lengths, state, rows)

    def vjp(
        self, source: Any, lengths: Any = None, *, need_dx: bool = True, rng: int | None = None
    ) -> tuple[Encoded, Pullback]:
        """Training."""
        need_dx = check_flag("Seq2Seq", "need_dx", need_dx)
        source, lengths, rows = self._read(source, lengths)
        if self.source is None:
            return self._features_vjp(source, rows, need_dx)
        x, source_back = self.source.vjp(source)
        x, drop_back = self.drop.vjp(x, rng=rng)
        (memory, state), layers_back = self.layers.vjp(x, lengths=lengths, rng=rng)
        bridge_back = None
        if self.bridge is not None:
            bridged, bridge_back = self.bridge.vjp(*self._joined(state))
            state = as_state(*bridged)

        def backward(dmemory: Array | None, dstate: Any) -> tuple[None, Additions]:
            additions: Additions = []
            if bridge_back is not None:
                dstate, additions = compute(bridge_back, *parts_of(dstate))
                dstate = self._parted(*dstate)
            (dx, _), more = compute(layers_back, dmemory, dstate)
            dx, _ = compute(drop_back, dx)
            _, last = compute(source_back, dx)
            return None, [*additions, *more, *last]

        encoded = Encoded(memory, lengths, state, rows)
        return encoded, Pullback(self, backward, self.parameters())

    def forward_path(self) -> Iterator[Module]:
        return (part for part in self.modules() if part is not self)

    @property
    def num_features(self) -> int:
        """The width of the memory."""
        return self.sizes.hidden * (1 + self.sizes.bidirectional)

    def read_list(self, source: Any, lengths: Any) -> tuple[Any, Any]:
        """A list with an entry per row as arrays; arrays as they are."""
        if not isinstance(source, list | tuple):
            return source, lengths
        if lengths is not None:
            raise ValueError("Seq2Seq: lengths is given, expected None with a list")
        if self.source is None:
            return self._feature_rows(source), None
        rows = [as_integers("Seq2Seq", f"source[{i}]", row) for i, row in enumerate(source)]
        ends = np.array([len(row) for row in rows], np.int64)
        ids = pad(rows, int(ends.max(initial=0)), np.int64) if rows else np.zeros((0, 0), np.int64)
        return turned(ids, not self.batch_first, 2), ends

    def _feature_rows(self, source: Any) -> Array:
        """Vectors (F,), one per row, as (B, F)."""
        F = self.sizes.features or 0
        array = np.zeros((len(source), F), self.dtype)
        for i, row in enumerate(source):
            vector = as_floats("Seq2Seq", f"source[{i}]", row, self.dtype)
            check_shape("Seq2Seq", f"source[{i}]", vector, (F,), "(feature_size,)")
            array[i] = vector
        return array

    def _features_vjp(self, source: Array, rows: int, need_dx: bool) -> tuple[Encoded, Pullback]:
        assert self.bridge is not None
        (h, c), back = self.bridge.vjp(source, source, need_dx=need_dx)

        def backward(dmemory: None, dstate: Any) -> tuple[Array | None, Additions]:
            rows = (None if d is None else _by_row(d) for d in parts_of(dstate))
            da_db, additions = compute(back, *rows)
            given = [d for d in da_db if d is not None]
            return (sum(given[1:], given[0]) if given else None), additions

        encoded = Encoded(None, None, self._from_features(h, c), rows)
        return encoded, Pullback(self, backward, self.parameters())

    def _read(self, source: Any, lengths: Any) -> tuple[Array, Array | None, int]:
        """The checked source, its lengths and the number of its rows."""
        if self.source is None:
            array = as_floats("Seq2Seq", "source", source, self.dtype)
            expected = (*array.shape[:1], self.sizes.features or 0)
            check_shape("Seq2Seq", "source", array, expected, "(batch, feature_size)")
            if lengths is not None:
                raise ValueError("Seq2Seq: lengths is given, expected None: features have no steps")
            return array, None, len(array)
        array = as_integers("Seq2Seq", "source", source)
        if array.ndim != 2:
            axes = "(N, S)" if self.batch_first else "(S, N)"
            raise ValueError(f"Seq2Seq: source has shape {array.shape}, expected {axes}")
        rows, steps = array.shape if self.batch_first else array.shape[::-1]
        if lengths is not None:  # what comes after them is no id
            real = mask_of_lengths("Seq2Seq", lengths, array.shape, self.batch_first)
            array, lengths = np.where(real, array, 0), as_lengths("Seq2Seq", lengths, rows, steps)
        vocabulary = self.source.num_embeddings
        check_ids("Seq2Seq", "source", array, vocabulary, "source_vocabulary")
        return time_major(array, self.batch_first, 2), lengths, rows

    def _joined(self, state: Any) -> tuple[Any, Any]:
        """The states (L*2, B, H) of both directions side by side, (L, B, 2*H)."""
        L, H = self.sizes.layers, self.sizes.hidden

        def joined(a: Array) -> Array:
            return a.reshape(L, 2, -1, H).swapaxes(1, 2).reshape(L, -1, 2 * H)

        return parts_of(map_state(joined, state))

    def _parted(self, dh: Array, dc: Array | None) -> Any:
        """The inverse: states (L*2, B, H) of (L, B, 2*H)."""
        L, H = self.sizes.layers, self.sizes.hidden

        def parted(a: Array) -> Array:
            return a.reshape(L, -1, 2, H).swapaxes(1, 2).reshape(2 * L, -1, H)

        return map_state(parted, as_state(dh, dc))

    def _from_features(self, h: Array, c: Array | None) -> Any:
        """States (L, B, H) of (B, L*H)."""
        L, H = self.sizes.layers, self.sizes.hidden
        state = as_state(h, c)
        return map_state(lambda a: as_contiguous(a.reshape(-1, L, H).swapaxes(0, 1)), state)


def _by_row(state: Array) -> Array:
    """(B, L*H) of (L, B, H)."""
    return as_contiguous(state.swapaxes(0, 1).reshape(state.shape[1], -1))
