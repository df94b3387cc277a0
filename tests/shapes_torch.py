"""The ten models of shapes.py, for torch: the same names and equations."""

import torch
from torch import nn

F64 = {"dtype": torch.float64}


def gru(*sizes):
    return nn.GRU(*sizes, batch_first=True, **F64)


def lstm(*sizes, **options):
    return nn.LSTM(*sizes, batch_first=True, **options, **F64)


def linear(*sizes):
    return nn.Linear(*sizes, **F64)


def run_ragged(rnn, x, lengths):
    """(y, state) of padded rows: zeros after a row's end."""
    packed = nn.utils.rnn.pack_padded_sequence(
        x, torch.as_tensor(lengths), batch_first=True, enforce_sorted=False
    )
    y, state = rnn(packed)
    return nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0], state


class TwoTowers(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = gru(3, 4), gru(2, 5), linear(9, 2)

    def forward(self, left, right):
        return self.head(torch.cat([self.left(left)[0][:, -1], self.right(right)[0][:, -1]], -1))


class SequenceAndStatic(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = lstm(5, 4), linear(6, 1)

    def forward(self, inputs, lengths):
        x, static = inputs["x"], inputs["static"]
        everywhere = static[:, None].expand(-1, x.shape[1], -1)
        y, (h, _) = run_ragged(self.rnn, torch.cat([x, everywhere], -1), lengths)
        return self.head(torch.cat([h[-1], static], -1)) + y.mean((1, 2))[:, None]


class ResidualStack(nn.Module):
    def __init__(self):
        super().__init__()
        for i in range(3):
            setattr(self, f"norm{i}", nn.LayerNorm(4, **F64))
            setattr(self, f"wide{i}", linear(4, 8))
            setattr(self, f"back{i}", linear(8, 4))
        self.rnn = gru(4, 4)

    def forward(self, x):
        for i in range(3):
            wide = getattr(self, f"wide{i}")(getattr(self, f"norm{i}")(x))
            x = x + getattr(self, f"back{i}")(torch.tanh(wide))
        return x + self.rnn(x)[0]


class EncoderWithTwoLosses(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = gru(3, 5), gru(5, 5)
        self.classifier, self.output = linear(5, 3), linear(5, 3)

    def forward(self, x):
        _, h = self.encoder(x)
        again, _ = self.decoder(torch.stack([h[0]] * x.shape[1], 1), h)
        return self.classifier(h[0]), self.output(again)


class Hierarchical(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(11, 3, **F64)
        self.words, self.sentences, self.head = gru(3, 4), gru(4, 5), linear(5, 2)

    def forward(self, ids):
        documents, sentences, words = ids.shape
        y, _ = self.words(self.emb(ids.reshape(documents * sentences, words)))
        vectors = y.max(1).values.reshape(documents, sentences, -1)
        return self.head(self.sentences(vectors)[0].mean(1))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.head = gru(3, 4), linear(8, 1)

    def forward(self, a, b):
        a, b = self.encoder(a)[0].mean(1), self.encoder(b)[0].mean(1)
        return torch.sigmoid(self.head(torch.cat([(a - b).abs(), a * b], 1)))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.chars, self.words = nn.Embedding(7, 2, **F64), nn.Embedding(11, 3, **F64)
        self.spelling, self.rnn = gru(2, 3), lstm(6, 4, bidirectional=True)
        self.head = linear(8, 3)

    def forward(self, words, chars, lengths):
        rows, steps, letters = chars.shape
        _, h = self.spelling(self.chars(chars.reshape(rows * steps, letters)))
        spelt = h[0].reshape(rows, steps, 3)
        return self.head(
            run_ragged(self.rnn, torch.cat([self.words(words), spelt], -1), lengths)[0]
        )


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = lstm(3, 4)
        self.tags, self.kind, self.size = linear(4, 3), linear(4, 2), linear(4, 1)

    def forward(self, x):
        y, (h, c) = self.trunk(x)
        return {"tags": self.tags(y), "kind": self.kind(h[0]), "size": self.size(c[0]).exp()}


class AttentionPooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.v = nn.Parameter(torch.zeros(4, 5, **F64)), nn.Parameter(torch.zeros(5, **F64))
        self.rnn, self.head = gru(3, 4), linear(4, 2)

    def forward(self, x, lengths):
        h, _ = run_ragged(self.rnn, x, lengths)
        scores = torch.tanh(h @ self.w) @ self.v
        real = torch.arange(x.shape[1]) < torch.as_tensor(lengths)[:, None]
        weights = scores.masked_fill(~real, -1e9).softmax(1)
        return self.head((weights[:, None, :] @ h)[:, 0])


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts, self.gate = nn.Sequential(*(gru(3, 4) for _ in range(3))), linear(3, 3)
        self.scale = nn.Parameter(torch.zeros(4, **F64))
        self.shift = nn.Parameter(torch.zeros(1, 4, **F64))

    def forward(self, x):
        answers = torch.stack([expert(x)[0] for expert in self.experts], -1)
        mixed = (answers * self.gate(x).softmax(-1)[:, :, None, :]).sum(-1)
        return (mixed * self.scale - self.shift) ** 2


def twin(name):
    """A new model of that name."""
    return globals()[name]()
