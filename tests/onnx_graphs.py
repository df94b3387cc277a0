"""Random models of the parts that ONNX has, and inputs for them."""

from itertools import count

import numpy as np

import pyrnn

ACTIVATIONS = (pyrnn.Tanh, pyrnn.ReLU, pyrnn.Sigmoid, pyrnn.Softmax, pyrnn.layers.Identity)
DTYPE = np.float32


def options(kind, rng):
    """Random options of a recurrent layer, all of which ONNX has."""
    both = bool(rng.random() < 0.4)
    given = {
        "num_layers": int(rng.integers(1, 4)),
        "bias": [True, False, "single"][rng.integers(3)],
        "bidirectional": both,
        "direction": "forward" if both else str(rng.choice(["forward", "reverse"])),
        "merge": str(rng.choice(["concat", "sum", "mul", "average"])) if both else "concat",
        "recurrent_dropout": float(rng.choice([0, 0.5])),
    }
    if kind is pyrnn.RNN:
        choices = ("tanh", "relu", "sigmoid", "identity")
        return given | {"nonlinearity": str(rng.choice(choices))}
    if kind is pyrnn.LSTM:
        flags = rng.integers(2, size=2).astype(bool).tolist()
        return given | dict(zip(("peephole", "coupled_gates"), flags, strict=True))
    after = bool(rng.integers(2))
    bias = True if after and given["bias"] == "single" else given["bias"]
    return given | {"reset_after": after, "bias": bias}


class Draw:
    """Parts that fit behind each other; `width` is what the part in front gives."""

    def __init__(self, seed):
        self.rng = np.random.default_rng([seed, 16])
        self.seeds = count(seed * 1000)

    def recurrent(self, width):
        kind = (pyrnn.RNN, pyrnn.LSTM, pyrnn.GRU)[self.rng.integers(3)]
        layer = kind(width, int(self.rng.integers(1, 9)), seed=0, **options(kind, self.rng))
        for parameter in layer.parameters():  # small ones, as a linear RNN may grow
            parameter[...] = self.rng.uniform(-0.5, 0.5, parameter.shape).astype(DTYPE)
        return layer, layer.num_features

    def linear(self, width):
        size = int(self.rng.integers(1, 9))
        bias = bool(self.rng.integers(2))
        return pyrnn.Linear(width, size, bias=bias, seed=next(self.seeds)), size

    def norm(self, width):
        affine, bias = self.rng.integers(2, size=2).astype(bool).tolist()
        norm = pyrnn.LayerNorm(width, elementwise_affine=affine, bias=bias, eps=0.01)
        for parameter in norm.parameters():
            parameter[...] = self.rng.uniform(0.5, 2, width).astype(DTYPE)
        return norm, width

    def activation(self, width):
        return ACTIVATIONS[self.rng.integers(len(ACTIVATIONS))](), width

    def dropout(self, width):
        return pyrnn.Dropout(0.5, seed=0), width

    def residual(self, width):
        part = pyrnn.GRU(width, width, seed=next(self.seeds))
        if self.rng.random() < 0.5:
            part = pyrnn.Sequential(pyrnn.LayerNorm(width), pyrnn.Linear(width, width, seed=0))
        return pyrnn.Residual(part), width

    def concat(self, width):
        parts, widths = zip(*(self.recurrent(width), self.linear(width)), strict=True)
        return pyrnn.Concat(*parts, pyrnn.layers.Identity()), sum(widths) + width

    def add(self, width):
        given = dict(merge="sum", bidirectional=True, seed=0)
        parts = pyrnn.LSTM(width, 4, **given), pyrnn.RNN(width, 4, direction="reverse", seed=1)
        return pyrnn.Add(*parts, pyrnn.Linear(width, 4, seed=2)), 4

    def each_step(self, width):
        linear, size = self.linear(width)
        return pyrnn.TimeDistributed(pyrnn.Sequential(linear, pyrnn.Tanh())), size

    def twice(self, width):
        """One layer in two places."""
        layer = pyrnn.GRU(width, width, num_layers=2, seed=next(self.seeds))
        return pyrnn.Sequential(layer, pyrnn.Tanh(), layer), width

    def nested(self, width):
        first, width = self.recurrent(width)
        second, width = self.recurrent(width)
        return pyrnn.Sequential(rnn=first, top=second), width

    FIRST = (recurrent, recurrent, linear, norm, residual, concat, add, each_step, twice, nested)
    KINDS = (*FIRST, recurrent, activation, dropout)  # those that do not say how wide x is

    def head(self, width, last):
        """What takes the time axis away, and a classifier."""
        pools = [pyrnn.MaxPool(), pyrnn.MeanPool(), pyrnn.SumPool()]
        if getattr(last, "merge", "") == "concat":
            both, direction = last.bidirectional, last.direction
            pools = [pyrnn.LastStep(bidirectional=both, direction=direction)]
        pool = pools[self.rng.integers(len(pools))]
        if self.rng.random() < 0.3:
            pool = pyrnn.Concat(pool, pyrnn.MeanPool())
            width *= 2
        return [pool, pyrnn.Linear(width, 3, seed=0), pyrnn.Softmax()]

    def model(self):
        """(a model, the features of x, None for ids)."""
        width = features = int(self.rng.integers(1, 7))
        parts = []
        if self.rng.random() < 0.3:
            parts, features = [pyrnn.Embedding(11, width, seed=0)], None
        for _ in range(self.rng.integers(1, 5)):
            kinds = self.KINDS if parts else self.FIRST
            kind = kinds[self.rng.integers(len(kinds))]
            part, width = kind(self, width)
            parts.append(part)
        if self.rng.random() < 0.5:
            parts += self.head(width, parts[-1])
        batch_first = bool(self.rng.random() < 0.7)
        if len(parts) == 1 and parts[0].stateful and not parts[0].made_of_parts:
            parts[0].batch_first = batch_first
            return parts[0], features
        return pyrnn.Sequential(*parts, batch_first=batch_first), features


def states(module, name=""):
    """(what stands before its states' names, layer) of all recurrent layers, in a state's order."""
    if module.made_of_parts and module.num_states:
        inner = [(f"{name}.{own}" if name else own, part) for own, part in module.named_parts()]
        return [entry for own, part in inner for entry in states(part, own)]
    return [(f"{name}." if name else "", module)] if module.num_states else []
