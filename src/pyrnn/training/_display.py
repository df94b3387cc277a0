"""What a fit shows while it runs: a bar, a line for each epoch, or nothing."""

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from .._base.checks import check_flag, describe
from ._progress import Epoch

Measured = dict[str, float]  # by name
CHOICES = "expected True, False or 'epochs'"


class Display:
    """Shows nothing: the base of what shows something, on stderr."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: Any, trace: TracebackType | None) -> None:
        """The fit is over, or broken off by an error."""

    def batch(self, number: int, epoch: Epoch) -> None:
        """A batch of an epoch is done."""

    def epoch(self, number: int, epoch: Epoch, measured: Measured) -> None:
        """An epoch is done, and measured on the validation data."""


class Lines(Display):
    """One line for each epoch."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def epoch(self, number: int, epoch: Epoch, measured: Measured) -> None:
        took = [f"{epoch.seconds:.1f} s", _speed(epoch)]
        text = ", ".join([*_numbers(epoch, measured), *took])
        print(f"epoch {number}/{self._epochs}: {text}", file=sys.stderr, flush=True)


class Bar(Display):
    """One bar for the whole fit, of which `done` of `total` batches are done; a notebook's widget
    in a notebook. It shows what the last validation measured."""

    def __init__(self, epochs: int, done: int, total: int) -> None:
        from tqdm.auto import tqdm

        self._epochs, self._measured = epochs, Measured()
        self._bar = tqdm(total=total, initial=done, unit="batch", dynamic_ncols=True)

    def batch(self, number: int, epoch: Epoch) -> None:
        self._bar.set_description(f"epoch {number}/{self._epochs}", refresh=False)
        self._write(epoch)
        self._bar.update()

    def epoch(self, number: int, epoch: Epoch, measured: Measured) -> None:
        self._measured = dict(measured)
        self._write(epoch)
        self._bar.refresh()

    def _write(self, epoch: Epoch) -> None:
        texts = [*_numbers(epoch, self._measured), _speed(epoch)]
        self._bar.set_postfix_str(", ".join(texts), refresh=False)

    def __exit__(self, kind: type | None, error: Any, trace: TracebackType | None) -> None:
        if error is None:  # also where a callback stopped the fit: it is whole
            self._bar.total = self._bar.n
            self._bar.refresh()
        self._bar.close()


def _numbers(epoch: Epoch, measured: Measured) -> Iterator[str]:
    """The losses and the metrics, in words."""
    yield f"loss {epoch.loss.value:.4g}"
    for name, value in measured.items():
        yield f"{'val_loss' if name == 'loss' else name} {value:.4g}"


def _speed(epoch: Epoch) -> str:
    """Real time steps per second."""
    return f"{epoch.tokens / max(epoch.seconds, 1e-9):,.0f} steps/s"


def display(progress: bool | str, epochs: int, done: int, total: int) -> Display:
    """What `progress` asks for: a bar only where it can move, not in the middle of a log."""
    if not progress:
        return Display()
    if progress == "epochs" or not is_live():
        return Lines(epochs)
    return Bar(epochs, done, total)


def is_live() -> bool:
    """Whether stderr is a terminal, or a notebook's output, where a line can be written again."""
    if sys.stderr is None:  # as pythonw has it
        return False
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    is_terminal = getattr(sys.stderr, "isatty", bool)  # a log's redirector may only write
    return is_terminal() or hasattr(get_ipython(), "kernel")


def check_progress(value: Any) -> bool | str:
    """One of the choices; "epochs" is the only word."""
    if isinstance(value, str):
        if value != "epochs":
            raise ValueError(f"Trainer: progress is {describe(value)}, {CHOICES}")
        return value
    try:
        return check_flag("Trainer", "progress", value)
    except TypeError:
        raise TypeError(f"Trainer: progress is {describe(value)}, {CHOICES}") from None
