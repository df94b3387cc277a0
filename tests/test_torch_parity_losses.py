"""Promise: losses are torch's in value and gradient, with every option, reduction and weight."""

from itertools import product

import numpy as np
import pytest

import pyrnn
from pyrnn import losses

torch = pytest.importorskip("torch")
nn = torch.nn

REDUCTIONS = ["mean", "sum", "none"]
DTYPES = ["float32", "float64"]
WEIGHTS = [0.3, 0.0, 2.1, 0.7]
SHAPES = [(6, 4), (5, 3, 4)]


def compare(ours, theirs, y, target, *, their_target=None, dtype="float64"):
    """Values and gradients, by a random dloss for each element where there are several."""
    value, pullback = ours.vjp(y, target)
    there = torch.tensor(y, requires_grad=True)
    expected = theirs(there, torch.tensor(target) if their_target is None else their_target)
    dloss = np.random.default_rng(1).standard_normal(np.shape(value))
    expected.backward(torch.tensor(dloss, dtype=expected.dtype).reshape(expected.shape))
    tolerance = 40 * float(np.finfo(dtype).eps)
    expected = expected.detach().numpy()
    np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
    dy = pullback(dloss if np.ndim(value) else float(dloss))
    np.testing.assert_allclose(dy, there.grad.numpy(), rtol=tolerance, atol=tolerance)


def classes_second(loss):
    """torch has the classes on axis 1."""
    return lambda y, target: loss(
        y.movedim(-1, 1), target.movedim(-1, 1) if target.dtype.is_floating_point else target
    )


each_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


@each_reduction
@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("weight", "smoothing", "ignored"), [*product([None, WEIGHTS], [0.0, 0.1, 1.0], [-100, 2])]
)
def test_cross_entropy_of_classes(reduction, dtype, shape, weight, smoothing, ignored, rng):
    y, target = rng.standard_normal(shape).astype(dtype), rng.integers(0, 4, shape[:-1])
    target[0] = ignored if ignored == -100 else 3
    options = {"label_smoothing": smoothing, "ignore_index": ignored, "reduction": reduction}
    given = None if weight is None else torch.tensor(weight, dtype=getattr(torch, dtype))
    theirs = classes_second(nn.CrossEntropyLoss(weight=given, **options))
    compare(losses.CrossEntropy(weight=weight, **options), theirs, y, target, dtype=dtype)


@each_reduction
@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("weight", "smoothing"), [*product([None, WEIGHTS], [0.0, 0.1, 1.0])])
@pytest.mark.parametrize("normed", [True, False])
def test_cross_entropy_of_probabilities(reduction, dtype, shape, weight, smoothing, normed, rng):
    y, target = rng.standard_normal(shape).astype(dtype), rng.random(shape).astype(dtype)
    target /= target.sum(axis=-1, keepdims=True) if normed else 1
    options = {"label_smoothing": smoothing, "reduction": reduction}
    given = None if weight is None else torch.tensor(weight, dtype=getattr(torch, dtype))
    theirs = classes_second(nn.CrossEntropyLoss(weight=given, **options))
    compare(losses.CrossEntropy(weight=weight, **options), theirs, y, target, dtype=dtype)


@each_reduction
@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("weight", "pos_weight"), [*product([None, 1.7, WEIGHTS], [None, 3.0, WEIGHTS[::-1]])]
)
def test_bce_with_logits(reduction, dtype, shape, weight, pos_weight, rng):
    y, target = rng.standard_normal(shape).astype(dtype) * 4, rng.random(shape).astype(dtype)
    ours = losses.BCEWithLogits(weight=weight, pos_weight=pos_weight, reduction=reduction)
    options = {
        name: None if value is None else torch.tensor(value, dtype=getattr(torch, dtype))
        for name, value in (("weight", weight), ("pos_weight", pos_weight))
    }
    compare(ours, nn.BCEWithLogitsLoss(reduction=reduction, **options), y, target, dtype=dtype)


@each_reduction
@each_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (losses.MSE, nn.MSELoss, {}),
        (losses.MAE, nn.L1Loss, {}),
        *((losses.Huber, nn.HuberLoss, {"delta": d}) for d in (0.1, 1.0, 3.0)),
        *((losses.SmoothL1, nn.SmoothL1Loss, {"beta": b}) for b in (0.0, 0.1, 0.5, 1.0, 3.0)),
    ],
)
def test_losses_of_a_difference(reduction, dtype, shape, ours, theirs, options, rng):
    y, target = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    y[0], target[-1] = target[0], y[-1] + 1  # no difference, and exactly at a bend
    compare(
        ours(reduction=reduction, **options),
        theirs(reduction=reduction, **options),
        y,
        target,
        dtype=dtype,
    )


@each_reduction
@pytest.mark.parametrize("full", [True, False])
def test_gaussian_nll(reduction, full, rng):
    y, target = rng.standard_normal((5, 3, 8)), rng.standard_normal((5, 3, 4))
    theirs = nn.GaussianNLLLoss(full=full, reduction=reduction)
    compare(
        losses.GaussianNLL(full=full, reduction=reduction),
        lambda y, target: theirs(y[..., :4], target, y[..., 4:].exp()),
        y,
        target,
    )


@each_reduction
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("log_input", [True, False])
def test_poisson_nll(reduction, full, log_input, rng):
    options = {"log_input": log_input, "full": full, "eps": 1e-4, "reduction": reduction}
    y, target = rng.standard_normal((5, 3, 4)), rng.integers(0, 9, (5, 3, 4)).astype(float)
    y = y if log_input else np.exp(y)
    compare(losses.PoissonNLL(**options), nn.PoissonNLLLoss(**options), y, target)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("zero_infinity", [False, True])
def test_ctc(reduction, zero_infinity, rng):
    y, lengths = rng.standard_normal((4, 9, 5)), [9, 7, 3, 8]
    labels = [[1, 2, 2], [], [3, 3] if zero_infinity else [3], [4, 1, 2, 3]]
    loss = losses.CTC(reduction=reduction, zero_infinity=zero_infinity)
    if zero_infinity:
        lengths[2] = 2
    value, pullback = loss.vjp(y, labels, lengths)
    there = torch.tensor(y, requires_grad=True)
    expected = nn.CTCLoss(reduction=reduction, zero_infinity=zero_infinity)(
        there.movedim(1, 0).log_softmax(-1),
        torch.tensor([label for row in labels for label in row]),
        torch.tensor(lengths),
        torch.tensor([len(row) for row in labels]),
    )
    dloss = np.arange(1.0, 5) if reduction == "none" else 1.0
    expected.backward(torch.tensor(dloss).reshape(expected.shape))
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(pullback(dloss), there.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("name", ["CrossEntropy", "probabilities", "MSE", "SmoothL1", "BCE"])
def test_sample_weights_by_hand(name, rng):
    """sum(w * loss) / sum(w) of torch's losses without reduction."""
    y, weight = rng.standard_normal((5, 3, 4)), rng.random((5, 3))
    target = rng.random((5, 3, 4))
    ours, theirs = {
        "CrossEntropy": (losses.CrossEntropy, nn.CrossEntropyLoss),
        "probabilities": (losses.CrossEntropy, nn.CrossEntropyLoss),
        "MSE": (losses.MSE, nn.MSELoss),
        "SmoothL1": (losses.SmoothL1, nn.SmoothL1Loss),
        "BCE": (losses.BCEWithLogits, nn.BCEWithLogitsLoss),
    }[name]
    each = theirs(reduction="none")
    if "Loss" in theirs.__name__ and ours is losses.CrossEntropy:
        each = classes_second(each)
        target = rng.integers(0, 4, (5, 3)) if name == "CrossEntropy" else target
    value, pullback = ours().vjp(y, target, sample_weight=weight)
    there = torch.tensor(y, requires_grad=True)
    terms, w = each(there, torch.tensor(target)), torch.tensor(weight)
    w = w[..., None].expand(terms.shape) if terms.ndim == 3 else w
    expected = (w * terms).sum() / w.sum()
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(pullback(), there.grad.numpy(), atol=1e-14)


def test_crf_reductions(rng):
    torchcrf = pytest.importorskip("torchcrf")
    y, tags = rng.standard_normal((4, 6, 3)), rng.integers(0, 3, (4, 6))
    lengths = np.array([6, 2, 4, 1])
    for ours, theirs in (("sum", "sum"), ("mean", "mean"), ("token_mean", "token_mean"),
                         ("none", "none")):  # fmt: skip
        crf = pyrnn.CRF(3, reduction=ours, dtype=np.float64, seed=0)
        other = torchcrf.CRF(3, batch_first=True).double()
        for name, parameter in crf.named_parameters():
            getattr(other, name).data = torch.tensor(parameter.data.copy())
        mask = torch.tensor(np.arange(6) < lengths[:, None])
        expected = -other(torch.tensor(y), torch.tensor(tags), mask, reduction=theirs)
        np.testing.assert_allclose(crf(y, tags, lengths), expected.detach().numpy(), rtol=1e-12)
