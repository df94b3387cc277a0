"""Linear: a dense layer on the last axis."""

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
)
from .._base.layout import stored, turned
from .._base.module import Module, storable
from .._base.packing import PackedWeights
from .._base.parameter import Parameter
from .._base.pullback import Additions, Pullback, add_arrays
from .._base.quantized import check_trainable, form_of
from .._base.runtime import num_threads
from .._base.seeding import generator
from .._base.steps import CoreStep


@storable
class Linear(Module):
    """y = x W^T + b, for x (..., in_features) and y (..., out_features).

    Parameters as torch.nn.Linear: `weight` (out_features, in_features) and `bias` (out_features,),
    both drawn from U(-k, k) with k = 1/sqrt(in_features). The leading axes may be any, or none.

    `y = linear(x)`; `y, pullback = linear.vjp(x, need_dx=True)`; `dx = pullback(dy)` adds dy^T x
    and the sum of dy into the gradients. x is kept, not copied, until the pullback has run.
    TypeError for an x of another dtype, ValueError for one of another last axis.

    Examples
    --------
    >>> linear = pyrnn.Linear(3, 2, seed=0)
    >>> linear.weight[...] = [[1, 0, 0], [0, 1, 1]]
    >>> linear.bias[...] = [10, 20]
    >>> linear(np.array([1, 2, 3], np.float32))
    array([11., 25.], dtype=float32)
    """

    stepwise = True
    _width = "in_features"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        self.in_features = check_size("Linear", "in_features", in_features)
        self.out_features = check_size("Linear", "out_features", out_features)
        self.dtype = check_dtype("Linear", dtype)
        rng = generator("Linear", seed)
        check_memory("Linear", self.in_features * self.out_features, self.dtype)
        self.weight = Parameter.zeros((self.out_features, self.in_features), self.dtype)
        self.bias: Parameter | None = None
        if check_flag("Linear", "bias", bias):
            self.bias = Parameter.zeros((self.out_features,), self.dtype)
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                init.uniform(parameter, self.in_features**-0.5, generator=rng)
        self._packed: PackedWeights[_core.PackedLinear] = PackedWeights()

    def __call__(self, x: Any) -> Array:
        """y = x W^T + b."""
        x, swapped = stored(self._check(x))
        return turned(self._forward(x), swapped)

    def vjp(self, x: Any, *, need_dx: bool = True) -> tuple[Array, Pullback]:
        """y, and a pullback: `dx = pullback(dy)`, None if not `need_dx`."""
        check_trainable("Linear.vjp", [self.weight])
        need_dx = check_flag("Linear", "need_dx", need_dx)
        x, swapped = stored(self._check(x))
        y = turned(self._forward(x), swapped)

        def backward(dy: Any) -> tuple[Array | None, Additions]:
            dy = read_floats("Linear", "dy", dy, self.dtype)
            check_shape("Linear", "dy", dy, y_shape, "the shape of y")
            dy = as_contiguous(turned(dy, swapped))
            dx, *gradients = _core.linear_backward(
                self._rows(x, self.in_features),
                self.weight.data,
                self._rows(dy, self.out_features),
                need_dx,
                self.bias is not None,
                num_threads(),
            )
            additions = add_arrays(parameters, [g for g in gradients if g is not None])
            return (None if dx is None else turned(dx.reshape(x.shape), swapped)), additions

        y_shape, parameters = y.shape, self._weights()
        return y, Pullback(self, backward, parameters)

    def core_step(self) -> CoreStep:
        """The product with the packed weights."""
        sizes = self.in_features, self.out_features
        return CoreStep("linear", (self.packed(),), *sizes, dtype=self.dtype)

    def config(self) -> dict[str, Any]:
        """The constructor's keywords; `bias` says whether there is that parameter."""
        attributes = ("in_features", "out_features")
        config: dict[str, Any] = {name: getattr(self, name) for name in attributes}
        return config | {"bias": self.bias is not None, "dtype": self.dtype.name}

    def _check(self, x: Any) -> Array:
        """x, its last axis checked."""
        array = read_floats("Linear", "x", x, self.dtype)
        if array.shape[-1:] != (self.in_features,):
            raise ValueError(
                f"Linear: x has shape {array.shape}, expected (..., {self.in_features}) = "
                "(..., in_features)"
            )
        return array

    def _forward(self, x: Array) -> Array:
        """One product over all rows, with weights that were packed once."""
        y = _core.linear_forward(self.packed(), self._rows(x, self.in_features), num_threads())
        return y.reshape(*x.shape[:-1], self.out_features)

    def matrices(self) -> dict[str, Parameter]:
        """The weight."""
        return {"weight": self.weight}

    def packed(self) -> _core.PackedLinear:
        """The weights for the core, packed anew when one was written."""
        return self._packed.get(self._weights(), self._pack)

    def _weights(self) -> list[Parameter]:
        """What the core packs, and gives gradients for."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    def _pack(self) -> _core.PackedLinear:
        """The weights in the kernels' layout."""
        bias = None if self.bias is None else self.bias.data
        form = form_of([self.weight])
        return _core.linear_pack(self.weight.data, bias, num_threads(), form=form)

    @staticmethod
    def _rows(array: Array, features: int) -> Array:
        """The leading axes as one."""
        return array.reshape(-1, features)
