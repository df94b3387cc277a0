"""Promise: generate draws from the filtered softmax of the model, id by id, row by row."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn.seq2seq._choice import Sampling

V = 7


def language_model(seed=0, **options):
    return pyrnn.Sequential(
        pyrnn.Embedding(V, 5, seed=seed),
        pyrnn.LSTM(5, 8, num_layers=2, seed=seed + 1, **options),
        pyrnn.Linear(8, V, seed=seed + 2),
    )


def sampling(rows=1, temperature=1.0, top_k=None, top_p=None, seed=0):
    return Sampling.of("test", rows, temperature, top_k, top_p, seed)


def greedy(model, prompt, length):
    """The whole sequence anew for each id: what a stream must equal."""
    ids = list(prompt)
    for _ in range(length):
        ids.append(int(model(np.array([ids]))[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("batch_first", [False, True])
def test_temperature_zero_is_greedy(batch_first):
    """Prompts of different lengths, together and alone."""
    model, prompts = language_model(batch_first=batch_first), [[1, 2, 3, 4], [5], [6, 0]]
    twin = language_model()
    together = pyrnn.generate(model, prompts, 12, temperature=0)
    for prompt, ids in zip(prompts, together, strict=True):
        assert ids.tolist() == greedy(twin, prompt, 12)
        assert_same_bits(pyrnn.generate(model, prompt, 12, temperature=0), ids)


def test_a_row_depends_on_seed_and_place_alone():
    model = language_model()
    prompts = [[1, 2], [3], [4, 5, 6]]
    ids = pyrnn.generate(model, prompts, 20, seed=3)
    assert_same_bits(pyrnn.generate(model, prompts[0], 20, seed=3), ids[0])
    assert_same_bits(pyrnn.generate(model, [prompts[0], [0], [0, 1]], 20, seed=3)[0], ids[0])
    assert any(
        (a != b).any() for a, b in zip(ids, pyrnn.generate(model, prompts, 20, seed=4), strict=True)
    )


def test_a_model_of_the_last_step_gives_the_same():
    parts = list(language_model())
    model = pyrnn.Sequential(parts[0], parts[1], pyrnn.LastStep(), parts[2])
    expected = pyrnn.generate(language_model(), [[1], [2, 3]], 9, seed=1)
    assert_same_bits(pyrnn.generate(model, [[1], [2, 3]], 9, seed=1), expected)


def test_stop_ends_a_row_and_is_left_out():
    model, prompts = language_model(), [[1, 2], [3], [4]]
    free = pyrnn.generate(model, prompts, 30, seed=0)
    stop = [int(free[0][4]), 2]
    ended = pyrnn.generate(model, prompts, 30, stop=stop, seed=0)
    for whole, ids in zip(free, ended, strict=True):
        where = np.flatnonzero(np.isin(whole, stop))
        assert_same_bits(ids, whole[: where[0] if where.size else 30])
    assert len(ended[0]) <= 4


def test_draws_follow_the_softmax():
    """Frequencies of 20,000 draws lie within five standard deviations of the probabilities."""
    logits, n = np.array([[0.3, -1.0, 2.0, 0.0]]), 20_000
    for temperature in (0.5, 1.0, 3.0):
        p = np.exp(logits[0] / temperature)
        p /= p.sum()
        choose = sampling(temperature=temperature)
        counts = np.bincount([choose(logits)[0] for _ in range(n)], minlength=4)
        assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


def kept(logits, **options):
    return np.flatnonzero(sampling(**options).probabilities(np.array([logits]))[0]).tolist()


def test_filters_keep_the_most_probable():
    logits = np.log([0.1, 0.4, 0.2, 0.25, 0.05])
    assert kept(logits, top_k=2) == [1, 3]
    assert kept(logits, top_k=99) == [0, 1, 2, 3, 4]
    assert kept(logits, top_p=0.3) == [1]
    assert kept(logits, top_p=0.6) == [1, 3]
    assert kept(logits, top_p=1.0) == [0, 1, 2, 3, 4]
    assert kept(logits, top_k=3, top_p=0.8) == [1, 2, 3]  # of what top_k left: .4/.85, .65/.85
    assert kept(logits, top_k=3, top_p=0.75) == [1, 3]
    assert kept([0.0, 0.0, 0.0], top_k=2) == [0, 1]  # of equals the first


def test_what_is_filtered_out_is_never_drawn():
    logits = np.zeros((1, 50))
    logits[0, 7:9] = 30.0
    choose = sampling(temperature=100.0, top_k=2)
    assert {int(choose(logits)[0]) for _ in range(200)} == {7, 8}


def test_suppressed_ids_never_come():
    """The others come as if the logits of these were -inf."""
    prompts = [[1], [2, 3]]
    free = pyrnn.generate(language_model(), prompts, 30, seed=0)
    model, suppressed = language_model(), [int(free[0][0]), int(free[1][3])]
    ids = pyrnn.generate(model, prompts, 30, suppress=suppressed, seed=0)
    assert np.isin(free, suppressed).any() and not np.isin(ids, suppressed).any()
    model[2].bias[suppressed] = np.float32(-1e30)
    assert_same_bits(pyrnn.generate(model, prompts, 30, seed=0), ids)
    assert_same_bits(
        pyrnn.generate(language_model(), [1], 9, suppress=suppressed[0], temperature=0),
        pyrnn.generate(language_model(), [1], 9, suppress=suppressed[:1], temperature=0),
    )


def test_bad_values():
    model = language_model()
    wrong = [
        ({"temperature": -0.1}, ValueError, "temperature is -0.1"),
        ({"temperature": float("nan")}, ValueError, "temperature is nan"),
        ({"temperature": "hot"}, TypeError, "temperature is 'hot'"),
        ({"top_k": 0}, ValueError, "top_k is 0"),
        ({"top_p": 0.0}, ValueError, "top_p is 0.0"),
        ({"top_p": 1.5}, ValueError, "top_p is 1.5"),
        ({"length": -1}, ValueError, "length is -1"),
        ({"prompt": []}, ValueError, "prompt has shape"),
        ({"prompt": [[1], []]}, ValueError, r"prompt\[1\] has shape"),
        ({"prompt": [0.5]}, TypeError, "expected integers"),
        ({"prompt": [[1], [0.5]]}, TypeError, r"^generate: prompt\[1\] has dtype float64"),
        ({"prompt": [2, V]}, ValueError, rf"^generate: prompt\[1\] is {V}, .*num_embeddings"),
        ({"prompt": [[1], [2, V]]}, ValueError, rf"^generate: prompt\[1\]\[1\] is {V}"),
        ({"stop": 0.5}, TypeError, "expected integers"),
        ({"suppress": "x"}, TypeError, "expected integers"),
        ({"suppress": [-1, 0]}, ValueError, "suppress holds -1"),
        ({"suppress": V}, ValueError, f"suppress holds {V}"),
        ({"suppress": range(V)}, ValueError, f"suppress holds all {V} ids"),
        ({"model": pyrnn.LSTM(2, 2, seed=0)}, TypeError, "expected a Sequential"),
    ]
    for change, error, message in wrong:
        arguments = {"model": model, "prompt": [1], "length": 3} | change
        with pytest.raises(error, match=message):
            pyrnn.generate(**arguments)


@pytest.mark.parametrize("last", [pyrnn.Softmax, pyrnn.Sigmoid])
def test_probabilities_are_no_logits(last):
    """Their softmax would be drawn from; also where a Sequential inside ends the model."""
    model = language_model()
    for ends in (
        pyrnn.Sequential(*model, last()),
        pyrnn.Sequential(model, pyrnn.Sequential(last())),
        pyrnn.Sequential(*model, last(), pyrnn.Dropout(0.1), pyrnn.LastStep()),
    ):
        message = f"generate: the model ends in {last.__name__}, expected logits"
        with pytest.raises(ValueError, match=message):
            pyrnn.generate(ends, [1], 2)


def test_logits_that_are_not_finite():
    model = language_model()
    model[2].bias[...] = np.full(V, np.nan, np.float32)
    with pytest.raises(FloatingPointError, match="logits"):
        pyrnn.generate(model, [1], 3)


def test_tiny_temperatures_take_the_largest(recwarn):
    """Down to the smallest number, without a warning; of equals each is drawn."""
    logits = np.array([[1.0, 3.0, 2.9, -np.inf]])
    for temperature in (1e-300, 5e-324):
        assert sampling(temperature=temperature)(logits).tolist() == [1]
        assert kept([2.0, 2.0, 0.0], temperature=temperature) == [0, 1]
    assert not recwarn.list


def test_no_prompts():
    assert pyrnn.generate(language_model(), np.zeros((0, 4), int), 3) == []


def test_length_zero():
    assert pyrnn.generate(language_model(), [1], 0).shape == (0,)
