"""Recognises nine speakers by how they say two vowels (many-to-one, ragged input).

Each utterance has 7 to 29 steps of 12 numbers (LPC cepstrum), and goes into the network at its own
length. The data are Japanese Vowels (Kudo, Toyama & Shimbo 1999) from the package aeon: 270
utterances to learn from, 370 to be tested on. The baseline is the usual one for time series, the
nearest neighbour under dynamic time warping (Sakoe & Chiba 1978).
"""

import numpy as np

import fetch
import pyrnn
from _common import options, report


def load(part):
    """Utterances (T_i, 12) and their speakers, of "TRAIN" or "TEST"."""
    text = fetch.read("aeon", f"*/JapaneseVowels_{part}.ts").decode()
    rows = text.partition("@data\n")[2].splitlines()
    cells = [row.split(":") for row in rows]
    x = [np.array([d.split(",") for d in cell[:-1]], np.float32).T for cell in cells]
    return x, np.array([int(cell[-1]) - 1 for cell in cells])


def warped_distance(a, b):
    """The cheapest alignment of two utterances: the sum of squared distances of aligned steps."""
    cost = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    total = np.full((len(a) + 1, len(b) + 1), np.inf)
    total[0, 0] = 0
    for i, row in enumerate(cost):
        for j, here in enumerate(row):
            total[i + 1, j + 1] = here + min(total[i, j], total[i, j + 1], total[i + 1, j])
    return total[-1, -1]


def nearest_neighbour(known, speakers, utterance):
    """The speaker of the utterance that is closest."""
    return speakers[np.argmin([warped_distance(utterance, other) for other in known])]


def train(x, speakers, epochs, seed):
    """The trainer of a model; its settings are those that were best in five-fold cross-validation
    on the utterances to learn from, after which it may see them all."""
    model = pyrnn.Sequential(
        pyrnn.Dropout(0.2, seed=seed),
        pyrnn.LSTM(12, 128, bidirectional=True, seed=seed),
        pyrnn.MeanPool(),
        pyrnn.Dropout(0.5, seed=seed),
        pyrnn.Linear(256, 9, seed=seed),
    )
    optimizer = pyrnn.optim.Adam(3e-3)
    schedule = pyrnn.optim.Cosine(optimizer, epochs, per="epoch")
    how = {"clip_norm": 1.0, "schedule": schedule, "seed": seed}
    trainer = pyrnn.Trainer(model, "cross_entropy", optimizer, **how)
    trainer.fit(x, speakers, epochs=epochs, batch_size=16, progress=False)
    return trainer


def main():
    args = options(__doc__).parse_args()
    (x, speakers), (test_x, test_speakers) = load("TRAIN"), load("TEST")
    if args.quick:
        test_x, test_speakers = test_x[::50], test_speakers[::50]
    steps = np.concatenate(x)
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    scaled, test_scaled = ([(u - mean) / deviation for u in part] for part in (x, test_x))
    accuracies = []
    for seed in range(args.seeds):
        trainer = train(scaled, speakers, 3 if args.quick else 60, seed)
        predicted = trainer.predict(test_scaled).argmax(axis=1)
        accuracies.append(100 * np.mean(predicted == test_speakers))
        print(f"  seed {seed}: {accuracies[-1]:.2f} % right", flush=True)
    nearest, nearest_scaled = (
        100 * np.mean([nearest_neighbour(known, speakers, u) for u in test] == test_speakers)
        for known, test in ((x, test_x), (scaled, test_scaled))
    )
    report(
        args,
        task="speaker of a vowel",
        model="bidirectional LSTM, 128 units",
        metric="accuracy in %",
        results=accuracies,
        baseline=("1-NN with DTW", nearest),
        others=[("1-NN with DTW, scaled as for the LSTM", nearest_scaled)],
    )


if __name__ == "__main__":
    main()
