"""Clipping of gradients: by their global norm, or element by element."""

import math

import numpy as np

from .. import _core
from .._base.checks import check_number
from .._base.freezing import trained
from .._base.parameter import Parameter
from .._base.runtime import num_threads
from ._groups import Parameters, named_parameters

LEAST_FACTOR = 2.0**-126  # float32's smallest normal number; a smaller one would be flushed to 0
LEAST_SUM = 1e-280  # of squares: below it some that matter may have been flushed to 0


def clip_grad_value(parameters: Parameters, max_value: float) -> None:
    """Clips every element of every gradient to -max_value..max_value.

    torch.nn.utils.clip_grad_value_. FloatingPointError, with nothing changed, if a gradient has a
    NaN or an infinity: its parameter is named. ValueError unless max_value > 0.

    Examples
    --------
    >>> layer = pyrnn.Linear(2, 1, seed=0)
    >>> layer.weight.grad[:] = [[3.0, -0.5]]
    >>> pyrnn.optim.clip_grad_value(layer, 1.0)
    >>> layer.weight.grad
    array([[ 1. , -0.5]], dtype=float32)
    """
    if not check_number("clip_grad_value", "max_value", max_value) > 0:
        raise ValueError(f"clip_grad_value: max_value is {max_value}, expected a number > 0")
    named = trained(named_parameters("clip_grad_value", parameters))
    check_gradients("clip_grad_value", named)
    for _, parameter in named:
        np.clip(parameter.grad, -max_value, max_value, out=parameter.grad)


def clip_grad_norm(parameters: Parameters, max_norm: float) -> float:
    """Scales all gradients by max_norm / (norm + 1e-6) where that is below 1; returns the norm
    before: the square root of the sum of squares over all gradients, in float64. Frozen
    parameters have none.

    Squares and factor are scaled where they would overflow or vanish; the norm itself is infinite
    if it is beyond float64. Pascanu et al. 2013; torch.nn.utils.clip_grad_norm_.
    FloatingPointError, with nothing changed, if a gradient has a NaN or an infinity: its parameter
    is named. ValueError unless max_norm > 0.

    Examples
    --------
    >>> layer = pyrnn.Linear(2, 1, seed=0)
    >>> layer.weight.grad[:] = [[3.0, 4.0]]
    >>> pyrnn.optim.clip_grad_norm(layer, 1.0)  # the norm before
    5.0
    >>> layer.weight.grad.round(4)
    array([[0.6, 0.8]], dtype=float32)
    """
    if not check_number("clip_grad_norm", "max_norm", max_norm) > 0:
        raise ValueError(f"clip_grad_norm: max_norm is {max_norm}, expected a number > 0")
    named = trained(named_parameters("clip_grad_norm", parameters))
    root, unit = _norm("clip_grad_norm", named)
    norm = root * unit
    factor = max_norm / (norm + 1e-6)
    factors = [factor] if factor < 1 else []
    if factor < LEAST_FACTOR:
        factors = [math.sqrt(max_norm) / (math.sqrt(root) * math.sqrt(unit))] * 2
    for factor in factors:
        for _, parameter in named:
            _core.scale_in_place(parameter.grad, factor, num_threads())
    return norm


def grad_norm(parameters: Parameters) -> float:
    """The global norm of all gradients: what `clip_grad_norm` returns, with nothing changed.

    FloatingPointError if a gradient has a NaN or an infinity: its parameter is named.

    Examples
    --------
    >>> layer = pyrnn.Linear(2, 1, seed=0)
    >>> layer.weight.grad[:] = [[3.0, 4.0]]
    >>> pyrnn.optim.grad_norm(layer)
    5.0
    """
    root, unit = _norm("grad_norm", trained(named_parameters("grad_norm", parameters)))
    return root * unit


def check_gradients(owner: str, named: list[tuple[str, Parameter]]) -> None:
    """FloatingPointError that names the first gradient with a NaN or an infinity."""
    threads = num_threads()
    for name, parameter in trained(named):
        if not _core.all_finite(parameter.grad, threads):
            raise FloatingPointError(
                f"{owner}: the gradient of {name!r} is not finite; nothing was changed"
            )


def _norm(owner: str, named: list[tuple[str, Parameter]]) -> tuple[float, float]:
    """(root, unit): the global norm, which is their product, divided by a power of two."""
    total, unit = 0.0, 1.0
    for _, parameter in named:
        total += _core.sum_squares(parameter.grad)
    if not LEAST_SUM < total < math.inf:
        check_gradients(owner, named)
        total, unit = _scaled_sum(named)
    return math.sqrt(total), unit


def _scaled_sum(named: list[tuple[str, Parameter]]) -> tuple[float, float]:
    """(sum, unit): the sum of the squares of all gradients / unit, the power of two below the
    largest element, so that none of those that matter overflows or is flushed to 0."""
    largest = max((float(np.abs(p.grad).max(initial=0)) for _, p in named), default=0.0)
    unit = 2.0 ** (math.frexp(largest)[1] - 1) if largest else 1.0
    return sum(_core.sum_squares(p.grad / p.dtype.type(unit)) for _, p in named), unit
