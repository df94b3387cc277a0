"""Promise: a batch in shards gives the gradient of the batch, in an order of sums that is fixed."""

import copy

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn.training._tree import cut_evenly, nodes_within, owned, total
from sharded import DENSE, SERIES, SUMS, TRAININGS, outcome
from training import regressor

# Scheduled sampling draws for the rows of a shard, so its numbers are others with other shards.
ALIKE = sorted(set(TRAININGS) - {"translation", "a module that counts"})


def sizes(lengths, count):
    return [part.stop - part.start for part in cut_evenly(np.array(lengths), count)]


def test_a_batch_is_cut_into_runs_of_nearly_equal_numbers_of_steps():
    assert sizes([5] * 8, 4) == sizes([1] * 8, 4) == [2, 2, 2, 2]
    assert sizes([5] * 10, 4) == [3, 2, 3, 2]
    assert sizes([12, 1, 1, 1, 3, 3, 3], 3) == [1, 3, 3]
    assert sizes([9, 9], 4) == [1, 1, 0, 0] and sizes([], 2) == [0, 0]
    assert sizes([0, 0, 0, 40], 4) == [1, 1, 1, 1]


def test_runs_cover_the_batch_once_and_none_is_empty():
    rng = np.random.default_rng(0)
    for _ in range(500):
        rows, count = int(rng.integers(1, 40)), int(rng.integers(1, 9))
        lengths = rng.integers(0, 30, rows) * rng.integers(0, 2, rows)
        parts = cut_evenly(lengths, count)
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(rows))
        assert len(parts) == count
        if rows >= count:
            assert min(part.stop - part.start for part in parts) == 1 or all(
                part.stop > part.start for part in parts
            )
            ideal, longest = np.maximum(lengths, 1).sum() / count, max(lengths.max(), 1)
            heaviest = max(np.maximum(lengths[part], 1).sum() for part in parts)
            assert heaviest <= ideal + longest + count


@pytest.mark.parametrize(
    "count, tree",
    [
        (1, "0"),
        (2, "(0+1)"),
        (3, "((0+1)+2)"),
        (4, "((0+1)+(2+3))"),
        (6, "(((0+1)+(2+3))+(4+5))"),
        (7, "(((0+1)+(2+3))+((4+5)+6))"),
    ],
)
def test_sums_follow_one_tree_for_any_number_of_ranks(count, tree):
    def add(a, b):
        return f"({a}+{b})"

    leaves = {(i, i + 1): str(i) for i in range(count)}
    assert total((0, count), leaves, add) == tree
    for ranks in range(1, count + 1):
        nodes = [
            node
            for rank in range(ranks)
            for node in nodes_within((0, count), owned(rank, ranks, count))
        ]
        assert total((0, count), {n: total(n, leaves, add) for n in nodes}, add) == tree
        assert [shard for node in nodes for shard in range(*node)] == list(range(count))


def first_gradient(name, shards):
    """The gradients of the first batch, before any step."""
    found = {}

    class Keep(pyrnn.Callback):
        def on_gradients(self, trainer, gradients):
            if not found:
                found.update({name: p.grad.copy() for name, p in gradients.named})

    _trainer, fit = TRAININGS[name](shards=shards)
    fit(epochs=1, callbacks=[Keep()])
    return found


@pytest.mark.parametrize("name", ALIKE)
def test_the_gradient_is_that_of_the_whole_batch(name):
    """Dropout masks and weights included: what differs is the order of sums."""
    whole = first_gradient(name, 1)
    for shards in (2, 3, 5):
        parts = first_gradient(name, shards)
        assert parts.keys() == whole.keys()
        for key, gradient in whole.items():
            scale = np.abs(gradient).max() + 1e-3
            np.testing.assert_allclose(parts[key], gradient, atol=2e-5 * scale, err_msg=key)


@pytest.mark.parametrize("name", sorted(TRAININGS))
def test_one_shard_is_a_training_without(name):
    results = []
    for options in ({}, {"shards": 1}):
        trainer, fit = TRAININGS[name](**options)
        results.append(outcome(trainer, fit()))
    assert_outcomes(*results)


def assert_outcomes(first, second):
    for key, array in first[0].items():
        assert_same_bits(second[0][key], array)
    assert repr(first[1:]) == repr(second[1:])


def test_four_shards_learn():
    _trainer, fit = TRAININGS["dense"](shards=4)
    history = fit(epochs=30)
    assert history.loss[-1] < 0.3 * history.loss[0]


def test_losses_are_those_of_one_shard():
    of = [TRAININGS["ragged ids, dropout"](shards=n)[1](epochs=1).loss[0] for n in (1, 4)]
    assert of[0] == pytest.approx(of[1], rel=1e-4) and of[0] != of[1]


def test_masks_continue_as_without_shards():
    """One draw for a batch, whatever its number of shards."""
    for name in ("zoneout and dropout between layers", "a module that counts", "translation"):
        extra = [outcome(t, fit())[2] for t, fit in (TRAININGS[name](shards=n) for n in (1, 3))]
        assert extra[0] == extra[1]


def test_a_checkpoint_keeps_the_number_of_shards(tmp_path):
    path = tmp_path / "a.ckpt"
    _trainer, fit = TRAININGS["sample weights"](shards=3)
    fit(checkpoint=path, epochs=1)
    _, refit = TRAININGS["sample weights"](shards=2)
    with pytest.raises(ValueError, match="shards = 3, expected 2"):
        refit(checkpoint=path, resume=True)
    same, refit = TRAININGS["sample weights"](shards=3)
    resumed = outcome(same, refit(checkpoint=path, resume=True))
    whole, fit = TRAININGS["sample weights"](shards=3)
    assert_outcomes(resumed, outcome(whole, fit()))


def test_an_interrupted_shard_leaves_all_gradients():
    calls = []

    class Stops(pyrnn.Linear):
        def vjp(self, *args, **options):
            y, pullback = super().vjp(*args, **options)

            def back(dy):
                calls.append(1)
                if len(calls) == 2:
                    raise KeyboardInterrupt
                return pullback(dy)

            return y, back

    trainer = pyrnn.Trainer(
        pyrnn.Sequential(pyrnn.GRU(2, 6, seed=0), Stops(6, 1, seed=1)), "mse", "sgd", shards=3
    )
    before = copy.deepcopy(trainer.model.state_dict())
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(SERIES, SUMS, batch_size=8, progress=False)
    assert len(calls) == 2
    for parameter in trainer.model.parameters():
        assert not parameter.grad.any()
    for name, array in before.items():
        assert_same_bits(trainer.model.state_dict()[name], array)
    assert trainer.fit(SERIES, SUMS, batch_size=8, progress=False).loss[0] > 0


def test_find_lr_goes_by_shards():
    curves = []
    for shards in (1, 4):
        trainer, _ = TRAININGS["dense"](shards=shards)
        curves.append(trainer.find_lr(DENSE, DENSE.sum(2, keepdims=True), steps=12, batch_size=8))
    assert curves[0].losses != curves[1].losses
    np.testing.assert_allclose(curves[0].losses, curves[1].losses, rtol=1e-3)


@pytest.mark.parametrize(
    "given, error",
    [
        (0, ValueError),
        (-1, ValueError),
        (2.5, TypeError),
        ("4", TypeError),
        (True, TypeError),
    ],
)
def test_bad_shards(given, error):
    with pytest.raises(error, match="Trainer: shards"):
        pyrnn.Trainer(regressor(), "mse", "adam", shards=given)


def test_a_batch_smaller_than_the_shards():
    trainer = pyrnn.Trainer(regressor(), "mse", "adam", shards=4)
    for call in (trainer.fit, trainer.find_lr):
        with pytest.raises(ValueError, match=r"batch_size is 3, expected at least shards = 4"):
            call(SERIES, SUMS, batch_size=3)
    assert trainer.fit(SERIES[:5], SUMS[:5], batch_size=4, progress=False).loss[0] > 0


def test_repr_says_shards():
    assert "shards=4" in repr(pyrnn.Trainer(regressor(), "mse", "adam", shards=4))
    assert "shards" not in repr(pyrnn.Trainer(regressor(), "mse", "adam", shards=1))
