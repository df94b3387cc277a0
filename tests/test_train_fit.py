"""Promise: data and parts that do not belong to the model are refused; odd ones that do, taken."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import Halving, classifier, make_trainer, padded, ragged_series, regressor


@pytest.mark.parametrize("role", ["train", "validation", "data"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_x_must_be_finite(role, bad):
    """Told before the first step, by place; never as a validation loss of NaN."""
    t = make_trainer(regressor(), loss=pyrnn.losses.MSE())
    x, target = np.zeros((4, 5, 2)), np.zeros((4, 5, 1))
    wrong = x.copy()
    wrong[2, 3, 1] = bad
    with pytest.raises(ValueError, match=rf"{role}: x\[2, 3, 1\] is {bad}, expected a finite"):
        if role == "data":
            t.evaluate((wrong, target))
        else:
            data = {"x": (x, target)} | {"x" if role == "train" else role: (wrong, target)}
            t.fit(**data, progress=False)
    assert not t.optimizer.state_dict()["steps"]


class Scaled(pyrnn.SequenceDataset):
    """A dataset over padded arrays that changes each sample."""

    def __getitem__(self, i):
        x, target = super().__getitem__(i)
        return 2 * x, target


def test_a_subclass_over_padded_data_with_a_target_per_step():
    """The padding is cut off its targets as off its x."""
    x, target = ragged_series()
    arrays = (padded(x)[0], padded(target)[0], padded(x)[1])
    results = []
    for data in (Scaled(*arrays), ([2 * series for series in x], target)):
        trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
        history = trainer.fit(data, validation=data, epochs=2, batch_size=7, progress=False)
        results.append((history.loss, history.val_loss, trainer.model.state_dict()))
    assert results[0][:2] == results[1][:2]
    assert_same_bits(results[0][2], results[1][2])
    short = Scaled(arrays[0], arrays[1][:, :-1], arrays[2])
    with pytest.raises(ValueError, match=r"target\[\d+\] has shape"):
        make_trainer(regressor(), loss=pyrnn.losses.MSE()).fit(short, progress=False)


def test_ids_without_time():
    """One id per sample: the model sees (B,), and evaluate and predict every sample."""
    ids = np.arange(12) % 4
    model = pyrnn.Sequential(pyrnn.Embedding(4, 8, seed=0), pyrnn.Linear(8, 4, seed=1))
    for x in (ids, ids.tolist()):
        trainer = make_trainer(model, pyrnn.optim.Adam(0.1))
        history = trainer.fit(
            (x, ids), validation=(x, ids), epochs=30, batch_size=5, progress=False
        )
        assert history.val_loss[-1] < 0.1
        assert trainer.predict(x, batch_size=5).argmax(axis=1).tolist() == ids.tolist()
    assert_same_bits(trainer.predict(ids, batch_size=5), model(ids))
    assert len(pyrnn.SequenceDataset(ids, ids).lengths) == 12
    with pytest.raises(ValueError, match="no time axis"):
        trainer.predict(ids, np.ones(12, int))


@pytest.mark.parametrize(("x", "shape"), [(np.arange(4), r"\(\)"), (np.ones((4, 2)), r"\(2,\)")])
def test_samples_without_time_for_a_model_that_works_along_it(x, shape):
    """A recurrent layer would take the batch for one sequence."""
    model = regressor() if x.ndim == 2 else pyrnn.Sequential(pyrnn.Embedding(4, 2), regressor())
    trainer = make_trainer(model, loss=pyrnn.losses.MSE())
    with pytest.raises(ValueError, match=f"train x has samples of shape {shape}, expected"):
        trainer.fit((x, np.ones((4, 1))), progress=False)
    with pytest.raises(ValueError, match=f"predict: x has samples of shape {shape}, expected"):
        trainer.predict(x)


def test_a_part_of_ones_own_may_make_the_time_axis():
    class Windows(pyrnn.Module):
        makes_time = True

        def __call__(self, x):
            return x[:, :, None]  # (N, T, 1) of (N, T)

        def vjp(self, x, need_dx=True):
            return self(x), lambda dy: None

    parts = (pyrnn.GRU(1, 3, seed=0), pyrnn.LastStep(), pyrnn.Linear(3, 1, seed=1))
    trainer = make_trainer(pyrnn.Sequential(Windows(), *parts), loss=pyrnn.losses.MSE())
    x = np.arange(20.0).reshape(4, 5)
    trainer.fit((x, np.ones((4, 1))), progress=False)
    assert trainer.predict(x).shape == (4, 1)


def test_a_schedule_and_averages_of_another_training():
    model, optimizer = classifier(), pyrnn.optim.SGD(0.1)
    own = pyrnn.optim.EMA(model[2])  # of some of the parameters
    for schedule in (Halving(pyrnn.optim.SGD(0.1)), pyrnn.optim.Step(pyrnn.optim.SGD(0.1), 5)):
        with pytest.raises(ValueError, match=f"schedule {type(schedule).__name__} was made for"):
            make_trainer(model, optimizer, schedule=[Halving(optimizer), schedule], ema=own)
    with pytest.raises(ValueError, match="EMA: averages 7 parameters"):
        make_trainer(model, optimizer, ema=pyrnn.optim.EMA(classifier()))
    make_trainer(model, optimizer, schedule=Halving(optimizer), ema=own)


def test_averages_of_a_parameter_that_was_tied_since():
    """The fit looks again, as it does at the optimizer; so does an EMA of a module by itself."""
    ids = np.arange(12).reshape(4, 3) % 5
    parts = pyrnn.Embedding(5, 4, seed=0), pyrnn.GRU(4, 4, seed=0), pyrnn.Linear(4, 5, seed=0)
    model = pyrnn.Sequential(*parts)
    ema, listed = pyrnn.optim.EMA(model), pyrnn.optim.EMA(model.parameters())
    trainers = [make_trainer(model, ema=averages) for averages in (ema, listed)]
    ema.update()
    model[2].weight = model[0].weight
    for trainer in trainers:
        with pytest.raises(ValueError, match="EMA: averages 1 parameters that are not the model"):
            trainer.fit((ids, ids), progress=False)
    with pytest.raises(ValueError, match=r"not any more \('2.weight'\)"):
        ema.update()
    with pytest.raises(ValueError, match=r"2\.weight"), ema.applied():
        pass
    make_trainer(model, ema=pyrnn.optim.EMA(model)).fit((ids, ids), progress=False)


@pytest.mark.parametrize("batch_first", [False, True])
def test_mase_needs_steps_to_compare(batch_first):
    """Of outputs that are one per sequence it would take samples or features for steps."""
    parts = pyrnn.GRU(2, 6, seed=0), pyrnn.LastStep(), pyrnn.Linear(6, 3)
    model = pyrnn.Sequential(*parts, batch_first=batch_first)
    x, target = np.ones((8, 5, 2)), np.arange(24.0).reshape(8, 3)
    for train, error in ((None, ValueError), (np.arange(9.0), None)):
        trainer = make_trainer(
            model, loss=pyrnn.losses.MSE(), metrics=[pyrnn.metrics.MASE(train=train)]
        )
        if error:
            with pytest.raises(error, match=r"MASE compares time steps.* its argument train"):
                trainer.evaluate((x, target))
        else:
            y = trainer.predict(x)
            expected = np.abs(y - target).mean()  # the series rises by 1
            assert trainer.evaluate((x, target))["mase"] == pytest.approx(expected, rel=1e-6)
