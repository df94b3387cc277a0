"""Promise: what Keras' models need beside pyrnn's layers is a public part like any other."""

import doctest

import numpy as np
import pytest

import pyrnn

pytest.importorskip("h5py", reason="h5py is not installed: make test installs it")

import pyrnn.keras


@pytest.mark.parametrize("name", [n for n in vars(pyrnn.keras) if n[0] != "_"])
def test_examples(name):
    """Each prints what it says, with np and pyrnn at hand."""
    globs = {"pyrnn": pyrnn, "np": np}
    finder = doctest.DocTestFinder(recurse=False)
    (test,) = finder.find(getattr(pyrnn.keras, name), name, globs=globs, module=False)
    assert test.examples, f"{name} has no example"
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: pyrnn.keras.Masking("a"), "Masking: mask_value is 'a'"),
        (lambda: pyrnn.keras.Masking()(np.ones(3)), r"Masking: x has shape \(3,\)"),
        (lambda: pyrnn.keras.Repeat(direction="up"), "Repeat: direction is 'up'"),
        (
            lambda: pyrnn.keras.Repeat()(np.ones((1, 3, 2)), mask=np.ones((1, 4), bool)),
            r"Repeat: mask has shape \(1, 4\), expected \(1, 3\) = \(batch, time\)",
        ),
        (
            lambda: pyrnn.keras.Repeat()(np.ones((3, 2)), mask=np.ones(3, int)),
            "Repeat: mask has dtype int64, expected bool",
        ),
        (lambda: pyrnn.keras.Halves("concat"), "Halves: merge is 'concat'"),
        (lambda: pyrnn.keras.Halves("sum")(np.ones((2, 3))), "Halves: x has 3 features"),
        (lambda: pyrnn.keras.WithStates(pyrnn.GRU(2, 3), outputs=[]), "outputs is \\[\\]"),
        (lambda: pyrnn.keras.WithStates(pyrnn.GRU(2, 3), outputs=[0, 0]), "each once"),
        (
            lambda: pyrnn.keras.WithStates(pyrnn.GRU(2, 3), outputs=3),
            "outputs is 3, expected a list",
        ),
        (
            lambda: pyrnn.keras.WithStates(pyrnn.GRU(2, 3), outputs=[2])(np.ones((1, 4, 2), "f4")),
            "outputs is \\[2\\], expected places among 2 outputs",
        ),
        (
            lambda: pyrnn.keras.MaskedSequential(pyrnn.GRU(2, 3))(np.ones((1, 4, 2), "f4"), [3]),
            "lengths came, expected None",
        ),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call()


def test_layouts():
    """Time first gives what sample first gives, and one sequence what a batch of it gives."""

    def model(batch_first):
        return pyrnn.keras.MaskedSequential(
            pyrnn.keras.Masking(-7.0),
            pyrnn.GRU(2, 3, direction="reverse", seed=0),
            pyrnn.keras.Repeat(direction="reverse"),
            pyrnn.keras.Flip(),
            pyrnn.LSTM(3, 4, seed=1),
            pyrnn.keras.Repeat(),
            batch_first=batch_first,
        )

    x = np.arange(16, dtype=np.float32).reshape(2, 4, 2) / 8
    x[[0, 1, 1], [2, 1, 2]] = -7.0
    wanted = model(True)(x)
    assert np.array_equal(model(False)(x.swapaxes(0, 1)), wanted.swapaxes(0, 1))
    assert np.array_equal(model(True)(x[0]), wanted[0])


def test_gradients_of_states():
    """Of an LSTM of both directions: to each h and c among the outputs comes that of the state."""
    lstm = pyrnn.LSTM(2, 3, bidirectional=True, dtype=np.float64, seed=0)
    model = pyrnn.keras.WithStates(pyrnn.Sequential(lstm))
    rng = np.random.default_rng(1)
    x, given = rng.normal(size=(2, 4, 2)), rng.normal(size=(4, 2, 3))
    more = rng.normal(size=(2, 2, 3))
    (outputs, _), pullback = model.vjp(x)
    assert [a.shape for a in outputs] == [(2, 4, 6), *[(2, 3)] * 4]
    dx, _ = pullback((None, *given), ((more, None),))
    (_, _), pullback = lstm.vjp(x)
    wanted, _ = pullback(None, (given[::2] + more, given[1::2]))
    assert np.allclose(dx, wanted, rtol=1e-12)


def test_without_states():
    model = pyrnn.keras.WithStates(pyrnn.Linear(2, 3, seed=0))
    ((y,), _), pullback = model.vjp(np.ones((4, 2), np.float32))
    dx, _ = pullback((np.ones_like(y),))
    assert dx.shape == (4, 2)
