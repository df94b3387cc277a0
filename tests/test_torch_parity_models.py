"""Promise: models of named parts give the numbers of the torch model that has these attributes."""

import numpy as np
import pytest

import pyrnn

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

nn = torch.nn


class Tagger(nn.Module):
    """Ids, a residual LSTM in both directions by hand, one head for each step and one for all."""

    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(11, 4)
        self.norm = nn.LayerNorm(4)
        self.rnn = nn.LSTM(4, 4, batch_first=True)
        self.back = nn.GRU(4, 3, batch_first=True)
        self.tags, self.kind = nn.Linear(7, 3), nn.Linear(7, 2)

    def forward(self, ids):
        x = self.emb(ids)
        x = x + self.rnn(self.norm(x))[0]
        back = self.back(x.flip(1))[0].flip(1)
        both = torch.cat([x, back], dim=-1)
        return self.tags(both), self.kind(both.amax(dim=1))


class Same(nn.Module):
    """What our model's parameters are named as."""

    def __init__(self, net):
        super().__init__()
        self.emb = net.emb
        self.block = nn.ModuleDict({"inner": nn.ModuleDict({"norm": net.norm, "rnn": net.rnn})})
        self.both = nn.ModuleDict({"back": net.back})
        self.heads = nn.ModuleDict({"tags": net.tags, "kind": nn.ModuleDict({"out": net.kind})})


def ours():
    f8 = {"dtype": np.float64}
    inner = pyrnn.Sequential(norm=pyrnn.LayerNorm(4, **f8), rnn=pyrnn.LSTM(4, 4, **f8))
    kind = pyrnn.Sequential(pool=pyrnn.MaxPool(), out=pyrnn.Linear(7, 2, **f8))
    return pyrnn.Sequential(
        emb=pyrnn.Embedding(11, 4, **f8),
        block=pyrnn.Residual(inner=inner),
        both=pyrnn.Concat(x=pyrnn.Identity(), back=pyrnn.GRU(4, 3, direction="reverse", **f8)),
        heads=pyrnn.Parallel(tags=pyrnn.Linear(7, 3, **f8), kind=kind),
    )


def test_a_model_of_named_parts(rng):
    """Outputs and every gradient in float64, within 1e-10."""
    torch.manual_seed(0)
    theirs = Tagger().double()
    model, ids = ours(), rng.integers(0, 11, (3, 6))
    model.load_state_dict(Same(theirs).state_dict())
    outputs = theirs(torch.tensor(ids))
    dys = [rng.standard_normal(tuple(y.shape)) for y in outputs]
    torch.autograd.backward(outputs, [torch.tensor(dy) for dy in dys])
    (ys, _), pullback = model.vjp(ids)
    pullback(tuple(dys))
    for y, expected in zip(ys, outputs, strict=True):
        np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-10)
    expected = {name: p.grad.numpy() for name, p in Same(theirs).named_parameters()}
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, expected.pop(name), atol=1e-10)
    assert not expected


def test_attributes_emb_rnn_head(rng):
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb, self.rnn = nn.Embedding(11, 4), nn.LSTM(4, 5, 2, batch_first=True)
            self.head = nn.Linear(5, 2)

        def forward(self, ids):
            return self.head(self.rnn(self.emb(ids))[0][:, -1])

    torch.manual_seed(0)
    theirs = Classifier()
    model = pyrnn.Sequential(
        emb=pyrnn.Embedding(11, 4),
        rnn=pyrnn.LSTM(4, 5, num_layers=2),
        last=pyrnn.LastStep(),
        head=pyrnn.Linear(5, 2),
    )
    model.load_state_dict(theirs.state_dict())
    ids = rng.integers(0, 11, (3, 6))
    expected = theirs(torch.tensor(ids)).detach().numpy()
    np.testing.assert_allclose(model(ids), expected, atol=1e-6)
    theirs.load_state_dict({name: torch.tensor(p) for name, p in model.state_dict().items()})
