"""Promise: parameter groups: every optimizer updates each with its own options."""

import copy
import pickle
import re

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import optim

OWN = {
    optim.SGD: {"lr": 0.3, "momentum": 0.5},
    optim.Adam: {"lr": 0.3, "betas": (0.5, 0.6)},
    optim.AdamW: {"weight_decay": 0.5},
    optim.NAdam: {"momentum_decay": 0.1, "weight_decay": 0.2},
    optim.RMSprop: {"alpha": 0.5, "momentum": 0.9},
    optim.Adagrad: {"lr_decay": 0.5},
}
each_optimizer = pytest.mark.parametrize("cls", OWN, ids=lambda cls: cls.__name__)


def model():
    return pyrnn.Sequential(pyrnn.Linear(3, 4, seed=0), pyrnn.Linear(4, 2, seed=1))


def train(model, optimizer, steps=3, seed=5):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in model.parameters():
            p.grad[...] = rng.standard_normal(p.shape)
        optimizer.step(model)
    return model.state_dict()


@each_optimizer
def test_each_group_has_its_own_options(cls):
    """The same bits as one optimizer for all with these options, and the others as without."""
    whole = model()
    found = train(whole, cls(0.1, groups=[{"params": whole[1], **OWN[cls]}]))
    plain, other = train(model(), cls(0.1)), train(model(), cls(**({"lr": 0.1} | OWN[cls])))
    expected = {name: (other if name[0] == "1" else plain)[name] for name in found}
    assert_same_bits(found, expected)
    assert not np.array_equal(other["1.weight"], plain["1.weight"])


@each_optimizer
def test_state_continues_where_it_stopped(cls):
    def make(of):
        biases = [of[0].bias, of[1].bias]
        groups = [{"params": of[0].weight, "lr": 0.0}, {"params": biases, **OWN[cls]}]
        return cls(0.1, groups=groups)

    def run(interrupted):
        net = model()
        optimizer = make(net)
        train(net, optimizer)
        optimizer.lr = 0.01
        rates = (0.01, 0.0, OWN[cls].get("lr", 0.1))
        if interrupted:
            state, optimizer = copy.deepcopy(optimizer.state_dict()), make(net)
            optimizer.load_state_dict(state)
        assert optimizer.lrs == rates
        return train(net, optimizer, seed=6)

    assert_same_bits(run(interrupted=True), run(interrupted=False))


def test_no_weight_decay_for_some():
    net = model()
    optimizer = optim.AdamW(0.1, groups=[{"params": [net[0].bias], "weight_decay": 0.0}])
    net[0].bias[...], net[1].bias[...] = 1.0, 1.0
    optimizer.step(net)  # all gradients are zero
    assert (net[0].bias.data == 1).all() and (net[1].bias.data < 1).all()
    assert optimizer.groups[0]["weight_decay"] == 0.01 and optimizer.groups[1]["lr"] == 0.1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copied_together_with_the_model(copied):
    net = model()
    optimizer = optim.Adam(0.1, groups=[{"params": net[1], "lr": 0.5}])
    twin, twins = copied((net, optimizer))
    assert_same_bits(train(twin, twins), train(net, optimizer))
    with pytest.raises(ValueError, match="not among those to be updated"):
        twins.step(net)  # the groups are the copy's parameters


def test_a_load_that_fails_changes_nothing():
    net = model()
    optimizer = optim.Adam(0.1, groups=[{"params": net[1], "lr": 0.5}])
    train(net, optimizer)
    before = optimizer.state_dict()
    for change in (
        {"groups": []},
        {"groups": [{"lr": 0.1, "speed": 1}]},
        {"more": 1},
        {"groups": [before["options"] | {"lr": -1}]},
        {"options": before["options"] | {"eps": np.nan}},
        {"steps": {}},
    ):
        with pytest.raises(ValueError, match="Adam"):
            optimizer.load_state_dict(before | change)
        assert optimizer.lrs == (0.1, 0.5)
        assert_same_bits(optimizer.state_dict()["state"], before["state"])


@pytest.mark.parametrize(
    ("groups", "error", "words"),
    [
        ([[]], TypeError, r"groups\[0\] is of type list, expected a dict"),
        ([{"lr": 0.1}], ValueError, r"groups\[0\] has the keys \['lr'\], expected 'params'"),
        ([{"params": [], "momentum": 0.1}], ValueError, r"the options \['momentum'\]"),
        ([{"params": [], "lr": -1.0}], ValueError, r"groups\[0\]: Adam: lr is -1"),
        ([{"params": [], "lr": "x"}], TypeError, r"groups\[0\]: Adam: lr"),
        (
            [{"params": [np.zeros(3)]}],
            TypeError,
            r"groups\[0\]\['params'\]\[0\] is of type ndarray",
        ),
    ],
)
def test_bad_groups(groups, error, words):
    with pytest.raises(error, match=words):
        optim.Adam(groups=groups)


def test_a_parameter_belongs_to_one_group():
    net = model()
    with pytest.raises(ValueError, match=r"groups\[1\] holds a parameter of shape \(4,\)"):
        optim.SGD(groups=[{"params": net[0]}, {"params": net[0].bias}])
    foreign = optim.SGD(0.1, groups=[{"params": model()[0]}])
    before = net.state_dict()
    with pytest.raises(ValueError, match=r"groups\[0\] holds a parameter that is not among"):
        train(net, foreign, steps=1)
    assert_same_bits(net.state_dict(), before)


def test_bad_members_are_named():
    p = pyrnn.Parameter([1.0])
    for bad, error in (
        (3, "groups[0]['params'] is 3"),
        ([p, 3], "groups[0]['params'][1] is 3"),
        ([p, p], "groups[0]['params'] holds one Parameter twice"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^SGD: {re.escape(error)}"):
            optim.SGD(groups=[{"params": bad}])


def test_learning_rates_are_checked():
    net = model()
    optimizer = optim.SGD(0.1, groups=[{"params": net[0], "lr": 0.2}])
    assert optimizer.lr == 0.1 and optimizer.lrs == (0.1, 0.2)
    for bad in (np.nan, -1.0, np.inf):
        with pytest.raises(ValueError):
            optimizer.lr = bad
    with pytest.raises(AttributeError, match="lrs cannot be set"):
        optimizer.lrs = (0.5, 0.2)
    assert optimizer.lrs == (0.1, 0.2)
    optimizer.lr = 0.0  # a frozen model
    assert optimizer.lrs == (0.0, 0.2)
