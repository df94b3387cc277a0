"""Embedding: a trained vector for every id."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _core, init
from .._base.checks import (
    Array,
    as_contiguous,
    check_dtype,
    check_flag,
    check_memory,
    check_shape,
    check_size,
    read_floats,
    read_integers,
)
from .._base.layout import stored, turned
from .._base.module import Module, storable
from .._base.parameter import Parameter
from .._base.pullback import Additions, Pullback
from .._base.quantized import check_trainable
from .._base.runtime import num_threads
from .._base.seeding import generator
from .._base.steps import CoreStep
from .._base.targets import check_ids


@storable
class Embedding(Module):
    """y[..., :] = weight[x[...]], for integer x of any shape and y (*x.shape, embedding_dim).

    `weight` (num_embeddings, embedding_dim) is drawn from N(0, 1), as in torch.nn.Embedding. The
    row `padding_idx` (negative: counted from the end) starts at zero and gets no gradient.

    `y = embedding(x)`; `y, pullback = embedding.vjp(x)`; `pullback(dy)` adds the rows of dy into
    the gradient and returns None, for ids have none.
    TypeError unless x holds integers, ValueError for an id outside 0 <= id < num_embeddings.

    Examples
    --------
    >>> embedding = pyrnn.Embedding(100, 8, padding_idx=0, seed=0)
    >>> y = embedding(np.array([[5, 7, 0]]))
    >>> y.shape, np.array_equal(y[0, 0], embedding.weight.data[5]), bool(y[0, 2].any())
    ((1, 3, 8), True, False)
    """

    takes_ids = True
    stepwise = True

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        self.num_embeddings = N = check_size("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = check_size("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx: int | None = None
        if padding_idx is not None:
            index = check_size("Embedding", "padding_idx", padding_idx, minimum=-N, maximum=N - 1)
            self.padding_idx = index % N
        self.dtype = check_dtype("Embedding", dtype)
        rng = generator("Embedding", seed)
        check_memory("Embedding", N * self.embedding_dim, self.dtype)
        self.weight = Parameter.zeros((N, self.embedding_dim), self.dtype)
        init.normal(self.weight, generator=rng)
        if self.padding_idx is not None:
            self.weight[self.padding_idx] = 0.0

    def __call__(self, x: Any) -> Array:
        """The rows of `weight` that x names."""
        ids, swapped = stored(read_integers("Embedding", "x", x), 2)
        return turned(self._forward(ids, swapped), swapped, 2)

    def vjp(self, x: Any, *, need_dx: bool = True) -> tuple[Array, Pullback]:
        """y, and a pullback of dy; it returns None, whatever `need_dx` says."""
        check_trainable("Embedding.vjp", [self.weight])
        check_flag("Embedding", "need_dx", need_dx)
        ids, swapped = stored(read_integers("Embedding", "x", x), 2)
        ids = ids.copy()  # checked once: later writes must not matter
        y = turned(self._forward(ids, swapped), swapped, 2)
        y_shape = y.shape

        def backward(dy: Any) -> tuple[None, Additions]:
            dy = read_floats("Embedding", "dy", dy, self.dtype)
            check_shape("Embedding", "dy", dy, y_shape, "the shape of y")
            dy = as_contiguous(turned(dy, swapped, 2))
            rows, flat = dy.reshape(-1, self.embedding_dim), ids.reshape(-1)
            if self.padding_idx is not None:
                kept = np.flatnonzero(flat != self.padding_idx)
                rows, flat = rows[kept], flat[kept]
            return None, [partial(_core.embedding_backward, self.weight.grad, flat, rows)]

        return y, Pullback(self, backward, [self.weight])

    def _forward(self, ids: Array, swapped: bool) -> Array:
        """The rows; the core checks the range, and an error names the place in x's own shape."""
        try:
            rows = _core.embedding_forward(self.weight.kept, ids.reshape(-1), num_threads())
        except IndexError:  # the core's
            self.check_ids(turned(ids, swapped, 2))
            raise
        return rows.reshape(*ids.shape, self.embedding_dim)

    def core_step(self) -> CoreStep:
        """The rows of the weight, which has to stay as it is: a stream has a copy of the module."""
        sizes = {"inputs": self.num_embeddings, "outputs": self.embedding_dim}
        return CoreStep("embedding", (self.weight.kept,), **sizes, dtype=self.dtype, takes_ids=True)

    def matrices(self) -> dict[str, Parameter]:
        """The table."""
        return {"weight": self.weight}

    def check_ids(self, ids: Any, name: str = "x") -> None:
        """ValueError that names the first id out of range and its position."""
        ids = read_integers("Embedding", "ids", ids)
        check_ids("Embedding", name, ids, self.num_embeddings, "num_embeddings")
