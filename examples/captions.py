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
from _common import Vocabulary, options, report
from _translation import fit

COLORS = {"red": (0.9, 0.2, 0.2), "green": (0.2, 0.8, 0.3), "blue": (0.2, 0.4, 0.95)}
COLORS |= {"yellow": (0.9, 0.9, 0.2), "white": (0.9, 0.9, 0.9), "purple": (0.8, 0.2, 0.8)}
FORMS = {
    "circle": np.hypot,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) * 1.15,
    "triangle": lambda x, y: np.maximum(y * 1.3, abs(x) * 1.6 - y * 0.8),
    "cross": lambda x, y: np.maximum(np.maximum(abs(x), abs(y)), 2.6 * np.minimum(abs(x), abs(y))),
}
COUNTS = ("one", "two", "three")
PLACES = ("top left", "top right", "bottom left", "bottom right")
SIDE, HALF = 48, 24


def group(image, place, rng):
    """Draws equal forms into a quarter (24, 24, 3); returns their part of the caption."""
    count, color, form = rng.integers(3), rng.choice(list(COLORS)), rng.choice(list(FORMS))
    cells = rng.permutation(4)[: count + 1]  # a quarter has room for 2 x 2 forms
    for cell in cells:
        radius = rng.uniform(4, 5.2)
        center = 12 * np.array(divmod(cell, 2)) + 5.5 + rng.uniform(-1, 1, 2) * (5.5 - radius)
        y, x = np.mgrid[:HALF, :HALF] - center[:, None, None]
        cover = np.clip(radius - FORMS[form](x, y) + 0.5, 0, 1)[..., None]
        image += cover * (np.array(COLORS[color]) * rng.uniform(0.8, 1) - image)
    plural = "" if count == 0 else "es" if form == "cross" else "s"
    return f"{COUNTS[count]} {color} {form}{plural} at the {PLACES[place]}"


def render(rng):
    """An image (48, 48, 3) with some noise, and its caption."""
    image, captions = np.zeros((SIDE, SIDE, 3)), []
    for place in sorted(rng.permutation(4)[: rng.integers(1, 3)]):
        row, column = np.array(divmod(place, 2)) * HALF
        captions.append(group(image[row : row + HALF, column : column + HALF], place, rng))
    return image + rng.normal(0, 0.02, image.shape), " and ".join(captions)


def features(image):
    """What each quarter has of each colour, and of edges in 8 directions."""
    dy, dx = np.gradient(image.max(axis=-1))
    strength, direction = np.hypot(dx, dy), (np.arctan2(dy, dx) / (2 * np.pi) * 8).round() % 8
    edges = np.stack([strength * (direction == k) for k in range(8)], axis=-1)
    maps = np.concatenate([image, edges], axis=-1)
    quarters = maps.reshape(2, HALF, 2, HALF, -1).mean(axis=(1, 3))
    return 10 * quarters.ravel()


def train(vocabulary, training, validation, epochs, seed):
    """A decoder that starts from features and writes a caption."""
    begin = len(vocabulary)
    options = {"feature_size": training[0].shape[1], "attention": None, "seed": seed}
    model = pyrnn.Seq2Seq(None, begin + 2, 32, 256, bos=begin, eos=begin + 1, **options)
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
    vocabulary = Vocabulary(words[: counts[0]], least=1)
    ids, ends = [vocabulary(text) for text in words], np.cumsum([0, *counts])
    training, validation = [(x[a:b], ids[a:b]) for a, b in pairwise(ends[:-1])]
    truths, accuracies, written = captions[ends[2] :], [], []
    for seed in range(args.seeds):
        model = train(vocabulary, training, validation, 1 if args.quick else 20, seed)
        found, _ = model.generate(x[ends[2] :], max_length=30)
        written = [" ".join(vocabulary.words[i] for i in row) for row in found]
        accuracies.append(100 * np.mean([a == b for a, b in zip(written, truths, strict=True)]))
        print(f"  seed {seed}: {accuracies[-1]:.2f} % of the captions right", flush=True)
    draw(images[ends[2] :], truths, written, args.plot)
    frequent = Counter(captions[: counts[0]]).most_common(1)[0][0]
    print(f"{np.mean(np.isin(truths, captions[: counts[0]])):.1%} of them are in the training too")
    report(
        args,
        task="captions of images",
        model="GRU, 256 units",
        metric="exact match in %",
        results=accuracies,
        baseline=("most frequent caption", 100 * np.mean(np.array(truths) == frequent)),
    )


if __name__ == "__main__":
    main()
