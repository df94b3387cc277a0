"""Progress: how far a training has come."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .._base.checks import MAX_INT64, MAX_SIZE, check_flag, check_mapping, check_size
from ._checkpoint import check_finite_number
from ._description import first_difference
from ._objective import Mean


@dataclass
class Epoch:
    """What was done of the current epoch."""

    batches: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: Mean = field(default_factory=Mean)


class Progress:
    """How far a fit has come: the epoch, what was done of it, and the generator of its order.

    A resumed fit puts the generator back to its state at the start of the epoch, draws the
    same order again and skips the batches that were done.
    """

    def __init__(self, generator: "np.random.Generator", first_epoch: int) -> None:
        self.generator = generator
        self.first_epoch = first_epoch  # the number of epochs in the history before this fit
        self.epoch = Epoch()
        self.stopped = False
        self.batches_per_epoch = MAX_SIZE  # of the fit, once it is known
        self._epoch_began = dict(generator.bit_generator.state)

    def finish_epoch(self) -> None:
        """The next epoch begins."""
        self.epoch = Epoch()
        self._epoch_began = dict(self.generator.bit_generator.state)

    def state_dict(self) -> dict[str, Any]:
        """All of it; the generator as it was when the epoch began."""
        state = {"first_epoch": self.first_epoch, "stopped": self.stopped}
        return {**state, "epoch": asdict(self.epoch), "generator": self._epoch_began}

    def read_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What `state_dict` returned, checked."""
        owner = "Progress"
        state = check_mapping(owner, "state", state, self.state_dict())
        epoch = check_mapping(owner, "epoch", state["epoch"], asdict(Epoch()))
        loss = check_mapping(owner, "loss", epoch["loss"], asdict(Mean()))
        most = self.batches_per_epoch
        return {
            "first_epoch": check_size(owner, "first_epoch", state["first_epoch"], minimum=0),
            "stopped": check_flag(owner, "stopped", state["stopped"]),
            "epoch": Epoch(
                batches=check_size(owner, "batches", epoch["batches"], minimum=0, maximum=most),
                tokens=check_size(owner, "tokens", epoch["tokens"], minimum=0, maximum=MAX_INT64),
                seconds=check_finite_number(owner, "seconds", epoch["seconds"]),
                loss=Mean(
                    check_finite_number(owner, "total", loss["total"], least=-math.inf),
                    check_finite_number(owner, "weight", loss["weight"]),
                ),
            ),
            "generator": _checked_state(self.generator, state["generator"]),
        }

    def take_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `read_state` returned."""
        self._epoch_began = state["generator"]
        self.generator.bit_generator.state = self._epoch_began
        self.epoch, self.stopped = state["epoch"], state["stopped"]
        self.first_epoch = state["first_epoch"]


def _checked_state(generator: "np.random.Generator", state: Any) -> dict[str, Any]:
    """The state of a generator of the same kind; ValueError if one would read it otherwise."""
    probe = type(generator.bit_generator)(0)
    probe.state = state
    taken = dict(probe.state)
    if first_difference(state, taken):
        raise ValueError(f"Progress: generator is {state!r:.60}, expected the state of one")
    return taken
