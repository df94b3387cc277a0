"""Trainings that exercise what shards must keep; each gives (trainer, fit), made anew."""

import hashlib

import numpy as np

import pyrnn
from training import classifier, padded, ragged_series, ragged_task, regressor


class Own(pyrnn.Module):
    """A model of the user's own, with dropout inside."""

    def __init__(self):
        self.rnn = pyrnn.RNN(2, 5, seed=0)
        self.drop = pyrnn.Dropout(0.4, seed=1)
        self.out = pyrnn.Linear(5, 1, seed=2)

    def forward(self, x, lengths=None):
        y, _ = self.rnn(x, lengths=lengths)
        return self.out(self.drop(y)) * 0.5


class Noisy(pyrnn.Module):
    """A module of the user's own that counts its calls, and keeps the count in checkpoints."""

    stepwise = True
    random = True

    def __init__(self):
        self._calls = 0

    def __call__(self, x):
        return x

    def vjp(self, x, *, need_dx=True, rng=None):
        factor = np.float32(1 + 0.1 * np.sin(self._calls))
        self._calls += 1
        return x * factor, lambda dy: dy * factor

    def extra_state(self):
        return {"calls": self._calls}

    def load_extra_state(self, state):
        self._calls = state["calls"]


def stacked():
    return pyrnn.Sequential(
        pyrnn.GRU(2, 5, num_layers=2, dropout=0.3, zoneout=0.2, seed=0),
        pyrnn.LayerNorm(5),
        pyrnn.Linear(5, 1, seed=1),
    )


def tagger(classes=3):
    return pyrnn.Sequential(pyrnn.LSTM(2, 5, seed=0), pyrnn.Linear(5, classes, seed=1))


def translator():
    return pyrnn.Seq2Seq(
        4, 7, 4, 6, num_layers=2, dropout=0.2, attention_dropout=0.2, scheduled_sampling=0.5, seed=0
    )


def labels(x, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 3, len(series)) for series in x]


def words(x, seed=4):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, 4, rng.integers(1, 1 + max(1, len(s) // 2))) for s in x]


X, Y = ragged_task(N=22)
SERIES, SUMS = ragged_series(N=22, longest=9)
DENSE = np.random.default_rng(7).standard_normal((22, 6, 2)).astype(np.float32)
WEIGHTS = np.random.default_rng(8).random(22)
ADAM, SGD = (lambda: pyrnn.optim.Adam(0.02)), (lambda: pyrnn.optim.SGD(0.05, momentum=0.9))


def of(model, loss, data, optimizer=ADAM, fit=None, make=dict):
    """A training: a function of further options of Trainer and of fit."""

    def training(**options):
        chosen = optimizer()
        made = make(chosen) if make is not dict else {}
        built = model()
        if made.pop("ema", False):
            made["ema"] = pyrnn.optim.EMA(built, 0.9)
        trainer = pyrnn.Trainer(
            built, loss() if callable(loss) else loss, chosen, seed=0, **made, **options
        )
        how = {"epochs": 2, "batch_size": 8, "progress": False} | (fit or {})
        return trainer, lambda **more: trainer.fit(data, **how | more)

    return training


TRAININGS = {
    "ragged ids, dropout": of(
        classifier,
        "cross_entropy",
        (X, Y),
        fit={"validation": (X[:9], Y[:9])},
        make=lambda o: {"metrics": ["accuracy"]},
    ),
    "dense": of(lambda: regressor(pyrnn.LSTM), "mse", (DENSE, DENSE.sum(2, keepdims=True))),
    "zoneout and dropout between layers": of(stacked, "mse", (SERIES, SUMS)),
    "class weights": of(
        classifier, lambda: pyrnn.losses.CrossEntropy(weight=[1.0, 2.0, 0.5, 0.0]), (X, Y)
    ),
    "sum": of(
        regressor,
        lambda: pyrnn.losses.MSE(reduction="sum"),
        (SERIES, SUMS),
        optimizer=lambda: pyrnn.optim.SGD(1e-3),
    ),
    "sample weights": of(
        regressor, "mse", pyrnn.SequenceDataset(SERIES, SUMS, sample_weight=WEIGHTS)
    ),
    "crf": of(tagger, lambda: pyrnn.CRF(3, seed=0), (SERIES, labels(SERIES))),
    "ctc": of(
        lambda: tagger(4),
        "ctc",
        ([s for s in SERIES if len(s) > 1], words([s for s in SERIES if len(s) > 1])),
    ),
    "tbptt": of(regressor, "mse", (SERIES, SUMS), fit={"tbptt": 3, "validation": 0.25}),
    "accumulate, clip, schedule, average": of(
        regressor,
        "mse",
        (SERIES, SUMS),
        optimizer=SGD,
        fit={"validation": 0.2},
        make=lambda o: {
            "accumulate": 2,
            "clip_norm": 0.5,
            "ema": True,
            "schedule": pyrnn.optim.Cosine(o, 9),
        },
    ),
    "a forward of the user's own": of(Own, "mse", (SERIES, SUMS)),
    "a module that counts": of(
        lambda: pyrnn.Sequential(Noisy(), *regressor()), "mse", (SERIES, SUMS)
    ),
    "translation": of(translator, "cross_entropy", (X, [ids + 2 for ids in words(X)])),
    "padded": of(regressor, "mse", (padded(SERIES)[0], padded(SUMS)[0], padded(SERIES)[1])),
}


def outcome(trainer, history):
    """All numbers that a training leaves."""
    state = trainer.state_dict()
    weights = {**trainer.trained.state_dict()}
    losses = [history.loss, history.val_loss, *history.metrics.values()]
    extra = state["model"]["state"]["extra_state"]
    return weights, losses, extra


def mark(found):
    """The same text for the same bits of an outcome."""
    weights, *others = found
    text = hashlib.sha256(repr(others).encode())
    for name in sorted(weights):
        text.update(weights[name].tobytes())
    return text.hexdigest()
