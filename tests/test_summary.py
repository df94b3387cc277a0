"""Promise: `summary` shows layers, output shapes and parameter counts, as a call computes them."""

import re
import sys

import numpy as np
import pytest

import pyrnn
from pyrnn._base.value import observer


def tagger():
    return pyrnn.Sequential(
        pyrnn.Embedding(1000, 16, seed=0),
        pyrnn.Sequential(pyrnn.LSTM(16, 32, bidirectional=True, seed=1), pyrnn.LayerNorm(64)),
        pyrnn.MeanPool(),
        pyrnn.Linear(64, 5, seed=2),
    )


class Net(pyrnn.Module):
    """A class with a forward, of two outputs."""

    def __init__(self):
        self.rnn = pyrnn.GRU(3, 4, seed=0)
        self.head = pyrnn.Linear(4, 2, seed=1)
        self.scale = pyrnn.Parameter(np.ones(2, np.float32))

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.head(h[:, -1]) * self.scale, h * 2.0


def shapes(summary):
    return [row.shape for row in summary.rows]


def test_the_text_says_what_the_rows_say():
    """Columns one below the other, and the sums."""
    summary = tagger().summary((3, 7))
    head, rule, *body, rule_below, trained, frozen, total = str(summary).splitlines()
    assert re.split(r"  +", head) == ["layer", "output shape", "parameters", "bytes"]
    assert set(rule) == set(rule_below) == {"-"}
    assert len({len(line) for line in str(summary).splitlines()}) == 1
    for line, row in zip(body, summary.rows, strict=True):
        cells = line[: head.index("output")].strip(), line[head.index("output") :].split("  ")[0]
        assert cells == (row.layer, row.shape) and f" {row.parameters:,} " in line
    assert [line.split() for line in (trained, frozen, total)] == [
        ["trained", "29,253", "117.0", "kB"],
        ["frozen", "0", "0", "B"],
        ["total", "29,253", "117.0", "kB"],
    ]


def test_it_is_shown_once(capsys):
    """A call prints nothing; what it returns is what an interpreter or a notebook shows."""
    summary = tagger().summary((3, 7))
    assert not capsys.readouterr().out
    assert repr(summary) == str(summary)
    page = summary._repr_html_()
    assert page.count("<tr>") == 1 + len(summary.rows) + 3
    for row in (*summary.rows, summary.total):
        assert f">{row.layer}</td>" in page and f">{row.shape}</td>" in page


def test_sequential():
    model = tagger()
    summary = model.summary((3, 7))
    assert shapes(summary) == ["(3, 7, 16)", "(3, 7, 64)", "(3, 7, 64)", "(3, 64)", "(3, 5)"]
    assert summary.rows[1].layer == "1.0  LSTM(input_size=16, hidden_size=32, bidirectional=True)"
    sizes = [row.parameters for row in summary.rows]
    assert sizes == [16000, 2 * 4 * 32 * (16 + 32 + 2), 128, 0, 325]
    assert summary.total.parameters == sum(sizes) == model.num_parameters()
    assert summary.total.bytes == sum(row.bytes for row in summary.rows) == 4 * sum(sizes)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (tagger(), ["(N, T, 16)", "(N, T, 64)", "(N, T, 64)", "(N, 64)", "(N, 5)"]),
        (
            pyrnn.Sequential(pyrnn.Dropout(0.1), pyrnn.LSTM(3, 5), pyrnn.Tanh(), batch_first=False),
            ["(T, N, 3)", "(T, N, 5)", "(T, N, 5)"],
        ),
        (pyrnn.Sequential(pyrnn.Linear(4, 3), pyrnn.ReLU()), ["(N, 3)", "(N, 3)"]),
        (pyrnn.Linear(7, 2), ["(N, 2)"]),
        (pyrnn.LayerNorm((3, 4)), ["(N, 3, 4)"]),
        (Net(), ["(N, 2), (N, T, 4)", "(N, T, 4)", "(N, 2)"]),
        (pyrnn.Sequential(pyrnn.GRU(2, 3), pyrnn.LastStep()), ["(N, T, 3)", "(N, 3)"]),
        (pyrnn.Tanh(), [""]),  # takes any x
        (pyrnn.CRF(3), [""]),  # takes more than x
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, pyrnn.Module) else "",
)  # fmt: skip
def test_without_a_shape(model, expected):
    """The layers say the width; whose sizes only a call knows has a letter."""
    summary = model.summary()
    assert shapes(summary) == expected
    assert summary.total.parameters == model.num_parameters()


def test_axes_that_follow_from_n_and_t():
    class Folded(pyrnn.Module):
        def forward(self, x):
            return x.reshape((-1, x.shape[2])), x[:, :3], x[:, 3:]

    model = pyrnn.Sequential(pyrnn.GRU(2, 4, seed=0), Folded())
    assert shapes(model.summary())[1] == "(N*T, 4), (N, 3, 4), (N, ?, 4)"


def test_without_a_shape_errors_are_those_of_a_call():
    model = pyrnn.Sequential(pyrnn.GRU(2, 4, seed=0), pyrnn.Linear(5, 1))
    with pytest.raises(ValueError, match=r"expected \(..., 5\)") as raised:
        model.summary()
    assert "x of shape (2, 7, 2)" in raised.value.__notes__[0]


def test_takes_an_input_too(rng):
    model = pyrnn.Sequential(
        pyrnn.GRU(3, 4, seed=0, dtype=np.float64), pyrnn.Linear(4, 2, dtype="f8")
    )
    given = model.summary(rng.standard_normal((5, 2, 3)))
    assert str(given) == str(model.summary((5, 2, 3)))
    assert given.total.bytes == 8 * given.total.parameters
    (row,) = pyrnn.LSTM(10, 20, seed=0).summary((5, 10)).rows
    assert row == ("LSTM(input_size=10, hidden_size=20)", "(5, 20)", 2560, 10240)


def test_shared_parameters_count_once():
    linear = pyrnn.Linear(3, 3, seed=0)
    model = pyrnn.Sequential(linear, pyrnn.Tanh(), linear)
    summary = model.summary((2, 3))
    assert [row.parameters for row in summary.rows] == [12, 0, 0]
    assert shapes(summary) == ["(2, 3)"] * 3
    assert summary.total.parameters == model.num_parameters() == 12


def test_a_shared_part_has_the_shape_of_each_call():
    pool = pyrnn.MeanPool()
    model = pyrnn.Sequential(pyrnn.GRU(3, 3, seed=0), tanh := pyrnn.Tanh(), pool, tanh)
    assert shapes(model.summary((2, 5, 3))) == ["(2, 5, 3)", "(2, 5, 3)", "(2, 3)", "(2, 3)"]


def test_what_is_frozen():
    model = tagger().freeze("0.*")
    model[3].bias.requires_grad = False
    summary = model.summary((3, 7))
    assert summary.frozen == ("frozen", "", 16005, 64020)
    assert summary.trained == ("trained", "", 29253 - 16005, 4 * (29253 - 16005))
    assert [row.layer.endswith(", frozen") for row in summary.rows] == [True] + [False] * 4
    assert summary.total.parameters == 29253


def test_a_module_of_ones_own():
    """Its parts stand below it, with what they give."""

    class Residual(pyrnn.Module):
        def __init__(self):
            self.inner = pyrnn.Linear(4, 4, seed=0)
            self.scale = pyrnn.Parameter(np.ones(4, np.float32))
            self.unused = pyrnn.Tanh()
            self.inner_of = self  # a circle does no harm

        def __call__(self, x):
            return x + self.scale.data * self.inner(x)

    summary = pyrnn.Sequential(Residual(), pyrnn.Linear(4, 1)).summary((2, 4))
    assert [row[:3] for row in summary.rows] == [
        ("0  Residual", "(2, 4)", 4),
        ("0.inner  Linear(in_features=4, out_features=4)", "(2, 4)", 20),
        ("0.unused  Tanh()", "", 0),
        ("1  Linear(in_features=4, out_features=1)", "(2, 1)", 5),
    ]


def test_what_comes_after_a_part_of_ones_own_does_not_say_what_x_is():
    """Its features are others than those of x."""

    class Doubled(pyrnn.Module):
        def forward(self, x):
            return pyrnn.concat([x, x], axis=-1)

    model = pyrnn.Sequential(Doubled(), pyrnn.Linear(6, 2, seed=0))
    assert [row.shape for row in model.summary().rows] == ["", ""]
    assert [row.shape for row in model.summary((4, 3)).rows] == ["(4, 6)", "(4, 2)"]


def test_several_inputs():
    class Described(pyrnn.Module):
        def __init__(self):
            self.words = pyrnn.Embedding(9, 3, seed=0)
            self.head = pyrnn.Linear(5, 2, seed=1)

        def forward(self, ids, static):
            return self.head(pyrnn.concat([self.words(ids).mean(axis=1), static], axis=-1))

    model = Described()
    given = {"ids": np.zeros((4, 6), np.int64), "static": (4, 2)}
    assert shapes(model.summary(given)) == ["(4, 2)", "(4, 6, 3)", "(4, 2)"]
    assert shapes(model.summary()) == ["", "", ""]
    with pytest.raises(ValueError, match="takes more than x, expected a dict of its inputs"):
        model.summary((4, 6))
    with pytest.raises(TypeError, match=r"Described\.summary: static is 'x'"):
        model.summary(given | {"static": "x"})


def test_what_takes_more_than_x():
    for module in (pyrnn.Seq2Seq(5, 6, 2, 3, seed=0), pyrnn.CRF(3)):
        name = type(module).__name__
        with pytest.raises(ValueError, match=rf"{name}\.summary: {name} takes more than x"):
            module.summary((4, 2))
        assert module.summary().total.parameters == module.num_parameters()


def test_bad_input():
    model = tagger()
    for x, error, words in (
        ("x", TypeError, "Sequential.summary: x is 'x'"),
        ((7, -1), ValueError, r"x\[1\] is -1"),
        ((7, 3, 2), ValueError, "x has shape"),
        (np.array([[1000]]), ValueError, r"x\[0, 0\] is 1000"),
    ):
        with pytest.raises(error, match=words):
            model.summary(x)


def test_an_interrupt_leaves_nothing_that_watches():
    """Wherever in the lines of the summary it comes."""

    def interrupt(frame, event, argument):
        if not frame.f_code.co_filename.endswith("summary.py"):
            return None
        if event == "line":
            left.append(frame.f_lineno)
            if len(left) == count:
                raise KeyboardInterrupt
        return interrupt

    model, traced, count, left = pyrnn.Linear(2, 1), sys.gettrace(), 0, [0]
    while len(left) >= count:
        count, left = count + 1, []
        sys.settrace(interrupt)
        try:
            model.summary((1, 2))
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(traced)
        assert observer.get() is None
    assert count > 10
