"""Promise: a checkpoint from before an option existed resumes where the option has its default."""

import json

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim
from training import rewrite

X = np.sin(np.arange(12 * 5 * 2)).reshape(12, 5, 2)
Y = np.arange(12) % 3


class Halving(optim.Schedule):
    """A schedule of the user's own, with an option."""

    def __init__(self, optimizer, *, every=1):
        super().__init__(optimizer, per="epoch")
        self.every = every
        self.apply()

    def factor(self, count):
        return 0.5 ** (count // self.every)


def trainer(cell=None, loss=None, adam=None, decay=None, every=None, **options):
    """A training; what is given are options that differ from the defaults."""
    model = pyrnn.Sequential(
        pyrnn.LSTM(2, 4, seed=0, **cell or {}), pyrnn.MeanPool(), pyrnn.Linear(4, 3, seed=0)
    )
    groups = [{"params": model[2], "lr": 0.1}]
    optimizer = optim.Adam(0.01, groups=groups, **adam or {})
    schedules = [Halving(optimizer, **every or {}), optim.Warmup(optim.Cosine(optimizer, 9), 2)]
    ema = optim.EMA(model, **decay or {})
    loss = losses.CrossEntropy(**loss or {})
    return pyrnn.Trainer(model, loss, optimizer, schedule=schedules, ema=ema, seed=0, **options)


def fit(trainer, path, **options):
    options = {"epochs": 1, "batch_size": 4, "progress": False} | options
    trainer.fit((X, Y), checkpoint=path, **options)
    return trainer


def without(path, name=None):
    """The checkpoint without one option, or without all options that have a default."""

    def change(description):
        training = description["training"]
        for tree in (training["settings"], training["description"]):
            remove(tree, name)

    rewrite(path, change)


DEFAULTS = {
    "Adam": ("betas", "eps", "weight_decay"), "EMA": ("decay",), "Halving": ("every",),
    "Warmup": ("start_factor",), "Cosine": ("final", "per"), "CrossEntropy": ("label_smoothing",),
    "LSTM": ("num_layers", "bias", "bidirectional", "dropout", "proj_size", "zoneout"),
    "Linear": ("bias",),
}  # fmt: skip
FITS = ("shuffle", "bucket", "tbptt", "accumulate", "clip_norm", "clip_value", "batch_size")


def remove(tree, name):
    """Removes options from a description, and from all that it is made of."""
    names = (name,) if name else (*FITS[:-1], *(n for names in DEFAULTS.values() for n in names))
    if isinstance(tree, dict):
        for each in names:
            tree.pop(each, None)
        tree = list(tree.values())
    for value in tree if isinstance(tree, list) else ():
        remove(value, name)


def test_options_at_their_defaults_may_be_missing(tmp_path):
    """The resumed training has the bits of one that ran through."""
    whole = fit(trainer(), tmp_path / "whole", epochs=2)
    fit(trainer(), path := tmp_path / "checkpoint")
    size = path.stat().st_size
    without(path)
    assert path.stat().st_size < size - 250  # many were removed
    resumed = fit(trainer(), path, epochs=2, resume=True)
    assert_same_bits(resumed.model.state_dict(), whole.model.state_dict())
    assert json.dumps(resumed.history.loss) == json.dumps(whole.history.loss)


OTHERS = {
    "zoneout": (dict(cell={"zoneout": 0.1}), {}),
    "num_layers": (dict(cell={"num_layers": 2}), {}),
    "label_smoothing": (dict(loss={"label_smoothing": 0.1}), {}),
    "eps": (dict(adam={"eps": 1e-6}), {}),
    "decay": (dict(decay={"decay": 0.9}), {}),
    "every": (dict(every={"every": 2}), {}),
    "clip_norm": (dict(clip_norm=1.0), {}),
    "accumulate": (dict(accumulate=2), {}),
    "bucket": ({}, dict(bucket=False)),
    "batch_size": ({}, dict(batch_size=5)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_value_of_a_missing_option_is_refused(name, tmp_path):
    """The error names the option and the default, which the older version worked with."""
    given, options = OTHERS[name]
    fit(trainer(**given), path := tmp_path / "checkpoint", **options)
    without(path, name)
    with pytest.raises(ValueError, match=f"was written with .*{name} = .*, expected"):
        fit(trainer(**given), path, epochs=2, resume=True, **options)
