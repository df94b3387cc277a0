"""Remembers something for 100 to 1000 steps, which a vanilla RNN does not learn to do.

Adding: two numbers of a long sequence are marked, the answer at the end is their sum; who always
says 1 has a squared error of 0.167. Copy: three symbols of four, T steps of nothing, then they have
to be repeated; who guesses has a loss of ln 4 = 1.386 (Hochreiter & Schmidhuber 1997); all the 64
sequences are seen. They grow during training. The picture: how little of the gradient comes back.
"""

from itertools import product

import numpy as np

import pyrnn
from _common import options, report

UNITS, SYMBOLS, COPIED, BATCH = 64, 4, 3, 16
CELLS = {"RNN": pyrnn.RNN, "LSTM": pyrnn.LSTM, "GRU": pyrnn.GRU}


def adding(count, T, rng):
    """Numbers and marks (N, T, 2), a mark in either half, and the sums (N, 1)."""
    x = np.zeros((count, T, 2), np.float32)
    x[:, :, 0] = rng.random((count, T))
    rows, half = np.arange(count), T // 2
    marks = rng.integers(0, half, count), rng.integers(half, T, count)
    for steps in marks:
        x[rows, steps, 1] = 1
    return x, sum(x[rows, steps, 0] for steps in marks)[:, None]


def copying(count, T, rng):
    """One-hot vectors (N, T + 6, 6): symbols, blanks, signals; and the symbols at the signals.

    The steps before have the target -100, which does not count.
    """
    symbols = rng.integers(0, SYMBOLS, (count, COPIED))
    ids = np.full((count, T + 2 * COPIED), SYMBOLS)
    ids[:, :COPIED], ids[:, -COPIED:] = symbols, SYMBOLS + 1
    target = np.full(ids.shape, -100)
    target[:, -COPIED:] = symbols
    return np.eye(SYMBOLS + 2, dtype=np.float32)[ids], target


def make_layer(cell, inputs, T, seed):
    """A layer whose units keep what they have for u = 1 to T steps to begin with, log u uniform.

    Forget or update gates start at 1 - 1/u, an LSTM's input gates at 1/u (Tallec & Ollivier 2018).
    """
    layer = CELLS[cell](inputs, UNITS, seed=seed)
    times, zeros = np.random.default_rng(seed).uniform(0, np.log(T), UNITS), np.zeros(UNITS)
    if cell == "LSTM":
        pyrnn.init.forget_gate_bias(layer, 0.0)  # of both biases
        layer.bias_ih_l0[...] = np.concatenate([-times, times, zeros, zeros])
    elif cell == "GRU":
        layer.bias_ih_l0[...] = np.concatenate([zeros, times, zeros])
    return layer


def train(task, cell, T, batches, seed):
    """The loss on sequences that no setting was chosen by, after training on ever longer ones."""
    is_adding = task == "adding"
    make = adding if is_adding else copying
    layer = make_layer(cell, 2 if is_adding else SYMBOLS + 2, T, seed)
    head = pyrnn.Linear(UNITS, 1 if is_adding else SYMBOLS, seed=seed)
    model = pyrnn.Sequential(layer, *[pyrnn.LastStep()] * is_adding, head)
    loss = pyrnn.losses.MSE() if is_adding else pyrnn.losses.CrossEntropy()
    optimizer, rng = pyrnn.optim.Adam(1e-2), np.random.default_rng(seed)
    schedule = pyrnn.optim.Cosine(optimizer, 3 * batches)
    trainer = pyrnn.Trainer(model, loss, optimizer, clip_norm=1.0, schedule=schedule, seed=seed)
    for length, _ in product((T // 10, T // 3, T), range(batches // 50)):
        trainer.fit(make(50 * BATCH, length, rng), batch_size=BATCH, progress=False)
    return trainer.evaluate(make(1000, T, np.random.default_rng(2026)))["loss"]


def draw(T, path):
    """Saves how the gradient falls from the end of a sequence to its beginning.

    Left, all weights are drawn from one distribution; right, the gates begin as in the training.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    panels, x = figure.subplots(1, 2, sharey=True), adding(1, T, np.random.default_rng(0))[0][0]
    for cell, make in CELLS.items():
        for panel, layer in zip(
            panels, (make(2, UNITS, seed=0), make_layer(cell, 2, T, seed=0)), strict=True
        ):
            for state, norms in pyrnn.trace(layer, x).layers[0].gradient_norms.items():
                style, shown = "--" if state == "c" else "-", np.maximum(norms / norms[-1], 1e-20)
                panel.semilogy(shown, style, label=f"{cell}: |dL/d{state}|")
    panels[0].set(title="weights from one distribution", ylabel="share of the last step's")
    panels[1].set(title="gates that begin nearly open")
    for panel in panels:
        panel.set(xlabel="step t; L is the sum of the last h")
        panel.grid(alpha=0.3)
    panels[1].legend()
    figure.suptitle("How much of the gradient comes back to step t, before training")
    figure.savefig(path, dpi=100)


def main():
    args = options(__doc__, seeds=2, plot="long_memory.png").parse_args()
    draw(40 if args.quick else 400, args.plot)
    for task, T in (("adding", 100), ("adding", 1000), ("copy", 100), ("copy", 1000)):
        T, batches, losses = (20, 50, {}) if args.quick else (T, 1250, {})
        for cell, seed in product(CELLS, range(args.seeds)):
            losses.setdefault(cell, []).append(train(task, cell, T, batches, seed))
            print(f"  {task}, T = {T}, {cell}, seed {seed}: {losses[cell][-1]:.4f}", flush=True)
        metric = "squared error" if task == "adding" else "NLL per symbol in nats"
        guess = ("always 1", 1 / 6) if task == "adding" else ("guessing", np.log(SYMBOLS))
        line = {"task": f"{task}, T = {T}", "metric": metric, "baseline": guess, "better": "lower"}
        line["others"] = [("RNN", np.mean(losses["RNN"]))]
        for cell in ("LSTM", "GRU"):
            report(args, model=f"{cell}, {UNITS} units", results=losses[cell], **line)


if __name__ == "__main__":
    main()
