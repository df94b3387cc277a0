"""Objective: a model with its loss and metrics, on the batches of a dataset."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.checks import Array, as_contiguous
from .._base.module import Module
from .._base.targets import first_wrong
from ..data._dataset import SequenceDataset, pad
from ..losses import Loss
from ._arguments import try_metrics
from ._batches import Batch, Samples, Target
from ._epoch_order import by_length, cut
from ._layout import first_embedding, layout_of, works_along_time

PROBED_STEPS = 16  # of the first sample, to see the shape of the model's output
CHECKED_STEPS, CHECKED_ELEMENTS = 4096, 2**18  # looked at together before training


@dataclass
class Mean:
    """A mean over batches, each with its own weight: mostly its number of real elements."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float, weight: float) -> None:
        """Adds a batch's mean."""
        self.total += value * weight
        self.weight += weight

    @property
    def value(self) -> float:
        """The mean so far, 0.0 over nothing."""
        return self.total / self.weight if self.weight else 0.0


@dataclass(frozen=True)
class ForwardPass:
    """The loss of one batch, its weight in a mean over batches, the state behind it; `backward`
    adds `share` times the gradient of the loss into every .grad."""

    loss: float
    weight: float
    state: Any
    backward: Callable[[float], object]


class Objective:
    """What is trained and measured: a model, a loss and metrics in the model's layout."""

    def __init__(self, model: Module, loss: Loss, metrics: Sequence[Any]) -> None:
        self.model = model
        self.layout = layout_of(model, loss)
        self.metrics = [copy.deepcopy(metric) for metric in metrics]
        self.loss = loss
        self._loss, self._sample_loss = copy.copy(loss), copy.copy(loss)
        for part in (self._loss, *self.metrics):
            part.batch_first = self.layout.batch_first
        self._sample_loss.batch_first = True
        # What the loss is divided by, which with class weights is not the number of elements.
        self._weight = self._loss.batch_weight

    def samples(self, name: str, dataset: SequenceDataset, tbptt: int | None = None) -> Samples:
        """A dataset whose every sample fits model and loss; a piece of the first one is run."""
        samples = self._read(name, dataset)
        first = samples.batch(np.arange(1), 0, PROBED_STEPS)
        y, _ = self.infer(first)
        if not self.layout.own_targets:
            samples.per_step = per_step(samples, y)
        has_steps = samples.per_step or self.layout.own_targets
        for metric in self.metrics:
            if getattr(metric, "needs_time", False) and not has_steps:
                raise ValueError(
                    f"{name}: {type(metric).__name__} compares time steps, and the model's output "
                    "is one per sequence: expected its argument train"
                )
        if tbptt is not None:
            self._check_chunks(samples)
        features = y.shape[2:] if has_steps else y.shape[1:]
        whole = self._loss.whole_sequences
        for rows, start, batch in _blocks(samples, None if whole else CHECKED_STEPS):
            try:
                self._check(samples, batch, features, start)
            except (TypeError, ValueError) as error:
                where = f" (samples {rows[0]} to {rows[-1]}, from step {start})"
                where = where if len(rows) < len(samples) or start else ""
                raise type(error)(f"{name}{where}: {error}") from None
        if self.metrics:
            self._try_metrics(samples)
        return samples

    def forward(self, samples: Samples, batch: Batch, state: Any = None) -> ForwardPass:
        """The forward pass of training on one batch."""
        output, pullback = self.model.vjp(batch.x, need_dx=False, **self._options(batch, state))
        y, state = output if self.model.stateful else (output, None)
        wanted = self._wanted(samples, batch)
        value, loss_pullback = self._loss.vjp(y, *wanted)
        weight = self._weight(y.shape, *wanted)
        return ForwardPass(value, weight, state, lambda share: pullback(loss_pullback(share)))

    def evaluate(
        self, samples: Samples, batch_size: int, tbptt: int | None = None
    ) -> dict[str, float]:
        """{"loss": the mean over the real elements of all samples, and each metric's value}."""
        mean = Mean()
        for metric in self.metrics:
            metric.reset()
        for rows in cut(by_length(len(samples), samples.lengths), batch_size):
            state = None
            for batch in samples.pieces(rows, tbptt):
                y, state = self.infer(batch, state)
                wanted = self._wanted(samples, batch)
                mean.add(self._loss(y, *wanted), self._weight(y.shape, *wanted))
                seen = self._loss.metric_input(y, wanted[1]) if self.metrics else y
                for metric in self.metrics:
                    metric.update(seen, *wanted)
        return {"loss": mean.value} | {metric.name: metric.value for metric in self.metrics}

    def predict(self, name: str, dataset: SequenceDataset, batch_size: int) -> Any:
        """The outputs for all samples: an array, or a list of arrays for ragged samples."""
        if self.layout.own_targets:
            owner = type(self.model).__name__
            raise ValueError(f"{name}: {owner} writes targets: use model.generate")
        samples, has_steps = self._read(name, dataset), False
        outputs: list[Any] = [None] * len(samples)
        for rows in cut(by_length(len(samples), samples.lengths), batch_size):
            y, _ = self.infer(samples.batch(rows))
            has_steps = per_step(samples, y)
            for row, output in zip(rows, samples.to_layout(y) if has_steps else y, strict=True):
                length = samples.lengths[row] if samples.lengths is not None else None
                outputs[row] = output[:length] if has_steps else output
        if not has_steps:
            return np.stack(outputs)
        if samples.arrays is None:
            return outputs
        return pad(outputs, samples.arrays[0].shape[1], y.dtype)

    def infer(self, batch: Batch, state: Any = None) -> tuple[Array, Any]:
        """The model's output for one batch, in the model's layout, and the state behind it."""
        output = self.model(batch.x, **self._options(batch, state))
        y, state = output if self.model.stateful else (output, None)
        return y, state

    def _read(self, name: str, dataset: SequenceDataset) -> Samples:
        """A dataset's samples; ValueError if they have no time axis and the model needs one."""
        samples = Samples(name, dataset, self.layout)
        if not samples.has_time and works_along_time(self.model):
            raise ValueError(
                f"{name} x has samples of shape {samples.sample_shape}, expected (steps, features) "
                "or (steps,) ids: the model works along time"
            )
        return samples

    def _options(self, batch: Batch, state: Any) -> dict[str, Any]:
        """Lengths and state as keywords, for a model that takes them."""
        takes_lengths = self.model.stateful or self.model.time_aware
        lengths = {"lengths": batch.lengths} if takes_lengths and batch.lengths is not None else {}
        options = lengths if state is None else {**lengths, "state": state}
        if self.layout.own_targets:
            target, target_lengths = self._own_target(batch)
            options |= {"target": target, "target_lengths": target_lengths}
        return options

    def _wanted(self, samples: Samples, batch: Batch) -> tuple[Target, Array | None]:
        """The target, with its axes as y's unless it is ragged; the lengths where y has steps."""
        assert batch.target is not None  # training and evaluation data have one
        if self.layout.own_targets:
            return self._wanted_own(batch)
        if samples.per_step and not isinstance(batch.target, list):
            return samples.to_layout(batch.target), batch.lengths
        return batch.target, batch.lengths if samples.per_step else None

    def _wanted_own(self, batch: Batch) -> tuple[Array, Array]:
        """What a model that takes targets is to give, and its lengths."""
        model: Any = self.model  # one that takes targets has `wanted`
        wanted: tuple[Array, Array] = model.wanted(*self._own_target(batch))
        return wanted

    def _own_target(self, batch: Batch) -> tuple[Array | None, Array | None]:
        """A target of its own length in the model's layout, and the lengths."""
        target = batch.target
        assert not isinstance(target, list)  # the layout asks for arrays
        if target is not None and not self.layout.batch_first:
            target = as_contiguous(target.T)
        return target, batch.target_lengths

    def _check(self, samples: Samples, batch: Batch, features: Any, start: int) -> None:
        """Ids and targets of a batch against the model's and the loss's range."""
        if (embedding := first_embedding(self.model)) is not None:
            embedding.check_ids(batch.x)
        if batch.x.dtype.kind == "f" and not np.isfinite(batch.x).all():
            x = samples.to_layout(batch.x)  # with the sample first, as it came
            raise ValueError(f"{first_wrong(x, ~np.isfinite(x), 'x')}, expected a finite number")
        if batch.target is None:
            raise TypeError("target is None, expected an array")
        if self.layout.own_targets:
            wanted, lengths = self._wanted_own(batch)
            self._loss.count((*wanted.shape, *features), wanted, lengths)
            return
        shape = batch.x.shape[:2] if self.layout.batch_first else batch.x.shape[1::-1]
        if samples.per_step:
            self._sample_loss.count((*shape, *features), batch.target, batch.lengths)
        elif start == 0:
            B = shape[0] if samples.has_time else len(batch.x)
            self._sample_loss.count((B, *features), batch.target)

    def _try_metrics(self, samples: Samples) -> None:
        """TypeError or ValueError for a metric that does not take the model's output."""
        batch = samples.batch(np.arange(1), 0, None if self._loss.whole_sequences else PROBED_STEPS)
        y, _ = self.infer(batch)
        wanted = self._wanted(samples, batch)
        seen = self._loss.metric_input(y, wanted[1])
        try_metrics(samples.name, self.metrics, self._loss, seen, wanted)

    def _check_chunks(self, samples: Samples) -> None:
        """ValueError if model or loss cannot go through a sequence piece by piece."""
        if self._loss.whole_sequences:
            raise ValueError(
                f"Trainer: tbptt cuts sequences into pieces, and {type(self._loss).__name__} is a "
                "loss of whole ones"
            )
        if not self.model.stateful or not samples.per_step:
            raise ValueError(
                "Trainer: tbptt needs a recurrent model with an output for each step; "
                f"{type(self.model).__name__}'s is one per sequence, or it has no state"
            )
        if any(getattr(module, "bidirectional", False) for module in self.model.modules()):
            raise ValueError(
                "Trainer: tbptt carries the state forwards, and the model is bidirectional: its "
                "reverse direction starts at the end"
            )


def per_step(samples: Samples, y: Array) -> bool:
    """Whether the output y has one entry per time step: (T, B, F) or (B, T, F), not (B, F)."""
    return samples.has_time and y.ndim >= 3


def _blocks(samples: Samples, most_steps: int | None) -> Iterator[tuple[Array, int, Batch]]:
    """All samples in blocks of bounded size, or of whole sequences: rows, first step, batch."""
    rows = max(1, CHECKED_ELEMENTS // min(CHECKED_STEPS, max(1, samples.steps())))
    for block in cut(np.arange(len(samples)), rows):
        for k, batch in enumerate(samples.pieces(block, most_steps)):
            yield block, k * (most_steps or 0), batch
