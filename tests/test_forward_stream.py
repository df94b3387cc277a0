"""Promise: a forward that carries its state on, or that looks at single steps, streams its bits."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits


class Cell(pyrnn.Module):
    """A residual LSTM whose state is what its part's is, and a count of steps beside it."""

    def __init__(self, seed=0):
        self.rnn, self.head = pyrnn.LSTM(3, 3, seed=seed), pyrnn.Linear(3, 3, seed=seed)

    def forward(self, x, state=None, lengths=None):
        inner = None if state is None else state["rnn"]
        y, inner = self.rnn(x, inner, lengths)
        return x + pyrnn.tanh(self.head(y)), {"rnn": inner}


class Squares(pyrnn.Module):
    """Of single steps; it reads three axes."""

    stepwise = True

    def forward(self, x):
        return pyrnn.concat([x, x[:, :, :1] ** 2], axis=2)


@pytest.mark.parametrize("batch_first", [True, False])
def test_same_bits_as_the_whole(batch_first, rng):
    model = pyrnn.Sequential(Cell(), Squares(), pyrnn.GRU(4, 2, seed=1), batch_first=batch_first)
    x = rng.standard_normal((2, 6, 3)).astype("f4")
    given = x if batch_first else x.swapaxes(0, 1)
    expected, end = model.run(given)
    stream = model.stream(2)
    for p in model.parameters():
        p[...] = 0  # the stream keeps the weights of before
    steps = np.stack([stream.step(x[:, t]) for t in range(3)], axis=int(batch_first))
    middle = stream.state
    rest = stream.run(x[:, 3:] if batch_first else given[3:])
    assert_same_bits(np.concatenate([steps, rest], axis=int(batch_first)), expected)
    assert_same_bits(stream.state, end)
    stream.state = middle
    again = stream.step(x[:, 3])
    assert_same_bits(again, expected[:, 3] if batch_first else expected[3])
    stream.reset()
    assert_same_bits(stream.step(x[:, 0]), expected[:, 0] if batch_first else expected[0])


def test_one_row_and_lists():
    stream = pyrnn.Sequential(Cell()).stream()
    y = stream.step([1.0, 2.0, 3.0])
    assert_same_bits(y, Cell()(np.array([[[1, 2, 3]]], np.float32))[0][0, 0])


def test_after_an_error_the_state_is_as_it_was(rng):
    stream = pyrnn.Sequential(Cell(), pyrnn.Linear(3, 2)).stream()
    stream.step(rng.standard_normal(3).astype("f4"))
    before = stream.state
    with pytest.raises(ValueError, match="x has shape"):
        stream.step(np.zeros(4, np.float32))
    assert_same_bits(stream.state, before)
    stream.state[0]["rnn"][0][...] = 9  # a copy
    assert_same_bits(stream.state, before)


def test_refusals():
    class Whole(pyrnn.Module):
        def forward(self, x, lengths=None):
            return x - x.mean(axis=1, keepdims=True)

    class Last(Cell):
        def forward(self, x, state=None):
            y, state = self.rnn(x, state)
            return y.mean(axis=1), state

    class Backwards(pyrnn.Module):
        def __init__(self):
            self.rnn = pyrnn.GRU(3, 3, direction="reverse")

        def forward(self, x, state=None):
            return self.rnn(x, state)

    with pytest.raises(TypeError, match=r"Whole has a forward, which may look at all steps"):
        pyrnn.Sequential(Whole()).stream()
    with pytest.raises(ValueError, match="Backwards has a GRU that starts at the end"):
        pyrnn.Sequential(Backwards()).stream()
    with pytest.raises(ValueError, match="expected an output for each step"):
        pyrnn.Sequential(Last()).stream().step(np.zeros(3, np.float32))
