"""Promise: a Trainer goes on from its state_dict with the bits of one that never stopped."""

import numpy as np
import pytest

import pyrnn
from pyrnn import optim

X = np.random.default_rng(0).standard_normal((20, 6, 2)).astype(np.float32)
Y = X.sum(axis=(1, 2), keepdims=True)[:, 0]


def bits(arrays):
    return {name: array.tobytes() for name, array in arrays.items()}


def trainer(**options):
    network = pyrnn.Sequential(
        pyrnn.GRU(2, 4, seed=0), pyrnn.LastStep(), pyrnn.Dropout(0.2, seed=1), pyrnn.Linear(4, 1)
    )
    adam = optim.Adam(0.01)
    options = {"schedule": optim.Cosine(adam, 20), "seed": 2} | options
    return pyrnn.Trainer(network, "mse", adam, **options)


def weights(trained):
    return bits(trained.model.state_dict())


def test_training_goes_on_from_a_state():
    whole, first = trainer(), trainer()
    first.model.load_state_dict(whole.model.state_dict())
    whole.fit(X, Y, epochs=2, batch_size=8, progress=False)
    first.fit(X, Y, epochs=2, batch_size=8, progress=False)
    second = trainer(seed=77)
    second.load_state_dict(first.state_dict())
    assert second.history.loss == first.history.loss
    for one in (whole, second):
        one.fit(X, Y, epochs=3, batch_size=8, progress=False)
    assert weights(second) == weights(whole)
    assert second.history.loss == whole.history.loss and len(whole.history) == 5


def test_a_state_is_not_the_trainers_own_memory():
    one = trainer()
    state = one.state_dict()
    before = bits(state["model"]["state"]["weights"])
    one.fit(X, Y, progress=False)
    assert bits(state["model"]["state"]["weights"]) == before


@pytest.mark.parametrize("change", ["part", "class", "shape", "number", "name"])
def test_a_state_of_another_training_changes_nothing(change):
    one, other = trainer(), trainer()
    other.fit(X, Y, progress=False)
    state = other.state_dict()
    if change == "part":
        state.pop("schedule 0")
    elif change == "class":
        state["schedule 0"]["class"] = "StepLR"
    elif change == "shape":
        state["model"]["state"]["weights"]["0.weight_ih_l0"] = np.zeros((1, 1), np.float32)
    elif change == "number":
        state["progress"]["state"]["first_epoch"] = 9
    else:
        state["optimizer"]["state"]["state"]["9.weight"] = {}
    before = weights(one), one.state_dict()["optimizer"]["state"]["groups"]
    with pytest.raises((TypeError, ValueError)):
        one.load_state_dict(state)
    assert (weights(one), one.state_dict()["optimizer"]["state"]["groups"]) == before
    assert len(one.history) == 0


def test_what_is_no_state_is_refused():
    with pytest.raises(TypeError, match="Trainer: state is 3, expected a dict"):
        trainer().load_state_dict(3)
