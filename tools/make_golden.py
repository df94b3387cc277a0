#!/usr/bin/env python3
"""Records golden vectors from torch into tests/data/*.npz; tests/test_golden.py reads them.

    python tools/make_golden.py        (needs torch==2.13.0; the tests need no torch)

One file per recurrent layer: random weights and inputs, ragged lengths, two layers in both
directions, outputs and every gradient; and one file of losses of short training runs. Weights and
inputs are float32 values, so that the files stay small; torch computes on them in float64.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

DATA = Path(__file__).parent.parent / "tests" / "data"
INPUT_SIZE, HIDDEN_SIZE, T, B = 5, 7, 6, 4
LENGTHS = [6, 2, 5, 1]
LAYERS = {
    "rnn_tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
    "rnn_no_bias": (nn.RNN, {"nonlinearity": "tanh", "bias": False}),
    "lstm": (nn.LSTM, {}),
    "lstm_projected": (nn.LSTM, {"proj_size": 3}),
    "gru": (nn.GRU, {}),
}
VOCABULARY, EMBEDDING, STEPS = 11, 4, 10
OPTIMIZERS = {
    "SGD": {"lr": 0.5, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.02, "weight_decay": 0.01},
    "AdamW": {"lr": 0.02, "weight_decay": 0.1},
    "RMSprop": {"lr": 0.01, "alpha": 0.9, "momentum": 0.5},
}


def normal(*shape):
    """Random float64 numbers that are exact in float32."""
    return torch.randn(shape, dtype=torch.float32).double()


def round_weights(module):
    for p in module.parameters():
        p.data = p.data.float().double()
    return module


def save(name, arrays):
    """Numbers that are exact in float32 are stored so; the values are float64's."""

    def smallest(value):
        a = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        exact = a.dtype == np.float64 and np.array_equal(a.astype(np.float32), a)
        return a.astype(np.float32) if exact else a

    np.savez(DATA / f"{name}.npz", **{key: smallest(value) for key, value in arrays.items()})


def record_layer(name, cls, options):
    """Outputs and gradients of one layer on a packed ragged batch."""
    options = {"num_layers": 2, "bidirectional": True, **options}
    layer = round_weights(cls(INPUT_SIZE, HIDDEN_SIZE, dtype=torch.float64, **options))
    width, has_c = options.get("proj_size", HIDDEN_SIZE), cls is nn.LSTM
    inputs = {"x": normal(T, B, INPUT_SIZE), "h0": normal(4, B, width)}
    inputs |= {"c0": normal(4, B, HIDDEN_SIZE)} if has_c else {}
    for value in inputs.values():
        value.requires_grad_()
    packed = nn.utils.rnn.pack_padded_sequence(inputs["x"], LENGTHS, enforce_sorted=False)
    state = (inputs["h0"], inputs["c0"]) if has_c else inputs["h0"]
    out, state = layer(packed, state)
    y, _ = nn.utils.rnn.pad_packed_sequence(out)
    outputs = {"y": y} | dict(zip(("hn", "cn"), state if has_c else (state,), strict=False))
    sent = {f"d_{key}": normal(*value.shape) for key, value in outputs.items()}
    torch.autograd.backward(list(outputs.values()), list(sent.values()))
    gradients = {f"d_{key}": value.grad for key, value in inputs.items()}
    for key, p in layer.named_parameters():
        gradients |= {f"weight/{key}": p, f"grad/{key}": p.grad}
    options = {"input_size": INPUT_SIZE, "hidden_size": HIDDEN_SIZE, **options}
    meta = {"lengths": np.array(LENGTHS), "options": json.dumps(options)}
    save(name, inputs | outputs | sent | gradients | meta)


class LanguageModel(nn.Module):
    """Embedding, GRU and linear layer; the names are those of pyrnn.Sequential's parts."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(
            [nn.Embedding(VOCABULARY, EMBEDDING), nn.GRU(EMBEDDING, 6), nn.Linear(6, VOCABULARY)]
        )

    def forward(self, ids):
        embedding, gru, linear = self.parts
        return linear(gru(embedding(ids))[0])


def record_training():
    """The losses of ten steps on one batch, per optimizer, from the same weights."""
    model = round_weights(LanguageModel().double())
    start = {key: value.clone() for key, value in model.state_dict().items()}
    ids = torch.randint(VOCABULARY, (T, B))
    target = torch.randint(VOCABULARY, (T, B))
    arrays = {"ids": ids, "target": target, "options": json.dumps(OPTIMIZERS)}
    arrays |= {f"weight/{key.removeprefix('parts.')}": value for key, value in start.items()}
    for name, options in OPTIMIZERS.items():
        model.load_state_dict(start)
        optimizer = getattr(torch.optim, name)(model.parameters(), **options)
        losses = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), target.flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        arrays[f"losses/{name}"] = np.array(losses)
    save("training", arrays)


def main():
    DATA.mkdir(exist_ok=True)
    torch.manual_seed(2026)
    torch.set_num_threads(1)
    for name, (cls, options) in LAYERS.items():
        record_layer(name, cls, options)
    record_training()
    total = sum(path.stat().st_size for path in DATA.glob("*.npz"))
    print(f"{DATA}: {total / 1000:.0f} kB")


if __name__ == "__main__":
    main()
