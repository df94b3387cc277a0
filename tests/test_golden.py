"""Promise: results equal those recorded from torch (tools/make_golden.py), with no torch needed."""

import json
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from compare import assert_close

DATA = Path(__file__).parent / "data"
LAYERS = {
    "rnn_tanh": pyrnn.RNN,
    "rnn_relu": pyrnn.RNN,
    "rnn_no_bias": pyrnn.RNN,
    "lstm": pyrnn.LSTM,
    "lstm_projected": pyrnn.LSTM,
    "gru": pyrnn.GRU,
}
TERMS = 2 * 6 * 4 * (2 * 7 + 7 + 1)  # layers * steps * rows * products of one unit


def read(name):
    """The options and the arrays of one file, the latter by group: "", "weight" or "grad"."""
    groups = {"": {}, "weight": {}, "grad": {}, "losses": {}}
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as file:
        for key in file.files:
            group, _, rest = key.rpartition("/")
            groups[group][rest] = file[key]
    return json.loads(groups[""].pop("options").item()), groups


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, dtype, isa):
    options, groups = read(name)
    layer = LAYERS[name](**options, batch_first=False, dtype=np.dtype(dtype))
    layer.load_state_dict({k: v.astype(dtype) for k, v in groups["weight"].items()})
    a = {k: v.astype(dtype) for k, v in groups[""].items()}
    has_c = "c0" in a

    def state(h, c):
        return (a[h], a[c]) if has_c else a[h]

    def split(pair):
        return pair if has_c else (pair,)

    (y, out), pullback = layer.vjp(a["x"], state("h0", "c0"), lengths=groups[""]["lengths"])
    d_x, d_state = pullback(a["d_y"], state("d_hn", "d_cn"))
    outputs = {"y": y, **dict(zip(("hn", "cn"), split(out), strict=False))}
    expected = {k: groups[""][k].astype(np.float64) for k in outputs}
    assert_close(outputs, expected, dtype, TERMS)
    gradients = {"d_x": d_x, **dict(zip(("d_h0", "d_c0"), split(d_state), strict=False))}
    expected = {k: groups[""][k].astype(np.float64) for k in gradients} | groups["grad"]
    gradients |= {k: p.grad for k, p in layer.named_parameters()}
    assert_close(gradients, expected, dtype, TERMS, backward=True)


OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_losses_of_a_language_model(name):
    """Embedding, GRU, Linear, cross entropy and the optimizer, ten steps in a row."""
    options, groups = read("training")
    ids, target = groups[""]["ids"], groups[""]["target"]
    model = pyrnn.Sequential(
        pyrnn.Embedding(11, 4, dtype=np.float64),
        pyrnn.GRU(4, 6, dtype=np.float64),
        pyrnn.Linear(6, 11, dtype=np.float64),
        batch_first=False,
    )
    model.load_state_dict({k: v.astype(np.float64) for k, v in groups["weight"].items()})
    optimizer, loss = getattr(pyrnn.optim, name)(**options[name]), pyrnn.losses.CrossEntropy()
    losses = []
    for _ in range(len(groups["losses"][name])):
        model.zero_grad()
        (y, _), pullback = model.vjp(ids)
        value, loss_pullback = loss.vjp(y.swapaxes(0, 1), target.T)
        pullback(loss_pullback().swapaxes(0, 1))
        optimizer.step(model.parameters())
        losses.append(value)
    np.testing.assert_allclose(losses, groups["losses"][name], rtol=1e-10)


def test_files_are_small_and_plain():
    files = sorted(DATA.glob("*.npz"))
    assert {f.stem for f in files} == {*LAYERS, "training"}
    assert sum(f.stat().st_size for f in files) < 300_000
