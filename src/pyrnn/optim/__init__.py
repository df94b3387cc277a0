"""Optimizers, with torch's equations and defaults, averaged weights, schedules and clipping.

An optimizer has no parameters of its own: `step(parameters)` updates those that it gets, and keeps
their state by name. Its `groups` give some parameters other options. A new optimizer subclasses
Optimizer (see there). A schedule multiplies the learning rates of an optimizer; EMA keeps an
average of the weights.
"""

from .._base.face import present as _present
from ._adam import Adam as Adam
from ._adam import AdamW as AdamW
from ._adam import NAdam as NAdam
from ._chain import Chain as Chain
from ._chain import Warmup as Warmup
from ._clipping import clip_grad_norm as clip_grad_norm
from ._clipping import clip_grad_value as clip_grad_value
from ._clipping import grad_norm as grad_norm
from ._curves import Cosine as Cosine
from ._curves import Exponential as Exponential
from ._curves import Lambda as Lambda
from ._curves import MultiStep as MultiStep
from ._curves import Polynomial as Polynomial
from ._curves import Step as Step
from ._cycles import Cyclic as Cyclic
from ._cycles import OneCycle as OneCycle
from ._cycles import WarmRestarts as WarmRestarts
from ._ema import EMA as EMA
from ._on_plateau import OnPlateau as OnPlateau
from ._optimizer import Optimizer as Optimizer
from ._root_mean_square import Adagrad as Adagrad
from ._root_mean_square import RMSprop as RMSprop
from ._schedule import Schedule as Schedule
from ._sgd import SGD as SGD

_present(globals())
