"""Promise: a training resumes only with the model, loss, optimizer and data that it began with."""

import copy
import json
import math

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim
from pyrnn._base.module import constructor
from pyrnn.training._description import FREE, describe
from training import rewrite

X = np.sin(np.arange(12 * 5 * 2)).reshape(12, 5, 2)
Y = np.arange(12) % 3
OTHER_Y = np.where(np.arange(12) == 7, 0, Y)


def trainer(layer=None, loss=None, optimizer=None, schedule=None, **options):
    layer = layer or pyrnn.GRU(2, 4, seed=0)
    head = options.pop("head", None) or pyrnn.LastStep()
    model = pyrnn.Sequential(layer, head, pyrnn.Linear(4, 3, seed=0))
    optimizer = optimizer(model) if optimizer else optim.Adam(0.01)
    loss = loss or losses.CrossEntropy()
    schedule = schedule(optimizer) if schedule else None
    return pyrnn.Trainer(model, loss, optimizer, schedule=schedule, seed=0, **options)


def fit(trainer, path, data=(X, Y), resume=False, **options):
    options = {"epochs": 1 + resume, "batch_size": 4, "progress": False} | options
    trainer.fit(data, checkpoint=path, resume=resume, **options)
    return trainer


def groups(*members, **options):
    """An optimizer with a group of those parts of the model."""
    return lambda model: optim.Adam(groups=[{"params": model[i], "lr": 0.1} for i in members])


class Weighted(losses.CrossEntropy):
    """A loss of the user's own with a function among its options."""

    def __init__(self, weigh):
        super().__init__()
        self.weigh = weigh


DIFFERENT = {
    "gru": (dict(layer=pyrnn.GRU(2, 4)), dict(layer=pyrnn.GRU(2, 4, zoneout=0.3)), "zoneout"),
    "lstm": (
        dict(layer=pyrnn.LSTM(2, 4)), dict(layer=pyrnn.LSTM(2, 4, zoneout_cell=0.5)),
        "zoneout_cell",
    ),
    "dropout": (
        dict(layer=pyrnn.RNN(2, 4, num_layers=2, dropout=0.1)),
        dict(layer=pyrnn.RNN(2, 4, num_layers=2, dropout=0.2)), "dropout",
    ),
    "pool": (dict(head=pyrnn.MeanPool()), dict(head=pyrnn.MaxPool()), "MeanPool"),
    "smoothing": ({}, dict(loss=losses.CrossEntropy(label_smoothing=0.1)), "label_smoothing"),
    "weight": (
        dict(loss=losses.CrossEntropy(weight=[1, 2, 1])),
        dict(loss=losses.CrossEntropy(weight=[1, 1, 2])), "weight",
    ),
    "betas": ({}, dict(optimizer=lambda m: optim.Adam(0.01, betas=(0.8, 0.999))), "betas"),
    "group": (dict(optimizer=groups(0)), dict(optimizer=groups(2)), "groups"),
    "clip_norm": (dict(clip_norm=1.0), dict(clip_norm=2.0), "clip_norm"),
    "clip_value": (dict(clip_value=1.0), {}, "clip_value"),
    "schedule": (
        dict(schedule=lambda o: optim.Step(o, 2)), dict(schedule=lambda o: optim.Step(o, 3)),
        "step_size",
    ),
    "warmup": (
        dict(schedule=lambda o: optim.Warmup(optim.Cosine(o, 9), 2)),
        dict(schedule=lambda o: optim.Warmup(optim.Cosine(o, 8), 2)), "steps",
    ),
    "chain": (
        dict(schedule=lambda o: optim.Chain([optim.Step(o, 2), optim.Exponential(o, 0.5)], [3])),
        dict(schedule=lambda o: optim.Chain([optim.Step(o, 2), optim.Exponential(o, 0.4)], [3])),
        "schedules 1 options gamma",
    ),
    "one cycle": (
        dict(schedule=lambda o: optim.OneCycle(o, 9)),
        dict(schedule=lambda o: optim.OneCycle(o, 9, anneal_strategy="linear")), "anneal_strategy",
    ),
    "plateau": (
        dict(schedule=lambda o: optim.OnPlateau(o, factor=0.1)),
        dict(schedule=lambda o: optim.OnPlateau(o, factor=0.5)), "factor",
    ),
    "function": (
        dict(loss=Weighted(math.sqrt)), dict(loss=Weighted(math.exp)), "weigh",
    ),
    "ufunc": (
        dict(loss=Weighted(np.sqrt)), dict(loss=Weighted(np.exp)), "weigh",
    ),
    "linear": (
        dict(head=pyrnn.Sequential(pyrnn.LastStep(), pyrnn.Linear(4, 4, seed=0))),
        dict(head=pyrnn.Sequential(pyrnn.LastStep(), pyrnn.Linear(4, 4, bias=False, seed=0))),
        "bias",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_training_is_refused(name, tmp_path):
    """The error names path and option; the second training and the file are as before."""
    path, (first, second, word) = tmp_path / "checkpoint", DIFFERENT[name]
    fit(trainer(**copy.deepcopy(first)), path)
    other, stored = trainer(**copy.deepcopy(second)), path.read_bytes()
    before = other.model.state_dict()
    with pytest.raises(ValueError, match=rf"{path}: was written with .*{word}"):
        fit(other, path, resume=True)
    assert_same_bits(other.model.state_dict(), before)
    assert path.read_bytes() == stored and not other.history.loss
    fit(trainer(**copy.deepcopy(first)), path, resume=True)


OTHER_DATA = {
    "target": ((X, Y), (X, OTHER_Y)),
    "x": ((X, Y), (np.where(np.arange(2) == 0, X, X + 1e-6), Y)),
    "last step": ((X, Y), (np.concatenate([X[:, :4], X[:, 4:] + 1], axis=1), Y)),
    "order": ((X, Y), (X[::-1], Y[::-1])),
    "lengths": ((X, Y, [5] * 11 + [4]), (X, Y, [4] + [5] * 11)),
}


@pytest.mark.parametrize("name", OTHER_DATA)
def test_other_data_of_the_same_shape_are_refused(name, tmp_path):
    path, (first, second) = tmp_path / "checkpoint", OTHER_DATA[name]
    fit(trainer(), path, first)
    with pytest.raises(ValueError, match="train fingerprint"):
        fit(trainer(), path, second, resume=True)
    fit(trainer(), path, first, validation=first)
    with pytest.raises(ValueError, match="validation fingerprint"):
        fit(trainer(), path, first, resume=True, validation=second)


def test_a_fingerprint_is_bounded(tmp_path):
    """Of 100,000 samples 1,000 are read again, and of long ones the first steps."""

    class Counted(pyrnn.SequenceDataset):
        def __init__(self, N, T):
            self.N, self.T, self.read = N, T, []

        def __len__(self):
            return self.N

        @property
        def lengths(self):
            return np.full(self.N, self.T)

        def __getitem__(self, i):
            self.read.append(i)
            return np.full((self.T, 2), i % 7, np.float32), i % 3

    def times_read(**options):
        data = Counted(5000, 2)
        trainer().fit(data, epochs=0, progress=False, **options)
        return len(data.read)

    assert times_read(checkpoint=tmp_path / "a") - times_read() == 1000


@pytest.mark.parametrize(
    "free", [{"recompute_every": 2}, {"batch_first": True}, {"batch_first": False}]
)
def test_what_changes_no_number_may_change(free, tmp_path):
    """Memory and layout: the resumed training has the bits of one that ran through."""
    path = tmp_path / "checkpoint"
    whole = fit(trainer(), tmp_path / "whole", epochs=2)
    fit(trainer(), path)
    head = pyrnn.LastStep(**{k: v for k, v in free.items() if k == "batch_first"})
    resumed = fit(trainer(pyrnn.GRU(2, 4, seed=0, **free), head=head), path, resume=True)
    assert resumed.history.loss == whole.history.loss
    assert_same_bits(resumed.model.state_dict(), whole.model.state_dict())


def test_a_module_of_the_users_own_is_compared_too(tmp_path):
    class Scaled(pyrnn.Module):
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return x * np.float32(self.factor)

        def vjp(self, x, *, need_dx=True):
            return self(x), lambda dy: dy * np.float32(self.factor)

    def make(factor):
        parts = pyrnn.GRU(2, 3, seed=0), pyrnn.LastStep(), Scaled(factor)
        return pyrnn.Trainer(pyrnn.Sequential(*parts), losses.CrossEntropy(), optim.SGD(), seed=0)

    fit(make(2.0), tmp_path / "checkpoint")
    with pytest.raises(ValueError, match=r"model 2 options factor = 2\.0, expected 3\.0"):
        fit(make(3.0), tmp_path / "checkpoint", resume=True)
    fit(make(2.0), tmp_path / "checkpoint", resume=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["training"].update(isa="sse9"), "instruction set sse9"),
        (lambda d: d["training"].pop("isa"), "not named"),
        (lambda d: d.update(version="0.0.7"), "pyrnn 0.0.7"),
    ],
)
def test_another_version_or_instruction_set_is_a_warning(change, words, tmp_path):
    """It says what it means, at the line of the call; the training goes on."""
    path = tmp_path / "checkpoint"
    fit(trainer(), path)
    rewrite(path, change)
    with pytest.warns(UserWarning, match=rf"{words}.*not with the bits") as warned:
        resumed = trainer()
        resumed.fit((X, Y), epochs=2, batch_size=4, progress=False, checkpoint=path, resume=True)
    assert len(resumed.history) == 2 and warned[0].filename == __file__


WRONG = [
    ("history", "loss", [1.0, "x"]), ("history", "loss", [1.0]), ("history", "metrics", []),
    ("progress", "first_epoch", 3), ("progress", "stopped", 0), ("updates", "gathered", 3),
    ("updates", "weight", -1.0), ("updates", "gradients", {"0.weight": 1.0}),
    ("callback 0", "waited", "no"), ("callback 0", "weights", {"0.weight": 1.0}),
    ("ema", "averages", 3), ("ema", "updates", 0.5), ("optimizer", "steps", []),
    ("schedule 0", "base_lrs", [0.1, 0.2]), ("model", "weights", {}),
]  # fmt: skip


@pytest.mark.parametrize(("part", "key", "value"), WRONG)
def test_a_forged_state_is_refused_before_anything_is_taken(part, key, value, tmp_path):
    path = tmp_path / "checkpoint"

    def make():
        model = pyrnn.Sequential(pyrnn.GRU(2, 3, seed=0), pyrnn.LastStep())
        optimizer = optim.Adam(0.01)
        return pyrnn.Trainer(
            model, losses.CrossEntropy(), optimizer, seed=0, accumulate=2,
            ema=optim.EMA(model), schedule=optim.Cosine(optimizer, 5),
        )  # fmt: skip

    def resume(trainer):
        stopping = pyrnn.EarlyStopping("loss")
        options = {"batch_size": 4, "checkpoint": path, "callbacks": [stopping], "resume": True}
        trainer.fit((X, Y), epochs=2, progress=False, **options)

    resume(make())
    rewrite(path, lambda d: d["training"]["parts"][part]["state"].update({key: value}))
    forged = make()
    before, taken = forged.model.state_dict(), []
    forged.model.load_state_dict = lambda state: taken.append(state)
    with pytest.raises(ValueError, match=f"{path}: is of another training"):
        resume(forged)
    assert len(taken) <= 1  # what it was is written back
    assert_same_bits(forged.model.state_dict(), before)
    assert not forged.history.loss and not math.isnan(forged.optimizer.lr)


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("tensor", ["model/state/weights/0.bias_ih_l0", "optimizer/"])
def test_a_checkpoint_with_numbers_that_are_not_finite_is_refused(tensor, number, tmp_path):
    path = tmp_path / "checkpoint"
    fit(trainer(), path)
    raw = bytearray(path.read_bytes())
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    name = next(name for name in header if name.startswith(tensor))
    start = 8 + size + header[name]["data_offsets"][0]
    raw[start : start + 4] = np.float32(number).tobytes()
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="not finite"):
        fit(trainer(), path, resume=True)


def test_another_crf_is_refused(tmp_path):
    def crf_trainer(**options):
        model = pyrnn.Sequential(pyrnn.GRU(2, 4, seed=0), pyrnn.Linear(4, 3, seed=0))
        crf = pyrnn.CRF(3, seed=0, **options)
        return pyrnn.Trainer(model, crf, optim.Adam(0.01), seed=0)

    path, data = tmp_path / "checkpoint", (X, np.zeros((12, 5), int))
    allowed = np.ones((3, 3), bool)
    other = allowed.copy()
    other[0, 1] = False
    fit(crf_trainer(constraints=allowed), path, data)
    for options, word in (
        ({"constraints": other}, "constraints"),
        ({"constraints": None}, "constraints"),
        ({"constraints": allowed, "reduction": "mean"}, "reduction"),
    ):
        with pytest.raises(ValueError, match=rf"was written with .*{word}"):
            fit(crf_trainer(**options), path, data, resume=True)
    fit(crf_trainer(constraints=allowed), path, data, resume=True)


def test_every_option_is_described_by_its_value():
    """None by the word for a method or a class, of what pyrnn has itself."""
    optimizer = optim.SGD(0.1)
    things = [
        pyrnn.CRF(3, constraints=np.ones((3, 3), bool)), pyrnn.Linear(2, 3), pyrnn.LayerNorm(3),
        pyrnn.LSTM(2, 3), pyrnn.Embedding(4, 2), pyrnn.Attention(2, 3), pyrnn.Dropout(0.5),
        losses.CrossEntropy(), losses.Huber(), losses.Quantile([0.1, 0.9]), losses.CTC(),
        optim.OnPlateau(optimizer), optim.Step(optimizer, 2), optim.OneCycle(optimizer, 5),
        optim.Cosine(optimizer, 4), optim.Warmup(optim.OnPlateau(optimizer), 2),
        optim.MultiStep(optimizer, [2]), optim.Exponential(optimizer, 0.9),
        optim.Polynomial(optimizer, 4), optim.Cyclic(optimizer, 4),
        optim.WarmRestarts(optimizer, 4), optim.Lambda(optimizer, math.exp),
        optim.Chain([optim.Step(optimizer, 2), optim.Exponential(optimizer, 0.9)], [3]),
        optim.EMA(pyrnn.Linear(2, 3)),
    ]  # fmt: skip
    for thing in things:
        described = describe(thing)["options"]
        free = {"optimizer", "parameters", *FREE}
        options = set(constructor(type(thing))) - free
        assert options <= set(described), type(thing)
        classes = {name for name, value in vars(pyrnn).items() if isinstance(value, type)}
        words = {*classes, "method", "function", "Constraints", "ndarray"}
        for name in options:
            assert not (isinstance(described[name], str) and described[name] in words), name
