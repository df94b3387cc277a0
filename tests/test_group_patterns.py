"""Promise: groups by patterns of names are the groups of the parameters that the patterns name."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim
from training import classifier, make_trainer, ragged_task


def named():
    return pyrnn.Sequential(emb=pyrnn.Embedding(4, 3, seed=0), head=pyrnn.Linear(3, 2, seed=1))


def train(model, optimizer, steps=3):
    rng = np.random.default_rng(5)
    for _ in range(steps):
        for p in model.parameters():
            p.grad[...] = rng.standard_normal(p.shape)
        optimizer.step(model)
    return model.state_dict()


OWN = {"lr": 0.3, "weight_decay": 0.2}


@pytest.mark.parametrize(
    ("groups", "members"),
    [
        ({"emb.*": OWN}, lambda m: [m[0]]),
        ({"*bias": OWN, "emb.weight": {"lr": 0.0}}, lambda m: [[m[1].bias], m[0]]),
        ([{"params": "head.*", **OWN}], lambda m: [m[1]]),
        ([{"params": ["*.bias", "emb*"], **OWN}], lambda m: [[m[0].weight, m[1].bias]]),
    ],
)
def test_patterns_are_their_parameters(groups, members):
    """The same bits as groups of parameters; for a list, which is as good, positions are names."""
    model, other = named(), named()
    found = train(model, optim.AdamW(0.1, groups=groups))
    options = groups.values() if isinstance(groups, dict) else groups
    own = [{**given, "params": one} for given, one in zip(options, members(other), strict=True)]
    assert_same_bits(found, train(other, optim.AdamW(0.1, groups=own)))


def test_positions_are_names_in_a_list():
    model, other = named(), named()
    optimizer, plain = optim.SGD(0.1, groups={"0": OWN}), optim.SGD(0.1, groups={"emb.*": OWN})
    for p in (*model.parameters(), *other.parameters()):
        p.grad[...] = 1.0
    optimizer.step(model.parameters())
    plain.step(other)
    assert_same_bits(model.state_dict(), other.state_dict())


def test_a_trainer_looks_at_patterns_when_it_is_made():
    """Its parameters' names are those of `trained`: with a loss that has some, of both."""
    with pytest.raises(ValueError, match=r"groups\['0.wieght'\].*matches none.*'0.weight'"):
        make_trainer(classifier(), optim.Adam(groups={"0.wieght": OWN}))
    crf, linear = pyrnn.CRF(3, seed=0), pyrnn.Linear(2, 3, seed=0)
    optimizer = optim.Adam(groups={"loss.*": OWN})
    pyrnn.Trainer(linear, crf, optimizer)
    assert {id(p) for p in optimizer.members[0]} == {id(p) for p in crf.parameters()}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_chooses_among_its_next_parameters(copied):
    model, optimizer = named(), optim.Adam(0.1, groups={"emb.*": OWN})
    train(model, optimizer)
    again, other = copied(optimizer), named()
    other.load_state_dict(model.state_dict())
    assert_same_bits(train(other, again), train(model, optimizer))
    assert again.members == [[other[0].weight]]


def test_training_resumes_to_the_bit(tmp_path):
    """Also where one program has patterns, and the other their parameters."""

    def fit(path, epochs, by_pattern=True, **options):
        model = classifier()
        groups = {"0.*": OWN} if by_pattern else [{"params": model[0], **OWN}]
        optimizer = optim.AdamW(0.01, groups=groups)
        schedules = [
            optim.Step(optimizer.group("0.*" if by_pattern else 1), 1, gamma=0.5),
            optim.Cosine(optimizer, 40),
        ]
        trainer = make_trainer(model, optimizer, schedule=schedules)
        trainer.fit(
            ragged_task(N=20), epochs=epochs, batch_size=8, progress=False, checkpoint=path,
            **options,
        )  # fmt: skip
        return trainer

    whole = fit(tmp_path / "a", 3)
    fit(path := tmp_path / "b", 1)
    resumed = fit(path, 3, by_pattern=False, resume=True)
    assert_same_bits(resumed.model.state_dict(), whole.model.state_dict())
    assert resumed.optimizer.lrs == whole.optimizer.lrs


def test_a_schedule_of_one_group():
    """It multiplies that group's rate alone; one of all acts beside it."""
    optimizer = optim.SGD(1.0, groups={"emb.*": {"lr": 0.5}, "head.*": {"lr": 0.25}})
    one = optim.Step(optimizer.group("emb.*"), 1)
    rest = optim.Step(optimizer.group(0), 1, gamma=0.5)  # beside the one of another group
    every = optim.Warmup(optimizer, 2, start_factor=0.5)
    assert optimizer.lrs == (0.5, 0.25, 0.125)
    one.step()
    assert optimizer.lrs == pytest.approx((0.5, 0.025, 0.125))
    rest.step()
    every.step()
    assert optimizer.lrs == pytest.approx((0.375, 0.0375, 0.1875))
    optimizer.group(2).lr = 1.0
    assert optimizer.group(2).lr == 1.0 and optimizer.own_lrs == (1.0, 0.5, 1.0)
    every.step()
    assert optimizer.lrs == pytest.approx((0.5, 0.05, 1.0))
    inner = optim.Warmup(optim.Step(optimizer.group("emb.*"), 1, per="step"), 1, start_factor=0.0)
    assert inner.scope.number == inner.config()["group"] == inner.group
    assert inner.group == 1 and optimizer.lrs == (0.5, 0.0, 1.0)  # in the place of `one`
    optim.Cosine(optimizer, 2)  # in the place of all
    assert optimizer.lrs == optimizer.own_lrs == (1.0, 0.5, 1.0)
    assert "group=1" in repr(inner) and "group=" not in repr(every)


def test_another_group_is_another_training(tmp_path):
    def fit(which, **options):
        model = classifier()
        optimizer = optim.Adam(groups={"0.*": OWN})
        schedule = optim.Step(optimizer.group(which), 1)
        trainer = make_trainer(model, optimizer, schedule=schedule)
        trainer.fit(ragged_task(N=8), progress=False, checkpoint=tmp_path / "c", **options)

    fit(1)
    with pytest.raises(ValueError, match="schedules 0 options group = 1, expected 0"):
        fit(0, epochs=2, resume=True)


@pytest.mark.parametrize(
    ("groups", "error", "words"),
    [
        ({"emb.*": 3}, TypeError, r"groups\['emb.\*'\] is 3, expected a dict of options"),
        ({"emb.*": {"lr": -1}}, ValueError, r"groups\['emb.\*'\]: .*lr is -1"),
        ({"emb.*": {"params": "x"}}, ValueError, "expected options alone"),
        ({"emb.*": {"rate": 1}}, ValueError, r"has the options \['rate'\]"),
        ({3: OWN}, TypeError, r"groups\[3\]\['params'\] is 3"),
        ([{"params": ["a", 2]}], TypeError, "holds 2, expected patterns alone"),
        (3, TypeError, "groups is 3, expected a list of dicts"),
    ],
)
def test_bad_groups(groups, error, words):
    with pytest.raises(error, match=words):
        optim.Adam(groups=groups)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"emd.*": OWN}, r"groups\['emd.\*'\]: 'emd.\*' matches none of the 3 .*'emb.weight'"),
        ([{"params": ["emb*", "haed.bias"]}], r"groups\[0\]: 'haed.bias' .*'head.bias'"),
        ({"*": OWN, "emb.*": {}}, r"groups\['emb.\*'\] holds a parameter .* groups\['\*'\] too"),
    ],
)
def test_patterns_that_do_not_fit(groups, words):
    """At the first step, and nothing has changed."""
    model, optimizer = named(), optim.Adam(groups=groups)
    before = model.state_dict()
    with pytest.raises(ValueError, match=words):
        optimizer.step(model)
    assert_same_bits(model.state_dict(), before)
    assert not optimizer.steps


def test_groups_by_name_or_number():
    optimizer = optim.Adam(groups={"emb.*": OWN})
    assert repr(optimizer.group(1)) == f"{optimizer!r}.group(1)"
    for which in ("emb", "head.*"):
        with pytest.raises(ValueError, match=r"expected one of \['emb.\*'\]"):
            optimizer.group(which)
    with pytest.raises(ValueError, match="which is 2"):
        optimizer.group(2)
    with pytest.raises(TypeError, match="which is None"):
        optimizer.group(None)
    with pytest.raises(ValueError, match="lr is -1"):
        optimizer.group(1).lr = -1
    assert optimizer.lrs == (1e-3, 0.3)


def test_losses_and_patterns_train():
    model = pyrnn.Sequential(rnn=pyrnn.GRU(2, 3, seed=0), head=pyrnn.Linear(3, 1, seed=1))
    optimizer = optim.Adam(0.1, groups={"rnn.*": {"lr": 0.0}})
    x = np.ones((4, 5, 2), np.float32)
    before = model.state_dict()
    pyrnn.Trainer(model, losses.MSE(), optimizer).fit(x, np.ones((4, 5, 1)), progress=False)
    after = model.state_dict()
    assert_same_bits(after["rnn.weight_hh_l0"], before["rnn.weight_hh_l0"])
    assert not np.array_equal(after["head.weight"], before["head.weight"])
