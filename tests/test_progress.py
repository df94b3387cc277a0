"""Promise: a fit shows a bar where it can move, and plain lines in a log."""

import io
import subprocess
import sys
import types

import pytest

import pyrnn
from pyrnn.training._display import is_live
from training import Right, make_trainer, ragged_task

DATA = ragged_task(N=20)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, trainer=None, epochs=3, **options):
    """What a fit writes to stderr."""
    monkeypatch.setattr(sys, "stderr", stream)
    options = {"batch_size": 8, "epochs": epochs, **options}
    (trainer or make_trainer(metrics=[Right()])).fit(DATA, validation=DATA, **options)
    return stream.getvalue()


class StopAfter(pyrnn.Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, trainer):
        if len(trainer.history) == self.epochs:
            trainer.stop()


def test_a_log_has_one_line_per_epoch(monkeypatch, capfd):
    trainer = make_trainer(metrics=[Right()])
    text = shown(monkeypatch, io.StringIO(), trainer)
    lines = text.splitlines()
    assert "\r" not in text and text.endswith("\n") and len(lines) == 3
    for epoch, line in enumerate(lines, 1):
        losses = trainer.history.loss[epoch - 1], trainer.history.val_loss[epoch - 1]
        right = trainer.history.metrics["right"][epoch - 1]
        begin = (
            f"epoch {epoch}/3: loss {losses[0]:.4g}, val_loss {losses[1]:.4g}, right {right:.4g}"
        )
        assert line.startswith(begin) and line.endswith(" steps/s")
    more = shown(monkeypatch, io.StringIO(), trainer, epochs=1).splitlines()
    assert [line.partition(":")[0] for line in more] == ["epoch 4/4"]
    assert capfd.readouterr().out == ""  # stdout is the program's own


def test_a_terminal_has_one_bar_per_fit(monkeypatch):
    text = shown(monkeypatch, Terminal())
    assert text.count("\n") == 1 and text.endswith("\n") and text.count("\r") > 1
    last = text.strip().split("\r")[-1]
    assert last.startswith("epoch 3/3: 100%") and "9/9" in last and "right" in last


def test_a_fit_that_is_stopped_ends_its_bar(monkeypatch):
    text = shown(monkeypatch, Terminal(), callbacks=[StopAfter(2)], epochs=9)
    assert text.strip().split("\r")[-1].startswith("epoch 2/9: 100%")


def test_a_fit_that_resumes_begins_where_it_was(monkeypatch, tmp_path):
    kept = {"batch_size": 8, "checkpoint": tmp_path / "checkpoint"}
    make_trainer().fit(DATA, validation=DATA, epochs=2, progress=False, **kept)
    kept |= {"epochs": 3, "resume": True}
    text = shown(monkeypatch, Terminal(), make_trainer(), **kept)
    assert "6/9" in text and text.strip().split("\r")[-1].startswith("epoch 3/3: 100%")


def test_a_redirector_can_only_write(monkeypatch):
    """As logging puts one into the place of stderr."""
    written = io.StringIO()
    stream = types.SimpleNamespace(
        write=written.write, flush=written.flush, getvalue=written.getvalue
    )
    assert len(shown(monkeypatch, stream).splitlines()) == 3


def test_words(monkeypatch):
    assert shown(monkeypatch, io.StringIO(), progress=False) == ""
    assert shown(monkeypatch, Terminal(), progress=False) == ""
    assert shown(monkeypatch, Terminal(), progress="epochs").count("\n") == 3
    for wrong, error in (("epoch", ValueError), (1, TypeError), (None, TypeError)):
        with pytest.raises(error, match=r"progress is .*, expected True, False or 'epochs'"):
            make_trainer().fit(DATA, progress=wrong)


def test_what_is_live(monkeypatch):
    """A terminal, or a notebook's kernel, whose stderr is none."""
    for stream, live in ((Terminal(), True), (io.StringIO(), False), (None, False)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert is_live() == live
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    for shell, live in ((types.SimpleNamespace(kernel=1), True), (object(), False), (None, False)):
        module = types.SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert is_live() == live


def test_tqdm_is_loaded_for_bars_alone():
    code = """
import sys, numpy as np, pyrnn
trainer = pyrnn.Trainer(pyrnn.Linear(1, 1), pyrnn.losses.MSE(), pyrnn.optim.SGD(0.1))
x = np.ones((4, 1), np.float32)
trainer.fit((x, x), progress="epochs")
trainer.fit((x, x))
print("tqdm" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n" and done.stderr.count("epoch ") == 2
