"""Progress: where a training stands."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .._base.checks import check_size
from ._objective import Mean


@dataclass
class Epoch:
    """What was done of the current epoch."""

    batches: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: Mean = field(default_factory=Mean)


class Progress:
    """Where a fit stands: the epoch, what was done of it, and the generator of its order.

    A resumed fit puts the generator back to where the epoch began, draws the same order again and
    skips the batches that were done.
    """

    def __init__(self, generator: "np.random.Generator", first_epoch: int) -> None:
        self.generator = generator
        self.first_epoch = first_epoch  # the number of epochs in the history before this fit
        self.epoch = Epoch()
        self.stopped = False
        self._epoch_began = generator.bit_generator.state

    def finish_epoch(self) -> None:
        """The next epoch begins."""
        self.epoch = Epoch()
        self._epoch_began = self.generator.bit_generator.state

    def state_dict(self) -> dict[str, Any]:
        """All of it; the generator as it was when the epoch began."""
        state = {"first_epoch": self.first_epoch, "stopped": self.stopped}
        return {**state, "epoch": asdict(self.epoch), "generator": self._epoch_began}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned; ValueError if a number is out of range."""
        epoch = dict(state["epoch"])
        check_size("Progress", "batches", epoch["batches"], minimum=0)
        self.generator.bit_generator.state = state["generator"]
        self.epoch = Epoch(**{**epoch, "loss": Mean(**epoch["loss"])})
        self.first_epoch = check_size("Progress", "first_epoch", state["first_epoch"], minimum=0)
        self.stopped, self._epoch_began = bool(state["stopped"]), state["generator"]
