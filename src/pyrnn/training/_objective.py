"""Objective: a model with its loss and metrics, on the batches of a dataset."""

import copy
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._base.checks import Array
from .._base.columns import Dataset
from .._base.layout import time_major, turned
from .._base.lookups import Lookups, watch
from .._base.module import Module
from .._base.prediction import layout_of, per_step, read_samples, sample_first
from .._base.reading import read_in_order
from .._base.samples import Batch, Samples, by_length, cut
from .._base.targets import first_wrong, real_elements
from ..losses import Loss
from ._arguments import check_output
from ._measures import (
    Wanted,
    check_logits_of,
    check_masks,
    counted_by,
    measured_by,
    try_metrics,
    update_metrics,
    vjp_by,
    weight_by,
)
from ._ranks import ALONE, Ranks

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


class ForwardPass(NamedTuple):
    """The mean loss of one batch, its weight in a mean over batches, the state after it; `backward`
    adds `share` times the gradient of the loss into every .grad. `adds` says that this is the
    gradient of a sum, which those of other batches are added to. `steps` counts real time steps;
    `origin` says on which rank a loss is not finite."""

    loss: float
    weight: float
    state: Any
    backward: Callable[[float], object]
    adds: bool = False
    steps: int = 0
    origin: str = ""


class Objective:
    """What is trained and measured: a model in its layout; loss and metrics, sample first."""

    def __init__(self, model: Module, loss: Loss, metrics: Sequence[Any]) -> None:
        self.model = model
        layout = layout_of(model)
        self.layout = layout._replace(
            dtype=layout.dtype or np.dtype(np.float32),
            integer_target=loss.integer_target,
            probabilities=loss.takes_probabilities,
            ragged_target=loss.ragged_target,
        )
        self.metrics = [copy.deepcopy(metric) for metric in metrics]
        self.loss = loss

    def samples(
        self, name: str, dataset: Dataset, tbptt: int | None = None, *, measured: bool = True
    ) -> Samples:
        """A dataset whose every sample fits model and loss, and the metrics if they are measured on
        it; a piece of one sample is run."""
        samples = read_samples(name, self.model, dataset, self.layout)
        first = samples.batch(np.array([samples.example]), 0, PROBED_STEPS)
        (y, _), lookups = watch(dict(samples.inputs(first)), lambda: self.infer(first))
        check_output(name, self.model, y, lambda: self.infer(first)[0])
        if not self.layout.own_targets:
            samples.per_step = per_step(self.model, samples, first, y)
        has_steps = samples.per_step or self.layout.own_targets
        if samples.masked and samples.per_step and self.loss.whole_sequences:
            raise ValueError(
                f"{name} x has a mask, and {type(self.loss).__name__} is a loss of whole "
                "sequences, expected lengths instead"
            )
        for metric in self.metrics:
            if getattr(metric, "needs_time", False) and not has_steps:
                raise ValueError(
                    f"{name}: {type(metric).__name__} compares time steps, and the model's output "
                    "is one per sequence: expected its argument train"
                )
        if tbptt is not None:
            self._check_chunks(samples)
        features = self._turned(samples, y).shape[2 if has_steps else 1 :]
        if samples.is_stored:
            samples.check = partial(self._check_read, samples, lookups, features, measured)
            next(samples.read(np.array([samples.example])))
            if self.metrics:
                self._try_metrics(samples)
            return samples
        whole, counts_all, weighs = self.loss.whole_sequences, True, False
        for rows, start, batch in _blocks(samples, None if whole else CHECKED_STEPS):
            try:
                counts_all &= self._check(samples, batch, lookups, features, start)
                weighs = weighs or self._weighs(samples, batch, features)
            except (TypeError, ValueError) as error:
                where = f" (samples {rows[0]} to {rows[-1]}, from step {start})"
                where = where if len(rows) < len(samples) or start else ""
                raise type(error)(f"{name}{where}: {error}") from None
        if not weighs:
            raise self.nothing_counts(name)
        if self.metrics:
            self._try_metrics(samples)
        if measured and not counts_all:
            check_masks(name, self.metrics, self.loss)
        return samples

    def nothing_counts(self, name: str) -> ValueError:
        """The error of data of which the loss counts nothing."""
        return ValueError(
            f"{name}: no target counts: {type(self.loss).__name__} leaves out all of them, "
            "expected one at least"
        )

    def forward(self, samples: Samples, batch: Batch, state: Any = None) -> ForwardPass:
        """The forward pass of training on one batch."""
        (y, state), pullback = self._vjp(batch, state)
        y = self._turned(samples, y)
        wanted = self._wanted(samples, batch)
        value, loss_pullback, weight = vjp_by(self.loss, y, wanted)

        def backward(share: float) -> object:
            return pullback(self._turned(samples, loss_pullback(share)))

        mean, adds = self.loss.mean_of(value, weight), self.loss.reduction == "sum"
        return ForwardPass(mean, weight, state, backward, adds, batch.steps)

    def evaluate(
        self, samples: Samples, batch_size: int, tbptt: int | None = None, ranks: Ranks = ALONE
    ) -> dict[str, float]:
        """{"loss": the mean over the real elements of all samples, and each metric's value}."""
        mean = Mean()
        for metric in self.metrics:
            metric.reset()

        def measure(pieces: Iterable[Batch]) -> Iterator[tuple[float, float, Any]]:
            """The loss of a batch, or of its pieces, its weight, and what metrics count."""
            state = None
            for batch in pieces:
                y, state = self.infer(batch, state)
                y = self._turned(samples, y)
                wanted = self._wanted(samples, batch)
                value, weight = measured_by(self.loss, y, wanted)
                yield (
                    self.loss.mean_of(value, weight),
                    weight,
                    (y, wanted) if self.metrics else None,
                )

        batches = cut(by_length(len(samples), samples.lengths), batch_size)
        with closing(read_pieces(samples, batches[ranks.rank :: ranks.size], tbptt)) as read:
            for value, weight, seen in ranks.in_order(read, len(batches), measure):
                mean.add(value, weight)
                if seen is not None:
                    update_metrics(self.metrics, self.loss, *seen)
        if not mean.weight:
            with ranks.agreed():
                raise self.nothing_counts(samples.name)
        return {"loss": mean.value} | {metric.name: metric.value for metric in self.metrics}

    def infer(self, batch: Batch, state: Any = None) -> tuple[Array, Any]:
        """The model's output for one batch, in the model's layout, and the state after it."""
        if self.layout.own_targets:
            return self.model(batch.x, **self._given(batch)), None
        return self.model.run_part(batch.x, state, batch.lengths)

    def _vjp(self, batch: Batch, state: Any) -> tuple[tuple[Array, Any], Any]:
        """The same in training, and the pullback."""
        if self.layout.own_targets:
            y, pullback = self.model.vjp(batch.x, need_dx=False, **self._given(batch))
            return (y, None), pullback
        return self.model.vjp_part(batch.x, state, batch.lengths, need_dx=False)

    def _turned(self, samples: Samples, y: Array) -> Array:
        """An output with steps, or its gradient, from the model's layout to sample first; and back:
        a view."""
        return sample_first(self.model, samples, y)

    def _given(self, batch: Batch) -> dict[str, Any]:
        """What a model that takes targets is given besides x."""
        target, target_lengths = self._own_target(batch)
        lengths = {} if batch.lengths is None else {"lengths": batch.lengths}
        return {**lengths, "target": target, "target_lengths": target_lengths}

    def _wanted(self, samples: Samples, batch: Batch) -> Wanted:
        """The target, the lengths where y has steps, and the weights."""
        assert batch.target is not None  # training and evaluation data have one
        if self.layout.own_targets:
            return Wanted(*self._wanted_own(batch), batch.weight)
        lengths = batch.lengths if samples.per_step else None
        return Wanted(batch.target, lengths, batch.weight)

    def _wanted_own(self, batch: Batch) -> tuple[Array, Array]:
        """What a model that takes targets is to give, and its lengths."""
        model: Any = self.model  # one that takes targets has `wanted`
        classes, lengths = model.wanted(*self._own_target(batch))
        return turned(classes, not self.layout.batch_first, 2), lengths

    def _own_target(self, batch: Batch) -> tuple[Array | None, Array | None]:
        """A target of its own length in the model's layout, and the lengths."""
        target = batch.target
        assert not isinstance(target, list)  # the layout asks for arrays
        if target is not None:
            target = turned(time_major(target, True, 2), not self.layout.batch_first, 2)
        return target, batch.target_lengths

    def _check(
        self, samples: Samples, batch: Batch, lookups: Lookups, features: Any, start: int
    ) -> bool:
        """Ids and targets of a batch against the model's and the loss's range; whether the loss
        counts all that the lengths leave."""
        inputs = dict(samples.inputs(batch))  # with the sample first, as it came
        for embedding, name in lookups:
            embedding.check_ids(inputs[name], name)
        for name, x in inputs.items():
            if x.dtype.kind == "f" and not np.isfinite(x).all():
                raise ValueError(
                    f"{first_wrong(x, ~np.isfinite(x), name)}, expected a finite number"
                )
        if batch.target is None:
            raise TypeError("target is None, expected an array")
        if start and not (samples.per_step or self.layout.own_targets):
            return True  # its one target was looked at with its first steps
        wanted = self._wanted(samples, batch)
        counted = counted_by(self.loss, self._shape(samples, batch, features), wanted)
        if self.loss.ragged_target:
            return True
        real = real_elements(type(self.loss).__name__, counted.shape, wanted.lengths)
        return bool((counted == real).all())

    def _check_read(
        self, samples: Samples, lookups: Lookups, features: Any, measured: bool, batch: Batch
    ) -> None:
        """The checks of a batch that was read from a store."""
        if not self._check(samples, batch, lookups, features, 0) and measured:
            check_masks(samples.name, self.metrics, self.loss)

    def _weighs(self, samples: Samples, batch: Batch, features: Any) -> bool:
        """Whether the loss counts any target of a batch."""
        shape = self._shape(samples, batch, features)
        return weight_by(self.loss, shape, self._wanted(samples, batch)) > 0

    def _shape(self, samples: Samples, batch: Batch, features: Any) -> tuple[int, ...]:
        """The shape of the model's output for a batch, sample first."""
        if self.layout.own_targets:
            return (*np.shape(self._wanted_own(batch)[0]), *features)
        x = samples.to_layout(samples.main_input(batch))
        return (*x.shape[: 2 if samples.per_step else 1], *features)

    def _try_metrics(self, samples: Samples) -> None:
        """TypeError or ValueError for a metric that does not take the model's output."""
        steps = None if self.loss.whole_sequences else PROBED_STEPS
        batch = samples.batch(np.array([samples.example]), 0, steps)
        y, _ = self.infer(batch)
        y = self._turned(samples, y)
        wanted = self._wanted(samples, batch)
        target = self.loss.metric_target(y.shape, wanted.target)
        try_metrics(samples.name, self.metrics, self.loss, y, wanted)
        check_logits_of(samples.name, self.model, self.metrics, y.shape, np.shape(target))

    def _check_chunks(self, samples: Samples) -> None:
        """ValueError if model or loss cannot go through a sequence piece by piece."""
        if self.loss.whole_sequences:
            raise ValueError(
                f"Trainer: tbptt cuts sequences into pieces, and {type(self.loss).__name__} is a "
                "loss of whole ones"
            )
        if not samples.may_be_cut:
            raise ValueError(
                "Trainer: tbptt cuts x into pieces, and with several inputs it is undefined which "
                "one to cut, expected tbptt None"
            )
        if not self.model.num_states or not samples.per_step:
            raise ValueError(
                "Trainer: tbptt needs a recurrent model with an output for each step; "
                f"{type(self.model).__name__}'s is one per sequence, or it has no state"
            )
        if any(module.reads_backwards for module in self.model.modules()):
            raise ValueError(
                "Trainer: tbptt carries the state forwards, and the model is bidirectional or has "
                "a direction='reverse', which starts at the end"
            )


def read_pieces(
    samples: Samples, batches: Sequence[Array], tbptt: int | None
) -> Generator[Iterable[Batch]]:
    """The pieces of each batch, those of a store read ahead."""
    return read_in_order(
        batches, lambda rows: pieces_of(samples, rows, tbptt), ahead=samples.is_stored
    )


def pieces_of(samples: Samples, rows: Array, tbptt: int | None) -> Iterator[Batch]:
    """The pieces of a batch; those of a store are read now, and the error of reading them is raised
    when they are asked for."""
    pieces = samples.read(rows, tbptt)
    if not samples.is_stored:
        return pieces
    try:
        return iter([*pieces])
    except Exception as error:
        return _raising(error)


def _raising(error: Exception) -> Iterator[Batch]:
    raise error
    yield


def _blocks(samples: Samples, most_steps: int | None) -> Iterator[tuple[Array, int, Batch]]:
    """All samples in blocks of bounded size, or of whole sequences: rows, first step, batch."""
    one = samples.batch(np.array([samples.example]), 0, 1)
    target: Any = one.target
    widths = [*(x.size for _, x in samples.inputs(one)), np.size(target)]
    steps = min(CHECKED_STEPS, max(1, samples.steps()))
    rows = max(1, CHECKED_ELEMENTS // (steps * max(1, *widths)))
    for block in cut(np.arange(len(samples)), rows):
        for k, batch in enumerate(samples.pieces(block, most_steps)):
            yield block, k * (most_steps or 0), batch
