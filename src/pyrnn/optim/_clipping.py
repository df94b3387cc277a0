"""Clipping of gradients: by their global norm, or element by element."""

import math

import numpy as np

from .. import _core
from .._base.checks import check_number
from .._base.runtime import num_threads
from ._optimizer import Parameters, named_parameters


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
    named = named_parameters("clip_grad_value", parameters)
    for name, parameter in named:
        if not math.isfinite(_core.sum_squares(parameter.grad)):
            raise FloatingPointError(
                f"clip_grad_value: the gradient of {name!r} is not finite; nothing was changed"
            )
    for _, parameter in named:
        np.clip(parameter.grad, -max_value, max_value, out=parameter.grad)


def clip_grad_norm(parameters: Parameters, max_norm: float) -> float:
    """Scales all gradients by max_norm / (norm + 1e-6) where that is below 1; returns the norm
    before: the square root of the sum of squares over all gradients, in float64.

    Pascanu et al. 2013; torch.nn.utils.clip_grad_norm_. FloatingPointError, with nothing changed,
    if a gradient has a NaN or an infinity: its parameter is named. ValueError unless max_norm > 0.

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
    named = named_parameters("clip_grad_norm", parameters)
    total = 0.0
    for name, parameter in named:
        squares = _core.sum_squares(parameter.grad)
        if not math.isfinite(squares):
            raise FloatingPointError(
                f"clip_grad_norm: the gradient of {name!r} is not finite (its sum of squares is "
                f"{squares}); nothing was changed"
            )
        total += squares
    norm = math.sqrt(total)
    factor = max_norm / (norm + 1e-6)
    if factor < 1:
        for _, parameter in named:
            _core.scale_in_place(parameter.grad, factor, num_threads())
    return norm
