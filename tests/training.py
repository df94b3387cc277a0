"""Stand-ins and small tasks for the tests of training."""

import json
from contextlib import contextmanager

import numpy as np

import pyrnn


def ragged_task(N=60, longest=12, seed=0):
    """Ids of different lengths whose first symbol is the class: x as a list, target (N,)."""
    rng = np.random.default_rng(seed)
    x = [rng.integers(0, 4, n) for n in rng.integers(1, longest + 1, N)]
    return x, np.array([ids[0] for ids in x])


def ragged_series(N=40, longest=10, seed=0):
    """Numbers of different lengths, and their running sums."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((n, 2)) for n in rng.integers(1, longest + 1, N)]
    return x, [np.cumsum(series, axis=0)[:, :1] for series in x]


def padded(arrays):
    """(N, T, ...) and lengths."""
    lengths = np.array([len(a) for a in arrays])
    result = np.zeros((len(arrays), max(lengths), *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(result, arrays, strict=True):
        row[: len(array)] = array
    return result, lengths


def classifier(dropout=0.3):
    return pyrnn.Sequential(
        pyrnn.Embedding(4, 8, seed=1),
        pyrnn.Dropout(dropout, seed=5),
        pyrnn.LSTM(8, 16, seed=2),
        pyrnn.LastStep(),
        pyrnn.Linear(16, 4, seed=3),
    )


def regressor(cell=pyrnn.GRU, features=2, **options):
    return pyrnn.Sequential(
        cell(features, 6, seed=0, **options),
        pyrnn.Linear(6 * (1 + options.get("bidirectional", False)), 1, seed=1),
    )


def make_trainer(model=None, optimizer=None, loss=None, **options):
    optimizer = optimizer or pyrnn.optim.Adam(1e-2)
    loss = loss or pyrnn.losses.CrossEntropy()
    return pyrnn.Trainer(model or classifier(), loss, optimizer, seed=0, **options)


class Halving:
    """A schedule: lr halves every `every` calls."""

    def __init__(self, optimizer, per="step", every=4):
        self.optimizer, self.per, self.every, self.calls = optimizer, per, every, 0

    def step(self, metric=None):
        self.calls += 1
        if self.calls % self.every == 0:
            self.optimizer.lr *= 0.5

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, state):
        self.calls = state["calls"]


class Watching(Halving):
    """A schedule that is told a measure after each epoch."""

    def __init__(self, optimizer):
        super().__init__(optimizer, per="epoch")
        self.seen = []

    def step(self, metric):
        self.seen.append(metric)


class Average:
    """Averaged weights of a model."""

    def __init__(self, model, decay=0.5):
        self.model, self.decay, self.weights = model, decay, model.state_dict()

    def update(self):
        for name, value in self.model.state_dict().items():
            self.weights[name] += np.float32(1 - self.decay) * (value - self.weights[name])

    @contextmanager
    def applied(self):
        own = self.model.state_dict()
        self.model.load_state_dict(self.weights)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def state_dict(self):
        return {"weights": {name: value.copy() for name, value in self.weights.items()}}

    def load_state_dict(self, state):
        self.weights = dict(state["weights"])


class Right:
    """A metric: the share of right classes, over real steps."""

    name = "right"

    def __init__(self):
        self.reset()

    def reset(self):
        self.hits = self.total = 0

    def update(self, y, target, lengths=None):
        right = y.argmax(axis=-1) == target
        real = np.ones(right.shape, bool)
        if lengths is not None:
            real = np.arange(right.shape[1]) < np.asarray(lengths)[:, None]
        self.hits, self.total = self.hits + int((right & real).sum()), self.total + int(real.sum())

    @property
    def value(self):
        return self.hits / self.total


def rewrite(path, change):
    """Changes the description in a checkpoint's header."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    description = json.loads(header["__metadata__"]["pyrnn"])
    change(description)
    header["__metadata__"]["pyrnn"] = json.dumps(description)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :])
