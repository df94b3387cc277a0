"""Pictures of shapes with their captions, and what a picture looks like in numbers."""

import numpy as np

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
