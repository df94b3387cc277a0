"""The training loop: epochs, batches, validation, checkpoints."""

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._base.checks import Array
from .._base.freezing import frozen_names
from .._base.samples import Samples
from ._arguments import check_trained
from ._callbacks import Callback, call
from ._checkpoint import Parts, read_checkpoint, write_checkpoint
from ._data import BATCHES
from ._description import (
    Options,
    describe,
    describe_module,
    describe_optimizer,
    describe_samples,
)
from ._display import Display, display
from ._epoch_order import batches_per_epoch, epoch_batches
from ._gradients import Gradients
from ._history import History
from ._measures import train_name
from ._objective import Mean, Objective
from ._progress import Progress
from ._updates import Updates


class Plan(NamedTuple):
    """What a fit does; all checked."""

    train: Samples
    held_out: Samples | None
    epochs: int
    batch_size: int
    shuffle: bool
    drop_last: bool
    bucket: bool
    train_metrics: bool
    tbptt: int | None
    progress: bool | str
    callbacks: tuple[Callback, ...]
    checkpoint: str | None
    checkpoint_every: int | None


@dataclass
class Loop:
    """A fit in progress. `parts` is all that a checkpoint keeps; `trainer` is for callbacks."""

    plan: Plan
    objective: Objective
    updates: Updates
    history: History
    progress: Progress
    parts: Parts
    trainer: Any

    def __post_init__(self) -> None:
        plan = self.plan
        self.progress.batches_per_epoch = batches_per_epoch(
            len(plan.train), plan.batch_size, plan.drop_last
        )
        self.description = {} if plan.checkpoint is None else self._describe()

    @property
    def settings(self) -> Options:
        """What a resumed fit must have in common with the one that it continues."""
        plan = self.plan
        settings = {
            "batch_size": plan.batch_size,
            "shuffle": plan.shuffle,
            "drop_last": plan.drop_last,
            "bucket": plan.bucket,
            "tbptt": plan.tbptt,
            "accumulate": self.updates.accumulate,
            "number of samples": len(plan.train),
            "number of time steps": plan.train.total_steps,
        }
        return self._options(settings)

    def resume(self) -> None:
        """Returns to the state of the checkpoint, if there is one."""
        if self.plan.checkpoint is not None and os.path.exists(self.plan.checkpoint):
            read_checkpoint(
                self.plan.checkpoint, self.parts, self.settings, self.description, check_together
            )

    def run(self) -> None:
        """Trains to the end of the last epoch, or of one in which the fit was stopped."""
        progress, size = self.progress, self.progress.batches_per_epoch
        last = progress.first_epoch + self.plan.epochs
        done = (len(self.history) - progress.first_epoch) * size + progress.epoch.batches
        with display(self.plan.progress, last, done, self.plan.epochs * size) as shown:
            # An epoch that was stopped in its middle is finished, also by the fit that resumes it.
            while len(self.history) < last and (progress.epoch.batches or not progress.stopped):
                self._run_epoch(shown)
        self._call("on_fit_end")

    def _run_epoch(self, shown: Display) -> None:
        """One pass over the training data, or the rest of it; then validation and records."""
        batches, epoch, number = self._batches(), self.progress.epoch, len(self.history) + 1
        self._call("on_epoch_start")
        check_trained(self.updates.model)
        start = time.perf_counter() - epoch.seconds
        for rows in batches[epoch.batches :]:
            loss = self._train_batch(rows)
            epoch.batches += 1
            epoch.seconds = time.perf_counter() - start
            shown.batch(number, epoch)
            self._call("on_batch_end", loss)
            self._write_within_epoch(len(batches))
        self.updates.step(self._watch)
        self.updates.check_weights()
        epoch.seconds = time.perf_counter() - start
        measured = self._validate()
        shown.epoch(number, epoch, measured)
        self._finish_epoch(measured)

    def _batches(self) -> list[Array]:
        """The rows of each batch of the epoch."""
        plan, train = self.plan, self.plan.train
        return epoch_batches(
            self.progress.generator,
            len(train),
            train.lengths,
            plan.batch_size,
            plan.shuffle,
            plan.bucket,
            plan.drop_last,
        )

    def _train_batch(self, rows: Array) -> float:
        """One batch, whole or, with tbptt, piece by piece with the state carried on; its loss."""
        epoch, mean, state = self.progress.epoch, Mean(), None
        for piece, batch in enumerate(self.plan.train.pieces(rows, self.plan.tbptt)):
            result = self.objective.forward(self.plan.train, batch, state)
            if not math.isfinite(result.loss):
                reached = "batch" if piece == 0 else f"piece, number {piece + 1} of its batch"
                raise FloatingPointError(
                    f"Trainer: the loss is {result.loss} in epoch {len(self.history) + 1}; the "
                    f"parameters are those before this {reached} (try a smaller learning rate, or "
                    "clip_norm)"
                )
            self.updates.add(result, self._watch)
            mean.add(result.loss, result.weight)
            epoch.loss.add(result.loss, result.weight)
            epoch.tokens += batch.steps
            state = result.state
        return mean.value

    def _validate(self) -> dict[str, float]:
        """The loss and the metrics on the held-out data, if there are such, and the metrics on the
        training data, if they are asked for."""
        plan, found = self.plan, dict[str, float]()
        how = plan.batch_size, plan.tbptt
        with self.updates.averaged_weights():
            if plan.held_out is not None:
                found |= self.objective.evaluate(plan.held_out, *how)
            if plan.train_metrics:
                measured = self.objective.evaluate(plan.train, *how)
                found |= {
                    train_name(metric): measured[metric.name] for metric in self.objective.metrics
                }
        return found

    def _finish_epoch(self, measured: dict[str, float]) -> None:
        """Records the epoch, steps the schedules, calls back, writes the checkpoint."""
        epoch = self.progress.epoch
        val_loss = measured.pop("loss", math.nan)
        self.history.append(epoch.loss.value, val_loss, epoch.seconds, epoch.tokens, measured)
        self.progress.finish_epoch()
        for schedule in self.updates.schedules:
            if schedule.per == "epoch":
                schedule.step(epoch.loss.value if self.plan.held_out is None else val_loss)
        self._call("on_epoch_end")
        self._write()

    def _write_within_epoch(self, count: int) -> None:
        """A checkpoint after every `checkpoint_every` batches but the last: the epoch's follows."""
        every, done = self.plan.checkpoint_every, self.progress.epoch.batches
        if every is not None and done % every == 0 and done < count:
            self._write()

    def _write(self) -> None:
        if self.plan.checkpoint is not None:
            write_checkpoint(self.plan.checkpoint, self.parts, self.settings, self.description)

    def _options(self, values: dict[str, Any]) -> Options:
        """Options of this training, those of the Trainer and of its fit among them."""
        options = Options(values, type(self.trainer).__init__, type(self.trainer).fit)
        options.defaults |= BATCHES
        return options

    def _describe(self) -> Options:
        """What is trained, how and on what, as it is when the fit begins."""
        updates = self.updates
        description = {
            "model": describe_module(self.objective.model),
            "frozen": frozen_names(updates.model.named_parameters()) or None,  # as in older ones
            "loss": describe(self.objective.loss),
            "optimizer": describe_optimizer(updates.optimizer, updates.model),
            "schedules": [describe(schedule) for schedule in updates.schedules],
            "ema": None if updates.ema is None else describe(updates.ema),
            "clip_norm": updates.clip_norm,
            "clip_value": updates.clip_value,
            "train": describe_samples(self.plan.train),
            "validation": describe_samples(self.plan.held_out),
        }
        return self._options(description)

    def _watch(self, gradients: Gradients) -> None:
        self._call("on_gradients", gradients)

    def _call(self, name: str, *args: Any) -> None:
        call(self.plan.callbacks, name, self.trainer, *args)


def check_together(states: Mapping[str, Any]) -> None:
    """ValueError for a fit that would have begun after epochs that are not in the history."""
    first, known = states["progress"]["first_epoch"], len(states["history"]["loss"])
    if first > known:
        raise ValueError(f"Progress: first_epoch is {first}, expected at most {known} epochs")
