"""Clipping of gradients, element by element."""

import math

import numpy as np

from . import _core
from ._checks import check_number
from ._optimizer import Parameters, named_parameters


def clip_grad_value(parameters: Parameters, max_value: float) -> None:
    """Clips every element of every gradient to -max_value..max_value.

    torch.nn.utils.clip_grad_value_. FloatingPointError, with nothing changed, if a gradient has a
    NaN or an infinity: its parameter is named. ValueError unless max_value > 0.
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
