"""Says what an image shows (one-to-many).

An image of 48 x 48 pixels has one or two groups of one to three equal forms, each in a quarter of
its own: "two red circles at the top left and one blue cross at the bottom right". Place, size
and shade of each form are drawn by lot. The decoder starts from a fixed description of the image,
the colours and the edges in each quarter, and writes words.
"""

from collections import Counter
from itertools import pairwise

import numpy as np

import pyrnn
from _common import options, report
from _shapes import features, render
from _translation import ends, fit, target_vocabulary


def most_alike(x, known):
    """The row of `known` that is nearest to each row of x."""
    return (np.square(known).sum(axis=1) - 2 * x @ known.T).argmin(axis=1)


def train(vocabulary, training, validation, epochs, seed):
    """A decoder that starts from features and writes a caption."""
    options = {"feature_size": training[0].shape[1], "attention": None, "seed": seed}
    model = pyrnn.Seq2Seq(None, len(vocabulary), 32, 256, **ends(vocabulary), **options)
    fit(model, training, validation, epochs, seed=seed)
    return model


def draw(images, truths, captions, path):
    """Saves some images with their captions; wrong ones are red."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.5), layout="constrained")
    panels = figure.subplots(2, 4).flat
    for axes, image, truth, caption in zip(panels, images, truths, captions, strict=False):
        axes.imshow(image.clip(0, 1))
        axes.set_axis_off()
        color = "black" if caption == truth else "red"
        axes.set_title(caption.replace(" and ", "\nand "), fontsize=9, color=color)
    figure.savefig(path, dpi=120)


def main():
    args = options(__doc__, seeds=2, plot="captions.png").parse_args()
    rng = np.random.default_rng(0)
    counts = (200, 20, 20) if args.quick else (8000, 500, 1500)
    images, captions = zip(*(render(rng) for _ in range(sum(counts))), strict=True)
    x = np.array([features(image) for image in images], np.float32)
    x = (x - x[: counts[0]].mean(axis=0)) / x[: counts[0]].std(axis=0)
    words = [caption.split() for caption in captions]
    vocabulary = target_vocabulary(words[: counts[0]])
    ids, bounds = [vocabulary.encode(text) for text in words], np.cumsum([0, *counts])
    training, validation, test = [(x[a:b], ids[a:b]) for a, b in pairwise(bounds)]
    truths, accuracies, written = captions[bounds[2] :], [], []
    for seed in range(args.seeds):
        model = train(vocabulary, training, validation, 1 if args.quick else 20, seed)
        found, _ = model.generate(test[0], max_length=30)
        written = [" ".join(vocabulary.decode(row)) for row in found]
        accuracies.append(100 * np.mean([a == b for a, b in zip(written, truths, strict=True)]))
        print(f"  seed {seed}: {accuracies[-1]:.2f} % of the captions right", flush=True)
    draw(images[bounds[2] :], truths, written, args.plot)
    alike = np.array(captions)[most_alike(test[0], training[0])]
    frequent = Counter(captions[: counts[0]]).most_common(1)[0][0]
    print(f"{np.mean(np.isin(truths, captions[: counts[0]])):.1%} of them are in the training too")
    report(
        args,
        task="captions of images",
        model="GRU, 256 units",
        metric="exact match in %",
        results=accuracies,
        baseline=("most frequent caption", 100 * np.mean(np.array(truths) == frequent)),
        others=[("caption of the image most alike", 100 * np.mean(alike == truths))],
    )


if __name__ == "__main__":
    main()
