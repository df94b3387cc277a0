"""The training loop: epochs, batches, validation, checkpoints."""

import math
import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from .._base.checks import Array
from .._base.freezing import frozen_names
from .._base.runtime import kernels_in_use
from ._agreement import check_alike, digests
from ._arguments import check_trained
from ._checkpoint import Parts, load_states, read_checkpoint, states_of, write_checkpoint
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
from ._plan import Plan
from ._progress import Progress
from ._rank_callbacks import call_on_first
from ._ranks import Ranks
from ._shards import CutBatch, Shards
from ._updates import Updates


@dataclass
class Loop:
    """A fit in progress. `parts` is all that a checkpoint keeps; `trainer` is for callbacks."""

    plan: Plan
    objective: Objective
    shards: Shards
    ranks: Ranks
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
        several = self.ranks.size > 1
        self.description: dict[str, Any] = {}
        if several or plan.checkpoint is not None:
            self.description = self.ranks.each(self._describe)
        if several:
            check_alike(self.ranks, self._all_told())

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
            "shards": self.shards.count,
            "number of samples": len(plan.train),
            "number of time steps": plan.train.total_steps,
        }
        return self._options(settings)

    def resume(self) -> None:
        """Returns to the state of the checkpoint, if there is one: rank 0 reads it for all."""
        states = self.ranks.from_first(self._read)
        if states is not None and not self.ranks.is_first:
            parts = {name: part for name, part in self.parts.items() if name in states}
            load_states(parts, states, check_together)

    def _read(self) -> dict[str, Any] | None:
        """Reads the checkpoint; what other ranks take over of it. None if there is none."""
        path = self.plan.checkpoint
        if path is None or not os.path.exists(path):
            return None
        read_checkpoint(path, self.parts, self.settings, self.description, check_together)
        return states_of({k: v for k, v in self.parts.items() if not k.startswith("callback")})

    def run(self) -> None:
        """Trains to the end of the last epoch, or of one in which the fit was stopped."""
        progress, size = self.progress, self.progress.batches_per_epoch
        last = progress.first_epoch + self.plan.epochs
        done = (len(self.history) - progress.first_epoch) * size + progress.epoch.batches
        shows = self.plan.progress if self.ranks.is_first else False
        with display(shows, last, done, self.plan.epochs * size) as shown:
            # An epoch that was stopped in its middle is finished, also by the fit that resumes it.
            while len(self.history) < last and (progress.epoch.batches or not progress.stopped):
                self._run_epoch(shown)
        self._call("on_fit_end")

    def _run_epoch(self, shown: Display) -> None:
        """One pass over the training data, or the rest of it; then validation and records."""
        batches, epoch, number = self._batches(), self.progress.epoch, len(self.history) + 1
        self._call("on_epoch_start")
        self.updates.look_at_model()
        check_trained(self.updates.model)
        start = time.perf_counter() - epoch.seconds
        rest = batches[epoch.batches :]
        with closing(self.shards.read(self.plan.train, rest, self.plan.tbptt)) as read:
            for batch in read:
                loss = self._train_batch(batch)
                epoch.batches += 1
                epoch.seconds = time.perf_counter() - start
                shown.batch(number, epoch)
                self._call("on_batch_end", loss)
                self._write_within_epoch(len(batches))
        with self.ranks.naming(self.shards.origin):
            self.updates.step(self._watch)
        with self.ranks.agreed():
            if self.plan.train.is_stored and batches and not epoch.loss.weight:
                raise self.objective.nothing_counts(self.plan.train.name)
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

    def _train_batch(self, batch: CutBatch) -> float:
        """One batch, whole or, with tbptt, piece by piece with the state carried on; its loss."""
        epoch, mean, plan = self.progress.epoch, Mean(), self.plan
        passes = self.shards.passes(self.objective, plan.train, batch)
        for piece, result in enumerate(passes):
            if not math.isfinite(result.loss):
                reached = "batch" if piece == 0 else f"piece, number {piece + 1} of its batch"
                with self.ranks.agreed():
                    raise FloatingPointError(
                        f"Trainer: the loss is {result.loss}{result.origin} in epoch "
                        f"{len(self.history) + 1}; the parameters are those before this {reached} "
                        "(try a smaller learning rate, or clip_norm)"
                    )
            with self.ranks.naming(self.shards.origin):
                self.updates.add(result, self._watch)
            mean.add(result.loss, result.weight)
            epoch.loss.add(result.loss, result.weight)
            epoch.tokens += result.steps
        return mean.value

    def _validate(self) -> dict[str, float]:
        """The loss and the metrics on the held-out data, if there are such, and the metrics on the
        training data, if they are asked for."""
        plan, found = self.plan, dict[str, float]()
        how = plan.batch_size, plan.tbptt, self.ranks
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
        path = self.plan.checkpoint
        if path is not None:
            self.ranks.from_first(
                lambda: write_checkpoint(path, self.parts, self.settings, self.description)
            )

    def _options(self, values: dict[str, Any]) -> Options:
        """Options of this training, those of the Trainer and of its fit among them."""
        options = Options(values, type(self.trainer).__init__, type(self.trainer).fit)
        options.defaults |= BATCHES | {"shards": 1}
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

    def _all_told(self) -> dict[str, Any]:
        """What must be alike on all ranks."""
        plan = self.plan
        told = {
            "pyrnn": _core.build_info()["version"],
            "instruction set": kernels_in_use(),
            "numpy": np.__version__,
            **self.settings,
            **{name: getattr(plan, name) for name in ("epochs", "train_metrics", "checkpoint")},
            "checkpoint_every": plan.checkpoint_every,
            **self.description,
        }
        return told | digests(self.parts)

    def _watch(self, gradients: Gradients) -> None:
        self._call("on_gradients", gradients)

    def _call(self, name: str, *args: Any) -> None:
        call_on_first(self.ranks, self.plan.callbacks, name, self.trainer, *args)


def check_together(states: Mapping[str, Any]) -> None:
    """ValueError for a fit that would have begun after epochs that are not in the history."""
    first, known = states["progress"]["first_epoch"], len(states["history"]["loss"])
    if first > known:
        raise ValueError(f"Progress: first_epoch is {first}, expected at most {known} epochs")
