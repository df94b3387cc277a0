"""Trainer: training, evaluation and prediction in batches."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .._base.checks import check_flag, check_mapping, check_size
from .._base.communicator import Communicator
from .._base.module import Module
from .._base.prediction import check_logits
from .._base.quantized import check_trainable
from .._base.seeding import generator
from .._base.settings import Settings
from .._base.shown import html_table
from .._base.torch_loaders import check_drops_none
from ..losses import Loss
from ..optim import Optimizer
from ._arguments import (
    EMA,
    SCHEDULE,
    check_belonging,
    check_clipping,
    check_rate_range,
    check_trained,
    checked,
    checked_metrics,
    checked_parts,
)
from ._callbacks import Callback
from ._checkpoint import load_states, parts_of, states_of
from ._data import checked_batches, read_data
from ._history import History
from ._learning_rates import LearningRateCurve, find_lr
from ._loop import Loop, check_together
from ._measures import recorded
from ._objective import Objective
from ._one_at_a_time import OneAtATime, one_at_a_time
from ._plan import Plan, make_plan
from ._progress import Progress
from ._rank_callbacks import call_on_first, check_callbacks
from ._ranks import Ranks
from ._shards import Shards, count_shards
from ._updates import Updates, trained_module


class Trainer(Settings):
    """Trains a model on sequences.

    Data are x and y, perhaps with `lengths`, or one tuple `(x, target)` or `(x, target, lengths)`.
    The sample comes first, whatever the model's
    layout: x (N, T, F) or (N, T) ids, without time (N, F) or (N,) ids; target one per sequence,
    (N,) or (N, F), when the model's output is (N, F), and one per step, (N, T) or (N, T, F), when
    it has steps too. Ragged data are lists of N arrays, x of (T_i, F) or (T_i,) ids, a target per
    step likewise; or a `SequenceDataset`, a `StoredDataset`, another with its methods, or a torch
    Dataset or DataLoader of (x, target) or (x, target, length). x is cast to the model's
    dtype (integers stay ids if the model has an Embedding), so is a target that is no class number.
    The padding after `lengths` is never read; before it x must be finite.

    Several inputs of a module with a `forward` are a dict by the names of its parameters,
    {"x": ..., "static": ...}. `lengths` are those of the first one along time; a forward that names
    `document_lengths` is told those of "document", if that is ragged too.

    - `loss`, `optimizer` and each of `metrics` may be a word, the name of the class: "mse",
      "cross_entropy", "adam", "accuracy". It stands for the class with its defaults.

    - `clip_norm` bounds the global norm of the gradients (`pyrnn.optim.clip_grad_norm`),
      `clip_value` each of their elements; at most one of them.
    - `accumulate` batches make one step: their gradients' mean over all real elements.
    - `schedule` is a schedule of `pyrnn.optim`, or a list of them, whose factors are multiplied.
      One that watches a measure gets the validation loss, or the training loss without validation.
    - `metrics`, of `pyrnn.metrics`, are measured on the validation data, or on the training data if
      there are none, and by `evaluate`; they count the targets that the loss counts. Those that
      read logits refuse a model that ends in Sigmoid or Softmax, as losses do. One of your own
      that is no `Metric` has `update(y, target, lengths=None, mask=None)`, `reset`, `name` and
      `value`; see `Metric` for the mask.
    - `ema`, averaged weights of `pyrnn.optim`, follow every step and are what the validation
      measures; `with ema.applied():` puts them into the model after the fit.
    - `seed` fixes the order of the batches.
    - `shards` cuts the rows of each batch into that many groups with about equally many steps. Each
      group gives a gradient, a loss and a sum of sample weights, with the masks of the whole batch;
      these are added in a fixed binary tree: ((0+1)+(2+3)). Checkpoints keep the number.
    - `communicator` lets the processes of `pyrnn.distributed.MPI()` train one model, each with one
      or more of the shards: any number of them gives the bits of one process with the same `shards`
      (4 by default). All call `fit` with the same arguments; rank 0 shows progress, calls the
      callbacks, whose changes all take over, and writes checkpoints, which any number of ranks
      resumes. An error on one rank is raised on all, with its name; so are differences of model,
      data, settings or version, before the first step. `evaluate` and `predict` compute alone.

    The losses in `history` and of `evaluate` are means, also with `reduction="sum"`, which makes
    steps by the gradient of the sum over a batch.

    A loss with parameters of its own (`CRF`) is trained, clipped and kept in checkpoints with the
    model; `trained` is the module of both, or the model if the loss has none. CTC takes a list of
    arrays of labels, each of its own length.

    Model, optimizer, the order's generator and `history` continue from one `fit` to the next: two
    calls of 5 epochs equal one call of 10. TypeError or ValueError for what does not fit.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((64, 10, 1)).astype(np.float32)
    >>> target = (x.sum(axis=(1, 2)) > 0).astype(np.int64)  # one class per sequence
    >>> gru, linear = pyrnn.GRU(1, 8, seed=0), pyrnn.Linear(8, 2, seed=1)
    >>> trainer = pyrnn.Trainer(
    ...     pyrnn.Sequential(gru, pyrnn.LastStep(), linear),
    ...     "cross_entropy",
    ...     pyrnn.optim.Adam(0.02),
    ...     metrics=["accuracy"],
    ...     seed=0,
    ... )
    >>> history = trainer.fit(x, target, validation=0.25, epochs=20, progress=False)
    >>> trainer.evaluate(x, target)["accuracy"] > 0.9
    True
    """

    def __init__(
        self,
        model: Module,
        loss: Loss | str,
        optimizer: Optimizer | str,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        schedule: Any = None,
        metrics: Sequence[Any] = (),
        ema: Any = None,
        seed: int | None = None,
        shards: int | None = None,
        communicator: Communicator | None = None,
    ) -> None:
        model, loss, optimizer = checked_parts(model, loss, optimizer)
        check_trainable("Trainer", model.parameters())
        check_clipping(clip_norm, clip_value)
        if loss.takes_logits:
            check_logits("Trainer", model, type(loss).__name__)
        schedules = list(schedule) if isinstance(schedule, list | tuple) else [schedule]
        schedules = checked("schedule", [s for s in schedules if s is not None], SCHEDULE)
        ema = None if ema is None else checked("ema", [ema], EMA)[0]
        self.model = model
        self.trained = trained_module(model, loss)
        check_belonging(self.trained, optimizer, schedules, ema)
        self.optimizer = optimizer
        self.history = History()
        self._generator = generator("Trainer", seed)
        self._objective = Objective(model, loss, checked_metrics(metrics))
        self._updates = Updates(
            self.trained,
            optimizer,
            accumulate=check_size("Trainer", "accumulate", accumulate),
            clip_norm=clip_norm,
            clip_value=clip_value,
            schedules=schedules,
            ema=ema,
        )
        self._ranks = Ranks(communicator)
        self._shards = Shards(self.trained, count_shards(shards, self._ranks), self._ranks)
        self._progress = Progress(self._generator, 0)
        self._validates = self._measures_train = False
        self._alone = OneAtATime(
            "Trainer: fit was called during a fit of the same Trainer, in a callback or in another "
            "thread: expected after it; trainer.stop() ends it with the epoch"
        )

    @one_at_a_time
    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        validation: Any = None,
        epochs: int = 1,
        batch_size: int | None = None,
        shuffle: bool | None = None,
        progress: bool | str = True,
        bucket: bool = True,
        train_metrics: bool | None = None,
        tbptt: int | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: Any = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
    ) -> History:
        """Trains for `epochs` passes over x and y; returns the history of all epochs so far.

        x and y, the target, with `lengths` (N,) for padded arrays; or x is a tuple `(x, target)` or
        `(x, target, lengths)`, or a dataset, and y None. `validation` is such a tuple or dataset,
        or a share of the samples, 0.2: the last fifth of them, before any shuffling, is held out,
        as Keras does it. A PackedSequence of torch is a ragged list. Of a torch DataLoader
        the samples are taken, as its collate_fn makes them one by one, its `drop_last`, and its
        batch size and whether it shuffles if they are not given here (None: 32, True).
        `sample_weight` has a number >= 0 for each sample (N,), or for each step, (N, T) or N arrays
        (T_i,), as the loss takes it; metrics count all alike but what has weight 0. A
        `SequenceDataset` can have some, too.

        The last, smaller batch of an epoch counts too.

        - `progress`: True shows a bar for the whole fit, in a notebook a widget, with the mean loss
          and the real time steps per second; where stderr is neither, such as in a log, it prints
          a line after each epoch, with the loss and the metrics on `validation`. "epochs" prints
          these lines everywhere, False nothing.
        - `bucket`: with `shuffle`, samples of about one length share a batch.
        - `train_metrics`: the metrics are measured on the training data, too, after each epoch, as
          "train_accuracy": computed with the weights at that time and without dropout, as on the
          validation data, in one more pass over the data. None: where there is no `validation`.
        - `tbptt=k`: truncated BPTT. Every batch is cut into pieces of k steps, each followed by a
          step of the optimizer; the state is passed on, its gradient is not. Memory is O(k), and
          k = T equals training without it (Williams & Peng 1990). Not for bidirectional models. The
          validation is cut likewise, and metrics see the pieces.
        - `callbacks`: see `Callback`; `EarlyStopping` is one.
        - `checkpoint`: a file, written after every epoch and every `checkpoint_every` batches, with
          all that training needs to continue; always a whole version. `resume=True` continues it,
          if it exists: the same call in a new process, with the same model, data and settings,
          gives the same bits as an uninterrupted fit. The weights, the learning rates and the seed
          are the file's, whatever those given are; `optimizer.lr = ...` in a callback sets another
          rate. `epochs` counts from the beginning of the fit that was interrupted.

        All data are checked before the first step, those of `validation` too, but for those of a
        `StoredDataset`, which are checked as they are read: TypeError or
        ValueError for what is empty, misshaped, not finite, or out of the range of the classes or
        of an Embedding's ids (ids that a `forward` computes are checked in their batch, which has
        then changed nothing); ValueError for a checkpoint that is damaged or of another training.
        FloatingPointError if the loss or a gradient becomes NaN or infinite: that batch, or with
        `tbptt` that piece of it, has then changed nothing; and at the end of an epoch if a weight
        has. Nothing that is not finite is written over a checkpoint.
        After any error, and after Ctrl-C, the model is usable and `history` has the whole epochs.
        """
        given = dict(locals())  # the arguments
        self._run(self._ranks.each(lambda: make_plan(self._objective, x, y, given)))
        return self.history

    def find_lr(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        lowest: float = 1e-6,
        highest: float = 10.0,
        steps: int = 100,
        batch_size: int | None = None,
        shuffle: bool | None = None,
        bucket: bool = True,
        tbptt: int | None = None,
    ) -> LearningRateCurve:
        """Trains a copy for some steps at rates that grow from step to step (Smith 2015, section
        3.3), and returns the losses with a suggestion: `trainer.optimizer.lr = found.suggestion`.

        The rate of step k is lowest * (highest / lowest)^(k / (steps - 1)), that of the parameters
        in no group; those of groups keep their ratio to it. It ends early when the loss is no
        number, or when its running mean (weights 0.9^k) has risen above the least one by three
        times the first or the least, whichever is larger in size. Clipping and `accumulate` act;
        schedules, `ema` and callbacks do not. The trainer, with weights, optimizer and random
        counters, stays as it is to the bit. Data and errors as those of `fit`.
        """
        check_trained(self.trained)
        low, high = check_rate_range(lowest, highest)
        steps = check_size("Trainer", "steps", steps, minimum=2)
        tbptt = None if tbptt is None else check_size("Trainer", "tbptt", tbptt)
        batches = checked_batches(x, batch_size, shuffle)
        self._shards.check_batch_size(batches["batch_size"])
        data = read_data("Trainer: train", x, y, lengths, sample_weight)
        updates = self._updates
        return find_lr(
            self.model,
            self._objective.loss,
            self.optimizer,
            self._objective.samples("Trainer: train", data, tbptt, measured=False),
            low * (high / low) ** (np.arange(steps) / (steps - 1)),
            self._generator,
            batches=batches | {"bucket": check_flag("Trainer", "bucket", bucket)},
            tbptt=tbptt,
            updating={
                "accumulate": updates.accumulate,
                "clip_norm": updates.clip_norm,
                "clip_value": updates.clip_value,
            },
            shards=self._shards.count,
        )

    def stop(self) -> None:
        """Ends the fit after the current epoch; for callbacks."""
        self._progress.stopped = True

    @property
    def measures(self) -> list[str]:
        """What the running fit adds to its history after each epoch, by name."""
        metrics = self._objective.metrics
        return [*recorded(metrics, held_out=self._validates, train=self._measures_train)]

    def higher_is_better(self, measure: str) -> bool | None:
        """Which values of a measure are better: False of the losses; None if a metric says nothing,
        KeyError for another name."""
        return recorded(self._objective.metrics, held_out=True, train=True)[measure]

    def averaged_weights(self) -> AbstractContextManager[Any]:
        """Within, the model has the weights that `ema` averaged; its own without `ema`."""
        return self._updates.averaged_weights()

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
    ) -> dict[str, float]:
        """{"loss": the mean over the real elements of all data}, and each metric by its name.

        x, y, `lengths` and `sample_weight` as `fit` takes them. Uses the model's own weights, not
        the averaged ones. Errors as `fit`.
        """
        check_drops_none("Trainer: data", x)
        size = checked_batches(x, batch_size, False)["batch_size"]
        data = read_data("Trainer: data", x, y, lengths, sample_weight)
        return self._objective.evaluate(self._objective.samples("Trainer: data", data), size)

    def predict(self, x: Any, lengths: Any = None, batch_size: int | None = None) -> Any:
        """`model.predict(x, lengths, batch_size)`: the outputs for x, sample first."""
        return self.model.predict(x, lengths, batch_size)

    def state_dict(self) -> dict[str, Any]:
        """All that training goes on from, as nested dicts of arrays and plain values: weights,
        optimizer, schedules, averaged weights, the order's generator, history."""
        return states_of(parts_of(self._updates, self._progress, self.history, ()))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` of such a Trainer returned; TypeError or ValueError, with
        nothing changed, for that of another model or other parts."""
        parts = parts_of(self._updates, self._progress, self.history, ())
        load_states(parts, check_mapping("Trainer", "state", state), check_together)

    def _options(self) -> dict[str, Any]:
        objective, updates = self._objective, self._updates
        return {
            "model": self.model,
            "loss": objective.loss,
            "optimizer": self.optimizer,
            "clip_norm": updates.clip_norm,
            "clip_value": updates.clip_value,
            "accumulate": updates.accumulate,
            "schedule": updates.schedules or None,
            "metrics": tuple(metric.name for metric in objective.metrics),
            "ema": updates.ema,
            "shards": None if self._shards.count == 1 else self._shards.count,
            "communicator": self._ranks.communicator,
        }

    def _phrases(self) -> Iterator[str]:
        yield from super()._phrases()
        yield f"history={self.history!r}"

    def _repr_html_(self) -> str:
        """The options that are set, whole, and the history."""
        rows = [(name, repr(value)) for name, value in self._options().items() if value]
        return html_table(["Trainer", ""], [*rows, ("history", repr(self.history))], left=2)

    def _run(self, plan: Plan) -> None:
        """Trains by a plan, from the beginning or from its checkpoint."""
        updates, ranks = self._updates, self._ranks
        ranks.each(lambda: self._check(plan))
        check_callbacks(ranks, plan.callbacks)
        self._shards.look_at_model()
        updates.forget()
        self._validates, self._measures_train = plan.held_out is not None, plan.train_metrics
        ranks.share_state(self._generator)
        self._progress = Progress(self._generator, len(self.history))
        call_on_first(ranks, plan.callbacks, "on_fit_start", self)
        parts = parts_of(updates, self._progress, self.history, plan.callbacks)
        loop = Loop(
            plan,
            self._objective,
            self._shards,
            ranks,
            updates,
            self.history,
            self._progress,
            parts,
            self,
        )
        if plan.resume:
            loop.resume()
        loop.run()
        ranks.wait()

    def _check(self, plan: Plan) -> None:
        """ValueError for a plan or parts that do not fit each other."""
        self._shards.check_batch_size(plan.batch_size)
        check_belonging(self.trained, self.optimizer, self._updates.schedules, self._updates.ema)
