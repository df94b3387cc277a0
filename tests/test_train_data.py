"""Promise: a Trainer takes arrays, ragged lists and datasets; what does not fit is told at once."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import (
    Right,
    classifier,
    make_trainer,
    padded,
    ragged_series,
    ragged_task,
    regressor,
)


class Stored(pyrnn.SequenceDataset):
    """A user's own: samples made when they are asked for, as plain lists."""

    def __init__(self, x, target):
        self.stored, self.wanted = x, target

    def __len__(self):
        return len(self.stored)

    def __getitem__(self, i):
        return self.stored[i].tolist(), self.wanted[i].tolist()

    @property
    def lengths(self):
        return [len(x) for x in self.stored]


def fitted(data, model=None, loss=None, **options):
    trainer = make_trainer(model or classifier(), loss=loss)
    trainer.fit(data, validation=data, epochs=3, batch_size=7, progress=False, **options)
    return trainer.history.loss, trainer.history.val_loss, trainer.model.state_dict()


@pytest.mark.parametrize("bucket", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_all_forms_train_alike(shuffle, bucket):
    """Padded, listed, in a dataset, in a subclass: the same batches, the same bits."""
    x, target = ragged_task()
    array, lengths = padded(x)
    poisoned = np.where(np.arange(array.shape[1]) < lengths[:, None], array, 99)
    options = {"shuffle": shuffle, "bucket": bucket}
    expected = fitted((x, target), **options)
    assert expected[0][-1] < expected[0][0]
    for data in (
        (poisoned, target, lengths),
        ([ids.tolist() for ids in x], target.tolist()),
        pyrnn.SequenceDataset(x, target),
        pyrnn.SequenceDataset(poisoned, target, lengths),
        Stored(x, target),
    ):
        assert_same_bits(fitted(data, **options), expected)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_all_forms_with_a_target_per_step(bidirectional, batch_first):
    x, target = ragged_series()
    options = {"bidirectional": bidirectional, "batch_first": batch_first}
    (array, lengths), (wanted, _) = padded(x), padded(target)
    results = [
        fitted(data, regressor(**options), pyrnn.losses.MSE())
        for data in ((x, target), (array, wanted, lengths), Stored(x, target))
    ]
    assert results[0][0][-1] < results[0][0][0]
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


def test_buckets_hold_samples_of_about_one_length():
    """Less padding than without, all samples once an epoch, another order in the next one."""
    x, target = ragged_task(N=300, longest=50)
    widths = {}
    for bucket in (True, False):
        trainer = make_trainer()
        forward, seen = trainer._objective.forward, []

        def spy(samples, batch, state, forward=forward, seen=seen):
            seen.append((batch.x.shape, batch.steps))
            return forward(samples, batch, state)

        trainer._objective.forward = spy
        trainer.fit((x, target), epochs=2, batch_size=10, progress=False, bucket=bucket)
        assert len(seen) == 60 and sum(steps for _, steps in seen) == 2 * sum(map(len, x))
        assert seen[:30] != seen[30:]
        widths[bucket] = sum(N * T for (N, T), _ in seen) / sum(steps for _, steps in seen)
    assert widths[True] < 1.2 < 1.6 < widths[False]


def test_predict_and_evaluate_take_ragged_data():
    """Each sample as if it were alone, in the order in which it came; metrics over all."""
    x, target = ragged_task()
    trainer = make_trainer(metrics=[Right()])
    trainer.fit((x, target), progress=False)
    alone = np.stack([trainer.model(ids[None])[0] for ids in x])
    assert_same_bits(trainer.predict(x, batch_size=7), alone)
    assert_same_bits(trainer.predict(Stored(x, target), batch_size=8), alone)
    measured = trainer.evaluate((x, target), batch_size=9)
    assert measured["right"] == np.mean(alone.argmax(axis=1) == target)
    assert measured["loss"] == pytest.approx(pyrnn.losses.CrossEntropy()(alone, target), rel=1e-5)


def test_predict_per_step():
    """A list for a list; an array, zero after the lengths, for an array."""
    x, _ = ragged_series()
    trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
    outputs = trainer.predict(x, batch_size=6)
    for series, y in zip(x, outputs, strict=True):
        assert_same_bits(y, trainer.model(series.astype("f4")))
    array, lengths = padded(x)
    assert_same_bits(trainer.predict(array, lengths, 6), padded(outputs)[0])
    assert trainer.predict(array, batch_size=6).shape == (*array.shape[:2], 1)


def test_samples_without_steps_and_a_single_sample():
    empty, one = np.zeros((0, 2)), np.ones((1, 2))
    for x in ([empty, one, empty], [one], [np.ones((3, 2))]):
        trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
        target = [series[:, :1] for series in x]
        history = trainer.fit(
            (x, target), validation=(x, target), epochs=2, batch_size=1, progress=False
        )
        assert np.isfinite(history.loss).all() and np.isfinite(history.val_loss).all()
        assert all(np.isfinite(p.data).all() for p in trainer.model.parameters())


def test_data_in_which_no_target_counts():
    """Their loss would be 0, the best there is for early stopping."""
    x, ignored = np.ones((4, 3, 2)), np.full((4, 3), -100)
    some = np.where(np.arange(4)[:, None] == 3, 1, ignored)
    model = pyrnn.Sequential(pyrnn.GRU(2, 4, seed=0), pyrnn.Linear(4, 3, seed=0))
    trainer = make_trainer(model)
    before = model.state_dict()
    for fail in (
        lambda: trainer.fit((x, some), validation=(x, ignored), progress=False),
        lambda: trainer.fit((x, ignored), progress=False),
        lambda: trainer.evaluate((x, ignored)),
        lambda: make_trainer(model, loss=pyrnn.losses.CrossEntropy(weight=[1, 0, 1])).evaluate(
            (x, np.ones((4, 3), int))
        ),
        lambda: make_trainer(regressor(), loss=pyrnn.losses.MSE()).evaluate(
            ([np.zeros((0, 2))] * 2, [np.zeros((0, 1))] * 2)
        ),
    ):
        with pytest.raises(ValueError, match=r"no target counts: (CrossEntropy|MSE) leaves out"):
            fail()
    assert_same_bits(model.state_dict(), before)
    assert trainer.evaluate((x, some), batch_size=1)["loss"] > 0


def test_a_batch_in_which_no_target_counts_takes_no_step():
    """Neither momentum nor weight decay moves a weight, and no schedule or average follows."""
    x, target = np.ones((2, 3, 2)), np.array([[1, 1, 1], [-100, -100, -100]])

    def train(rows, **options):
        model = pyrnn.Sequential(pyrnn.GRU(2, 4, seed=0), pyrnn.Linear(4, 3, seed=0))
        optimizer = pyrnn.optim.SGD(0.1, momentum=0.9, weight_decay=0.1)
        schedule, ema = pyrnn.optim.Cosine(optimizer, 10), pyrnn.optim.EMA(model)
        trainer = make_trainer(model, optimizer, schedule=schedule, ema=ema, **options)
        data = x[rows], target[rows]
        trainer.fit(data, epochs=3, batch_size=1, shuffle=False, progress=False)
        return model.state_dict(), schedule.count, ema.updates, trainer.history.loss

    assert_same_bits(train([0, 1]), train([0]))
    assert_same_bits(train([1, 0, 1]), train([0]))
    assert_same_bits(train([1, 0], accumulate=2), train([0]))


RAGGED = ragged_series(N=6)
WIDE = [*RAGGED[0][:3], np.ones((4, 3)), *RAGGED[0][4:]]


def changed(targets, i, value):
    result = [target.copy() for target in targets]
    result[i] = value
    return result


BAD = [
    (([], []), ValueError, "N >= 1"),
    ((WIDE, RAGGED[1]), ValueError, r"x\[3\] has shape \(4, 3\), expected \(steps, 2\)"),
    (Stored(WIDE, RAGGED[1]), ValueError, r"x\[3\] has shape \(4, 3\), expected \(steps, 2\)"),
    (([np.ones((4, 2)), np.ones((4, 3))], [0, 1]), ValueError, r"x\[1\] has shape \(4, 3\)"),
    ((RAGGED[0], RAGGED[1][:-1]), ValueError, "6"),
    ((RAGGED[0], changed(RAGGED[1], 2, np.ones((99, 1)))), ValueError, r"target\[2\].*99"),
    ((RAGGED[0], changed(RAGGED[1], 2, np.nan * RAGGED[1][2])), ValueError, "finite"),
    ((RAGGED[0], np.ones((6, 1))), ValueError, "one for each step"),
    ((RAGGED[0], RAGGED[1], [1] * 6), ValueError, "lengths"),
    (([series[:, 0] for series in RAGGED[0]], RAGGED[1]), ValueError, r"\(steps, features\)"),
    (([["a", "b"], ["c"]], [0, 1]), TypeError, r"x\[0\] has dtype"),
    ((RAGGED[0], changed(RAGGED[1], 1, np.array(["a"]))), (TypeError, ValueError), r"target\[1\]"),
    (pyrnn.SequenceDataset(RAGGED[0]), TypeError, "target is None"),
    (RAGGED[0], TypeError, "SequenceDataset"),
    ("data", TypeError, "SequenceDataset"),
]


@pytest.mark.parametrize(("data", "error", "words"), BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("role", ["train", "validation"])
def test_bad_ragged_data(data, error, words, role):
    """Told before the first epoch, with the name of what is wrong; the model is as before."""
    trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
    before = trainer.model.state_dict()
    x, held_out = (data, None) if role == "train" else (RAGGED, data)
    with pytest.raises(error, match=words) as raised:
        trainer.fit(x, validation=held_out, progress=False)
    assert role in str(raised.value)
    assert_same_bits(trainer.model.state_dict(), before)
    assert not trainer.history.loss


def test_ids_that_are_no_integers_are_refused():
    """After a first sample of integers: they would be cut off to integers without a word."""
    x = [np.array([1, 2]), np.array([1.7, 2.2, 3.9])]
    with pytest.raises(TypeError, match=r"x\[1\] is float64, expected integers"):
        make_trainer().fit((x, [0, 1]), progress=False)


def test_classes_and_ids_out_of_range_far_in_the_data():
    """The last of many samples, of which only some are looked at together."""
    N = 3000
    x, target = np.zeros((N, 400), int), np.zeros(N, int)
    for array, index in ((target, -1), (x, (-1, -1))):
        array[index] = 4
        with pytest.raises(ValueError, match=f"samples .* to {N - 1}.* is 4"):
            make_trainer().fit((x, target), progress=False)
        array[index] = 0


def test_a_dataset_whose_lengths_are_wrong():
    x, target = ragged_task(N=5)

    class Wrong(Stored):
        lengths = np.array([len(ids) for ids in x])

    Wrong.lengths[3] += 1
    with pytest.raises(ValueError, match=r"x\[3\] has \d+ steps, expected"):
        make_trainer().fit(Wrong(x, target), progress=False)
    Wrong.lengths = Wrong.lengths[:-1]
    with pytest.raises(ValueError, match="lengths has shape"):
        make_trainer().fit(Wrong(x, target), progress=False)


def test_dataset_of_its_own():
    x, target = ragged_series(N=4)
    dataset = pyrnn.SequenceDataset(*(padded(x)[0], target, padded(x)[1]))
    assert len(dataset) == 4 and dataset.lengths.tolist() == [len(series) for series in x]
    for i in range(4):
        assert_same_bits(dataset[i], (x[i], target[i]))
    with pytest.raises(ValueError, match=r"SequenceDataset: x\[1\]"):
        pyrnn.SequenceDataset([np.ones((2, 2)), np.ones((3, 1))])


class Pointwise(pyrnn.Module):
    """A user's own part that keeps the axes of x, as Linear does."""

    def __init__(self):
        self.linear = pyrnn.Linear(3, 2, seed=0)

    def __call__(self, x):
        return self.linear(x)

    def vjp(self, x, *, need_dx=True):
        return self.linear.vjp(x, need_dx=need_dx)


@pytest.mark.parametrize("front", [Pointwise, lambda: pyrnn.Linear(3, 2, seed=0)])
@pytest.mark.parametrize("pool", [[], [pyrnn.LastStep()]])
def test_data_without_time_are_refused_whoever_wrote_the_front(front, pool):
    """Else the batch would be taken as time, and each answer would depend on its neighbours."""
    x, target = np.zeros((10, 3), np.float32), np.arange(10) % 2
    parts = [front(), pyrnn.GRU(2, 4, seed=1), *pool, pyrnn.Linear(4, 2, seed=2)]
    trainer = make_trainer(pyrnn.Sequential(*parts), loss=pyrnn.losses.CrossEntropy())
    with pytest.raises(ValueError, match=r"expected \(steps, features\)"):
        trainer.fit((x, target), progress=False)


class Scalar:
    """A tensor without axes, as those of torch."""

    ndim = 0

    def __init__(self, number):
        self.number = number

    def __len__(self):
        raise TypeError("len() of a 0-d tensor")

    def __int__(self):
        return int(self.number)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.number, dtype)


@pytest.mark.parametrize("kind", [np.asarray, Scalar])
def test_a_list_of_numbers_may_be_arrays_without_axes(kind):
    x, label = ragged_task()
    assert_same_bits(fitted((x, [kind(number) for number in label])), fitted((x, label)))
