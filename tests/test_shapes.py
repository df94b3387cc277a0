"""Promise: a model of any shape is a class with one method, and trains with the right gradients."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim
from shapes import MODELS, Described, Tagger, leaves, mapped

each_model = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)


def cotangent(y):
    """A fixed gradient for an output."""
    return np.random.default_rng(y.ndim).standard_normal(y.shape)


def gradients(model, inputs, options):
    """(the outputs, the gradients of the inputs, those of the parameters by name)."""
    model.zero_grad()
    y, pullback = model.vjp(*inputs, **options)
    dx = pullback(mapped(cotangent, y))
    return y, dx, {name: p.grad.copy() for name, p in model.named_parameters()}


@each_model
def test_training_and_inference_compute_the_same(cls):
    model, (inputs, options) = cls(), MODELS[cls]
    assert_same_bits(gradients(model, inputs, options)[0], model(*inputs, **options))


@each_model
def test_gradients_are_differences(cls):
    """Along a random direction of each parameter and input: (f(x + e d) - f(x - e d)) / 2e."""
    model, (inputs, options) = cls(), MODELS[cls]
    _, dx, grads = gradients(model, inputs, options)
    rng, e = np.random.default_rng(7), 2e-6

    def value(given):
        y = model(*given, **options)
        return sum(float(np.sum(a * cotangent(a))) for a in leaves(y))

    def slope(given_at):
        return (value(given_at(e)) - value(given_at(-e))) / (2 * e)

    for name, p in model.named_parameters():
        way, start = rng.standard_normal(p.shape), p.data.copy()

        def moved(step, p=p, way=way, start=start):
            p[...] = start + step * way
            return inputs

        expected = slope(moved)
        p[...] = start
        assert np.sum(grads[name] * way) == pytest.approx(expected, rel=1e-7, abs=2e-8), name
    found = [d for d in leaves(dx) if d is not None]
    floats = [x for x in leaves(inputs) if x.dtype.kind == "f"]
    assert len(found) == len(floats)
    for i, d in enumerate(found):
        way = rng.standard_normal(d.shape)

        def moved(step, i=i, way=way):
            return mapped(lambda x: x + step * way if x is floats[i] else x, inputs)

        assert np.sum(d * way) == pytest.approx(slope(moved), rel=1e-7, abs=2e-8)


@each_model
def test_training_lowers_the_loss(cls):
    model, (inputs, options) = cls(), MODELS[cls]
    loss, optimizer = losses.MSE(), optim.Adam(0.01)
    targets = mapped(lambda y: 0.1 * cotangent(y), model(*inputs, **options))
    values = []
    for _ in range(12):
        model.zero_grad()
        y, pullback = model.vjp(*inputs, need_dx=False, **options)
        terms = [loss.vjp(a, b) for a, b in zip(leaves(y), leaves(targets), strict=True)]
        values.append(sum(value for value, _ in terms))
        back = iter([term_pullback() for _, term_pullback in terms])
        assert all(d is None for d in leaves(pullback(mapped(lambda _: next(back), y))))  # noqa: B023
        optimizer.step(model)
    assert values[-1] < 0.8 * values[0]
    assert all(p.grad.any() for p in model.parameters())


def test_two_losses_of_one_encoder():
    """Class and reconstruction, each with its own loss: the gradients of both arrive."""
    cls = next(c for c in MODELS if c.__name__ == "EncoderWithTwoLosses")
    model, ((x,), _) = cls(), MODELS[cls]
    y, pullback = model.vjp(x)
    assert isinstance(y, Described)
    _, from_class = losses.CrossEntropy().vjp(y.logits, np.array([0, 1, 2, 0]))
    _, from_output = losses.MSE().vjp(y.reconstruction, x)
    both = pullback(Described(from_class(), from_output()))
    d_class, d_output = from_class_and_output(model, x, y)
    np.testing.assert_allclose(both, d_class + d_output, rtol=1e-12, atol=1e-14)


def from_class_and_output(model, x, y):
    """The gradients of x that each loss alone sends back."""
    _, from_class = losses.CrossEntropy().vjp(y.logits, np.array([0, 1, 2, 0]))
    _, from_output = losses.MSE().vjp(y.reconstruction, x)
    ways = (from_class(), None), (None, from_output())
    return [model.vjp(x)[1](Described(*way)) for way in ways]


def test_a_crf_trains_on_the_emissions():
    model, crf = Tagger(), pyrnn.CRF(3, dtype=np.float64, seed=9)
    (words, chars), options = MODELS[Tagger]
    target, optimizer = np.random.default_rng(0).integers(0, 3, words.shape), optim.Adam(0.05)
    values = []
    for _ in range(20):
        model.zero_grad()
        emissions, pullback = model.vjp(words, chars, **options)
        value, crf_pullback = crf.vjp(emissions, target, options["lengths"])
        pullback(crf_pullback())
        optimizer.step(model)
        values.append(value)
    assert values[-1] < 0.8 * values[0]


class TestTorch:
    """The same models, written for torch with the same names, in float64."""

    @pytest.fixture(autouse=True)
    def torch(self):
        pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

    @each_model
    def test_gradients(self, cls):
        import torch

        from shapes_torch import twin

        model, (inputs, options) = cls(), MODELS[cls]
        y, dx, grads = gradients(model, inputs, options)
        theirs = twin(cls.__name__)
        with torch.no_grad():
            theirs.load_state_dict({n: torch.from_numpy(a) for n, a in model.state_dict().items()})
        given = mapped(
            lambda x: torch.tensor(x, requires_grad=x.dtype.kind == "f"),
            inputs,
        )
        out = theirs(*given, **options)
        weighted = [
            (a * torch.tensor(cotangent(b))).sum()
            for a, b in zip(leaves(out), leaves(y), strict=True)
        ]
        sum(weighted).backward()
        for a, b in zip(leaves(out), leaves(y), strict=True):
            np.testing.assert_allclose(b, a.detach().numpy(), rtol=1e-10, atol=1e-10)
        for name, p in theirs.named_parameters():
            np.testing.assert_allclose(
                grads[name], p.grad.numpy(), rtol=1e-10, atol=1e-10, err_msg=name
            )
        expected = [x.grad.numpy() for x in leaves(given) if x.requires_grad]
        found = [d for d in leaves(dx) if d is not None]
        for d, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(d, e, rtol=1e-10, atol=1e-10)
