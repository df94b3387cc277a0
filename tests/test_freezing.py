"""Promise: what is frozen gets no gradient and stays as it is, to the bit, until it is unfrozen."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim
from training import classifier, make_trainer, ragged_task

OPTIMIZERS = {
    "sgd": lambda: optim.SGD(0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda: optim.Adam(0.1, weight_decay=0.1),
    "adamw": lambda: optim.AdamW(0.1, weight_decay=0.5),
    "nadam": lambda: optim.NAdam(0.1, weight_decay=0.1),
    "rmsprop": lambda: optim.RMSprop(0.1, momentum=0.9, weight_decay=0.1),
    "adagrad": lambda: optim.Adagrad(0.1, weight_decay=0.1),
}


class Net(pyrnn.Module):
    """A forward with parameters of its own, two parts and a parameter that is used twice."""

    def __init__(self):
        self.scale = pyrnn.Parameter(np.array([2.0, 3.0, 4.0], np.float32))
        self.rnn = pyrnn.GRU(3, 3, seed=0)
        self.norm = pyrnn.LayerNorm(3)

    def forward(self, x):
        return self.norm(self.rnn(x * self.scale)[0]) * self.scale


def parts():
    """Modules of each way to add a gradient, and their inputs."""
    x, ids = np.ones((2, 4, 3), np.float32), np.array([[1, 2, 3], [0, 2, 2]])
    return {
        "linear": (pyrnn.Linear(3, 2, seed=0), (x,)),
        "lstm": (pyrnn.LSTM(3, 2, num_layers=2, bidirectional=True, seed=0), (x,)),
        "embedding": (pyrnn.Embedding(5, 3, seed=0), (ids,)),
        "norm": (pyrnn.LayerNorm(3), (x,)),
        "forward": (Net(), (x,)),
        "decoder": (pyrnn.AttentionDecoder(3, 4, 3, seed=0), (x, np.ones((2, 5, 3), np.float32))),
        "seq2seq": (pyrnn.Seq2Seq(5, 5, 3, 4, attention="additive", bos=1, eos=2, seed=0), ()),
    }


def gradients(module, inputs):
    """All gradients, and dx, of a sum of the outputs."""
    if isinstance(module, pyrnn.Seq2Seq):
        ids = np.array([[3, 4, 3]])
        y, pullback = module.vjp(ids, target=ids)
    else:
        y, pullback = module.vjp(*inputs)
    first, *rest = y if isinstance(y, tuple) else (y,)
    module.zero_grad()
    dx = pullback(np.ones_like(first), *([None] * len(rest)))
    return dx, {name: p.grad.copy() for name, p in module.named_parameters()}


def leaves(value):
    if isinstance(value, tuple):
        return [leaf for each in value for leaf in leaves(each)]
    return [] if value is None else [value]


@pytest.mark.parametrize("name", parts())
def test_only_the_frozen_gets_no_gradient(name):
    """The others' gradients, and dx, keep their bits; each parameter is frozen once."""
    module, inputs = parts()[name]
    dx, expected = gradients(module, inputs)
    for frozen, parameter in module.named_parameters():
        parameter.requires_grad = False
        dx_now, found = gradients(module, inputs)
        zero = {frozen: np.zeros_like(expected[frozen])}
        assert_same_bits(found, expected | zero)
        assert_same_bits(leaves(dx_now), leaves(dx))
        parameter.requires_grad = True
    assert_same_bits(gradients(module, inputs)[1], expected)


def test_a_loss_can_be_frozen():
    crf, y = pyrnn.CRF(3, seed=0), np.ones((2, 4, 3), np.float32)
    crf.freeze("start*")
    _, pullback = crf.vjp(y, np.zeros((2, 4), int))
    pullback()
    zero = {name for name, p in crf.named_parameters() if not p.grad.any()}
    assert zero == {name for name, _ in crf.named_parameters() if name.startswith("start")}


def test_it_holds_from_one_call_to_the_next():
    """A pullback goes by what holds when it is called, not when its vjp was; setting it drops the
    gradient."""
    linear, x = pyrnn.Linear(3, 2, seed=0), np.ones((4, 3), np.float32)
    y, pullback = linear.vjp(x)
    linear.bias.requires_grad = False
    pullback(np.ones_like(y))
    assert linear.weight.grad.all() and not linear.bias.grad.any()
    linear.freeze()
    assert not linear.weight.grad.any()
    y, pullback = linear.vjp(x)
    linear.unfreeze()
    pullback(np.ones_like(y))
    assert linear.weight.grad.all() and linear.bias.grad.all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_leave_it_alone(name):
    """Neither decay nor momentum acts; what it remembers waits; the others go on as before."""
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((6, 2, 3, 3))

    def train(frozen):
        model, optimizer = pyrnn.Linear(3, 3, seed=0), OPTIMIZERS[name]()
        for t, (dw, db) in enumerate(draws):
            if frozen and t in (2, 4):
                before = model.weight.data.copy(), optimizer.state_dict()["state"]["weight"]
                model.weight.requires_grad = t == 4
            if frozen and t in (2, 3):
                dw = np.zeros_like(dw)
            if model.weight.requires_grad:
                model.weight.grad[...] = dw
            model.bias.grad[...] = db[0]
            optimizer.step(model)
            if frozen and t == 3:
                now = model.weight.data, optimizer.state_dict()["state"]["weight"]
                assert_same_bits(now, before)
        return model, optimizer

    model, optimizer = train(frozen=True)
    other, _ = train(frozen=False)
    assert_same_bits(model.bias.data, other.bias.data)
    assert optimizer.state_dict()["steps"] == {"weight": 4, "bias": 6}
    alone, fresh = pyrnn.Linear(3, 3, seed=0), OPTIMIZERS[name]()
    for dw, _ in draws[[0, 1, 4, 5]]:  # as if the steps in between had not been
        alone.weight.grad[...] = dw
        fresh.step([alone.weight])
    assert_same_bits(model.weight.data, alone.weight.data)


def test_frozen_from_the_start_nothing_is_remembered():
    model, optimizer = pyrnn.Linear(3, 3, seed=0).freeze("weight"), optim.Adam()
    optimizer.step(model)
    assert list(optimizer.state_dict()["state"]) == ["bias"]


def test_clipping_does_not_count_it():
    model = pyrnn.Linear(2, 2, seed=0).freeze("bias")
    model.weight.grad[...] = [[3.0, 0.0], [0.0, 4.0]]
    assert optim.clip_grad_norm(model, 100.0) == 5.0
    model.bias.grad[...] = np.nan  # written into zeros that nobody reads
    optim.clip_grad_value(model, 1.0)
    assert model.weight.grad.max() == 1.0 and not model.bias.grad.any()


def test_training_leaves_it_alone(tmp_path):
    """With accumulation, averages, clipping and validation; checkpoints resume to the bit, also
    where a callback unfreezes."""

    class Unfreeze(pyrnn.Callback):
        def on_epoch_start(self, trainer):
            if len(trainer.history) == 2:
                trainer.model.unfreeze("0.*")

    def fit(epochs, path, resume=False):
        model = classifier().freeze("0.*", "2.bias_hh*")
        trainer = make_trainer(model, optim.AdamW(0.01), accumulate=2, clip_norm=0.5)
        trainer.fit(
            ragged_task(N=20), epochs=epochs, batch_size=4, progress=False, checkpoint=path,
            resume=resume, callbacks=[Unfreeze()], checkpoint_every=1,
        )  # fmt: skip
        return trainer

    start = classifier().state_dict()
    two = fit(2, tmp_path / "a")
    now = two.model.state_dict()
    assert_same_bits(now["0.weight"], start["0.weight"])
    assert_same_bits(now["2.bias_hh_l0"], start["2.bias_hh_l0"])
    assert not np.array_equal(now["2.bias_ih_l0"], start["2.bias_ih_l0"])
    whole, resumed = fit(4, tmp_path / "b"), None
    fit(3, tmp_path / "a", resume=True)
    resumed = fit(4, tmp_path / "a", resume=True)
    assert_same_bits(resumed.model.state_dict(), whole.model.state_dict())
    assert resumed.model[0].weight.requires_grad and not resumed.model[2].bias_hh_l0.requires_grad
    assert not np.array_equal(whole.model.state_dict()["0.weight"], start["0.weight"])


def test_a_training_resumes_with_what_was_frozen(tmp_path):
    def fit(*patterns, **options):
        model = classifier()
        if patterns:
            model.freeze(*patterns)
        trainer = make_trainer(model)
        trainer.fit(ragged_task(N=20), progress=False, checkpoint=tmp_path / "c", **options)

    fit("0.*")
    with pytest.raises(ValueError, match=r"written with frozen = \['0.weight'\], expected None"):
        fit(epochs=2, resume=True)
    fit("0.*", epochs=2, resume=True)


@pytest.mark.parametrize("loss", [losses.CrossEntropy(), pyrnn.CRF(4, seed=0)])
def test_a_training_of_nothing_is_refused(loss):
    model = classifier() if not isinstance(loss, pyrnn.CRF) else pyrnn.Linear(2, 4, seed=0)
    trainer = make_trainer(model.freeze(), loss=loss)
    if isinstance(loss, pyrnn.CRF):
        loss.freeze()
        data = np.ones((6, 3, 2), np.float32), np.zeros((6, 3), int)
    else:
        data = ragged_task(N=20)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"Trainer: all \d+ parameters are frozen.*unfreeze"):
        trainer.fit(data, progress=False)
    with pytest.raises(ValueError, match=r"parameters are frozen"):
        trainer.find_lr(data, steps=2)
    assert_same_bits(model.state_dict(), before)
    assert not trainer.history.loss
    model.unfreeze()
    assert len(trainer.fit(data, progress=False)) == 1


def test_copies_and_files_keep_it(tmp_path):
    model = classifier().freeze("0.*", "*bias*")
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert len(frozen) == 4
    model.save(tmp_path / "model.safetensors")
    loaded = pyrnn.load(tmp_path / "model.safetensors")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), loaded):
        named = other.named_parameters()
        assert [name for name, p in named if not p.requires_grad] == frozen
        assert_same_bits(other.state_dict(), model.state_dict())
    model.unfreeze()
    assert all(p.requires_grad for p in copy.deepcopy(model).parameters())
    model.load_state_dict(loaded.state_dict())  # values only
    assert all(p.requires_grad for p in model.parameters())


def test_it_is_shown():
    parameter = pyrnn.Parameter([1.0])
    assert parameter.requires_grad is True and "requires_grad" not in repr(parameter)
    parameter.requires_grad = False
    assert repr(parameter) == "Parameter([1.], requires_grad=False)"


def test_a_parameter_in_two_places_is_one():
    model = pyrnn.Sequential(pyrnn.Linear(3, 3, seed=0), pyrnn.Linear(3, 3, seed=1))
    model[1].weight = model[0].weight
    model[1].freeze()
    assert not model[0].weight.requires_grad and model[0].bias.requires_grad


def test_a_frozen_gradient_takes_no_memory():
    """So that large embeddings of others cost their values alone."""
    import resource

    embedding = pyrnn.Embedding(60_000, 100, seed=0).freeze()  # 24 MB
    embedding(np.array([1]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ids = np.arange(6).reshape(2, 3)
    for _ in range(3):
        embedding.zero_grad()
        y, pullback = embedding.vjp(ids)
        pullback(np.ones_like(y))
        optim.clip_grad_norm(embedding, 1.0)
        optim.AdamW().step(embedding)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_000  # KiB


def test_bad_values():
    model, parameter = classifier(), pyrnn.Parameter([1.0])
    for value in (0, None, "no"):
        with pytest.raises(TypeError, match="Parameter: requires_grad is"):
            parameter.requires_grad = value
    for method in (model.freeze, model.unfreeze):
        with pytest.raises(ValueError, match=rf"{method.__name__}: pattern '0.wieght'.*'0.weight'"):
            method("2.*", "0.wieght")
        with pytest.raises(TypeError, match="pattern is 2, expected a text"):
            method(2)
    assert all(p.requires_grad for p in model.parameters())  # nothing was changed
    with pytest.raises(AttributeError, match=r"freeze\(\)"):
        model.requires_grad = False
    parameter.requires_grad = False
    with pytest.raises(ValueError, match="grad cannot be set: requires_grad is False"):
        parameter.grad = np.zeros(1)

    class Bad(Net):
        def forward(self, x):
            self.scale.requires_grad = False
            return x * self.scale

    with pytest.raises(RuntimeError, match="requires_grad set in forward"):
        Bad().vjp(np.ones((1, 2, 3), np.float32))


def test_a_file_that_names_others_is_refused(tmp_path):
    from training import rewrite

    path = tmp_path / "model.safetensors"
    classifier().freeze("0.*").save(path)
    for wrong, words in ((["9.weight"], "frozen names '9.weight'"), ("0", "frozen is '0'")):
        rewrite(path, lambda d, wrong=wrong: d.update(frozen=wrong))
        with pytest.raises(ValueError, match=words):
            pyrnn.load(path)
    rewrite(path, lambda d: d.pop("frozen"))  # an older file
    assert pyrnn.load(path)[0].weight.requires_grad


def test_the_beginning_of_a_name_is_near_it():
    model = pyrnn.Sequential(embedding=pyrnn.Embedding(9, 3), output=pyrnn.Linear(3, 3))
    with pytest.raises(ValueError, match=r"such as 'embedding.weight', or a pattern"):
        model.freeze("emb")
