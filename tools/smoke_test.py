#!/usr/bin/env python3
"""Checks an installed pyrnn in a second, without test tools: training, streams, files."""

import os
import tempfile

import numpy as np

import pyrnn

assert pyrnn.available_isas(), "no instruction set"
x = np.random.default_rng(0).standard_normal((2, 7, 3), dtype=np.float32)
lstm = pyrnn.LSTM(3, 5, num_layers=2, bidirectional=True, seed=0)
(y, _), pullback = lstm.vjp(x)
dx, _ = pullback(np.ones_like(y))
assert y.shape == (2, 7, 10) and dx.shape == x.shape
assert all(np.abs(p.grad).sum() > 0 for p in lstm.parameters())

gru = pyrnn.GRU(3, 64, seed=0)
expected, _ = gru(x)
for isa in pyrnn.available_isas():
    pyrnn._core._set_isa(isa)
    for n in (1, 2):
        with pyrnn.threads(n):
            assert np.allclose(gru(x)[0], expected, atol=1e-6), isa
            assert (gru.stream(batch_size=2).run(x) == gru(x)[0]).all(), isa

model = pyrnn.Sequential(gru, pyrnn.LastStep(), pyrnn.Linear(64, 1, seed=0))
trainer = pyrnn.Trainer(model, loss=pyrnn.losses.MSE(), optimizer=pyrnn.optim.Adam(1e-2), seed=0)
history = trainer.fit(x, x.sum((1, 2))[:, None], epochs=20, progress=False)
assert history.loss[-1] < history.loss[0]
with tempfile.TemporaryDirectory() as folder:
    model.save(path := os.path.join(folder, "model"))
    assert (pyrnn.load(path)(x) == model(x)).all()
print(
    "pyrnn",
    pyrnn.__version__,
    "on",
    ", ".join(pyrnn.available_isas()),
    "with numpy",
    np.__version__,
)
