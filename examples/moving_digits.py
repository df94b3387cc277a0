"""Names the digit in each frame of a noisy video (many-to-many, a label per frame).

A digit of 8 x 8 pixels wanders over a canvas of 12 x 12; now and then another one takes its place.
The noise is so strong that one frame alone tells little: what came before has to be remembered,
and forgotten when the digit changes. The baseline sees the same frames one by one.
"""

import numpy as np

import pyrnn
from _common import options, report, split

FRAMES, CANVAS, NOISE, CHANGE = 24, 12, 0.5, 0.08


def videos(images, labels, count, rng):
    """`count` videos (N, T, pixels) and the digit in each frame (N, T)."""
    size, room = images.shape[1], CANVAS - images.shape[1]
    x = rng.normal(0, NOISE, (count, FRAMES, CANVAS, CANVAS))
    digits = np.empty((count, FRAMES), np.int64)
    for video, digit in zip(x, digits, strict=True):
        place, shown = rng.integers(0, room + 1, 2), rng.integers(len(images))
        for t in range(FRAMES):
            if rng.random() < CHANGE:
                shown = rng.integers(len(images))
            place = np.clip(place + rng.integers(-1, 2, 2), 0, room)
            (row, column), digit[t] = place, labels[shown]
            video[t, row : row + size, column : column + size] += images[shown]
    return x.reshape(count, FRAMES, -1).astype(np.float32), digits


def train(layers, training, validation, epochs, seed):
    """The trainer of a model made of layers, with the weights best on the validation data."""
    trainer = pyrnn.Trainer(
        pyrnn.Sequential(*layers),
        pyrnn.losses.CrossEntropy(),
        pyrnn.optim.Adam(2e-3),
        clip_norm=1.0,
        metrics=[pyrnn.metrics.Accuracy()],
        seed=seed,
    )
    stop = pyrnn.EarlyStopping(patience=3)
    trainer.fit(training, validation=validation, epochs=epochs, callbacks=[stop], progress=False)
    return trainer


def with_memory(seed):
    """Frames are coded one by one, then a GRU reads them in order."""
    code = pyrnn.Linear(CANVAS**2, 128, seed=seed), pyrnn.ReLU(), pyrnn.Dropout(0.2, seed=seed)
    return *code, pyrnn.GRU(128, 128, seed=seed), pyrnn.Linear(128, 10, seed=seed)


def without_memory(seed):
    """The same, and as deep, but for the GRU's memory."""
    code = pyrnn.Linear(CANVAS**2, 128, seed=seed), pyrnn.ReLU(), pyrnn.Dropout(0.2, seed=seed)
    return *code, pyrnn.Linear(128, 128, seed=seed), pyrnn.ReLU(), pyrnn.Linear(128, 10, seed=seed)


def draw(x, digits, guesses, path):
    """Saves the frames of one video with the true digit and both guesses."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 2.2), layout="constrained")
    for t, axes in enumerate(figure.subplots(1, FRAMES)):
        axes.imshow(x[t].reshape(CANVAS, CANVAS), cmap="gray", vmin=-1, vmax=2)
        axes.set_axis_off()
        colors = ["green" if guess[t] == digits[t] else "red" for guess in guesses]
        axes.set_title(f"{digits[t]}", fontsize=11)
        for line, (guess, color) in enumerate(zip(guesses, colors, strict=True)):
            y = -0.2 - 0.3 * line
            axes.text(0.5, y, guess[t], color=color, ha="center", transform=axes.transAxes)
    figure.suptitle("digit shown; below the guess with memory, then without", fontsize=9)
    figure.savefig(path, dpi=120)


def main():
    from sklearn.datasets import load_digits

    args = options(__doc__, seeds=2, plot="moving_digits.png").parse_args()
    digits, rng = load_digits(), np.random.default_rng(1)  # not those the task was made by
    counts = (60, 30, 30) if args.quick else (6000, 500, 1000)
    parts = split(len(digits.images), 0.15, 0.25, seed=1)  # no image is in two of the sets
    training, validation, test = [
        videos(digits.images[part] / 16, digits.target[part], count, rng)
        for part, count in zip(parts, counts, strict=True)
    ]
    results, guesses = {with_memory: [], without_memory: []}, []
    for seed in range(args.seeds):
        guesses = []
        for layers, accuracies in results.items():
            trainer = train(layers(seed), training, validation, 1 if args.quick else 20, seed)
            accuracies.append(100 * trainer.evaluate(test)["accuracy"])
            guesses.append(trainer.predict(test[0][:1])[0].argmax(axis=1))
            print(f"  seed {seed}, {layers.__name__}: {accuracies[-1]:.2f} % right", flush=True)
    draw(test[0][0], test[1][0], guesses, args.plot)
    report(
        args,
        task="digit in each frame of a video",
        model="GRU, 128 units",
        metric="accuracy in %",
        results=results[with_memory],
        baseline=("the same without memory", np.mean(results[without_memory])),
    )


if __name__ == "__main__":
    main()
