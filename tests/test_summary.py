"""Promise: `summary` shows layers, output shapes and parameter counts, as a call computes them."""

import numpy as np
import pytest

import pyrnn


def tagger():
    return pyrnn.Sequential(
        pyrnn.Embedding(1000, 16, seed=0),
        pyrnn.Sequential(pyrnn.LSTM(16, 32, bidirectional=True, seed=1), pyrnn.LayerNorm(64)),
        pyrnn.MeanPool(),
        pyrnn.Linear(64, 5, seed=2),
    )


def rows(text):
    """The cells of the lines between the rules, by the columns' heads."""
    head, rule, *body, rule_below, total = text.splitlines()
    assert head.split() == ["layer", "output", "shape", "parameters"]
    assert set(rule) == set(rule_below) == {"-"} and total.startswith("total")
    assert len({len(line) for line in text.splitlines()}) == 1
    shapes, numbers = head.index("output"), head.index("parameters")
    cells = [(line[:shapes].strip(), line[shapes:numbers].strip()) for line in body]
    sizes = [int(line.split()[-1].replace(",", "")) for line in [*body, total]]
    return cells, sizes[:-1], sizes[-1]


def test_sequential(capsys):
    model = tagger()
    text = model.summary((3, 7))
    assert capsys.readouterr().out == text + "\n"
    cells, sizes, total = rows(text)
    assert [shape for _, shape in cells] == [
        "(3, 7, 16)", "(3, 7, 64)", "(3, 7, 64)", "(3, 64)", "(3, 5)"
    ]  # fmt: skip
    assert cells[1][0] == "1.0  LSTM(input_size=16, hidden_size=32, bidirectional=True)"
    assert sizes == [16000, 2 * 4 * 32 * (16 + 32 + 2), 128, 0, 325]
    assert total == sum(sizes) == model.num_parameters()


def test_takes_an_input_too(capsys, rng):
    model = pyrnn.Sequential(
        pyrnn.GRU(3, 4, seed=0, dtype=np.float64), pyrnn.Linear(4, 2, dtype="f8")
    )
    assert model.summary(rng.standard_normal((5, 2, 3))) == model.summary((5, 2, 3))
    cells, sizes, total = rows(pyrnn.LSTM(10, 20, seed=0).summary((5, 10)))
    assert cells == [("LSTM(input_size=10, hidden_size=20)", "(5, 20)")]
    assert sizes == [total] == [4 * 20 * (10 + 20 + 2)]


def test_shared_parameters_count_once(capsys):
    linear = pyrnn.Linear(3, 3, seed=0)
    model = pyrnn.Sequential(linear, pyrnn.Tanh(), linear)
    _, sizes, total = rows(model.summary((2, 3)))
    assert sizes == [12, 0, 0] and total == model.num_parameters() == 12


def test_a_module_of_ones_own(capsys):
    """Its parts stand below it; what they return is its own affair."""

    class Residual(pyrnn.Module):
        def __init__(self):
            self.inner = pyrnn.Linear(4, 4, seed=0)
            self.scale = pyrnn.Parameter(np.ones(4, np.float32))

        def __call__(self, x):
            return x + self.scale.data * self.inner(x)

    cells, sizes, total = rows(pyrnn.Sequential(Residual(), pyrnn.Linear(4, 1)).summary((2, 4)))
    assert cells[:2] == [
        ("0  Residual", "(2, 4)"),
        ("0.inner  Linear(in_features=4, out_features=4)", ""),
    ]
    assert sizes == [4, 20, 5] and total == 29


def test_what_takes_more_than_x(capsys):
    for module in (pyrnn.Seq2Seq(5, 6, 2, 3, seed=0), pyrnn.CRF(3)):
        name = type(module).__name__
        with pytest.raises(ValueError, match=rf"{name}\.summary: {name} takes more than x"):
            module.summary((4, 2))


def test_bad_input(capsys):
    model = tagger()
    for x, error, words in (
        (None, TypeError, "Sequential.summary: x is None"),
        ((7, -1), ValueError, r"x\[1\] is -1"),
        ((7, 3, 2), ValueError, "x has shape"),
        (np.array([[1000]]), ValueError, r"x\[0, 0\] is 1000"),
    ):
        with pytest.raises(error, match=words):
            model.summary(x)
    assert not capsys.readouterr().out
