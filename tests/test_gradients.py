"""Promise: every gradient is what moving its argument by a little shows, in float64.

Central differences on pyrnn itself, independent of the twin: every entry of every parameter, of x
and of the states, for three ragged layers in both directions, for every module and every loss.
"""

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from pyrnn import losses

STEP = np.finfo(np.float64).eps ** (1 / 3)
# Truncation and rounding both contribute a small multiple of STEP^2, relative to the largest entry.
ALLOWED = 1000 * STEP**2


def difference(function, array, write):
    """The slope of function() in every entry of `array`, by central differences."""
    slope = np.zeros(array.shape)
    for where in np.ndindex(array.shape):
        sides = []
        for sign in (1, -1):
            moved = array.copy()
            moved[where] += sign * STEP
            write(moved)
            sides.append(function())
        slope[where] = (sides[0] - sides[1]) / (2 * STEP)
    write(array)
    return slope


def check(function, arrays, gradients):
    """`arrays` maps a name to an ndarray (moved in place) or a Parameter."""
    assert arrays.keys() == gradients.keys()
    slopes = {}
    for name, a in arrays.items():
        value = np.array(a.data if isinstance(a, pyrnn.Parameter) else a)

        def write(new, a=a):
            a[...] = new

        slopes[name] = difference(function, value, write)
    largest = max(np.abs(s).max(initial=0) for s in slopes.values())
    assert largest > 0
    for name, slope in slopes.items():
        error = np.abs(slope - gradients[name]).max(initial=0)
        assert error <= ALLOWED * largest, f"{name} is off by {error}"


def layer_case(cell, dropout=0.0, proj_size=0):
    options = {"num_layers": 3, "bidirectional": True, "lengths": "zeros", "dropout": dropout}
    return Case(cell, 2, 3, T=4, B=3, seed=5, proj_size=proj_size, **options)


@pytest.mark.parametrize(("cell", "proj_size"), [*((cell, 0) for cell in CELLS), ("lstm", 2)])
def test_recurrent_layers(cell, proj_size, isa):
    """Three layers, both directions, ragged lengths with a zero, all arguments."""
    problem = layer_case(cell, proj_size=proj_size).problem()
    _, gradients = problem.training()

    def loss():
        out = problem.inference()
        sent = {"y": problem.d_y, "hn": problem.d_hn, "cn": problem.d_cn}
        return sum((a * sent[name]).sum() for name, a in out.items())

    arrays = {"d_x": problem.x, "d_h0": problem.h0}
    arrays |= {"d_c0": problem.c0} if problem.has_c else {}
    check(loss, arrays | dict(problem.layer.named_parameters()), gradients)


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_between_layers(cell):
    """The same mask on the way back as on the way there: `rng` fixes it."""
    problem = layer_case(cell, dropout=0.4).problem()
    layer, lengths = problem.layer, problem.lengths

    def loss():
        (y, _), _ = layer.vjp(problem.x, problem.state, lengths=lengths, rng=3)
        return (y * problem.d_y).sum()

    layer.zero_grad()
    _, pullback = layer.vjp(problem.x, problem.state, lengths=lengths, rng=3)
    d_x, d_state = pullback(problem.d_y)
    arrays = {"d_x": problem.x, "d_h0": problem.h0} | dict(layer.named_parameters())
    gradients = {"d_x": d_x, "d_h0": problem.unpack_state(d_state)[0]}
    check(loss, arrays, gradients | {name: p.grad for name, p in layer.named_parameters()})


def drawn(module):
    """The module with parameters that are not all ones and zeros."""
    for p in module.parameters():
        p[...] = np.random.default_rng(2).standard_normal(p.shape)
    return module


MODULES = {
    "Linear": (lambda: pyrnn.Linear(4, 3, seed=0, dtype=np.float64), (5, 2, 4)),
    "Linear without bias": (lambda: pyrnn.Linear(4, 1, bias=False, dtype=np.float64), (4,)),
    "Tanh": (pyrnn.Tanh, (5, 7)),
    "ReLU": (pyrnn.ReLU, (5, 7)),
    "Sigmoid": (pyrnn.Sigmoid, (5, 7)),
    "Softmax": (pyrnn.Softmax, (5, 2, 7)),
    "Dropout": (lambda: pyrnn.Dropout(0.3, seed=0), (5, 2, 7)),
    "LayerNorm": (lambda: drawn(pyrnn.LayerNorm(7, dtype=np.float64)), (5, 2, 7)),
    "LayerNorm of two axes": (lambda: drawn(pyrnn.LayerNorm((2, 3), dtype=np.float64)), (4, 2, 3)),
    "LayerNorm without bias": (
        lambda: drawn(pyrnn.LayerNorm(4, bias=False, eps=0.1, dtype=np.float64)),
        (3, 4),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_without_state(name, rng, isa):
    make, shape = MODULES[name]
    module, x = make(), rng.standard_normal(shape)
    fixed = {"rng": 1} if name == "Dropout" else {}
    y, pullback = module.vjp(x, **fixed)
    d_y = rng.standard_normal(y.shape)
    gradients = {"d_x": pullback(d_y)} | {n: p.grad for n, p in module.named_parameters()}

    def loss():
        return (module.vjp(x, **fixed)[0] * d_y).sum()

    check(loss, {"d_x": x} | dict(module.named_parameters()), gradients)


@pytest.mark.parametrize("padding_idx", [None, 3])
def test_embedding(padding_idx, rng):
    """The padding row, which is not among these ids, has none."""
    module = pyrnn.Embedding(5, 3, padding_idx=padding_idx, seed=0, dtype=np.float64)
    ids = np.array([[1, 4], [1, 1], [0, 2]])
    y, pullback = module.vjp(ids)
    d_y = rng.standard_normal(y.shape)
    assert pullback(d_y) is None
    gradients = {"weight": module.weight.grad}
    check(lambda: (module(ids) * d_y).sum(), {"weight": module.weight}, gradients)


OVER_TIME = {
    "LastStep": pyrnn.LastStep,
    "LastStep of two directions": lambda: pyrnn.LastStep(bidirectional=True),
    "MaxPool": pyrnn.MaxPool,
    "MeanPool": pyrnn.MeanPool,
    "SumPool": pyrnn.SumPool,
}


@pytest.mark.parametrize("name", OVER_TIME)
def test_over_time(name, rng):
    """Of ragged rows, one of them without steps."""
    module, x, lengths = OVER_TIME[name](), rng.random((3, 4, 4)), [4, 0, 2]
    y, pullback = module.vjp(x, lengths=lengths)
    d_y = rng.standard_normal(y.shape)
    check(lambda: (module(x, lengths=lengths) * d_y).sum(), {"d_x": x}, {"d_x": pullback(d_y)})


W = [0.3, 0.0, 2.0, 1.0, 0.7]
LOSSES = {  # and how many numbers of y belong to a target
    "CrossEntropy": (losses.CrossEntropy(), 1),
    "CrossEntropy with weights": (losses.CrossEntropy(weight=W, ignore_index=3), 1),
    "CrossEntropy smoothed": (losses.CrossEntropy(label_smoothing=0.2), 1),
    "CrossEntropy with both": (losses.CrossEntropy(weight=W, label_smoothing=0.2), 1),
    "BCEWithLogits": (losses.BCEWithLogits(), 1),
    "BCEWithLogits with pos_weight": (losses.BCEWithLogits(pos_weight=W), 1),
    "BCEWithLogits smoothed": (losses.BCEWithLogits(pos_weight=W, label_smoothing=0.2), 1),
    "MSE": (losses.MSE(), 1),
    "MAE": (losses.MAE(), 1),
    "Huber": (losses.Huber(0.7), 1),
    "SmoothL1": (losses.SmoothL1(0.7), 1),
    "Quantile": (losses.Quantile([0.1, 0.5, 0.9]), 3),
    "GaussianNLL": (losses.GaussianNLL(full=True), 2),
    "StudentTNLL": (losses.StudentTNLL(), 3),
    "PoissonNLL": (losses.PoissonNLL(full=True), 1),
    "NegativeBinomialNLL": (losses.NegativeBinomialNLL(full=True), 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, rng, isa):
    loss, per_target = LOSSES[name]
    y = rng.standard_normal((3, 4, 5 * per_target))
    target = rng.random((3, 4, 5))
    target = rng.integers(0, 5, (3, 4)) if loss.integer_target else target
    _, pullback = loss.vjp(y, target, lengths=[4, 0, 2])
    check(lambda: loss(y, target, lengths=[4, 0, 2]), {"y": y}, {"y": pullback()})


def test_a_whole_model(rng):
    """Embedding to loss: the pullbacks of a Sequential compose, states included."""
    wide = {"dtype": np.float64, "seed": 1}
    model = pyrnn.Sequential(
        pyrnn.Embedding(6, 3, **wide),
        pyrnn.GRU(3, 4, bidirectional=True, **wide),
        pyrnn.Tanh(),
        pyrnn.LSTM(8, 3, num_layers=2, **wide),
        pyrnn.LayerNorm(3, dtype=np.float64),
        pyrnn.MeanPool(),
        pyrnn.Linear(3, 2, **wide),
    )
    ids, target, lengths = rng.integers(0, 6, (4, 5)), [0, 1, 1, 0], [5, 2, 1, 3]
    loss = pyrnn.losses.CrossEntropy()
    (y, state), pullback = model.vjp(ids, lengths=lengths)
    assert len(state) == 2
    _, loss_pullback = loss.vjp(y, target)
    d_x, _ = pullback(loss_pullback())
    assert d_x is None
    gradients = {n: p.grad for n, p in model.named_parameters()}
    check(
        lambda: loss(model(ids, lengths=lengths), target),
        dict(model.named_parameters()),
        gradients,
    )
