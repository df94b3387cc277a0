"""Promise: optimizers, clipping and averaged weights give Keras' weights; where Keras adds eps or
applies the learning rate elsewhere, the two differ as the guide states."""

from itertools import product

import numpy as np
import pytest

import pyrnn
from pyrnn import optim

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

TINY = 1e-30  # an eps that changes no sum


class KerasAdam(optim.Adam):
    """Adam as at the end of section 2 of Kingma & Ba, and in Keras: eps is added to the root of v
    before v's bias is corrected."""

    def update_one(self, array, grad, state, step, options):
        eps = options["eps"] / (1 - options["betas"][1] ** step) ** 0.5
        super().update_one(array, grad, state, step, {**options, "eps": eps})


# pyrnn's options, Keras' options.
NO_DECAY = {}, {}
DECAY = {"weight_decay": 0.1, "decoupled_weight_decay": True}, {"weight_decay": 0.1}
MOMENTUM = ({"momentum": 0.9},) * 2
NESTEROV = ({"momentum": 0.9, "nesterov": True},) * 2
CENTERED = ({"centered": True},) * 2


def both(*pairs):
    """pyrnn's options of all pairs, and Keras'."""
    sides = zip(*pairs, strict=True)
    return tuple({k: v for options in side for k, v in options.items()} for side in sides)


def adam(eps, amsgrad, betas):
    own = {"eps": eps, "amsgrad": amsgrad, "betas": betas}
    return own, {"epsilon": eps, "amsgrad": amsgrad, "beta_1": betas[0], "beta_2": betas[1]}


def nadam(eps):
    return {"eps": eps, "momentum_decay": 1.0}, {"epsilon": eps}


def rmsprop(alpha, eps=TINY):
    return {"eps": eps, "alpha": alpha}, {"epsilon": eps, "rho": alpha}


def adagrad(start, eps=TINY):
    return [{name: eps, "initial_accumulator_value": start} for name in ("eps", "epsilon")]


CASES = [
    *(("SGD", optim.SGD, both(o, d)) for o in (NO_DECAY, MOMENTUM, NESTEROV)
      for d in (NO_DECAY, DECAY)),
    *((name, KerasAdam, both(adam(*given), d))
      for given in product([1e-7, 1e-2], [False, True], [(0.9, 0.999), (0.6, 0.5)])
      for name, d in (("Adam", NO_DECAY), ("Adam", DECAY), ("AdamW", DECAY))),
    *(("Nadam", optim.NAdam, both(nadam(eps), d)) for eps in (1e-7, 1e-2)
      for d in (NO_DECAY, DECAY)),
    *(("RMSprop", optim.RMSprop, both(rmsprop(alpha), *options)) for alpha in (0.9, 0.5)
      for options in ([], [MOMENTUM], [CENTERED], [CENTERED, MOMENTUM, DECAY])),
    *(("Adagrad", optim.Adagrad, both(adagrad(start), d)) for start in (0.0, 0.1)
      for d in (NO_DECAY, DECAY)),
]  # fmt: skip


def twins(keras, *arrays):
    """Parameters, and Keras' variables of the same values."""
    parameters = [pyrnn.Parameter(array) for array in arrays]
    return parameters, [keras.Variable(array, dtype="float64") for array in arrays]


def assert_alike(parameters, variables, tolerance=1e-12):
    for p, v in zip(parameters, variables, strict=True):
        expected = v.value.detach().numpy()
        np.testing.assert_allclose(p.data, expected, rtol=tolerance, atol=tolerance)


def step_both(optimizer, other, parameters, variables, grads, clip=lambda parameters: None):
    """A step of each on the same gradients."""
    for p, grad in zip(parameters, grads, strict=True):
        p.grad[...] = grad
    other.apply([torch.tensor(p.grad) for p in parameters], variables)
    clip(parameters)
    optimizer.step(parameters)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' Nadam
@pytest.mark.parametrize(("name", "cls", "options"), CASES, ids=str)
def test_twenty_steps(name, cls, options, keras, rng):
    pair = twins(keras, rng.standard_normal((3, 7)), rng.standard_normal(11))
    optimizer, other = cls(0.01, **options[0]), getattr(keras.optimizers, name)(0.01, **options[1])
    for _ in range(20):
        step_both(optimizer, other, *pair, [rng.standard_normal(p.shape) for p in pair[0]])
        assert_alike(*pair, 1e-10)


@pytest.mark.parametrize(
    ("name", "cls", "options", "own", "expected"),
    [  # the first step of rate 1 on g = eps = 1e-3, with a second moment of 0.19 * g^2
        ("Adam", optim.Adam, adam(1e-3, False, (0.9, 0.81)), 1 / 2, 0.19**0.5 / (0.19**0.5 + 1)),
        ("RMSprop", optim.RMSprop, rmsprop(0.81, 1e-3), 1 / (0.19**0.5 + 1),
         1e-3 / (0.19e-6 + 1e-3) ** 0.5),
        ("Adagrad", optim.Adagrad, adagrad(0.0, 1e-3), 1 / 2, 1e-3 / (1e-6 + 1e-3) ** 0.5),
    ],
)  # fmt: skip
def test_where_eps_is_added(name, cls, options, own, expected, keras):
    """Keras' Adam: to sqrt(v) without its bias correction; RMSprop and Adagrad: below the root."""
    pair = twins(keras, np.zeros(1))
    other = getattr(keras.optimizers, name)(1.0, **options[1])
    step_both(cls(1.0, **options[0]), other, *pair, [1e-3])
    assert -pair[0][0].data.item() == pytest.approx(own, rel=1e-9)
    assert -pair[1][0].value.item() == pytest.approx(expected, rel=1e-9)


def test_momentum_and_a_rate_that_changes(keras):
    """Keras gathers steps, lr * g; pyrnn and torch gather gradients, times the rate of now."""
    pair = twins(keras, np.zeros(1))
    optimizer, other = optim.SGD(1.0, momentum=0.5), keras.optimizers.SGD(1.0, momentum=0.5)
    step_both(optimizer, other, *pair, [1.0])
    optimizer.lr, other.learning_rate = 0.1, 0.1
    step_both(optimizer, other, *pair, [1.0])
    assert pair[0][0].data.item() == pytest.approx(-1 - 0.1 * (0.5 * 1 + 1))
    assert pair[1][0].value.item() == pytest.approx(-1 - (0.5 * 1 + 0.1 * 1))


def clip_each(parameters):
    for parameter in parameters:
        optim.clip_grad_norm([parameter], 0.5)


@pytest.mark.parametrize(
    ("option", "clip", "tolerance"),
    [
        ("clipvalue", lambda parameters: optim.clip_grad_value(parameters, 0.5), 1e-12),
        ("global_clipnorm", lambda parameters: optim.clip_grad_norm(parameters, 0.5), 1e-7),
        ("clipnorm", clip_each, 1e-7),
    ],
)
def test_clipping(option, clip, tolerance, keras, rng):
    """A norm's factor is c / norm in Keras, c / (norm + 1e-6) in pyrnn and torch: in 10 steps of
    0.01 * 0.5 a difference of 0.05 * 1e-6 / norm, and these norms are above 1."""
    pair = twins(keras, rng.standard_normal((3, 7)), rng.standard_normal(11))
    optimizer, other = optim.SGD(0.01), keras.optimizers.SGD(0.01, **{option: 0.5})
    for _ in range(10):
        grads = [rng.standard_normal(p.shape) for p in pair[0]]
        step_both(optimizer, other, *pair, grads, clip)
    assert_alike(*pair, tolerance)


def test_averaged_weights(keras, rng):
    pair = twins(keras, rng.standard_normal(5))
    optimizer, ema = optim.SGD(0.1), optim.EMA(pair[0], decay=0.9)
    other = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    for _ in range(10):
        step_both(optimizer, other, *pair, [rng.standard_normal(5)])
        ema.update()
    other.finalize_variable_values(pair[1])
    with ema.applied():
        assert_alike(*pair)
