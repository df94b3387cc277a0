"""Promise: ranks that train together get the bits of one rank with as many shards, and the same
errors, each of which names the rank."""

import pickle
import threading

import numpy as np
import pytest

import pyrnn
from pyrnn._base.agreed import is_agreed
from pyrnn.training._loop import Loop
from pyrnn.training._rank_callbacks import Changes
from pyrnn.training._ranks import Ranks
from ranks import ThreadRanks, run_ranks
from sharded import SERIES, SUMS, TRAININGS, outcome
from test_shards import assert_outcomes
from training import regressor


def trained(name, shards, **options):
    def work(communicator=None):
        trainer, fit = TRAININGS[name](shards=shards, communicator=communicator)
        return outcome(trainer, fit(**options))

    return work


@pytest.mark.parametrize("name", sorted(TRAININGS))
def test_any_number_of_ranks_gives_the_bits_of_one(name):
    alone = trained(name, 4)()
    for ranks in (1, 2, 3, 4):
        for found in run_ranks(ranks, trained(name, 4)):
            assert_outcomes(alone, found)


def test_shards_that_are_no_power_of_two():
    alone = trained("crf", 7)()
    for ranks in (2, 3, 5):
        for found in run_ranks(ranks, trained("crf", 7)):
            assert_outcomes(alone, found)


def test_batches_with_fewer_rows_than_shards():
    """The last one of an epoch."""
    alone = trained("zoneout and dropout between layers", 4, batch_size=21)()
    for found in run_ranks(4, trained("zoneout and dropout between layers", 4, batch_size=21)):
        assert_outcomes(alone, found)


def test_four_shards_with_a_communicator_unless_given():
    def work(communicator):
        trainer = pyrnn.Trainer(regressor(), "mse", "adam", communicator=communicator)
        return trainer, trainer.fit(SERIES, SUMS, progress=False)

    for trainer, _ in run_ranks(2, work):
        assert "shards=4" in repr(trainer)


def test_resume_with_another_number_of_ranks(tmp_path):
    name, path = "accumulate, clip, schedule, average", tmp_path / "a.ckpt"
    whole = trained(name, 4, epochs=3)()
    run_ranks(3, trained(name, 4, epochs=1, checkpoint=path))
    run_ranks(2, trained(name, 4, epochs=2, checkpoint=path, checkpoint_every=2, resume=True))
    for found in run_ranks(4, trained(name, 4, epochs=3, checkpoint=path, resume=True)):
        assert_outcomes(whole, found)


class Loud(pyrnn.Callback):
    """Writes what a callback may write."""

    def __init__(self, seen):
        self.seen = seen

    def on_epoch_end(self, trainer):
        self.seen.append(len(trainer.history))
        trainer.optimizer.lr *= 0.5
        next(iter(trainer.model.parameters()))[0] = 0.125
        trainer.model.freeze("1.bias")
        if len(trainer.history) == 2:
            trainer.stop()

    def on_gradients(self, trainer, gradients):
        for _, parameter in gradients.named:
            parameter.grad = parameter.grad * 2


def test_rank_0_calls_back_and_all_take_over_what_callbacks_change():
    def run(communicator, seen):
        trainer, fit = TRAININGS["dense"](shards=4, communicator=communicator)
        return outcome(trainer, fit(epochs=5, callbacks=[Loud(seen)])), trainer.optimizer.lr

    calls = []
    alone, rate = run(None, [])
    for found, lr in run_ranks(3, lambda communicator: run(communicator, calls)):
        assert_outcomes(alone, found)
        assert lr == rate
    assert calls == [1, 2]


class Reads(pyrnn.Callback):
    """Looks at all gradients, and writes one."""

    def on_gradients(self, trainer, gradients):
        (name, last) = gradients.named[-1]
        assert gradients.norm > 0 and name == "1.bias"
        last.grad = last.grad + 1


def test_only_the_gradients_that_a_callback_changes_are_sent(monkeypatch):
    sent, broadcast = [], ThreadRanks.broadcast

    def keeps(communicator, data, root=0):
        found = pickle.loads(broadcast(communicator, data, root))
        sent.extend([[*found.gradients]] if isinstance(found, Changes) else [])
        return pickle.dumps(found)

    monkeypatch.setattr(ThreadRanks, "broadcast", keeps)

    def run(communicator=None):
        trainer, fit = TRAININGS["dense"](shards=4, communicator=communicator)
        return outcome(trainer, fit(epochs=1, callbacks=[Reads()]))

    alone = run()
    for found in run_ranks(2, run):
        assert_outcomes(alone, found)
    assert sent and all(names == ["1.bias"] for names in sent)


def test_early_stopping_restores_the_best_weights_everywhere(tmp_path):
    def run(communicator=None, **options):
        trainer, fit = TRAININGS["ragged ids, dropout"](shards=4, communicator=communicator)
        stop = pyrnn.EarlyStopping(patience=1)
        return outcome(trainer, fit(epochs=9, callbacks=[stop], **options))

    alone, path = run(), tmp_path / "a.ckpt"
    for found in run_ranks(2, run):
        assert_outcomes(alone, found)
    for found in run_ranks(2, lambda c: run(c, checkpoint=path)):
        assert_outcomes(alone, found)
    for found in run_ranks(3, lambda c: run(c, checkpoint=path, resume=True)):
        assert_outcomes(alone, found)


def test_only_rank_0_shows_progress(capsys):
    run_ranks(3, trained("dense", 4, progress="epochs"))
    assert capsys.readouterr().err.count("epoch 1/2") == 1


# ---- errors ----------------------------------------------------------------------------------


def errors(ranks, work):
    found = run_ranks(ranks, work)
    assert all(isinstance(error, Exception) for error in found), found
    return found


def different(**of_rank_1):
    """A fit in which rank 1 has something else."""

    def work(communicator):
        other = of_rank_1 if communicator.rank == 1 else {}
        model = other.get("model", regressor)()
        trainer = pyrnn.Trainer(
            model, "mse", other.get("optimizer", "adam"), seed=0, communicator=communicator
        )
        data = other.get("data", (SERIES, SUMS))
        return trainer.fit(*data, progress=False, **other.get("fit", {}))

    return work


class Starts(pyrnn.Callback):
    """It has something to do before the ranks are compared."""

    def on_fit_start(self, trainer):
        trainer.optimizer.lr = 0.5


CHANGED = [SUMS[0] + 1, *SUMS[1:]]


@pytest.mark.parametrize(
    "other, words",
    [
        (dict(model=lambda: regressor(pyrnn.LSTM)), "rank 1 has model 0 class = 'LSTM'"),
        (
            dict(model=lambda: regressor(dropout=0.0, zoneout=0.5)),
            "rank 1 has model 0 options zoneout",
        ),
        (dict(data=(SERIES, CHANGED)), "rank 1 has train fingerprint of samples"),
        (dict(data=(SERIES[:-1], SUMS[:-1])), "rank 1 has number of samples = 21, expected 22"),
        (dict(fit={"batch_size": 16}), "rank 1 has batch_size = 16, expected 32"),
        (dict(fit={"epochs": 3}), "rank 1 has epochs = 3, expected 1"),
        (dict(fit={"callbacks": [Starts()]}), "rank 1 has callbacks = .*Starts.*, expected .. as"),
        (dict(optimizer="sgd"), "rank 1 has optimizer class = 'SGD'"),
        (
            dict(
                model=lambda: pyrnn.Sequential(pyrnn.GRU(2, 6, seed=9), pyrnn.Linear(6, 1, seed=1))
            ),
            "rank 1 has fingerprint model.*weight_ih_l0.* give",
        ),
    ],
)
def test_a_rank_that_differs_is_named_before_the_first_step(other, words):
    for error in errors(3, different(**other)):
        assert is_agreed(error)
        with pytest.raises(ValueError, match=words):
            raise error


def test_a_version_that_differs_is_named(monkeypatch):
    monkeypatch.setattr(Loop, "_all_told", lambda loop: {"pyrnn": f"9.{loop.ranks.rank}"})
    for error in errors(2, different()):
        assert "rank 1 has pyrnn = '9.1', expected '9.0' as on rank 0" in str(error)


def test_a_bad_argument_on_every_rank_is_the_ordinary_error():
    def work(communicator):
        trainer = pyrnn.Trainer(regressor(), "mse", "adam", communicator=communicator)
        return trainer.fit(SERIES, SUMS, epochs=-1)

    for error in errors(2, work):
        assert str(error).startswith("Trainer: epochs is -1")


def test_a_bad_argument_on_one_rank_is_everyones_error():
    for error in errors(3, different(fit={"epochs": -1})):
        assert isinstance(error, ValueError) and str(error).startswith("rank 1: Trainer: epochs")


def test_a_batch_too_small_on_one_rank_is_everyones_error():
    for error in errors(3, different(fit={"batch_size": 3})):
        assert str(error).startswith("rank 1: Trainer: batch_size is 3, expected at least shards")


def test_a_result_that_cannot_be_sent_is_everyones_error():
    def work(communicator):
        found = threading.Lock() if communicator.rank == 1 else 0
        return Ranks(communicator).together(lambda: found)

    for error in errors(3, work):
        assert isinstance(error, TypeError) and "rank 1: cannot pickle" in str(error)
        assert is_agreed(error)


class Failing(pyrnn.Linear):
    """A layer that fails on one rank, forward or backward."""

    fails = None

    def vjp(self, x, **options):
        y, pullback = super().vjp(x, **options)
        if self.fails == "forward":
            raise MemoryError("no room")

        def back(dy):
            if self.fails == "backward":
                raise LookupError("lost")
            return pullback(dy)

        return y, back


@pytest.mark.parametrize(
    "when, kind, words",
    [
        ("forward", MemoryError, "rank 2: no room"),
        ("backward", LookupError, "rank 2: lost"),
    ],
)
def test_an_error_within_a_step_is_everyones(when, kind, words):
    def work(communicator):
        model = pyrnn.Sequential(pyrnn.GRU(2, 6, seed=0), Failing(6, 1, seed=1))
        if communicator.rank == 2:
            object.__setattr__(model[1], "fails", when)
        trainer = pyrnn.Trainer(model, "mse", "adam", seed=0, communicator=communicator)
        before = model.state_dict()
        try:
            trainer.fit(SERIES, SUMS, progress=False)
        except kind as error:
            assert repr(model.state_dict()) == repr(before)
            assert all(not parameter.grad.any() for parameter in model.parameters())
            return error
        return None

    for rank, error in enumerate(errors(3, work)):
        assert isinstance(error, kind) and str(error).strip("'") == words
        assert rank == 2 or "Traceback" in "".join(error.__notes__)


class Nan(pyrnn.Linear):
    """A layer with NaN on one rank, in its output or in its gradient."""

    where = None

    def vjp(self, x, **options):
        y, pullback = super().vjp(x, **options)

        def back(dy):
            return pullback(dy * np.float32(np.nan) if self.where == "gradient" else dy)

        return (y * np.float32(np.nan) if self.where == "loss" else y), back


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_nan_on_one_rank_is_named_and_nothing_is_lost(where):
    def work(communicator):
        model = pyrnn.Sequential(pyrnn.GRU(2, 6, seed=0), Nan(6, 1, seed=1))
        if communicator.rank == 1:
            object.__setattr__(model[1], "where", where)
        trainer = pyrnn.Trainer(model, "mse", "adam", seed=0, communicator=communicator)
        before = model.state_dict()
        try:
            trainer.fit(SERIES, SUMS, progress=False)
        except FloatingPointError as error:
            assert repr(model.state_dict()) == repr(before)
            return error
        return None

    found = errors(3, work)
    assert len({str(error) for error in found}) == 1 and "on rank 1" in str(found[0])
    assert all(is_agreed(error) for error in found)


def test_weights_that_are_not_finite_are_everyones_error():
    def work(communicator):
        optimizer = pyrnn.optim.SGD(1e38)
        trainer = pyrnn.Trainer(regressor(), "mse", optimizer, seed=0, communicator=communicator)
        return trainer.fit(SERIES, [100 * y for y in SUMS], progress=False)

    for error in errors(2, work):
        assert "is not finite after a step" in str(error) and is_agreed(error)


def test_an_error_in_a_callback_of_rank_0_is_everyones():
    class Fails(pyrnn.Callback):
        def on_batch_end(self, trainer, loss):
            raise OSError("disk full")

    for error in errors(2, lambda c: TRAININGS["dense"](communicator=c)[1](callbacks=[Fails()])):
        assert isinstance(error, OSError) and str(error) == "rank 0: disk full"


def test_a_checkpoint_that_cannot_be_read_is_everyones_error(tmp_path):
    path = tmp_path / "a.ckpt"
    path.write_bytes(b"no checkpoint")
    for error in errors(2, trained("dense", 4, checkpoint=path, resume=True)):
        assert isinstance(error, ValueError) and str(error).startswith("rank 0: ")


def test_fewer_shards_than_ranks():
    for error in errors(3, lambda c: TRAININGS["dense"](shards=2, communicator=c)):
        assert "shards is 2, expected at least 3, one for each rank" in str(error)


@pytest.mark.parametrize("given", [object(), 3, "MPI"])
def test_what_is_no_communicator(given):
    with pytest.raises(TypeError, match=r"communicator is .*pyrnn\.distributed\.MPI"):
        pyrnn.Trainer(regressor(), "mse", "adam", communicator=given)


def test_trainings_of_several_fits_and_other_batches():
    def work(communicator=None):
        trainer, fit = TRAININGS["dense"](shards=4, communicator=communicator)
        fit(epochs=1)
        return outcome(trainer, fit(epochs=2, batch_size=5))

    alone = work()
    for found in run_ranks(2, work):
        assert_outcomes(alone, found)
