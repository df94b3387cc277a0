"""Promise: losses and metrics are Keras' in value and gradient; where Keras defines another mean,
the two differ by the factor that the guide states."""

from itertools import product

import numpy as np
import pytest

from pyrnn import losses, metrics

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

SHAPES = [(6, 4), (5, 3, 4)]
TOLERANCE = 8 * float(np.finfo(np.float32).eps)  # Keras' sums and means are float32, always


def numbers(rng, shape):
    return rng.standard_normal(shape)


def shares(rng, shape):
    return rng.random(shape)


def classes(rng, shape):
    return rng.integers(0, shape[-1], shape[:-1])


def probabilities(rng, shape):
    drawn = rng.random(shape)
    return drawn / drawn.sum(axis=-1, keepdims=True)


def smoothed(name, ours, theirs, target):
    """A loss with three degrees of smoothing; Keras' takes logits when it is told to."""
    return {
        f"{name} {s}": (
            lambda s=s, **o: ours(label_smoothing=s, **o),
            theirs,
            {"label_smoothing": s, "from_logits": True},
            target,
        )
        for s in (0.0, 0.2, 1.0)
    }


def hubers(delta):
    return lambda **o: losses.Huber(delta, **o), "Huber", {"delta": delta}, numbers


SPARSE = "SparseCategoricalCrossentropy"
LOSSES = {  # pyrnn's, Keras' name and options, how a target is drawn
    "MSE": (losses.MSE, "MeanSquaredError", {}, numbers),
    "MAE": (losses.MAE, "MeanAbsoluteError", {}, numbers),
    "Huber 0.3": hubers(0.3),
    "Huber 2.5": hubers(2.5),
    **smoothed("BCE", losses.BCEWithLogits, "BinaryCrossentropy", shares),
    **smoothed("probabilities", losses.CrossEntropy, "CategoricalCrossentropy", probabilities),
    "classes": (losses.CrossEntropy, SPARSE, {"from_logits": True}, classes),
    "ignored": (
        lambda **o: losses.CrossEntropy(ignore_index=2, **o),
        SPARSE,
        {"from_logits": True, "ignore_class": 2},
        classes,
    ),
}
OF_CLASSES = {name for name, (*_, target) in LOSSES.items() if target in (classes, probabilities)}
each_loss = pytest.mark.parametrize(("name", "shape"), [*product(LOSSES, SHAPES)], ids=str)
each_weight = pytest.mark.parametrize("of", ["samples", "steps"])


def drawn(name, shape, rng):
    return rng.standard_normal(shape), LOSSES[name][-1](rng, shape)


def for_steps(weight, shape):
    """Weights of samples (N,) given to all their steps, as Keras wants them; those of steps as they
    are."""
    spread = weight.reshape(weight.shape + (1,) * (len(shape) - 1 - weight.ndim))
    return np.broadcast_to(spread, shape[:-1]).copy()


def ours(name, reduction, y, target, weight=None, dloss=1.0):
    value, pullback = LOSSES[name][0](reduction=reduction).vjp(y, target, sample_weight=weight)
    return value, pullback(dloss)


def theirs(keras, name, reduction, y, target, weight=None, dloss=None):
    """Keras' value and gradient."""
    _, cls, options, _ = LOSSES[name]
    there = torch.tensor(y, requires_grad=True)
    weight = None if weight is None else torch.tensor(for_steps(weight, y.shape))
    loss = getattr(keras.losses, cls)(reduction=reduction, **options)
    value = loss(torch.tensor(target), there, sample_weight=weight)
    value.backward(None if dloss is None else torch.tensor(dloss))
    return value.detach().numpy(), there.grad.numpy()


def assert_close(found, expected, factor=1.0):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a) * factor, b, rtol=TOLERANCE, atol=TOLERANCE)


@each_loss
def test_mean_and_sum(name, shape, keras, rng):
    """Of a loss of elements Keras' sum is that of the means over the last axis."""
    y, target = drawn(name, shape, rng)
    mean = theirs(keras, name, "sum_over_batch_size", y, target)
    assert_close(ours(name, "mean", y, target), mean)
    factor = 1.0 if name in OF_CLASSES else 1 / shape[-1]
    assert_close(ours(name, "sum", y, target), theirs(keras, name, "sum", y, target), factor)


@each_loss
@each_weight
def test_without_reduction(name, shape, of, keras, rng):
    """w * loss: of a loss of elements Keras gives the means over the last axis."""
    y, target = drawn(name, shape, rng)
    weight = rng.random(shape[:1] if of == "samples" else shape[:-1])
    dloss = rng.standard_normal(shape[:-1])
    expected = theirs(keras, name, None, y, target, weight, dloss)
    if name in OF_CLASSES:
        assert_close(ours(name, "none", y, target, weight, dloss), expected)
        return
    of_elements = np.repeat(dloss[..., None] / shape[-1], shape[-1], axis=-1)
    value, dy = ours(name, "none", y, target, weight, of_elements)
    assert_close((value.mean(axis=-1), dy), expected)


@each_loss
@each_weight
def test_weighted_means(name, shape, of, keras, rng):
    """sum(w * loss) / sum(w) is Keras' "mean_with_sample_weight"; its default, sum(w * loss) over
    the number of elements, is that times the mean of the weights that count."""
    y, target = drawn(name, shape, rng)
    weight = rng.random(shape[:1] if of == "samples" else shape[:-1])
    found = ours(name, "mean", y, target, weight)
    assert_close(found, theirs(keras, name, "mean_with_sample_weight", y, target, weight))
    each = for_steps(weight, shape)
    factor = each[target != 2].mean() if name == "ignored" else each.mean()
    assert_close(found, theirs(keras, name, "sum_over_batch_size", y, target, weight), factor)


def test_metrics_of_two_classes(keras, rng):
    """Keras takes probabilities and a threshold of 0.5, pyrnn logits and 0; Keras' AUC is that of a
    curve of `num_thresholds` points, pyrnn's of all scores."""
    pairs = [
        (metrics.Accuracy(), keras.metrics.BinaryAccuracy()),
        (metrics.Precision(), keras.metrics.Precision()),
        (metrics.Recall(), keras.metrics.Recall()),
        (metrics.AUC(), keras.metrics.AUC(num_thresholds=20000)),
    ]
    for _ in range(3):
        y, target = rng.standard_normal(50), rng.integers(0, 2, 50)
        for own, other in pairs:
            own.update(y, target)
            other.update_state(target, 1 / (1 + np.exp(-y)))
    for own, other in pairs:
        tolerance = 1e-3 if own.name == "auc" else 1e-6
        assert own.value == pytest.approx(float(other.result()), abs=tolerance), own.name


@pytest.mark.parametrize("average", [None, "macro", "weighted", "micro"])
def test_f1(average, keras, rng):
    own, other = metrics.F1(average), keras.metrics.F1Score(average)
    for _ in range(2):
        y, target = rng.standard_normal((50, 3)), rng.integers(0, 3, 50)
        own.update(y, target)
        other.update_state(np.eye(3)[target], y)
    np.testing.assert_allclose(own.value, other.result().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("own", "name"),
    [
        (metrics.MAE, "MeanAbsoluteError"),
        (metrics.MSE, "MeanSquaredError"),
        (metrics.RMSE, "RootMeanSquaredError"),
        (metrics.R2, "R2Score"),  # of one column: Keras has a number for each
    ],
)
def test_metrics_of_numbers(own, name, keras, rng):
    metric, other = own(), getattr(keras.metrics, name)()
    for _ in range(3):
        y, target = rng.standard_normal((20, 1)), rng.standard_normal((20, 1))
        metric.update(y, target)
        other.update_state(target, y)
    assert metric.value == pytest.approx(float(other.result()), rel=1e-6)
