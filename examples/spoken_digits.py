"""Recognizes spoken digits with CTC (many-to-many, of its own length).

The synthesizer espeak-ng (package espeakng-loader) says three to six English digits without a
pause, in noise, with seven accents, fast or slow, high or low. The tests are voices that no
other set has. A bidirectional network reads the log mel spectrum; nobody tells it where in the
sound a digit is. The baseline warps the time of templates, digits said alone by voices of
the training, until they fit.
"""

import numpy as np

import pyrnn
from _common import options, report, split
from _digits import VOICES, error, say, utterances
from _speech import BANDS, HOP, Synthesizer, Templates

CELLS = {"LSTM": pyrnn.LSTM, "GRU": pyrnn.GRU}


def train(cell, training, validation, epochs, seed):
    """The trainer of a model of ten digits and the blank, which is class 10."""
    layer = CELLS[cell](BANDS, 64, bidirectional=True, seed=seed)
    model = pyrnn.Sequential(layer, pyrnn.Dropout(0.3, seed=seed), pyrnn.Linear(128, 11, seed=seed))
    optimizer = pyrnn.optim.Adam(8e-3)
    schedule = pyrnn.optim.Cosine(optimizer, epochs, per="epoch")
    trainer = pyrnn.Trainer(
        model, pyrnn.losses.CTC(blank=10), optimizer, clip_norm=1.0, schedule=schedule, seed=seed
    )
    trainer.fit(training, validation=validation, epochs=epochs, batch_size=32, progress=False)
    return trainer


def draw(spectrum, logits, digits, path):
    """Saves the sound's spectrum, and below it when the network says which digit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    seconds = np.arange(len(spectrum)) * HOP
    extent = 0, seconds[-1], 0, BANDS
    above.imshow(spectrum.T, origin="lower", aspect="auto", extent=extent, cmap="magma")
    above.set(
        title="A voice that it never heard says " + " ".join(map(str, digits)), ylabel="mel band"
    )
    shares = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    for digit in dict.fromkeys(digits):
        below.plot(seconds, shares[:, digit], label=digit)
    below.plot(seconds, shares[:, 10], color="0.7", label="blank")
    below.set(ylabel="probability", xlabel="seconds")
    below.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=80)


def main():
    args = options(__doc__, seeds=2, plot="spoken_digits.png").parse_args()
    speak, rng = Synthesizer(), np.random.default_rng(0)
    voices = split(len(VOICES), 0.15, 0.25)
    counts = (60, 10, 10) if args.quick else (4000, 200, 400)
    sets = [utterances(speak, n, v, rng) for n, v in zip(counts, voices, strict=True)]
    training, validation, test = sets
    each = 1 if args.quick else 16
    alone = [[digit] for digit in range(10) for _ in range(each)]
    templates = Templates([say(speak, d, voices[0], rng) for d in alone], [d for (d,) in alone])
    print(f"{sum(map(len, training[0])) * HOP / 60:.0f} minutes of speech to learn from")
    penalties = (2.0,) if args.quick else (0.5, 1.0, 2.0, 4.0)
    near = validation[0][:60], validation[1][:60]
    penalty = min(penalties, key=lambda p: error([templates(x, p) for x in near[0]], near[1]))
    warped = error([templates(x, penalty) for x in test[0]], test[1])
    print(f"  templates: {warped:.2f} % wrong, with the penalty {penalty}", flush=True)
    results = {cell: [] for cell in CELLS}
    for cell in CELLS:
        for seed in range(args.seeds):
            trainer = train(cell, training, validation, 1 if args.quick else 25, seed)
            logits = trainer.predict(test[0])
            told = [pyrnn.ctc_greedy(y[None], blank=10)[0][0] for y in logits]
            results[cell].append(error(told, test[1]))
            print(f"  {cell}, seed {seed}: {results[cell][-1]:.2f} % wrong", flush=True)
    draw(test[0][0], logits[0], test[1][0].tolist(), args.plot)
    for cell in CELLS:
        report(
            args,
            task="spoken digits",
            model=f"bidirectional {cell}, 64 units, CTC",
            metric="digit error rate in %",
            results=results[cell],
            baseline=("templates, time warped", warped),
            better="lower",
        )


if __name__ == "__main__":
    main()
