"""CSVLogger: the numbers of each epoch as a line of a file."""

import io
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from .._base.atomic_write import atomic_write, check_target
from .._base.checks import check_path
from ._callbacks import Callback

FIRST = ["epoch", "lr", "loss", "val_loss"]  # the columns that every such file begins with


class CSVLogger(Callback):
    """Writes the history to a CSV file, one line after each epoch.

    The columns are epoch (from 1), lr (the learning rate of the epoch's last step, that of the
    parameters in no group), loss, val_loss, the metrics, seconds and tokens_per_second; what was
    not measured is empty. A line is appended whole. The first epoch of a fit writes the file anew
    from the history: a fit that resumes neither repeats a line nor loses one, and a file of another
    training is replaced. Any other existing file is left alone: ValueError at the start of a fit.
    OSError for a path that cannot be written to.

    For other loggers, subclass `Callback`; the guide has one for TensorBoard.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> trainer = pyrnn.Trainer(pyrnn.Linear(1, 1, seed=0), "mse", pyrnn.optim.SGD(0.1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = pyrnn.CSVLogger(f"{folder}/log.csv")
    ...     history = trainer.fit(x, 2 * x, epochs=2, callbacks=[log], progress=False)
    ...     lines = pathlib.Path(log.path).read_text().splitlines()
    >>> lines[0]
    'epoch,lr,loss,val_loss,seconds,tokens_per_second'
    >>> lines[2].startswith(f"2,0.1,{history.loss[1]},,")
    True
    """

    def __init__(self, path: Any) -> None:
        self.path = check_path("CSVLogger", path)
        self._begin()

    def _begin(self) -> None:
        """No line of this fit is written yet."""
        self._columns: list[str] = []
        self._lr = math.nan

    def on_fit_start(self, trainer: Any) -> None:
        check_target(self.path)
        self._read()
        self._begin()

    def on_gradients(self, trainer: Any, gradients: Any) -> None:
        self._lr = trainer.optimizer.lr  # once the step is done, it is the next one's

    def on_epoch_end(self, trainer: Any) -> None:
        history, last = trainer.history, len(trainer.history)
        row = self._row(last, self._lr, history[-1])
        if list(row) == self._columns:
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                file.write(_line(row.values()))
            return
        rates = self._read()
        rows = [
            self._row(i, rates.get((i, loss), math.nan), history[i - 1])
            for i, loss in enumerate(history.loss[:-1], 1)
        ]
        lines = [_line(row), *(_line(each.values()) for each in [*rows, row])]
        atomic_write(self.path, "".join(lines).encode())
        self._columns = list(row)

    @staticmethod
    def _row(epoch: int, lr: float, numbers: dict[str, float]) -> dict[str, Any]:
        return {"epoch": epoch, "lr": lr, **numbers}

    def _read(self) -> dict[tuple[int, float], float]:
        """The learning rates in the file, which the history does not have, by epoch and loss: an
        epoch of another training has another loss."""
        if not os.path.exists(self.path) or not os.path.getsize(self.path):
            return {}
        from csv import reader

        with open(self.path, newline="", encoding="utf-8", errors="replace") as file:
            head = file.readline().split(",")[: len(FIRST)]
            rows = [*reader(file)] if head == FIRST else []
        if head != FIRST:
            raise ValueError(
                f"CSVLogger: path is {self.path!r}, a file that begins with other columns than "
                f"{', '.join(FIRST)}: expected a new file, or one that a CSVLogger wrote"
            )
        rates = {}
        for row in rows:
            with suppress(ValueError):  # of a line that a crash has cut, or that has no rate
                epoch, lr, loss, *_ = row
                rates[int(epoch), float(loss)] = float(lr)
        return rates


def _line(values: Iterable[Any]) -> str:
    """A line of the file: numbers with all their digits, nothing for NaN."""
    from csv import writer

    text = io.StringIO()
    writer(text, lineterminator="\n").writerow(["" if v != v else v for v in values])
    return text.getvalue()
