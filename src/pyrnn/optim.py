"""Optimizers, with torch's equations and defaults, averaged weights, schedules and clipping.

An optimizer has no parameters of its own: `step` is told which to update, and keeps what it
remembers of each by name. Its `groups` give some parameters other options. A new one subclasses
Optimizer (see there). A schedule multiplies the learning rates of an optimizer; EMA keeps an
average of the weights.
"""

from ._adam import Adam, AdamW, NAdam
from ._clipping import clip_grad_norm, clip_grad_value
from ._ema import EMA
from ._on_plateau import OnPlateau
from ._optimizer import Optimizer
from ._root_mean_square import Adagrad, RMSprop
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
    "clip_grad_value",
]
