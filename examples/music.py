"""Learns Bach's chorales and writes a new one, as a MIDI file (polyphonic music).

Each step, an eighth note long, is a piano roll's column: which of 49 pitches sound. An LSTM or
a GRU tells the probability of every pitch in the next step. The chorales are MusicXML files in
the package music21. The baseline knows how often each pitch sounds; a second one also whether
it sounded last.
"""

from itertools import product

import numpy as np

import pyrnn
from _common import options, report, split
from _scores import LOW, PER_QUARTER, PITCHES, chorales, write_midi

CELLS = {"GRU": pyrnn.GRU, "LSTM": pyrnn.LSTM}


def train(cell, rolls, validation, epochs, seed):
    """The trainer of a model that has heard every chorale in seven keys."""
    model = pyrnn.Sequential(
        CELLS[cell](PITCHES, 192, seed=seed),
        pyrnn.Dropout(0.5, seed=seed),
        pyrnn.Linear(192, PITCHES, seed=seed),
    )
    optimizer, stop = pyrnn.optim.Adam(3e-3), pyrnn.EarlyStopping(patience=2)
    trainer = pyrnn.Trainer(model, "bce_with_logits", optimizer, clip_norm=1.0, seed=seed)
    keys = [key for roll in rolls for key in transposed(roll)]
    options = {"epochs": epochs, "callbacks": [stop], "progress": False}
    trainer.fit(next_steps(keys), validation=next_steps(validation), **options)
    return trainer


def transposed(roll):
    """The roll in seven keys; what leaves the range is silent."""
    wider = np.pad(roll, ((0, 0), (3, 3)))
    return [wider[:, k : k + PITCHES] for k in range(7)]


def next_steps(rolls):
    """Every roll without its last step, and the same one step later."""
    return [roll[:-1] for roll in rolls], [roll[1:] for roll in rolls]


def surprise(rolls, before, known):
    """NLL per step under each pitch's frequency, with `before` that given the step before."""

    def condition(roll):
        return roll[:-1].astype(int) if before else np.zeros(roll[:-1].shape, int)

    counts, pitches = np.ones((2, 2, PITCHES)), np.arange(PITCHES)  # Laplace's 1
    for roll in known:
        np.add.at(counts, (condition(roll), roll[1:].astype(int), pitches), 1)
    logs = np.log(counts / counts.sum(axis=1, keepdims=True))
    steps = [logs[condition(roll), roll[1:].astype(int), pitches].sum(axis=1) for roll in rolls]
    return -np.concatenate(steps).mean()


def compose(model, beginning, steps, temperature, rng):
    """A roll that goes on from a beginning: each pitch sounds with its probability."""
    stream, roll = model.stream(), list(beginning)
    logits = stream.run(np.array(roll))[-1]
    for _ in range(steps):
        roll.append((logits > temperature * rng.logistic(size=PITCHES)).astype(np.float32))
        logits = stream.step(roll[-1])
    return np.array(roll)


def draw(rolls, path):
    """Saves the piano rolls, one above the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    for (name, roll), axes in zip(rolls.items(), figure.subplots(len(rolls)), strict=True):
        extent = 0, len(roll) / PER_QUARTER, LOW, LOW + PITCHES
        axes.imshow(roll.T, origin="lower", aspect="auto", cmap="Greys", extent=extent)
        axes.set(title=name, xlabel="quarter notes", ylabel="MIDI pitch")
    figure.savefig(path, dpi=120)


def main():
    parser = options(__doc__, seeds=2, plot="music.png")
    parser.add_argument("--midi", default="music.mid", help="file for the new chorale")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1: fewer notes")
    args = parser.parse_args()
    rolls = chorales()
    parts = split(len(rolls), 0.15, 0.2)
    count = 10 if args.quick else None
    known, validation, test = ([rolls[i] for i in part[:count]] for part in parts)
    print(f"{len(rolls)} chorales, {sum(map(len, rolls)):,} steps")
    surprises = {cell: [] for cell in CELLS}
    for cell, seed in product(CELLS, range(args.seeds)):
        trainer = train(cell, known, validation, 1 if args.quick else 30, seed)
        surprises[cell].append(PITCHES * trainer.evaluate(next_steps(test))["loss"])
        print(f"  {cell}, seed {seed}: {surprises[cell][-1]:.3f} nats per step", flush=True)
    new = compose(trainer.model, test[0][:8], 120, args.temperature, np.random.default_rng(0))
    write_midi(new, args.midi)
    draw({"Bach": test[0][:128], "the same beginning, continued by the LSTM": new}, args.plot)
    for cell, results in reversed(surprises.items()):
        report(
            args,
            task="next step of a chorale",
            model=f"{cell}, 192 units",
            metric="NLL per step in nats",
            results=results,
            baseline=("frequency of each pitch", surprise(test, False, known)),
            others=[("given the step before", surprise(test, True, known))],
            better="lower",
        )


if __name__ == "__main__":
    main()
