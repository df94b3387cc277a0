"""Ten models that are no chain, each as a class with `forward`: what users build first."""

from typing import NamedTuple

import numpy as np

import pyrnn

DTYPE = np.float64


def gru(*sizes, seed, **options):
    return pyrnn.GRU(*sizes, dtype=DTYPE, seed=seed, **options)


def linear(*sizes, seed):
    return pyrnn.Linear(*sizes, dtype=DTYPE, seed=seed)


def parameter(*shape, seed):
    return pyrnn.Parameter(np.random.default_rng(seed).standard_normal(shape) / 2)


def floats(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def made(forward, **attributes):
    """A module with that forward."""
    module = type("Made", (pyrnn.Module,), {"forward": forward})()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


class Net(pyrnn.Module):
    """A model with a bit of everything; of the test's own, at module level for pickle."""

    def __init__(self, size=3, hidden=4, seed=0):
        self.size, self.hidden, self.seed = size, hidden, seed
        self.norm = pyrnn.LayerNorm(size)
        self.rnn = pyrnn.GRU(size, hidden, seed=seed)
        self.drop = pyrnn.Dropout(0.3, seed=seed)
        self.scale = pyrnn.Parameter(np.linspace(0.5, 1, hidden, dtype=np.float32))
        self.head = pyrnn.Linear(hidden, 2, seed=seed)

    def forward(self, x, lengths=None):
        y, _ = self.rnn(self.norm(x), lengths=lengths)
        return self.head(self.drop(y) * self.scale)


class TwoTowers(pyrnn.Module):
    """Two sequences of different kinds, an encoder for each."""

    def __init__(self):
        self.left, self.right = gru(3, 4, seed=0), gru(2, 5, seed=1)
        self.head = linear(9, 2, seed=2)

    def forward(self, left, right):
        ends = [part(x)[0][:, -1] for part, x in ((self.left, left), (self.right, right))]
        return self.head(pyrnn.concat(ends, axis=-1))


class SequenceAndStatic(pyrnn.Module):
    """A sequence, and features of the whole of it at every step and once more at the end."""

    def __init__(self):
        self.rnn = pyrnn.LSTM(5, 4, dtype=DTYPE, seed=0)
        self.head = linear(6, 1, seed=1)

    def forward(self, inputs, lengths=None):
        x, static = inputs["x"], inputs["static"]
        everywhere = pyrnn.broadcast_to(static[:, None], (*x.shape[:2], static.shape[-1]))
        y, (h, _) = self.rnn(pyrnn.concat([x, everywhere], axis=-1), lengths=lengths)
        return self.head(np.concatenate([h[-1], static], axis=-1)) + y.mean(axis=(1, 2))[:, None]


class ResidualStack(pyrnn.Module):
    """Blocks that add to what they are given, with layer norm in front."""

    depth = 3

    def __init__(self):
        for i in range(self.depth):
            setattr(self, f"norm{i}", pyrnn.LayerNorm(4, dtype=DTYPE))
            setattr(self, f"wide{i}", linear(4, 8, seed=i))
            setattr(self, f"back{i}", linear(8, 4, seed=10 + i))
        self.rnn = gru(4, 4, seed=20)

    def forward(self, x):
        for i in range(self.depth):
            wide = getattr(self, f"wide{i}")(getattr(self, f"norm{i}")(x))
            x = x + getattr(self, f"back{i}")(pyrnn.tanh(wide))
        return x + self.rnn(x)[0]


class Described(NamedTuple):
    logits: object
    reconstruction: object


class EncoderWithTwoLosses(pyrnn.Module):
    """One code of a sequence, from which it is classified and built again."""

    def __init__(self):
        self.encoder, self.decoder = gru(3, 5, seed=0), gru(5, 5, seed=1)
        self.classifier, self.output = linear(5, 3, seed=2), linear(5, 3, seed=3)

    def forward(self, x):
        _, h = self.encoder(x)
        again, _ = self.decoder(pyrnn.stack([h[0]] * x.shape[1], axis=1), h)
        return Described(self.classifier(h[0]), self.output(again))


class Hierarchical(pyrnn.Module):
    """Words make sentences, sentences a document."""

    def __init__(self):
        self.emb = pyrnn.Embedding(11, 3, dtype=DTYPE, seed=0)
        self.words, self.sentences = gru(3, 4, seed=1), gru(4, 5, seed=2)
        self.head = linear(5, 2, seed=3)

    def forward(self, ids):
        documents, sentences, words = ids.shape
        y, _ = self.words(self.emb(ids.reshape(documents * sentences, words)))
        vectors = y.max(axis=1).reshape(documents, sentences, -1)
        return self.head(self.sentences(vectors)[0].mean(axis=1))


class Siamese(pyrnn.Module):
    """Two sequences of one kind through the same weights."""

    def __init__(self):
        self.encoder = gru(3, 4, seed=0)
        self.head = linear(8, 1, seed=1)

    def forward(self, a, b):
        a, b = (self.encoder(x)[0].mean(axis=1) for x in (a, b))
        return pyrnn.sigmoid(self.head(pyrnn.concat([abs(a - b), a * b], axis=1)))


class Tagger(pyrnn.Module):
    """Emissions for a CRF, from the words of a sentence and the characters of each word."""

    def __init__(self):
        self.chars = pyrnn.Embedding(7, 2, dtype=DTYPE, seed=0)
        self.words = pyrnn.Embedding(11, 3, dtype=DTYPE, seed=1)
        self.spelling = gru(2, 3, seed=2)
        self.rnn = pyrnn.LSTM(6, 4, bidirectional=True, dtype=DTYPE, seed=3)
        self.head = linear(8, 3, seed=4)

    def forward(self, words, chars, lengths=None):
        rows, steps, letters = chars.shape
        _, h = self.spelling(self.chars(chars.reshape(rows * steps, letters)))
        spelt = h[0].reshape(rows, steps, 3)
        y, _ = self.rnn(pyrnn.concat([self.words(words), spelt], axis=-1), lengths=lengths)
        return self.head(y)


class MultiTask(pyrnn.Module):
    """One trunk, heads for each step and for the whole."""

    def __init__(self):
        self.trunk = pyrnn.LSTM(3, 4, dtype=DTYPE, seed=0)
        self.tags, self.kind, self.size = (linear(4, n, seed=n) for n in (3, 2, 1))

    def forward(self, x):
        y, (h, c) = self.trunk(x)
        return {"tags": self.tags(y), "kind": self.kind(h[0]), "size": pyrnn.exp(self.size(c[0]))}


class AttentionPooling(pyrnn.Module):
    """Weights for the steps, by hand: softmax(tanh(h W) v), of the real ones."""

    def __init__(self):
        self.rnn, self.head = gru(3, 4, seed=0), linear(4, 2, seed=1)
        self.w, self.v = parameter(4, 5, seed=2), parameter(5, seed=3)

    def forward(self, x, lengths=None):
        h, _ = self.rnn(x, lengths=lengths)
        scores = pyrnn.tanh(h @ self.w) @ self.v
        if lengths is not None:
            real = np.arange(x.shape[1]) < np.asarray(lengths)[:, None]
            scores = pyrnn.where(real, scores, -1e9)
        e = pyrnn.exp(scores - scores.max(axis=1, keepdims=True))
        weights = e / e.sum(axis=1, keepdims=True)
        return self.head((weights[:, None, :] @ h)[:, 0])


class Mixture(pyrnn.Module):
    """Three experts and a gate that says how much each counts."""

    def __init__(self):
        self.experts = pyrnn.Sequential(*(gru(3, 4, seed=i) for i in range(3)))
        self.gate, self.scale = linear(3, 3, seed=4), parameter(4, seed=5)
        self.shift = parameter(1, 4, seed=6)

    def forward(self, x):
        answers = pyrnn.stack([expert(x)[0] for expert in self.experts], axis=-1)  # (N, T, H, 3)
        gates = np.exp(self.gate(x))
        gates = gates / gates.sum(axis=-1, keepdims=True)
        mixed = (answers * gates[:, :, None, :]).sum(axis=-1)
        return (mixed * self.scale - self.shift) ** 2


def _ids(most, *shape):
    return np.random.default_rng(sum(shape)).integers(0, most, shape)


MODELS = {  # the class, its inputs
    TwoTowers: ((floats(4, 6, 3), floats(4, 5, 2)), {}),
    SequenceAndStatic: (
        ({"x": floats(4, 6, 3), "static": floats(4, 2)},),
        {"lengths": np.array([6, 2, 5, 4])},
    ),
    ResidualStack: ((floats(3, 6, 4),), {}),
    EncoderWithTwoLosses: ((floats(4, 5, 3),), {}),
    Hierarchical: ((_ids(11, 3, 4, 5),), {}),
    Siamese: ((floats(4, 5, 3), floats(4, 7, 3)), {}),
    Tagger: ((_ids(11, 4, 6), _ids(7, 4, 6, 5)), {"lengths": np.array([6, 3, 5, 1])}),
    MultiTask: ((floats(4, 5, 3),), {}),
    AttentionPooling: ((floats(4, 6, 3),), {"lengths": np.array([6, 3, 5, 1])}),
    Mixture: ((floats(3, 5, 3),), {}),
}


def leaves(tree):
    """The arrays of nested tuples and dicts, in order."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    return [leaf for item in tree for leaf in leaves(item)] if isinstance(tree, tuple) else [tree]


def mapped(function, tree):
    """The same nest with the function of each of its arrays."""
    if isinstance(tree, dict):
        return {name: mapped(function, item) for name, item in tree.items()}
    if isinstance(tree, tuple):
        items = [mapped(function, item) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else tuple(items)
    return function(tree)
