"""Promise: callbacks see training at its turns; one that raises does no harm; the best is kept."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import Average, Right, classifier, make_trainer, ragged_task

EVENTS = ("on_fit_start", "on_epoch_start", "on_batch_end", "on_epoch_end", "on_fit_end")
DATA = ragged_task(N=20)


class Recorder(pyrnn.Callback):
    """Writes down every call, with the batch losses."""

    def __init__(self):
        self.calls, self.losses = [], []

    def on_fit_start(self, trainer):
        self.calls.append("fit")

    def on_epoch_start(self, trainer):
        self.calls.append("epoch")

    def on_batch_end(self, trainer, loss):
        self.calls.append("b")
        self.losses.append(loss)

    def on_epoch_end(self, trainer):
        self.calls.append(f"end {len(trainer.history)}")

    def on_fit_end(self, trainer):
        self.calls.append("done")


def test_the_order_of_calls():
    trainer, recorder = make_trainer(), Recorder()
    history = trainer.fit(
        DATA, epochs=2, batch_size=8, progress=False, callbacks=[recorder], bucket=False
    )
    epoch = ["epoch", "b", "b", "b", "end {}"]
    expected = ["fit", *epoch, *epoch, "done"]
    expected[5], expected[10] = "end 1", "end 2"
    assert recorder.calls == expected
    for k, loss in enumerate(history.loss):
        assert loss == pytest.approx(np.average(recorder.losses[3 * k :][:3], weights=[8, 8, 4]))


@pytest.mark.parametrize("event", EVENTS)
def test_a_callback_that_raises(event, tmp_path):
    """It says who raised; model, history and checkpoint stand; the next fit works."""
    path, armed = tmp_path / "checkpoint", []

    def fail(self, trainer, *args):
        if armed:
            raise RuntimeError("my own mistake")

    callback = type("Mine", (pyrnn.Callback,), {event: fail})()
    trainer = make_trainer()
    options = {"batch_size": 8, "progress": False, "checkpoint": path}
    trainer.fit(DATA, callbacks=[callback], **options)
    before, weights = path.read_bytes(), trainer.model.state_dict()
    armed.append(True)
    with pytest.raises(RuntimeError, match="my own mistake") as raised:
        trainer.fit(DATA, callbacks=[callback], **options)
    assert f"Mine.{event}" in raised.value.__notes__[0]
    assert (path.read_bytes() == before) == (event != "on_fit_end")
    if event in ("on_fit_start", "on_epoch_start"):
        assert_same_bits(trainer.model.state_dict(), weights)
    assert len(trainer.history) == (2 if event in ("on_epoch_end", "on_fit_end") else 1)
    resumed = make_trainer()
    resumed.fit(DATA, resume=True, epochs=2, **options)
    whole = make_trainer()
    whole.fit(DATA, epochs=2, batch_size=8, progress=False)
    if event != "on_fit_end":
        assert_same_bits(resumed.model.state_dict(), whole.model.state_dict())
    trainer.fit(DATA, progress=False)


def test_stop_ends_after_the_epoch():
    class Stop(pyrnn.Callback):
        def on_batch_end(self, trainer, loss):
            if len(trainer.history) == 1:
                trainer.stop()

    trainer, recorder = make_trainer(), Recorder()
    callbacks = [Stop(), recorder]
    trainer.fit(DATA, epochs=9, batch_size=8, progress=False, callbacks=callbacks)
    assert len(trainer.history) == 2 and recorder.calls[-2:] == ["end 2", "done"]
    trainer.fit(DATA, epochs=1, progress=False)
    assert len(trainer.history) == 3


class Scripted(pyrnn.Callback):
    """Puts a given validation loss into the history, and keeps each epoch's weights."""

    def __init__(self, values):
        self.values, self.weights = values, []

    def on_epoch_end(self, trainer):
        trainer.history.val_loss[-1] = self.values[len(trainer.history) - 1]
        with trainer.averaged_weights():
            self.weights.append(trainer.model.state_dict())


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize(
    ("options", "values", "epochs", "best"),
    [
        ({}, [3, 2, 1, 1.5, 1, 2, 0], 5, 3),
        ({"patience": 3}, [3, 2, 1, 1.5, 1, 0, 0], 7, 6),
        ({"min_delta": 0.5}, [3, 2, 1.8, 1.6, 0, 0, 0], 4, 2),
        ({"mode": "max"}, [3, 4, np.nan, 5, 4, 4, 9], 6, 4),
        ({"patience": 9}, [3, 2, 1, 4, 5, 6, 7], 7, 3),
        pytest.param(
            *({}, [np.nan, np.nan, 1, 2, 3, 4, 5], 2, 0),
            marks=pytest.mark.filterwarnings("ignore:EarlyStopping. monitor 'val_loss' is NaN"),
        ),
    ],
)
def test_early_stopping(options, values, epochs, best, averaged):
    """Where it stops, and the weights of the best epoch at the end."""
    model = classifier()
    trainer = make_trainer(model, ema=Average(model) if averaged else None)
    script, stopping = Scripted(values), pyrnn.EarlyStopping(**{"patience": 2, **options})
    trainer.fit(DATA, validation=DATA, epochs=7, progress=False, callbacks=[script, stopping])
    assert len(trainer.history) == epochs and stopping.best_epoch == best
    if best:
        assert stopping.best_value == values[best - 1]
        assert_same_bits(model.state_dict(), script.weights[best - 1])
    elif not averaged:
        assert_same_bits(model.state_dict(), script.weights[-1])


def test_early_stopping_without_restoring():
    trainer, script = make_trainer(), Scripted([1, 2, 3, 4])
    stopping = pyrnn.EarlyStopping(patience=2, restore_best=False)
    trainer.fit(DATA, validation=DATA, epochs=4, progress=False, callbacks=[script, stopping])
    assert_same_bits(trainer.model.state_dict(), script.weights[-1])


def test_early_stopping_begins_anew_with_each_fit():
    trainer, stopping = make_trainer(), pyrnn.EarlyStopping(patience=2)
    values = [1, 2, 3, 9, 8, 9, 9]
    for epochs, best in ((3, 1), (7, 5)):
        callbacks = [Scripted(values), stopping]
        trainer.fit(DATA, validation=DATA, epochs=9, progress=False, callbacks=callbacks)
        assert len(trainer.history) == epochs and stopping.best_epoch == best


def test_early_stopping_is_measured_and_restored_for_real():
    """Few samples are learnt by heart: the validation loss turns, and the best model comes back."""
    held_out = ragged_task(N=40, seed=1)
    trainer = make_trainer(
        classifier(dropout=0.0), optimizer=pyrnn.optim.Adam(0.05), metrics=[Right()]
    )
    stopping = pyrnn.EarlyStopping(patience=4)
    data = DATA[0], np.arange(20) % 4  # nothing to be learnt but by heart
    history = trainer.fit(
        data, validation=held_out, epochs=100, progress=False, callbacks=[stopping]
    )
    assert len(history) == stopping.best_epoch + 4 < 100
    assert min(history.val_loss) == stopping.best_value
    measured = trainer.evaluate(held_out)
    assert measured["loss"] == stopping.best_value
    assert measured["right"] == history.metrics["right"][stopping.best_epoch - 1]


@pytest.mark.parametrize("after", [2, 3, 4])
def test_early_stopping_resumes(after, tmp_path):
    """The best weights and the epochs waited come from the checkpoint."""
    path, values = tmp_path / "checkpoint", [3, 1, 2, 2, 2, 0]

    def fit(trainer, epochs, **options):
        callbacks = [Scripted(values), pyrnn.EarlyStopping(patience=3)]
        trainer.fit(
            DATA, validation=DATA, epochs=epochs, progress=False, callbacks=callbacks, **options
        )
        return trainer.history.loss, callbacks[1].best_epoch

    whole, first, second = (make_trainer() for _ in range(3))
    expected = fit(whole, 6)
    fit(first, after, checkpoint=path)
    assert fit(second, 6, checkpoint=path, resume=True) == expected
    assert expected[1] == 2 and len(expected[0]) == 5
    assert_same_bits(second.model.state_dict(), whole.model.state_dict())
    assert fit(make_trainer(), 6, checkpoint=path, resume=True) == expected


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_the_best_weights_can_be_had(error):
    """The model keeps the weights of the last step, as after any error."""

    class Interrupted(pyrnn.Callback):
        seen: list = []  # noqa: RUF012

        def on_epoch_end(self, trainer):
            self.seen.append(trainer.model.state_dict())
            if len(self.seen) == 3:
                raise error("now")

    watch, stopping, trainer = Interrupted(), pyrnn.EarlyStopping(patience=5), make_trainer()
    watch.seen = []
    callbacks = [Scripted([2, 1, 3, 4]), stopping, watch]
    with pytest.raises(error):
        trainer.fit(DATA, validation=DATA, epochs=4, progress=False, callbacks=callbacks)
    assert_same_bits(trainer.model.state_dict(), watch.seen[2])
    assert_same_bits(stopping.state_dict()["weights"], watch.seen[stopping.best_epoch - 1])
    assert stopping.best_epoch == 2


@pytest.mark.parametrize("make", [pyrnn.EarlyStopping, pyrnn.History])
def test_states_that_are_none(make):
    """TypeError or ValueError that names what is wrong."""
    whole = make().state_dict()
    for bad in (None, [], {}, *({k: v for k, v in whole.items() if k != key} for key in whole)):
        lacking = "lacks" if isinstance(bad, dict) else "expected a dict"
        with pytest.raises((TypeError, ValueError), match=f"{make.__name__}: state .*{lacking}"):
            make().load_state_dict(bad)
    for key in whole:
        with pytest.raises((TypeError, ValueError), match=f"{make.__name__}: {key}"):
            make().load_state_dict(whole | {key: "x"})
    with pytest.raises(ValueError, match=f"{make.__name__}: state has 'more'"):
        make().load_state_dict(whole | {"more": 1})


def test_bad_callbacks():
    for callbacks in ([Recorder], ["x"], [print]):
        with pytest.raises(TypeError, match="callbacks"):
            make_trainer().fit(DATA, progress=False, callbacks=callbacks)
    for options, error in (
        ({"patience": 0}, ValueError),
        ({"min_delta": -1}, ValueError),
        ({"mode": "up"}, ValueError),
        ({"restore_best": 1}, TypeError),
        ({"monitor": 3}, TypeError),
    ):
        with pytest.raises(error, match=next(iter(options))):
            pyrnn.EarlyStopping(**options)
    for monitor, held_out in (("val_loss", None), ("right", DATA), ("seconds", DATA)):
        trainer = make_trainer()
        with pytest.raises(ValueError, match=monitor):
            trainer.fit(DATA, validation=held_out, callbacks=[pyrnn.EarlyStopping(monitor)])
        assert not trainer.history.loss


def test_no_fit_while_another_reads_its_data():
    """In another thread, from the first moment on."""
    trainer, refused = make_trainer(), []

    def no_callbacks():
        with ThreadPoolExecutor(1) as other:
            refused.append(other.submit(trainer.fit, DATA, progress=False).exception())
        yield from ()

    trainer.fit(DATA, callbacks=no_callbacks(), progress=False)
    assert isinstance(refused[0], RuntimeError) and len(trainer.history) == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copy_from_within_a_fit_can_be_fitted(copied):
    class Copy(pyrnn.Callback):
        def on_epoch_end(self, trainer):
            self.made = copied(trainer)
            self.made.fit(DATA, epochs=2, progress=False)

    trainer, kept = make_trainer(), Copy()
    trainer.fit(DATA, callbacks=[kept], progress=False)
    kept.made.fit(DATA, progress=False)
    assert len(kept.made.history) == 4 and len(trainer.history) == 1


def test_no_fit_within_a_fit():
    """Another Trainer may fit, and this one may be asked; the fit that was refused did no harm."""

    class Nested(pyrnn.Callback):
        def on_epoch_end(self, trainer):
            other.fit(DATA, progress=False)
            self.measured = trainer.evaluate(DATA)
            trainer.fit(DATA, progress=False)

    trainer, other, nested = make_trainer(), make_trainer(), Nested()
    with pytest.raises(RuntimeError, match="fit was called during a fit of the same Trainer"):
        trainer.fit(DATA, epochs=2, progress=False, callbacks=[nested])
    assert len(trainer.history) == len(other.history) == 1 and "loss" in nested.measured
    trainer.fit(DATA, progress=False)
    assert len(trainer.history) == 2
