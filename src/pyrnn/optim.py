"""Optimizers, with torch's equations and defaults, averaged weights, schedules and clipping.

An optimizer has no parameters of its own: `step` is told which to update, and keeps what it
remembers of each by name. Its `groups` give some parameters other options. A new one subclasses
Optimizer (see there). A schedule multiplies the learning rates of an optimizer; EMA keeps an
average of the weights.
"""

import math

from . import _core
from ._adam import Adam, AdamW, NAdam
from ._checks import check_number
from ._ema import EMA
from ._on_plateau import OnPlateau
from ._optimizer import Optimizer, Parameters, named_parameters
from ._root_mean_square import Adagrad, RMSprop
from ._runtime import num_threads
from ._schedule import Schedule
from ._schedules import Cosine, OneCycle, Step, Warmup
from ._sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Cosine",
    "NAdam",
    "OnPlateau",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "Step",
    "Warmup",
    "clip_grad_norm",
]


def clip_grad_norm(parameters: Parameters, max_norm: float) -> float:
    """Scales all gradients by max_norm / (norm + 1e-6) where that is below 1; returns the norm
    before: the square root of the sum of squares over all gradients, in float64.

    Pascanu et al. 2013; torch.nn.utils.clip_grad_norm_. FloatingPointError, with nothing changed,
    if a gradient has a NaN or an infinity: its parameter is named. ValueError unless max_norm > 0.
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
