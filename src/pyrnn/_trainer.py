"""Trainer: the training loop, evaluation and prediction in batches."""

import copy
import math
import time
from typing import Any

import numpy as np

from ._batches import Batch, Layout, Samples
from ._checks import Array, check_flag, check_number, check_size, generator
from ._embedding import Embedding
from ._history import History
from ._module import Module
from ._sequential import Sequential
from .losses import Loss
from .optim import Optimizer, clip_grad_norm

CHECKED_AT_ONCE = 1024  # samples whose ids are looked at before the first epoch, to bound memory


class Trainer:
    """Trains a model on arrays.

    Data are `(x, target)` or `(x, target, lengths)` with the sample first, whatever the model's
    layout: x (N, T, F), (N, T) ids or (N, F) without time; target one per sequence, (N,) or
    (N, F), when the model's output for a batch is (B, F), and one per step, (N, T) or (N, T, F),
    when it is (T, B, F) or (B, T, F). x is cast to the model's dtype (integers stay ids if the
    model has an Embedding), so is a target that is no class number. The padding behind `lengths`
    is never looked at.

    `clip_norm` bounds the global norm of the gradients (`pyrnn.optim.clip_grad_norm`). `seed`
    fixes the order of the batches. Model, optimizer, the order's generator and `history` carry on
    from one `fit` to the next: two calls of 5 epochs are one call of 10.
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        optimizer: Optimizer,
        *,
        clip_norm: float | None = None,
        seed: int | None = None,
    ) -> None:
        for name, value, kind in (
            ("model", model, Module),
            ("loss", loss, Loss),
            ("optimizer", optimizer, Optimizer),
        ):
            if not isinstance(value, kind):
                raise TypeError(
                    f"Trainer: {name} is of type {type(value).__name__}, "
                    f"expected a pyrnn {kind.__name__}"
                )
        if clip_norm is not None and not check_number("Trainer", "clip_norm", clip_norm) > 0:
            raise ValueError(f"Trainer: clip_norm is {clip_norm}, expected a number > 0")
        self.model = model
        self.optimizer = optimizer
        self.clip_norm = clip_norm
        self.history = History()
        self._generator = generator("Trainer", seed)
        self._layout = _layout_of(model, loss)
        self._batch_loss, self._sample_loss = copy.copy(loss), copy.copy(loss)
        self._batch_loss.batch_first = self._layout.batch_first
        self._sample_loss.batch_first = True

    def fit(
        self,
        train: tuple[Any, ...],
        validation: tuple[Any, ...] | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        progress: bool = True,
    ) -> History:
        """Trains for `epochs` passes over `train`; returns the history of all epochs so far.

        A progress bar shows the mean loss and the real time steps per second; after each epoch
        the loss on `validation` joins it. The last, smaller batch counts too.

        All data are checked before the first step: TypeError or ValueError for what is empty,
        misshaped, out of the classes' range or not finite. FloatingPointError if the loss becomes
        NaN or infinite, or, with `clip_norm`, a gradient: that batch has then changed nothing.
        After any error, and after Ctrl-C, the model is usable and `history` has the whole epochs.
        """
        epochs = check_size("Trainer", "epochs", epochs, minimum=0)
        batch_size = check_size("Trainer", "batch_size", batch_size)
        shuffle = check_flag("Trainer", "shuffle", shuffle)
        samples = self._checked_samples("train", train)
        held_out = None if validation is None else self._checked_samples("validation", validation)
        for _ in range(epochs):
            self._run_epoch(samples, held_out, batch_size, shuffle, progress)
        return self.history

    def evaluate(self, data: tuple[Any, ...], batch_size: int = 32) -> dict[str, float]:
        """{"loss": the mean over the real elements of all data}. Errors as `fit`."""
        batch_size = check_size("Trainer", "batch_size", batch_size)
        return {"loss": self._mean_loss(self._checked_samples("data", data), batch_size)}

    def predict(self, x: Any, batch_size: int = 32, lengths: Any = None) -> Array:
        """The model's outputs for x, sample first: (N, T, F), or (N, F) for one per sequence."""
        batch_size = check_size("Trainer", "batch_size", batch_size)
        samples = Samples("predict", x, None, lengths, self._layout)
        outputs = (self._infer(batch) for batch in samples.batches(batch_size))
        return np.concatenate([self._sample_first(samples, y) for y in outputs])

    def _run_epoch(
        self, train: Samples, held_out: Samples | None, batch_size: int, shuffle: bool, bar: bool
    ) -> None:
        """One pass over the training data, the validation behind it, the record of both."""
        from tqdm import tqdm

        mean, tokens, start = _Mean(), 0, time.perf_counter()
        order = self._generator.permutation(len(train)) if shuffle else None
        batches = train.batches(batch_size, order)
        count, epoch = -(-len(train) // batch_size), len(self.history) + 1
        with tqdm(total=count, desc=f"epoch {epoch}", unit="batch", disable=not bar) as shown:
            for batch in batches:
                mean.add(*self._train_batch(train, batch))
                tokens += batch.steps
                seconds = time.perf_counter() - start
                text = f"loss {mean.value:.4f}, {tokens / seconds:,.0f} steps/s"
                shown.set_postfix_str(text, refresh=False)
                shown.update()
            val_loss = math.nan
            if held_out is not None:
                val_loss = self._mean_loss(held_out, batch_size)
                shown.set_postfix_str(f"{text}, val_loss {val_loss:.4f}")
        self.history.append(mean.value, val_loss, seconds, tokens)

    def _train_batch(self, samples: Samples, batch: Batch) -> tuple[float, int]:
        """One step of the optimizer; returns the batch's loss and the number of its elements."""
        self.model.zero_grad()
        output, pullback = self.model.vjp(batch.x, need_dx=False, **self._lengths(batch))
        y = output[0] if self.model.stateful else output
        target, lengths = self._wanted(samples, y, batch)
        value, loss_pullback = self._batch_loss.vjp(y, target, lengths)
        if not math.isfinite(value):
            raise FloatingPointError(
                f"Trainer: the loss is {value} in epoch {len(self.history) + 1}; the parameters "
                "are those before this batch (try a smaller learning rate, or clip_norm)"
            )
        pullback(loss_pullback())
        if self.clip_norm is not None:
            clip_grad_norm(self.model, self.clip_norm)
        self.optimizer.step(self.model)
        return value, self._batch_loss.count(y.shape, target, lengths)

    def _mean_loss(self, samples: Samples, batch_size: int) -> float:
        """The mean loss over the real elements of all samples, without training."""
        mean = _Mean()
        for batch in samples.batches(batch_size):
            y = self._infer(batch)
            target, lengths = self._wanted(samples, y, batch)
            count = self._batch_loss.count(y.shape, target, lengths)
            mean.add(self._batch_loss(y, target, lengths), count)
        return mean.value

    def _infer(self, batch: Batch) -> Array:
        """The model's output for one batch, in the model's layout."""
        output = self.model(batch.x, **self._lengths(batch))
        y: Array = output[0] if self.model.stateful else output
        return y

    def _lengths(self, batch: Batch) -> dict[str, Array]:
        """The lengths as a keyword, for a model that takes them."""
        takes = self.model.stateful or self.model.time_aware
        return {"lengths": batch.lengths} if takes and batch.lengths is not None else {}

    def _wanted(self, samples: Samples, y: Array, batch: Batch) -> tuple[Array, Array | None]:
        """The target with its axes as y's, and the lengths where y still has a time axis."""
        assert batch.target is not None  # training and evaluation data have one
        if _per_step(samples, y):
            return samples.to_layout(batch.target), batch.lengths
        return batch.target, None

    def _sample_first(self, samples: Samples, y: Array) -> Array:
        """An output with the sample first."""
        return samples.to_layout(y) if _per_step(samples, y) else y

    def _checked_samples(self, name: str, data: Any) -> Samples:
        """Data that fit model and loss; the first sample is run to see the output's shape."""
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise TypeError(f"Trainer: {name} must be a tuple (x, target) or (x, target, lengths)")
        x, target, lengths = (*data, None)[:3]
        if target is None:
            raise TypeError(f"Trainer: {name} target is None, expected an array")
        samples = Samples(name, x, target, lengths, self._layout)
        if (embedding := _first_embedding(self.model)) is not None:
            for batch in samples.batches(CHECKED_AT_ONCE):
                embedding.check_ids(batch.x)
        first = samples.batch(slice(0, 1))
        y = self._infer(first)
        y_shape = (len(samples), *self._sample_first(samples, y).shape[1:])
        known = samples.lengths if _per_step(samples, y) else None
        try:
            self._sample_loss.count(y_shape, samples.target, known)
        except (TypeError, ValueError) as error:
            raise type(error)(f"Trainer: {name}: {error}") from None
        return samples


class _Mean:
    """A mean over elements, of which each batch has its own number."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, value: float, count: int) -> None:
        """Adds a batch: the mean of `count` elements."""
        self.total += value * count
        self.count += count

    @property
    def value(self) -> float:
        """The mean so far, 0.0 over nothing."""
        return self.total / self.count if self.count else 0.0


def _first_embedding(model: Module) -> Embedding | None:
    """The Embedding that the data enter the model by, if any."""
    while isinstance(model, Sequential):
        model = next(iter(model))
    return model if isinstance(model, Embedding) else None


def _per_step(samples: Samples, y: Array) -> bool:
    """Whether the output y has one entry per time step: (T, B, F) or (B, T, F), not (B, F)."""
    return samples.has_time and y.ndim >= 3


def _layout_of(model: Module, loss: Loss) -> Layout:
    """The layout of a model, read off its parts."""
    parts = list(model.modules())
    return Layout(
        dtype=next((p.dtype for p in model.parameters()), np.dtype(np.float32)),
        batch_first=next(
            (getattr(m, "batch_first", False) for m in parts if m.stateful or m.time_aware), False
        ),
        integer_x=any(isinstance(part, Embedding) for part in parts),
        integer_target=loss.integer_target,
    )
