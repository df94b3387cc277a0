"""Promise: loggers write each epoch once, whatever happens to the training."""

import csv
import math
import re
from pathlib import Path

import pytest

import pyrnn
from training import Right, make_trainer, ragged_task

DATA = ragged_task(N=20)
GUIDE = Path(__file__).parent.parent / "docs" / "guide.md"


def fit(trainer, path, epochs, **options):
    options = {"validation": DATA, "batch_size": 8, "progress": False, **options}
    options["callbacks"] = [pyrnn.CSVLogger(path), *options.get("callbacks", ())]
    return trainer.fit(DATA, epochs=epochs, **options)


def rows(path):
    text = path.read_text()
    assert text.endswith("\n")
    return [*csv.DictReader(text.splitlines())]


def scheduled(**options):
    optimizer = pyrnn.optim.Adam(0.01)
    schedule = pyrnn.optim.Step(optimizer, 1, gamma=0.5)
    return make_trainer(optimizer=optimizer, schedule=schedule, metrics=[Right()], **options)


class FailAt(pyrnn.Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, trainer):
        if len(trainer.history) == self.epoch:
            raise KeyboardInterrupt


def test_a_line_for_each_epoch(tmp_path):
    """As soon as it has ended, with all digits."""
    path, seen = tmp_path / "log.csv", []

    class Watch(pyrnn.Callback):
        def on_epoch_end(self, trainer):
            seen.append(len(rows(path)))

    trainer = scheduled()
    history = fit(trainer, path, 3, callbacks=[Watch()])
    assert seen == [1, 2, 3]
    columns = ["epoch", "lr", "loss", "val_loss", "right", "seconds", "tokens_per_second"]
    for i, row in enumerate(rows(path)):
        assert list(row) == columns and row["epoch"] == str(i + 1)
        assert float(row["lr"]) == 0.01 * 0.5**i
        for name, value in history[i].items():
            assert float(row[name]) == value


def test_what_was_not_measured_is_empty(tmp_path):
    """And columns that come later are there for all epochs."""
    path, trainer = tmp_path / "log.csv", make_trainer(metrics=[Right()])
    fit(trainer, path, 2, validation=None)
    assert [row["val_loss"] for row in rows(path)] == ["", ""]
    assert "right" not in rows(path)[0]
    fit(trainer, path, 1)
    assert [row["right"] != "" for row in rows(path)] == [False, False, True]
    assert [row["lr"] for row in rows(path)] == ["0.01"] * 3


@pytest.mark.parametrize("torn", [False, True])
def test_a_fit_that_resumes_repeats_no_line(torn, tmp_path):
    """Killed after the line, before the checkpoint; or in the middle of writing the line."""
    path, kept = tmp_path / "log.csv", {"checkpoint": tmp_path / "checkpoint"}
    with pytest.raises(KeyboardInterrupt):
        fit(scheduled(), path, 4, callbacks=[FailAt(3)], **kept)
    assert len(rows(path)) == 3
    if torn:
        path.write_text(path.read_text()[:-9])
    history = fit(scheduled(), path, 4, resume=True, **kept)
    whole = tmp_path / "whole.csv"
    fit(scheduled(), whole, 4)
    taken = ("epoch", "lr", "loss", "val_loss", "right")
    same = [[row[name] for name in taken] for row in rows(whole)]
    assert [[row[name] for name in taken] for row in rows(path)] == same and len(history) == 4


def test_a_log_that_is_lost_is_written_anew(tmp_path):
    path, kept = tmp_path / "log.csv", {"checkpoint": tmp_path / "checkpoint"}
    fit(scheduled(), path, 2, **kept)
    path.unlink()
    history = fit(scheduled(), path, 3, resume=True, **kept)
    assert [row["epoch"] for row in rows(path)] == ["1", "2", "3"]
    assert [float(row["loss"]) for row in rows(path)] == history.loss
    assert [row["lr"] for row in rows(path)] == ["", "", "0.0025"]


def test_another_training_begins_anew(tmp_path):
    path = tmp_path / "log.csv"
    fit(make_trainer(), path, 3)
    fit(make_trainer(), path, 2)
    assert [row["epoch"] for row in rows(path)] == ["1", "2"]


def test_the_rate_is_that_of_the_last_step(tmp_path):
    """Also with a schedule that counts steps, and where the last step has fewer batches."""
    path, used = tmp_path / "log.csv", []

    class Used(pyrnn.optim.SGD):
        def step(self, parameters):
            used.append(self.lr)
            super().step(parameters)

    for accumulate in (1, 2):
        used.clear()
        optimizer = Used(0.1)
        schedule = pyrnn.optim.Lambda(optimizer, lambda count: 1 / (1 + count))
        trainer = make_trainer(optimizer=optimizer, schedule=schedule, accumulate=accumulate)
        fit(trainer, path, 2, batch_size=8)
        steps = len(used) // 2
        assert steps == (3, 2)[accumulate - 1] and used[-1] < used[0]
        assert [float(row["lr"]) for row in rows(path)] == used[steps - 1 :: steps]


def test_no_rate_comes_from_another_training(tmp_path):
    """Whose file stood there, while this one trained for some epochs without a log."""
    path = tmp_path / "log.csv"
    fit(make_trainer(optimizer=pyrnn.optim.SGD(0.1)), path, 2)
    trainer = make_trainer(optimizer=pyrnn.optim.SGD(0.5))
    trainer.fit(DATA, epochs=2, batch_size=8, progress=False)
    fit(trainer, path, 1)
    assert [row["lr"] for row in rows(path)] == ["", "", "0.5"]


def test_other_files_are_left_alone(tmp_path):
    path, trainer = tmp_path / "data.csv", make_trainer()
    path.write_text("date,price\n2024,3\n")
    with pytest.raises(ValueError, match=r"CSVLogger: path is .*data\.csv.*other columns"):
        fit(trainer, path, 1)
    assert path.read_text() == "date,price\n2024,3\n" and not len(trainer.history)
    for bad, error in ((tmp_path, IsADirectoryError), (tmp_path / "no" / "log", FileNotFoundError)):
        with pytest.raises(error):
            fit(trainer, bad, 1)
    with pytest.raises(TypeError, match="path is 3"):
        pyrnn.CSVLogger(3)


def test_names_of_metrics_are_quoted(tmp_path):
    path, metric = tmp_path / "log.csv", Right()
    metric.name = 'right, "all"'
    fit(make_trainer(metrics=[metric]), path, 2)
    fit(make_trainer(metrics=[metric]), path, 1)
    (row,) = rows(path)
    assert not math.isnan(float(row['right, "all"']))


def test_the_logger_of_the_guide():
    """It gets each number of each epoch, with a writer that keeps them."""

    class Writer:
        def __init__(self):
            self.scalars = []

        def add_scalar(self, name, value, step):
            self.scalars.append((name, value, step))

    (code,) = (
        c
        for c in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        if "TensorBoard" in c
    )
    names = {"pyrnn": pyrnn}
    exec(code[: code.index("watchers")], names)
    writer = Writer()
    history = make_trainer().fit(
        DATA, validation=DATA, epochs=2, callbacks=[names["TensorBoard"](writer)], progress=False
    )
    expected = [(n, v, i + 1) for i in range(2) for n, v in history[i].items()]
    assert writer.scalars == expected and len(expected) == 8
