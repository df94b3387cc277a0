"""Promise: optimizers and clipping follow their published equations, step for step."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits, tolerance
from optimizer_twins import adagrad, adagrad_from_half, adam, adamw, nadam, rmsprop, sgd
from pyrnn import optim

DTYPES = ("float32", "float64")


DECOUPLED = {"decoupled_weight_decay": True}
SETTINGS = [
    (optim.SGD, sgd, {"lr": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.3}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.4}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (optim.Adam, adam, {"lr": 0.1}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-2, "weight_decay": 0.1}),
    (optim.AdamW, adamw, {"lr": 0.1}),
    (optim.AdamW, adamw, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-2, "weight_decay": 0.3}),
    (optim.RMSprop, rmsprop, {"lr": 0.01}),
    (optim.RMSprop, rmsprop, {"lr": 0.01, "alpha": 0.5, "eps": 0.1, "weight_decay": 0.2}),
    (optim.RMSprop, rmsprop, {"lr": 0.01, "momentum": 0.9}),
    (optim.Adagrad, adagrad, {"lr": 0.1}),
    (optim.Adagrad, adagrad, {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.2, "eps": 0.1}),
    (optim.Adagrad, adagrad_from_half, {"lr": 0.1, "initial_accumulator_value": 0.5}),
    (optim.NAdam, nadam, {"lr": 0.1}),
    (optim.NAdam, nadam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-2, "weight_decay": 0.3}),
    (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.3, **DECOUPLED, "maximize": True}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3, **DECOUPLED}),
    (optim.Adam, adam, {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.3)}),
    (optim.Adam, adam, {"lr": 0.1, "weight_decay": 0.3, **DECOUPLED, "maximize": True}),
    (optim.AdamW, adamw, {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.3), "maximize": True}),
    (optim.NAdam, nadam, {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    (optim.RMSprop, rmsprop, {"lr": 0.01, "centered": True, "eps": 1e-2}),
    (
        optim.RMSprop,
        rmsprop,
        {"lr": 0.01, "centered": True, "eps": 0.1, "momentum": 0.9, "weight_decay": 0.2},
    ),
    (optim.RMSprop, rmsprop, {"lr": 0.01, "weight_decay": 0.3, **DECOUPLED, "maximize": True}),
    (optim.Adagrad, adagrad, {"lr": 0.1, "weight_decay": 0.3, **DECOUPLED, "maximize": True}),
    (
        optim.NAdam,
        nadam,
        {"lr": 0.1, "weight_decay": 0.3, "decoupled_weight_decay": True, "momentum_decay": 0.5},
    ),
]
IDS = ["-".join([c.__name__, *(f"{k}={v}" for k, v in o.items())]) for c, _, o in SETTINGS]
every_setting = pytest.mark.parametrize(("cls", "twin", "options"), SETTINGS, ids=IDS)


def parameters(rng, dtype, shapes=((3, 7), (65,), (1, 1))):
    return [pyrnn.Parameter(rng.standard_normal(s).astype(dtype)) for s in shapes]


@every_setting
@pytest.mark.parametrize("dtype", DTYPES)
def test_ten_steps_follow_the_equation(cls, twin, options, dtype, rng, isa):
    ps, optimizer, steps = parameters(rng, dtype), cls(**options), 10
    expected = [p.data.astype(np.float64) for p in ps]
    memory = [{} for _ in ps]
    for t in range(1, steps + 1):
        for k, p in enumerate(ps):
            p.grad[...] = rng.standard_normal(p.shape)
            g = p.grad.astype(np.float64)
            expected[k] = twin(expected[k], g, memory[k], t, **options)
        optimizer.step(ps)
    for p, e in zip(ps, expected, strict=True):
        assert p.dtype == dtype
        # ten rounded updates, each a handful of operations deep
        assert np.abs(p.data - e).max() <= steps * tolerance(dtype, 8) * max(1, np.abs(e).max())


@every_setting
def test_gradients_and_neighbours_are_untouched(cls, twin, options, rng):
    base = rng.standard_normal((3, 7))
    p = pyrnn.Parameter(base)
    p.grad[...] = grad = rng.standard_normal((3, 7))
    before = p.version
    cls(**options).step([p])
    assert_same_bits(p.grad, grad)
    assert p.version > before
    assert not np.shares_memory(p.data, base) and not p.data.flags.writeable


@every_setting
def test_threads_give_the_same_bits(cls, twin, options):
    results = []
    for n in (1, 2):
        rng = np.random.default_rng(5)
        ps, optimizer = parameters(rng, "float32", [(1003, 301)]), cls(**options)
        with pyrnn.threads(n):
            for _ in range(2):
                ps[0].grad[...] = rng.standard_normal(ps[0].shape)
                optimizer.step(ps)
        results.append(ps[0].data)
    assert_same_bits(*results)


@every_setting
def test_state_dict_continues_where_it_stopped(cls, twin, options):
    def run(steps, interrupted):
        rng = np.random.default_rng(5)
        model, optimizer = pyrnn.Linear(4, 3, seed=1, dtype=np.float64), cls(**options)
        for t in range(steps):
            for p in model.parameters():
                p.grad[...] = rng.standard_normal(p.shape)
            optimizer.step(model)
            if interrupted and t == 2:
                state, optimizer = optimizer.state_dict(), cls(lr=9.0)
                state["options"] = {**optimizer.options, **state["options"]}
                optimizer.load_state_dict(state)
        return model.state_dict()

    assert_same_bits(run(6, interrupted=True), run(6, interrupted=False))


def test_a_state_of_another_class_or_with_missing_arrays():
    """Told when it is loaded, and nothing has changed."""
    net = pyrnn.Linear(2, 2, seed=0)

    def stepped(optimizer):
        optimizer.step(net)
        return optimizer

    for cls, other in ((optim.Adam, optim.AdamW), (optim.AdamW, optim.Adam)):
        state, optimizer = stepped(cls()).state_dict(), stepped(other(0.5))
        with pytest.raises(ValueError, match=f"is of '{cls.__name__}', expected {other.__name__}"):
            optimizer.load_state_dict(state)
        assert optimizer.lr == 0.5
    for make in (
        lambda: optim.SGD(0.5, momentum=0.9),
        lambda: optim.NAdam(0.5),
        lambda: optim.RMSprop(0.5, momentum=0.9),
        lambda: optim.Adagrad(0.5),
    ):
        optimizer = stepped(make())
        before, state = optimizer.state_dict(), optimizer.state_dict()
        key, _ = state["state"]["bias"].popitem()
        with pytest.raises(ValueError, match=f"'bias' has the arrays .*expected .*{key}"):
            optimizer.load_state_dict(state | {"steps": {"weight": 9, "bias": 9}})
        assert optimizer.state_dict()["steps"] == before["steps"] == {"weight": 1, "bias": 1}
        optimizer.load_state_dict(before)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("state", {"a": 5}, "state.*is 5, expected a dict"),
        ("state", 5, "state is 5"),
        ("steps", [1], "steps is of type list"),
        ("options", 3, "options is 3"),
        ("groups", 3, "groups is 3"),
        ("groups", [3], r"groups\[0\] is 3"),
        ("own_lrs", 3, "own_lrs is 3"),
        ("own_lrs", ["a"], r"own_lrs\[0\] is 'a'"),
        ("state", {"a": {"b": "x"}}, r"state\['a'\]\['b'\] is 'x'"),
        ("state", {"a": {"b": np.ones(2, int)}}, r"state\['a'\]\['b'\] has dtype int64"),
        ("options", {"lr": 1.0, "speed": 2}, "options has 'speed'"),
        ("options", {"lr": -1.0}, "lr is -1.0"),
    ],
)
def test_a_state_that_is_none(key, value, error):
    optimizer = optim.SGD(0.5)
    state = optimizer.state_dict() | {"steps": {"a": 1}, "state": {"a": {}}, key: value}
    with pytest.raises((TypeError, ValueError), match=f"SGD: .*{error}"):
        optimizer.load_state_dict(state)
    assert optimizer.lr == 0.5


def test_a_state_of_before_an_option_takes_its_default():
    state = optim.Adam(0.25, weight_decay=0.1, groups=[{"params": []}]).state_dict()
    for options in (state["options"], *state["groups"]):
        del options["eps"]
    now = optim.Adam(0.5, eps=1e-3, groups=[{"params": []}])
    now.load_state_dict(state)
    for options in now.groups:
        assert options["lr"] == 0.25 and options["weight_decay"] == 0.1 and options["eps"] == 1e-8


def test_a_state_lacks_what_has_no_default():
    class Plain(optim.Optimizer):
        def __init__(self, lr, *, speed, groups=None):
            super().__init__(lr=lr, speed=speed, groups=groups)

    state = Plain(0.1, speed=2).state_dict()
    del state["options"]["speed"]
    with pytest.raises(ValueError, match="Plain: options lacks 'speed'"):
        Plain(0.1, speed=3).load_state_dict(state)


def test_empty_parameters_are_fine():
    p = pyrnn.Parameter(np.zeros((0, 3), np.float32))
    for cls in (optim.SGD, optim.Adam, optim.NAdam, optim.RMSprop, optim.Adagrad):
        cls(0.1).step([p])
    assert optim.clip_grad_norm([p], 1.0) == 0


def test_defaults_are_torchs():
    defaults = {
        optim.Adam: {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
        optim.AdamW: {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2},
        optim.RMSprop: {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0},
        optim.Adagrad: {"lr": 1e-2, "lr_decay": 0.0, "eps": 1e-10, "weight_decay": 0.0},
        optim.NAdam: {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "momentum_decay": 4e-3},
    }
    for cls, options in defaults.items():
        assert cls().options.items() >= options.items()


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipping_by_the_global_norm(dtype, rng):
    ps = parameters(rng, dtype)
    for p in ps:
        p.grad[...] = rng.standard_normal(p.shape)
    before = [p.grad.astype(np.float64) for p in ps]
    norm = np.sqrt(sum((g**2).sum() for g in before))
    assert optim.clip_grad_norm(ps, 2 * norm) == pytest.approx(norm, rel=tolerance(dtype, 100))
    assert_same_bits([p.grad for p in ps], [g.astype(dtype) for g in before])
    assert optim.clip_grad_norm(ps, 0.5) == pytest.approx(norm, rel=tolerance(dtype, 100))
    for p, g in zip(ps, before, strict=True):
        np.testing.assert_allclose(p.grad, g * 0.5 / norm, rtol=1e-5)


def test_clipping_large_gradients_does_not_overflow():
    p = pyrnn.Parameter(np.zeros(4, np.float32))
    p.grad[...] = 1e30  # whose square is no float32
    assert optim.clip_grad_norm([p], 1.0) == pytest.approx(2e30, rel=1e-6)
    np.testing.assert_allclose(p.grad, 0.5, rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clipping_refuses_what_is_not_finite(bad, rng):
    model = pyrnn.Linear(3, 2, seed=0)
    for p in model.parameters():
        p.grad[...] = 1
    model.parameters()[1].grad[0] = bad
    with pytest.raises(FloatingPointError, match="bias"):
        optim.clip_grad_norm(model, 1.0)
    assert (model.parameters()[0].grad == 1).all()


def test_the_norm_is_summed_in_one_order(rng):
    p = pyrnn.Parameter(np.zeros((517, 331), np.float32))
    p.grad[...] = rng.standard_normal(p.shape)
    norms = []
    for n in (1, 2, 3):
        with pyrnn.threads(n):
            norms.append(optim.clip_grad_norm([p], 1e9))
    assert len(set(norms)) == 1


def test_sgd_learning_rate_may_change_between_steps():
    p, optimizer = pyrnn.Parameter(np.zeros(1)), optim.SGD(0.5)
    p.grad[...] = 1
    optimizer.step([p])
    optimizer.lr = 0.25
    optimizer.step([p])
    assert p.data.item() == -0.75


@pytest.mark.parametrize(
    ("cls", "options", "word"),
    [
        (optim.SGD, {"lr": -1}, "lr"),
        (optim.Adam, {"lr": np.nan}, "lr"),
        (optim.Adam, {"lr": np.inf}, "lr"),
        (optim.SGD, {"lr": 0.1, "momentum": -0.1}, "momentum"),
        (optim.SGD, {"lr": 0.1, "momentum": 9.0}, "momentum is 9.0, expected 0 <= momentum <= 1"),
        (optim.SGD, {"momentum": 0.9, "dampening": 1.1}, "dampening is 1.1"),
        (optim.RMSprop, {"momentum": 1.1}, "momentum is 1.1"),
        (optim.SGD, {"lr": 0.1, "nesterov": True}, "nesterov"),
        (optim.SGD, {"lr": 0.1, "dampening": 0.5}, "dampening is 0.5, expected 0 without momentum"),
        (optim.SGD, {"lr": 0.1, "weight_decay": -1}, "weight_decay"),
        (optim.Adam, {"betas": (1.0, 0.9)}, "betas"),
        (optim.Adam, {"betas": (0.9, -0.1)}, "betas"),
        (optim.AdamW, {"eps": -1e-8}, "eps"),
        (optim.RMSprop, {"alpha": 1.5}, "alpha"),
        (optim.Adagrad, {"lr_decay": -1}, "lr_decay"),
        (optim.NAdam, {"momentum_decay": np.nan}, "momentum_decay"),
    ],
    ids=str,
)
def test_bad_options(cls, options, word):
    with pytest.raises(ValueError, match=word):
        cls(**options)


def test_nesterov_is_a_flag():
    for momentum in (0.0, 0.9):
        with pytest.raises(TypeError, match="nesterov is 'no', expected True or False"):
            optim.SGD(nesterov="no", momentum=momentum)


def test_maximize_is_an_option_of_groups_too():
    """A flag of one group alone; `maximize` climbs what the others descend."""
    up, down = pyrnn.Parameter([1.0]), pyrnn.Parameter([1.0])
    up.grad[...] = down.grad[...] = 1.0
    optim.SGD(0.25, groups=[{"params": [up], "maximize": True}]).step([up, down])
    assert up.data.item() == 1.25 and down.data.item() == 0.75
    assert up.grad.item() == 1.0


def test_a_variance_is_never_negative():
    """Equal gradients have variance 0, which rounding may take below it."""
    p = pyrnn.Parameter(np.zeros(1000, np.float32))
    optimizer = optim.RMSprop(1e-3, centered=True, alpha=0.3)
    p.grad[...] = np.linspace(0.1, 3, 1000)
    for _ in range(100):
        optimizer.step([p])
    assert np.isfinite(p.data).all()


@pytest.mark.parametrize("name", ["amsgrad", "maximize", "decoupled_weight_decay", "centered"])
def test_flags_are_checked(name):
    for cls in (optim.SGD, optim.Adam, optim.AdamW, optim.NAdam, optim.RMSprop, optim.Adagrad):
        if name in cls().options:
            with pytest.raises(TypeError, match=f"{cls.__name__}: {name} is 1, expected True or"):
                cls(**{name: 1})


def test_a_state_of_before_the_flags_loads():
    """It lacks the options, and goes on as it did."""
    net = pyrnn.Linear(2, 2, seed=0)
    for cls in (optim.SGD, optim.Adam, optim.AdamW, optim.NAdam, optim.RMSprop, optim.Adagrad):
        optimizer = cls(0.1)
        optimizer.step(net)
        state = optimizer.state_dict()
        for name in ("amsgrad", "maximize", "decoupled_weight_decay", "centered"):
            if cls is not optim.NAdam or name != "decoupled_weight_decay":
                state["options"].pop(name, None)
        again = cls(0.5)
        again.load_state_dict(state)
        assert again.options == optimizer.options
    with pytest.raises(ValueError, match=r"'weight' has the arrays .*expected .*max_exp_avg_sq"):
        optim.Adam(amsgrad=True).load_state_dict(
            {**(o := stepped_adam(net)).state_dict(), "options": {**o.options, "amsgrad": True}}
        )


def stepped_adam(net):
    optimizer = optim.Adam()
    optimizer.step(net)
    return optimizer


def test_bad_parameters():
    p, optimizer = pyrnn.Parameter(np.zeros(3)), optim.Adam()
    with pytest.raises(ValueError, match="twice"):
        optimizer.step([p, p])
    with pytest.raises(TypeError, match="Parameter"):
        optimizer.step([np.zeros(3)])
    optimizer.step([p])
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        optimizer.step([pyrnn.Parameter(np.zeros(4))])
    for norm in (0, -1, np.nan):
        with pytest.raises(ValueError, match="max_norm"):
            optim.clip_grad_norm([p], norm)
