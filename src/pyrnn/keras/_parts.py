"""Small modules for what Keras' layers do and pyrnn's do not: masks, repeated outputs, the order of
steps, halves that become one."""

from typing import Any

import numpy as np

from .._base.checks import Array, check_choice, check_flag, check_number, check_shape, read_floats
from .._base.mask import Mask, read_steps
from .._base.module import Module, storable
from .._base.pullback import Additions, Pullback
from ..layers import Embedding, Identity

MERGES = ("sum", "mul", "average", "none")


@storable
class MaskedEmbedding(Embedding):
    """An Embedding in whose x the id 0 means that a step is masked: Keras' `mask_zero`.

    Its outputs are those of an Embedding, of the id 0 too. A MaskedSequential hands the mask on.

    Examples
    --------
    >>> embedding = pyrnn.keras.MaskedEmbedding(9, 4, seed=0)
    >>> embedding.mask_after(np.array([[3, 0, 5, 0]]), None)
    array([[ True, False,  True, False]])
    """

    makes_mask = True

    def mask_after(self, x: Array, mask: Array | None) -> Array:
        """The mask for what follows: True where a step is real. `mask` is what came."""
        real: Array = np.asarray(x) != 0
        return real


@storable
class Masking(Module):
    """y = x, with zeros at the masked steps: those whose features all equal `mask_value`.

    Keras' Masking. A MaskedSequential hands the mask on. `y = masking(x)`;
    `y, pullback = masking.vjp(x)`; `dx = pullback(dy)` is 0 at the masked steps. TypeError or
    ValueError for an x that is no array of floats with an axis of features.

    Examples
    --------
    >>> x = np.array([[[1.0, 2.0], [-1.0, -1.0]]])
    >>> masking = pyrnn.keras.Masking(-1.0)
    >>> masking(x)
    array([[[1., 2.],
            [0., 0.]]])
    >>> masking.mask_after(x, None)
    array([[ True, False]])
    """

    stepwise = True
    keeps_features = True
    makes_mask = True

    def __init__(self, mask_value: float = 0.0) -> None:
        self.mask_value = check_number("Masking", "mask_value", mask_value)

    def __call__(self, x: Any) -> Array:
        """x with zeros at the masked steps."""
        x = self._read("x", x)
        return self._kept(x, self.mask_after(x, None))

    def vjp(self, x: Any, *, need_dx: bool = True) -> tuple[Array, Pullback]:
        """y, and a pullback: `dx = pullback(dy)`, None if not `need_dx`."""
        need_dx = check_flag("Masking", "need_dx", need_dx)
        x = self._read("x", x)
        real, shape, dtype = self.mask_after(x, None), x.shape, x.dtype

        def backward(dy: Any) -> tuple[Array | None, Additions]:
            dy = read_floats("Masking", "dy", dy, dtype)
            check_shape("Masking", "dy", dy, shape, "the shape of y")
            return (self._kept(dy, real) if need_dx else None), []

        return self._kept(x, real), Pullback(self, backward)

    def mask_after(self, x: Array, mask: Array | None) -> Array:
        """The mask for what follows: True where a step is real. `mask` is what came."""
        real: Array = (np.asarray(x) != self.mask_value).any(axis=-1)
        return real

    @staticmethod
    def _kept(values: Array, real: Array) -> Array:
        return np.where(real[..., None], values, values.dtype.type(0))

    @staticmethod
    def _read(name: str, x: Any) -> Array:
        array = read_floats("Masking", name, x, None)
        if array.ndim < 2:
            raise ValueError(f"Masking: {name} has shape {array.shape}, expected (..., T, F)")
        return array


@storable
class EndMask(Identity):
    """y = x, and no mask for what follows, as a Keras layer that supports no masks ends them.

    Examples
    --------
    >>> print(pyrnn.keras.EndMask().mask_after(np.ones((1, 2, 3)), np.array([[True, False]])))
    None
    """

    makes_mask = True

    def mask_after(self, x: Array, mask: Array | None) -> None:
        """None: a mask ends here."""


@storable
class Repeat(Module):
    """y[n, t] = x[n, s], where s is the last step up to t that is real; x[n, t] if there is none.

    What Keras' recurrent layers give at masked steps, unless they have `zero_output_for_mask`. With
    `direction="reverse"`, s is the first real step from t on. Called as
    `y = repeat(x, mask=None)`, x (N, T, F) or (T, F), or (T, N, F) with batch_first=False.
    TypeError or ValueError for a mask that is no array of bools, one for each step of x.

    Examples
    --------
    >>> x = np.array([[[0.0], [3.0], [0.0]]])
    >>> pyrnn.keras.Repeat()(x, mask=np.array([[False, True, False]]))
    array([[[0.],
            [3.],
            [3.]]])
    """

    keeps_features = True

    def __init__(self, *, direction: str = "forward") -> None:
        self.direction = check_choice("Repeat", "direction", direction, ("forward", "reverse"))

    def forward(self, x: Any, mask: Any = None) -> Any:
        """x with its real steps repeated."""
        if mask is None:
            return x
        real = read_steps("Repeat", "mask", mask, x.shape[:-1], self.batch_first)
        steps, rows = self._steps(real), np.arange(real.shape[1])
        if x.ndim == 2:
            return x[steps[:, 0]]
        return x[rows[:, None], steps.T] if self.batch_first else x[steps, rows]

    def _steps(self, real: Array) -> Array:
        """The step that each shows, of bools (T, N)."""
        count = len(real)
        own = np.arange(count)[:, None]
        if self.direction == "forward":
            last = np.maximum.accumulate(np.where(real, own, -1))
            return np.where(last < 0, own, last)
        first = np.minimum.accumulate(np.where(real, own, count)[::-1])[::-1]
        return np.where(first == count, own, first)


@storable
class Flip(Module):
    """y[n, t] = x[n, T - 1 - t]: the steps in the other order, as Keras' go_backwards gives them.

    Of x (N, T, F), or (T, N, F) with batch_first=False, or (T, F) of one sequence.

    Examples
    --------
    >>> pyrnn.keras.Flip()(np.array([[[1.0], [2.0], [3.0]]])).ravel()
    array([3., 2., 1.])
    """

    keeps_features = True
    reads_backwards = True

    def forward(self, x: Any) -> Any:
        """x with its last step first."""
        return x[:, ::-1] if self.batch_first and x.ndim > 2 else x[::-1]


@storable
class Halves(Module):
    """y = a + b, a * b or (a + b) / 2 of the halves (a, b) of x's features, or the tuple (a, b).

    Keras' merge_mode of the final outputs of both directions: `merge` is "sum", "mul", "average",
    or "none" for the tuple. ValueError for an odd number of features.

    Examples
    --------
    >>> pyrnn.keras.Halves("sum")(np.array([[1.0, 2.0, 10.0, 20.0]]))
    array([[11., 22.]])
    """

    stepwise = True

    def __init__(self, merge: str) -> None:
        self.merge = check_choice("Halves", "merge", merge, MERGES)
        self.gives_several = self.merge == "none"

    def forward(self, x: Any) -> Any:
        """What the halves become."""
        features = x.shape[-1]
        if features % 2:
            raise ValueError(f"Halves: x has {features} features, expected an even number")
        a, b = x[..., : features // 2], x[..., features // 2 :]
        if self.merge == "none":
            return a, b
        if self.merge == "mul":
            return a * b
        return a + b if self.merge == "sum" else (a + b) / 2

    def placed(self, y: Any, moved: Mask, move: Any) -> Any:
        if not self.gives_several or y is None:
            return super().placed(y, moved, move)
        return tuple(super(Halves, self).placed(half, moved, move) for half in y)
