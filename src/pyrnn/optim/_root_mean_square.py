"""Optimizers that divide by the root of the squared gradients: RMSprop and Adagrad."""

import numpy as np

from .. import _core
from .._base.checks import Array, check_probability
from .._base.parameter import Parameter
from .._base.runtime import num_threads
from ._groups import Groups, Options
from ._optimizer import Optimizer, State, decayed, zeros_like


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012; torch.optim.RMSprop).

    g += weight_decay * p;  s = alpha*s + (1-alpha)*g^2;  d = g / (sqrt(s) + eps);
    with momentum b = momentum*b + d and p -= lr * b, else p -= lr * d. `centered` takes the
    variance, s - a^2 with a = alpha*a + (1-alpha)*g, below the root (Graves 2013), at least 0;
    `maximize` turns the gradient's sign first; with `decoupled_weight_decay` p *= 1 - lr *
    weight_decay instead of the first equation, as AdamW does.

    ValueError for a number that is negative or not finite, alpha >= 1, or momentum > 1; at the
    first step for an eps that is 0 in the parameters' dtype. `groups`: see Optimizer.

    Examples
    --------
    >>> layer = pyrnn.Linear(3, 1, seed=0)
    >>> optimizer = pyrnn.optim.RMSprop(0.01, alpha=0.99)
    >>> layer.bias[...] = 1.0
    >>> layer.bias.grad[:] = 2.0
    >>> optimizer.step(layer)  # s = 0.01 * 2^2, so d = 2 / 0.2
    >>> layer.bias.data.round(6)
    array([0.9], dtype=float32)
    """

    def __init__(
        self,
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(
            lr=lr,
            alpha=self.check("alpha", alpha, below=1),
            eps=self.check("eps", eps),
            momentum=check_probability(type(self).__name__, "momentum", momentum),
            weight_decay=self.check("weight_decay", weight_decay),
            **self._flags(
                centered=centered, decoupled_weight_decay=decoupled_weight_decay, maximize=maximize
            ),
            groups=groups,
        )

    def init_one(self, parameter: Parameter, options: Options) -> State:
        self.check_eps(parameter, options)
        kept = {"grad_avg": "centered", "momentum_buffer": "momentum"}
        names = ["square_avg", *(name for name, option in kept.items() if options[option])]
        return {name: zeros_like(parameter) for name in names}

    def update_one(
        self, array: Array, grad: Array, state: State, step: int, options: Options
    ) -> None:
        o, buffer = options, state.get("momentum_buffer")
        _core.rmsprop_step(
            array,
            grad,
            state["square_avg"],
            state.get("grad_avg"),
            buffer,
            o["lr"],
            o["alpha"],
            1 - o["alpha"],
            o["eps"],
            o["momentum"],
            decayed(array, o),
            num_threads(),
        )


class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011; torch.optim.Adagrad).

    g += weight_decay * p;  s += g^2, from initial_accumulator_value;
    p -= lr / (1 + (t-1) * lr_decay) * g / (sqrt(s) + eps), step t from 1. `maximize` turns the
    gradient's sign first; with `decoupled_weight_decay` p *= 1 - lr * weight_decay instead of the
    first equation, as AdamW does.

    ValueError for a number that is negative or not finite; at the first step for an eps that is 0
    in the parameters' dtype. `groups`: see Optimizer.

    Examples
    --------
    >>> layer = pyrnn.Linear(3, 1, seed=0)
    >>> optimizer = pyrnn.optim.Adagrad(0.25)
    >>> layer.bias[...] = 1.0
    >>> layer.bias.grad[:] = 2.0
    >>> optimizer.step(layer)  # the first step has the size lr
    >>> layer.bias.data
    array([0.75], dtype=float32)
    """

    def __init__(
        self,
        lr: float = 1e-2,
        *,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(
            lr=lr,
            lr_decay=self.check("lr_decay", lr_decay),
            weight_decay=self.check("weight_decay", weight_decay),
            initial_accumulator_value=self.check(
                "initial_accumulator_value", initial_accumulator_value
            ),
            eps=self.check("eps", eps),
            **self._flags(decoupled_weight_decay=decoupled_weight_decay, maximize=maximize),
            groups=groups,
        )

    def init_one(self, parameter: Parameter, options: Options) -> State:
        start = options["initial_accumulator_value"]
        if start == 0:
            self.check_eps(parameter, options)
        return {"sum": np.full(parameter.shape, start, parameter.dtype)}

    def update_one(
        self, array: Array, grad: Array, state: State, step: int, options: Options
    ) -> None:
        lr = options["lr"] / (1 + (step - 1) * options["lr_decay"])
        alpha = square_rate = 1.0  # RMSprop's equation with a plain sum
        _core.rmsprop_step(
            array,
            grad,
            state["sum"],
            None,
            None,
            lr,
            alpha,
            square_rate,
            options["eps"],
            0.0,
            decayed(array, options),
            num_threads(),
        )
