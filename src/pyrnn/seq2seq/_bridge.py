"""Bridge: vectors that a decoder starts from, made of an encoder's final states or of features."""

from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.module import Additions, Module, Pullback, compute
from ..layers._activations import Tanh
from ..layers._linear import Linear


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
