"""Optimizers, with torch's equations and defaults, and clipping by the global norm.

An optimizer has no parameters of its own: `step` is told which to update, and keeps what it
remembers of each by name. A new one subclasses Optimizer (see there).
"""

import math

import numpy as np

from . import _core
from ._checks import Array, check_flag, check_number
from ._optimizer import Optimizer, Parameters, State, named_parameters
from ._parameter import Parameter
from ._runtime import num_threads

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_grad_norm"]


class SGD(Optimizer):
    """Stochastic gradient descent (torch.optim.SGD).

    g += weight_decay * p;  b = g at the first step, then momentum * b + (1 - dampening) * g;
    d = g + momentum * b with Nesterov, else b (g without momentum);  p -= lr * d.

    ValueError for a number that is negative or not finite, for lr = 0, and for Nesterov without
    momentum or with dampening.
    """

    def __init__(
        self,
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            lr=lr,
            momentum=self.check("momentum", momentum),
            dampening=self.check("dampening", dampening),
            nesterov=check_flag("SGD", "nesterov", nesterov),
            weight_decay=self.check("weight_decay", weight_decay),
        )
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("SGD: nesterov needs momentum > 0 and dampening = 0")

    def init_one(self, parameter: Parameter) -> State:
        return {"momentum_buffer": _zeros(parameter)} if self.options["momentum"] else {}

    def update_one(self, array: Array, grad: Array, state: State, step: int) -> None:
        o, buffer = self.options, state.get("momentum_buffer")
        _core.sgd_step(
            array, grad, buffer, o["lr"], o["momentum"], o["dampening"], o["nesterov"],
            o["weight_decay"], step == 1, num_threads(),
        )  # fmt: skip


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015; torch.optim.Adam), weight decay added to the gradient.

    g += weight_decay * p;  m = b1*m + (1-b1)*g;  v = b2*v + (1-b2)*g^2;
    p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps),  betas = (b1, b2), step t from 1.

    ValueError for a number that is negative or not finite, lr = 0, or a beta of 1 or more.
    """

    decoupled = False

    def __init__(
        self,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        try:
            beta1, beta2 = betas
        except (TypeError, ValueError):
            owner = type(self).__name__
            raise TypeError(f"{owner}: betas is {betas!r}, expected two numbers") from None
        super().__init__(
            lr=lr,
            betas=(
                self.check("betas[0]", beta1, below=1),
                self.check("betas[1]", beta2, below=1),
            ),
            eps=self.check("eps", eps),
            weight_decay=self.check("weight_decay", weight_decay),
        )

    def init_one(self, parameter: Parameter) -> State:
        return {"exp_avg": _zeros(parameter), "exp_avg_sq": _zeros(parameter)}

    def update_one(self, array: Array, grad: Array, state: State, step: int) -> None:
        o, (beta1, beta2) = self.options, self.options["betas"]
        _core.adam_step(
            array, grad, state["exp_avg"], state["exp_avg_sq"], o["lr"], beta1, beta2, o["eps"],
            o["weight_decay"], self.decoupled, step, num_threads(),
        )  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay: p *= 1 - lr * weight_decay before Adam's step.

    Loshchilov & Hutter 2019; torch.optim.AdamW. Errors as Adam's.
    """

    decoupled = True

    def __init__(
        self,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(lr, betas=betas, eps=eps, weight_decay=weight_decay)


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012; torch.optim.RMSprop, not centred).

    g += weight_decay * p;  s = alpha*s + (1-alpha)*g^2;  d = g / (sqrt(s) + eps);
    with momentum b = momentum*b + d and p -= lr * b, else p -= lr * d.

    ValueError for a number that is negative or not finite, lr = 0, or alpha >= 1.
    """

    def __init__(
        self,
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            lr=lr,
            alpha=self.check("alpha", alpha, below=1),
            eps=self.check("eps", eps),
            momentum=self.check("momentum", momentum),
            weight_decay=self.check("weight_decay", weight_decay),
        )

    def init_one(self, parameter: Parameter) -> State:
        names = ["square_avg", "momentum_buffer"] if self.options["momentum"] else ["square_avg"]
        return {name: _zeros(parameter) for name in names}

    def update_one(self, array: Array, grad: Array, state: State, step: int) -> None:
        o, buffer = self.options, state.get("momentum_buffer")
        _core.rmsprop_step(
            array, grad, state["square_avg"], buffer, o["lr"], o["alpha"], o["eps"],
            o["momentum"], o["weight_decay"], num_threads(),
        )  # fmt: skip


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


def _zeros(parameter: Parameter) -> Array:
    """Zeros in the parameter's shape and dtype."""
    return np.zeros(parameter.shape, parameter.dtype)
