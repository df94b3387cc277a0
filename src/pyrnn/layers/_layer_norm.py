"""LayerNorm: features of mean 0 and variance 1."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _core
from .._base.checks import (
    Array,
    as_contiguous,
    check_dtype,
    check_flag,
    check_memory,
    check_number,
    check_shape,
    check_size,
    read_floats,
)
from .._base.layout import stored, turned
from .._base.module import Module, storable
from .._base.parameter import Parameter
from .._base.pullback import Additions, Pullback, add_arrays
from .._base.runtime import num_threads
from .._base.steps import CoreStep


@storable
class LayerNorm(Module):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, over the last axes.

    Ba et al. 2016; torch.nn.LayerNorm. `normalized_shape` is the size of the last axis, or the
    shape of the last axes; mean and variance (divided by the number of elements) are those of one
    such block of x (..., *normalized_shape). Parameters `weight`, at first 1, and `bias`, at first
    0, have that shape; `elementwise_affine=False` has neither, `bias=False` no bias.

    `y = norm(x)`; `y, pullback = norm.vjp(x)`; `dx = pullback(dy)`. x is kept, not copied, until
    the pullback has run. TypeError for an x of another dtype, ValueError for other last axes.

    Examples
    --------
    >>> norm = pyrnn.LayerNorm(2, dtype=np.float64)
    >>> norm(np.array([[1.0, 3.0], [-5.0, 5.0]])).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    keeps_features = True
    _width = "normalized_shape"

    def __init__(
        self,
        normalized_shape: Any,
        *,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        given = normalized_shape
        sizes = given if isinstance(given, list | tuple) and given else [given]
        self.normalized_shape = tuple(
            check_size("LayerNorm", "normalized_shape", size) for size in sizes
        )
        self.eps = check_number("LayerNorm", "eps", eps)
        if not 0 <= self.eps < math.inf:
            raise ValueError(f"LayerNorm: eps is {eps}, expected a finite number >= 0")
        self.dtype = check_dtype("LayerNorm", dtype)
        affine = check_flag("LayerNorm", "elementwise_affine", elementwise_affine)
        biased = check_flag("LayerNorm", "bias", bias) and affine
        check_memory("LayerNorm", (affine + biased) * math.prod(self.normalized_shape), self.dtype)
        self.weight = self._parameter(1.0) if affine else None
        self.bias = self._parameter(0.0) if biased else None

    def __call__(self, x: Any) -> Array:
        """The normalised x."""
        x, swapped = stored(self._check(x), self._axes)
        return turned(self._forward(x)[0].reshape(x.shape), swapped)

    def vjp(self, x: Any, *, need_dx: bool = True) -> tuple[Array, Pullback]:
        """y, and a pullback: `dx = pullback(dy)`, None if not `need_dx`."""
        need_dx = check_flag("LayerNorm", "need_dx", need_dx)
        x, swapped = stored(self._check(x), self._axes)
        y, mean, scale = self._forward(x)
        parameters = [p for p in (self.weight, self.bias) if p is not None]

        def backward(dy: Any) -> tuple[Array | None, Additions]:
            dy = read_floats("LayerNorm", "dy", dy, self.dtype)
            check_shape("LayerNorm", "dy", dy, y_shape, "the shape of y")
            dy = as_contiguous(turned(dy, swapped))
            dx, *gradients = _core.layer_norm_backward(
                self._rows(x),
                _flat(self.weight),
                self._rows(dy),
                mean,
                scale,
                need_dx,
                bool(parameters),
                num_threads(),
            )
            shaped = [g.reshape(self.normalized_shape) for g in gradients if g is not None]
            additions = add_arrays(parameters, shaped[: len(parameters)])
            return (None if dx is None else turned(dx.reshape(x.shape), swapped)), additions

        y = turned(y.reshape(x.shape), swapped)
        y_shape = y.shape
        return y, Pullback(self, backward, parameters)

    @property
    def stepwise(self) -> bool:  # type: ignore[override]
        """Whether a step is normalised by itself, padding too: the time axis may not be among the
        last ones, and zeros, which have no deviation, need eps."""
        return len(self.normalized_shape) == 1 and self.eps >= np.finfo(self.dtype).tiny

    def core_step(self) -> CoreStep | None:
        """The normalisation of rows; none of several axes."""
        if len(self.normalized_shape) > 1:
            return None
        arrays = [None if p is None else p.data for p in (self.weight, self.bias)]
        features = self.normalized_shape[0]
        return CoreStep("layer_norm", (features, self.eps, *arrays), features, None, self.dtype)

    def config(self) -> dict[str, Any]:
        """The constructor's keywords; `weight` and `bias` name parameters here."""
        return {
            "normalized_shape": list(self.normalized_shape),
            "eps": self.eps,
            "elementwise_affine": self.weight is not None,
            "bias": self.bias is not None or self.weight is None,
            "dtype": self.dtype.name,
        }

    def _parameter(self, value: float) -> Parameter:
        """A parameter of the normalised shape, filled with a number."""
        parameter = Parameter.zeros(self.normalized_shape, self.dtype)
        parameter[...] = value
        return parameter

    def _check(self, x: Any) -> Array:
        """x, its last axes checked."""
        array = read_floats("LayerNorm", "x", x, self.dtype)
        if array.shape[-len(self.normalized_shape) :] != self.normalized_shape:
            sizes = ", ".join(map(str, self.normalized_shape))
            raise ValueError(
                f"LayerNorm: x has shape {array.shape}, expected (..., {sizes}) = "
                "(..., *normalized_shape)"
            )
        return array

    @property
    def _axes(self) -> int:
        """The axes of a batch of sequences."""
        return 2 + len(self.normalized_shape)

    def _forward(self, x: Array) -> tuple[Array, Array, Array]:
        """(y, mean, scale) of the rows of x."""
        weight, bias = _flat(self.weight), _flat(self.bias)
        return _core.layer_norm_forward(self._rows(x), weight, bias, self.eps, num_threads())

    def _rows(self, array: Array) -> Array:
        """One row for each block that is normalised."""
        return array.reshape(-1, math.prod(self.normalized_shape))


def _flat(parameter: Parameter | None) -> Array | None:
    """A parameter's values as a vector."""
    return None if parameter is None else parameter.data.reshape(-1)
