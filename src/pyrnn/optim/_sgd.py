"""SGD, with momentum."""

from .. import _core
from .._base.checks import Array, check_flag, check_probability
from .._base.parameter import Parameter
from .._base.runtime import num_threads
from ._groups import Groups, Options
from ._optimizer import Optimizer, State, decayed, zeros_like


class SGD(Optimizer):
    """Stochastic gradient descent (torch.optim.SGD).

    g += weight_decay * p;  b = g at the first step, then momentum * b + (1 - dampening) * g;
    d = g + momentum * b with Nesterov, else b (g without momentum);  p -= lr * d.
    `maximize` turns the gradient's sign first; with `decoupled_weight_decay` p *= 1 - lr *
    weight_decay instead of the first equation (SGDW, Loshchilov & Hutter 2019).

    ValueError for a number that is negative or not finite, a momentum or dampening above 1, for
    dampening without momentum, and for Nesterov without momentum or with dampening. `groups`: see
    Optimizer.

    Examples
    --------
    >>> layer = pyrnn.Linear(3, 1, seed=0)
    >>> optimizer = pyrnn.optim.SGD(0.1, momentum=0.9)
    >>> layer.bias[...] = 1.0
    >>> layer.bias.grad[:] = 2.0
    >>> optimizer.step(layer)
    >>> layer.bias.data
    array([0.8], dtype=float32)
    """

    def __init__(
        self,
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        groups: Groups | None = None,
    ) -> None:
        owner = type(self).__name__
        momentum = check_probability(owner, "momentum", momentum)
        dampening = check_probability(owner, "dampening", dampening)
        nesterov = check_flag(owner, "nesterov", nesterov)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(
                f"{owner}: nesterov is True with momentum={momentum} and dampening={dampening}, "
                "expected momentum > 0 and dampening = 0"
            )
        if dampening and momentum == 0:
            raise ValueError(
                f"{owner}: dampening is {dampening}, expected 0 without momentum: it acts on the "
                "gradient that momentum gathers"
            )
        super().__init__(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
            weight_decay=self.check("weight_decay", weight_decay),
            **self._flags(decoupled_weight_decay=decoupled_weight_decay, maximize=maximize),
            groups=groups,
        )

    def init_one(self, parameter: Parameter, options: Options) -> State:
        return {"momentum_buffer": zeros_like(parameter)} if options["momentum"] else {}

    def update_one(
        self, array: Array, grad: Array, state: State, step: int, options: Options
    ) -> None:
        o, buffer = options, state.get("momentum_buffer")
        _core.sgd_step(
            array,
            grad,
            buffer,
            o["lr"],
            o["momentum"],
            o["dampening"],
            o["nesterov"],
            decayed(array, o),
            step == 1,
            num_threads(),
        )
