"""Promise: training resumed from a checkpoint equals training that was never interrupted."""

import copy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import classifier, make_trainer, ragged_task

TESTS = Path(__file__).parent
RUN = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import numpy as np, pyrnn
from training import *

kind, last, checkpoint, result = sys.argv[1:]

class Losses(pyrnn.Callback):
    printed = 0
    def on_batch_end(self, trainer, loss):
        print(len(trainer.history), loss.hex(), flush=True)
        self.printed += 1
        if self.printed == int(last):
            sys.stdin.read()  # until the kill

if kind == "classifier":
    model, loss, task = classifier(), pyrnn.losses.CrossEntropy(), ragged_task()
    held_out, fit = ragged_task(N=9, seed=1), dict(checkpoint_every=3)
else:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 20, 2))
    model, loss, task = regressor(pyrnn.LSTM, num_layers=2, dropout=0.2), pyrnn.losses.MSE(), None
    task, held_out = (x, x.cumsum(axis=1)[..., :1]), (x[:3], x[:3, :, :1])
    fit = dict(checkpoint_every=2, tbptt=6)
optimizer = pyrnn.optim.Adam(1e-2)
trainer = pyrnn.Trainer(
    model, loss, optimizer, clip_norm=1.0, seed=0,
    accumulate=2 if kind == "classifier" else 1,
    schedule=Halving(optimizer), ema=Average(model),
)
trainer.fit(
    task, validation=held_out, epochs=4, batch_size=4, progress=False,
    checkpoint=checkpoint, resume=True,
    callbacks=[Losses(), pyrnn.EarlyStopping(patience=2)], **fit,
)
model.save(result)
print([v.hex() for v in trainer.history.loss + trainer.history.val_loss])
"""


def start(kind, folder, last):
    """A training that, having printed that many lines, waits for its end."""
    command = [sys.executable, "-c", RUN, kind, str(last)]
    command += [str(folder / "checkpoint"), str(folder / "result")]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(kind, folder):
    """All lines that a training prints, one per batch, and its final weights."""
    with start(kind, folder, last=0) as child:
        lines = child.stdout.read().splitlines()
    assert child.returncode == 0
    return lines, pyrnn.load(folder / "result").state_dict()


def kill_after(kind, folder, lines):
    """Kills a training after that many batches; the lines that it printed."""
    with start(kind, folder, last=lines) as child:
        printed = [child.stdout.readline().strip() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    return printed


@pytest.mark.parametrize(
    ("kind", "batches"), [("classifier", 15), ("tbptt", 8)], ids=["classifier", "tbptt"]
)
def test_a_killed_training_goes_on_as_if_nothing_had_been(kind, batches, tmp_path):
    """SIGKILL in mid-epoch, twice; every later loss and weight has the same bits."""
    (tmp_path / "whole").mkdir(), (tmp_path / "killed").mkdir()
    whole, weights = run(kind, tmp_path / "whole")
    first = kill_after(kind, tmp_path / "killed", lines=batches + batches // 2)
    second = kill_after(kind, tmp_path / "killed", lines=batches // 2 + 1)
    lines, resumed = run(kind, tmp_path / "killed")
    assert first == whole[: len(first)]
    begun, done = whole.index(second[0]), len(whole) - len(lines)
    assert batches < begun <= len(first) < begun + len(second) < len(whole)
    assert begun % batches and done % batches, "not resumed in mid-epoch"
    assert begun < done <= begun + len(second)
    assert second == whole[begun:][: len(second)] and lines == whole[done:]
    assert_same_bits(resumed, weights)


def interrupted_fit(trainer, data, path, after, **options):
    """A fit that an exception ends after that many batches."""

    class Interrupt(pyrnn.Callback):
        seen = 0

        def on_batch_end(self, trainer, loss):
            self.seen += 1
            if self.seen == after:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, progress=False, checkpoint=path, callbacks=[Interrupt()], **options)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("after", [6, 7, 9, 10, 12])
def test_any_batch_is_a_place_to_resume(after, every, accumulate, tmp_path):
    """After the 5 batches of the first epoch: at and between checkpoints, in the middle of
    gathered gradients; the seed, the learning rate and the weights come from the file."""
    data, path = ragged_task(N=20), tmp_path / "checkpoint"
    options = {"epochs": 3, "batch_size": 4, "checkpoint_every": every}
    whole = make_trainer(accumulate=accumulate)
    whole.fit(data, progress=False, epochs=3, batch_size=4)
    first = make_trainer(accumulate=accumulate)
    interrupted_fit(first, data, path, after, **options)
    other = pyrnn.Sequential(*(copy.deepcopy(part) for part in classifier()))
    other[0].weight[...] = 7.0
    second = pyrnn.Trainer(
        other, pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(5.0), accumulate=accumulate
    )
    second.fit(data, progress=False, checkpoint=path, resume=True, **options)
    assert second.history.loss == whole.history.loss
    assert_same_bits(second.model.state_dict(), whole.model.state_dict())
    assert second.optimizer.lr == 1e-2


def test_a_finished_training_resumes_for_more_epochs(tmp_path):
    data, path = ragged_task(N=20), tmp_path / "checkpoint"
    whole, first, again, longer = (make_trainer() for _ in range(4))
    whole.fit(data, epochs=4, progress=False)
    first.fit(data, epochs=2, progress=False, checkpoint=path)
    again.fit(data, epochs=2, progress=False, checkpoint=path, resume=True)
    assert_same_bits(again.model.state_dict(), first.model.state_dict())
    assert again.history.loss == first.history.loss
    longer.fit(data, epochs=4, progress=False, checkpoint=path, resume=True)
    assert longer.history.loss == whole.history.loss
    assert_same_bits(longer.model.state_dict(), whole.model.state_dict())


def test_an_epoch_that_was_stopped_is_finished(tmp_path):
    """stop() in mid-epoch, then the end of the process: the resumed fit finishes the epoch."""

    class Stop(pyrnn.Callback):
        def on_batch_end(self, trainer, loss):
            trainer.stop()

    data, path = ragged_task(N=20), tmp_path / "checkpoint"
    options = {"epochs": 3, "batch_size": 4, "checkpoint_every": 1, "progress": False}
    whole = make_trainer()
    whole.fit(data, checkpoint=tmp_path / "whole", callbacks=[Stop()], **options)

    class StopAndEnd(Stop):
        seen = 0

        def on_batch_end(self, trainer, loss):
            super().on_batch_end(trainer, loss)
            self.seen += 1
            if self.seen == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_trainer().fit(data, checkpoint=path, callbacks=[StopAndEnd()], **options)
    resumed = make_trainer()

    class Same(Stop):
        pass

    Same.__name__ = "StopAndEnd"
    resumed.fit(data, checkpoint=path, callbacks=[Same()], resume=True, **options)
    assert resumed.history.loss == whole.history.loss and len(whole.history.loss) == 1
    assert_same_bits(resumed.model.state_dict(), whole.model.state_dict())


@pytest.mark.parametrize(
    "state", [{"a": np.ones(2, np.int32)}, {"a/b": np.ones(2), "a": {"b": np.ones(2)}}]
)
def test_a_state_that_could_not_be_read_again_is_refused(state, tmp_path):
    class Keeps(pyrnn.Callback):
        def state_dict(self):
            return state

        def load_state_dict(self, state):
            pass

    with pytest.raises(TypeError, match=r"a/b|int32"):
        make_trainer().fit(
            ragged_task(N=8), progress=False, checkpoint=tmp_path / "c", callbacks=[Keeps()]
        )
    assert not (tmp_path / "c").exists()
