"""Promise: modules given to a Sequential by name are found, stored and loaded by these names."""

import copy
import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import pyrnn
from compare import assert_same_bits

NAMES = ("emb", "rnn", "last", "head")


def parts():
    return (
        pyrnn.Embedding(7, 3, seed=0),
        pyrnn.GRU(3, 4, seed=1),
        pyrnn.LastStep(),
        pyrnn.Linear(4, 2, seed=2),
    )


def named(**options):
    return pyrnn.Sequential(**dict(zip(NAMES, parts(), strict=True)), **options)


IDS = np.array([[1, 2, 3, 4], [6, 5, 0, 0]])


def test_names_change_nothing_but_names():
    """Outputs, gradients and their order are those of the unnamed model."""
    results = []
    for model in (named(), pyrnn.Sequential(*parts())):
        (y, (h,)), pullback = model.vjp(IDS, lengths=[4, 2])
        pullback(np.ones_like(y))
        results.append([y, h, *(p.grad for p in model.parameters())])
    assert_same_bits(*results)


def test_parts_are_attributes_and_have_torch_s_dotted_names():
    model = named()
    assert model.rnn is model[1] and model.head is model[-1] and len(model) == 4
    assert list(model.state_dict()) == [
        "emb.weight",
        "rnn.weight_ih_l0",
        "rnn.weight_hh_l0",
        "rnn.bias_ih_l0",
        "rnn.bias_hh_l0",
        "head.weight",
        "head.bias",
    ]
    assert [name for name, _ in model.named_modules()] == ["", *NAMES]
    assert next(iter(pyrnn.Sequential(*parts()).state_dict())) == "0.weight"


def test_state_dict_of_a_module_with_these_attributes_loads():
    """Such as a torch model's: by name, in any order."""
    source = named()
    arrays = {
        name: 0.1 * (i + array) for i, (name, array) in enumerate(source.state_dict().items())
    }
    model = named()
    model.load_state_dict(dict(reversed(arrays.items())))
    assert_same_bits(model.state_dict(), arrays)
    with pytest.raises(ValueError, match=r"missing 'emb\.weight'.*unexpected '0\.weight'"):
        model.load_state_dict(pyrnn.Sequential(*parts()).state_dict())


def test_slices_keep_names_and_share():
    front = named()[:2]
    assert front.rnn is front[1] and list(front.state_dict())[-1] == "rnn.bias_hh_l0"
    model = named(batch_first=False)
    assert repr(model[2:]) == (
        "Sequential(last=LastStep(batch_first=False), head=Linear(in_features=4, out_features=2), "
        "batch_first=False)"
    )


@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy"])
def test_copies_have_the_names(way, tmp_path):
    model = pyrnn.Sequential(front=named()[:2], back=named()[2:])
    if way == "file":
        model.save(tmp_path / "model.safetensors")
        again = pyrnn.load(tmp_path / "model.safetensors")
    else:
        again = copy.deepcopy(model) if way == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert repr(again) == repr(model) and list(again.state_dict()) == list(model.state_dict())
    assert_same_bits(again(IDS), model(IDS))
    assert again.back.head is again[1][1]


def test_summary_and_repr_show_names():
    model = pyrnn.Sequential(emb=pyrnn.Embedding(7, 3), body=pyrnn.Sequential(rnn=pyrnn.GRU(3, 4)))
    assert [row.layer.split()[0] for row in model.summary().rows] == ["emb", "body.rnn"]
    assert repr(model) == (
        "Sequential(emb=Embedding(num_embeddings=7, embedding_dim=3), "
        "body=Sequential(rnn=GRU(input_size=3, hidden_size=4)))"
    )


def test_a_pickle_of_before_there_were_names_loads():
    model = pyrnn.Sequential(*parts())
    state = model.__getstate__()
    del state["_names"], state["_is_named"]
    old = pyrnn.Sequential.__new__(pyrnn.Sequential)
    old.__setstate__(state | {"_count": 4})
    assert_same_bits(old(IDS), model(IDS))
    assert repr(old) == repr(model)


@pytest.mark.parametrize("name", ["a.b", "0", "class", "_rnn", "two words", ""])
def test_what_is_no_attribute_s_name_is_refused(name):
    with pytest.raises(ValueError, match="expected a name that can be read as an attribute"):
        pyrnn.Sequential(**{name: pyrnn.Tanh()})


@pytest.mark.parametrize("name", ["stream", "dtype", "parameters", "run", "num_states"])
def test_names_that_are_taken_are_refused(name):
    with pytest.raises(ValueError, match=f"every Sequential has an attribute {name}"):
        pyrnn.Sequential(**{name: pyrnn.Tanh()})


def test_names_for_some_are_refused():
    with pytest.raises(TypeError, match="got 1 modules without a name and 1 with one"):
        pyrnn.Sequential(pyrnn.Tanh(), head=pyrnn.Tanh())
    with pytest.raises(TypeError, match="module head is 3, expected a Module"):
        pyrnn.Sequential(head=3)


def test_a_part_is_not_replaced():
    """Nor in a class of the user's own, which takes other attributes."""

    class Tagger(pyrnn.Sequential):
        def __init__(self):
            super().__init__(rnn=pyrnn.GRU(3, 4), head=pyrnn.Linear(4, 2))
            self.labels = ["a", "b"]

    for model in (named(), Tagger()):
        with pytest.raises(AttributeError, match="head cannot be set"):
            model.head = pyrnn.Linear(4, 3)


@pytest.mark.parametrize("names", [["emb", "rnn"], ["a", "a", "b", "c"], "abcd", [1, "a.b", 2, 3]])
def test_damaged_names_in_a_file_are_refused(names, tmp_path):
    path = tmp_path / "model.safetensors"
    named().save(path)
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        (key, text), *_ = file.metadata().items()
    description = json.loads(text)
    assert description["model"]["names"] == list(NAMES)
    description["model"]["names"] = names
    save_file(load_file(path), path, {key: json.dumps(description)})
    with pytest.raises(ValueError, match=r"names|missing|named"):
        pyrnn.load(path)
