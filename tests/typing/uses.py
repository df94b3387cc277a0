"""Uses that a type checker has to understand, and wrong ones, marked, that it has to find.

Only read by mypy and pyright, never run: tests/test_types.py compares their errors with the marks.
"""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import pyrnn

x = np.zeros((2, 5, 3), np.float32)

rnn = pyrnn.RNN(3, 8, nonlinearity="relu")
gru = pyrnn.GRU(3, 8, num_layers=2, reset_after=False)
lstm = pyrnn.LSTM(3, 8, bidirectional=True, dtype=np.float64)
linear = pyrnn.Linear(8, 2)
embedding = pyrnn.Embedding(10, 4)
assert_type(rnn, pyrnn.RNN)
assert_type(gru, pyrnn.GRU)
assert_type(lstm, pyrnn.LSTM)
assert_type(linear, pyrnn.Linear)
assert_type(embedding, pyrnn.Embedding)

assert_type(lstm.weight_ih_l0, pyrnn.Parameter)
assert_type(gru.weight_hh_l1, pyrnn.Parameter)
assert_type(linear.weight, pyrnn.Parameter)
assert_type(linear.weight.grad, NDArray[Any])
assert_type(lstm.hidden_size, int)

assert_type(rnn(x), tuple[NDArray[Any], NDArray[Any]])
assert_type(lstm(x), tuple[NDArray[Any], tuple[NDArray[Any], NDArray[Any]]])
y, (h, c), cells = lstm(x, return_cells=True)
assert_type(cells, NDArray[Any])
(y, h), pullback = gru.vjp(x)
assert_type(y, NDArray[Any])
assert_type(h, NDArray[Any])
assert_type(pullback, pyrnn.Pullback)
assert_type(linear(y), NDArray[Any])
assert_type(gru.stream(), pyrnn.Stream)
assert_type(gru.stream().step(x[:, 0]), NDArray[Any])

trainer = pyrnn.Trainer(linear, pyrnn.losses.MSE(), pyrnn.optim.Adam(1e-3), clip_norm=1.0)
assert_type(trainer.fit((y, h)), pyrnn.History)
assert_type(trainer.fit(y, h, validation=0.2, sample_weight=[1.0]), pyrnn.History)
assert_type(trainer.evaluate({"x": y}, h), dict[str, float])
pyrnn.Trainer(linear, "mse", "adam", metrics=["mae"])
assert_type(pyrnn.load("model.safetensors"), pyrnn.Module)

model = pyrnn.Sequential(lstm, pyrnn.LastStep(bidirectional=True), linear)
assert_type(model, pyrnn.Sequential)
assert_type(model[0], pyrnn.Module)
assert_type(model[1:], pyrnn.Sequential)
assert_type(model(x), NDArray[Any])
assert_type(model.predict(x, batch_size=1), NDArray[Any])
output = model.run(x)
assert_type(output.y, NDArray[Any])
assert_type(output.state, tuple[Any, ...])
(y, state), pullback = model.vjp(x)
assert_type(y, NDArray[Any])
assert_type(state, tuple[Any, ...])


class Net(pyrnn.Module):
    def __init__(self) -> None:
        self.scale = pyrnn.Parameter(np.ones(3, np.float32))

    def forward(self, x: pyrnn.Value) -> pyrnn.Value:
        assert_type(pyrnn.concat([x, x[:1]], axis=-1), pyrnn.Value)
        assert_type(pyrnn.concat([x, np.ones((1, 3))]), pyrnn.Value)
        assert_type(pyrnn.stack([x[0], self.scale]), pyrnn.Value)
        assert_type(pyrnn.where(x > 0, x, 0.0), pyrnn.Value)
        assert_type(pyrnn.where(x > 0, 0.0, self.scale), pyrnn.Value)
        assert_type(pyrnn.broadcast_to(x, (2, 3)), pyrnn.Value)
        assert_type(pyrnn.exp(self.scale), pyrnn.Value)
        pyrnn.concat(x)  # wrong: a list of arrays
        return pyrnn.tanh(x) * self.scale


assert_type(pyrnn.concat([x, x], axis=-1), NDArray[Any])
assert_type(pyrnn.stack((x, [0.0])), NDArray[Any])
assert_type(pyrnn.where(x > 0, x, 0.1 * x), NDArray[Any])
assert_type(pyrnn.broadcast_to(x, (4, 2, 5, 3)), NDArray[Any])
assert_type(pyrnn.sigmoid([0.0, 1.0]), NDArray[Any])

pyrnn.LSTM(3)  # wrong: hidden_size is missing
pyrnn.LSTM(3, "8")  # wrong
pyrnn.LSTM(3, 8, hidden=8)  # wrong
pyrnn.GRU(3, 8, bidirectional="yes")  # wrong
pyrnn.RNN(3, 8, num_layers=1.5)  # wrong
pyrnn.Linear(8, 2, bias="no")  # wrong
pyrnn.Embedding("words", 4)  # wrong
pyrnn.Dropout("half")  # wrong
pyrnn.Sequential(3)  # wrong
pyrnn.optim.Adam("fast")  # wrong
pyrnn.losses.CrossEntropy(ignore_index="pad")  # wrong
pyrnn.Trainer(linear, pyrnn.losses.MSE(), pyrnn.optim.Adam(1e-3), clipnorm=1.0)  # wrong
pyrnn.Trainer(linear, pyrnn.optim.Adam(1e-3), pyrnn.losses.MSE())  # wrong
lstm(x, lenghts=[5, 3])  # wrong
model["0"]  # wrong
model(x).state  # wrong  # noqa: B018
pyrnn.Linear(8, 2, dtype=8)  # wrong
lstm.hidden_size.shape  # wrong  # noqa: B018
