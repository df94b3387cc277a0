"""Adam and its relatives: AdamW and NAdam."""

import numpy as np

from .. import _core
from .._base.checks import Array, describe
from .._base.parameter import Parameter
from .._base.runtime import num_threads
from ._groups import Groups, Options
from ._optimizer import Optimizer, State, zeros_like


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015; torch.optim.Adam), weight decay added to the gradient.

    g += weight_decay * p;  m = b1*m + (1-b1)*g;  v = b2*v + (1-b2)*g^2;
    p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps),  betas = (b1, b2), step t from 1.
    `amsgrad` divides by the largest v so far instead (Reddi et al. 2018), `maximize` turns the
    gradient's sign first, `decoupled_weight_decay` makes it AdamW.

    ValueError for a number that is negative or not finite, or a beta of 1 or more; at the first
    step for an eps that is 0 in the parameters' dtype. `groups`: see Optimizer.

    Examples
    --------
    >>> layer = pyrnn.Linear(3, 1, seed=0)
    >>> optimizer = pyrnn.optim.Adam(1e-3)
    >>> before = layer.bias.data.copy()
    >>> layer.bias.grad[:] = 5.0
    >>> optimizer.step(layer)
    >>> (layer.bias.data - before).round(6)  # the first step has the size lr
    array([-0.001], dtype=float32)
    """

    decoupled = False

    def __init__(
        self,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        amsgrad: bool = False,
        maximize: bool = False,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(
            **self._checked(lr, betas, eps, weight_decay),
            **self._flags(
                decoupled_weight_decay=decoupled_weight_decay, amsgrad=amsgrad, maximize=maximize
            ),
            groups=groups,
        )

    def init_one(self, parameter: Parameter, options: Options) -> State:
        self.check_eps(parameter, options)
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if options.get("amsgrad") else [])]
        return {name: zeros_like(parameter) for name in names}

    def update_one(
        self, array: Array, grad: Array, state: State, step: int, options: Options
    ) -> None:
        (beta1, beta2), decay = options["betas"], options["weight_decay"]
        added, keep = decay, 1.0
        if options.get("decoupled_weight_decay", self.decoupled):
            added, keep = 0.0, 1.0 - options["lr"] * decay
        m_size, g_size = self.sizes(state, step, options)
        _core.adam_step(
            array,
            grad,
            state["exp_avg"],
            state["exp_avg_sq"],
            state.get("max_exp_avg_sq"),
            m_size,
            g_size,
            beta1,
            beta2,
            options["eps"],
            added,
            keep,
            step,
            num_threads(),
        )

    def sizes(self, state: State, step: int, options: Options) -> tuple[float, float]:
        """What m and g, divided by the root, are multiplied by."""
        return options["lr"] / (1 - options["betas"][0] ** step), 0.0

    def _checked(
        self, lr: float, betas: tuple[float, float], eps: float, weight_decay: float
    ) -> Options:
        """The options that all of the family have."""
        try:
            beta1, beta2 = betas
        except (TypeError, ValueError):
            owner = type(self).__name__
            raise TypeError(f"{owner}: betas is {describe(betas)}, expected two numbers") from None
        return {
            "lr": lr,
            "betas": (
                self.check("betas[0]", beta1, below=1),
                self.check("betas[1]", beta2, below=1),
            ),
            "eps": self.check("eps", eps),
            "weight_decay": self.check("weight_decay", weight_decay),
        }


class AdamW(Adam):
    """Adam with decoupled weight decay: p *= 1 - lr * weight_decay before Adam's step.

    Loshchilov & Hutter 2019; torch.optim.AdamW. Options and errors as Adam's.

    Examples
    --------
    >>> layer = pyrnn.Linear(3, 1, seed=0)
    >>> optimizer = pyrnn.optim.AdamW(0.1, weight_decay=0.5)
    >>> layer.bias[...] = 1.0
    >>> optimizer.step(layer)  # without a gradient only the decay acts: 1 - 0.1 * 0.5
    >>> layer.bias.data
    array([0.95], dtype=float32)
    """

    decoupled = True

    def __init__(
        self,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        maximize: bool = False,
        groups: Groups | None = None,
    ) -> None:
        Optimizer.__init__(
            self,
            **self._checked(lr, betas, eps, weight_decay),
            **self._flags(amsgrad=amsgrad, maximize=maximize),
            groups=groups,
        )


class NAdam(Adam):
    """Adam with Nesterov's momentum (Dozat 2016; torch.optim.NAdam).

    m and v as Adam's; u_t = b1 * (1 - 0.96^(t * momentum_decay) / 2), U_t = u_1 * ... * u_t;
    p -= lr * ((1-u_t) / (1-U_t) * g + u_{t+1} / (1-U_{t+1}) * m) / (sqrt(v) / sqrt(1-b2^t) + eps).
    Weight decay is added to the gradient, or with `decoupled_weight_decay` taken as AdamW's;
    `maximize` turns the gradient's sign first. Errors as Adam's.

    Examples
    --------
    >>> layer = pyrnn.Linear(3, 1, seed=0)
    >>> optimizer = pyrnn.optim.NAdam(1e-3)
    >>> layer.bias[...] = 1.0
    >>> layer.bias.grad[:] = 5.0
    >>> optimizer.step(layer)
    >>> bool(layer.bias.data[0] < 1)
    True
    """

    def __init__(
        self,
        lr: float = 2e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        groups: Groups | None = None,
    ) -> None:
        Optimizer.__init__(
            self,
            **self._checked(lr, betas, eps, weight_decay),
            momentum_decay=self.check("momentum_decay", momentum_decay),
            **self._flags(decoupled_weight_decay=decoupled_weight_decay, maximize=maximize),
            groups=groups,
        )

    def init_one(self, parameter: Parameter, options: Options) -> State:
        return super().init_one(parameter, options) | {"mu_product": np.ones(())}

    def sizes(self, state: State, step: int, options: Options) -> tuple[float, float]:
        now, following = (
            options["betas"][0] * (1 - 0.5 * 0.96 ** (t * options["momentum_decay"]))
            for t in (step, step + 1)
        )
        product = float(state["mu_product"]) * now
        state["mu_product"][...] = product
        lr = options["lr"]
        return lr * following / (1 - product * following), lr * (1 - now) / (1 - product)
