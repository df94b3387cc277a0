"""What the estimators of sequences share: their parameters, fit, partial_fit, predictions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._base.checks import Array, check_choice, describe
from .._base.columns import Columns, Dataset, read_weight
from ..layers._sequential import Sequential
from ..losses import Loss
from ..training._history import History
from ..training._trainer import Trainer
from ._estimator import Estimator
from ._naming import naming
from ._network import build_network, check_share, inner_threads, make_trainer, train
from ._reader import SequenceReader, Sequences, as_numpys

POOLINGS = ("last", "mean", "max")
EVERY_FIT = (  # the parameters that each fit reads, whether it makes the network or goes on
    "epochs", "batch_size", "learning_rate", "early_stopping", "validation_fraction", "patience",
    "random_state", "verbose", "warm_start",
)  # fmt: skip

PARAMETERS = """cell : "gru", "lstm" or "rnn"
        The recurrent layers.
    hidden_size, num_layers, bidirectional, dropout
        Their units, number and directions; `dropout` between them and in front of the output.
    {pooling}embedding : int or None
        Size of the trained vectors of ids; with it, X holds ids or tokens.
    vocabulary : pyrnn.Vocabulary, int or None
        The tokens, or the number of ids. None: built of the training data; without tokens, the
        largest id decides.
    n_features_per_step : int
        F of the rows of a table, (N, T*F), and of 1-D samples: the features of step 0 come first.
    scale : bool
        Numbers are standardised per feature, by mean and deviation of the training data.
    epochs, batch_size, learning_rate, optimizer, clip_norm
        The training: `optimizer` is "adam", "adamw", "nadam", "rmsprop", "adagrad" or "sgd".
    early_stopping, validation_fraction, patience
        With `early_stopping` a share of the samples is held out; training ends when the loss on
        them has not fallen for `patience` epochs, and the best weights are kept.
    random_state : int, RandomState or None
        All randomness of a fit: weights, dropout, order, what is held out.
    verbose : bool
        Progress bars.
    warm_start : bool
        `fit` continues from the fit before: network, optimizer, scales and vocabulary stay. A
        parameter that acts on a new network alone must then be as it was (ValueError)."""


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceEstimator(Estimator):
    """Base of classifier, regressor and tagger; the parameters are those of the subclasses."""

    cell: str = "gru"
    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    pooling: str = "last"
    embedding: int | None = None
    vocabulary: Any = None
    n_features_per_step: int = 1
    scale: bool = True
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 5e-3
    optimizer: str = "adam"
    clip_norm: float | None = 1.0
    early_stopping: bool = False
    validation_fraction: float = 0.1
    patience: int = 10
    random_state: Any = None
    verbose: bool = False
    warm_start: bool = False

    _least_steps: ClassVar[int] = 1  # of a sample

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains on sequences X with targets y; see the class for their forms.

        `sample_weight` (N,) are numbers >= 0 that weight the samples in the loss, which is
        sum(w * loss) / sum(w); scales and classes are those of all samples.

        TypeError or ValueError for what does not fit; after any error the estimator is as before.
        """
        fresh = self._begin(keep=self.warm_start)
        hold_out = self.early_stopping
        fresh._learn(X, y, sample_weight, self._seed(), self.epochs, hold_out=hold_out)
        return self._finish(fresh)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = True
        tags.target_tags.required = True
        tags.non_deterministic = False
        return tags

    def _learn(
        self, X: Any, y: Any, sample_weight: Any, seed: int, epochs: int, *, hold_out: bool
    ) -> None:
        """Reads the data, makes a network unless there is one, and trains it."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__}: This {type(self).__name__} estimator requires y to be "
                "passed, but the target y is None."
            )
        goes_on = hasattr(self, "network_")
        if goes_on:
            self._check_unchanged()
        else:
            self._reader: SequenceReader = SequenceReader(self, least=self._least_steps)
        x = self._reader.read(self, X) if goes_on else self._reader.fit(self, X)
        y = as_numpys(type(self).__name__, "y", y)
        with naming(type(self).__name__, "y"):
            check_consistent_length(x, y)
            y = y if hasattr(y, "__len__") else np.asarray(y)
        target = self._read_target(x, y, first=not goes_on)
        if not goes_on:
            self._make(seed)
        weight = self._read_weight(sample_weight, target)
        data, held_out = self._split(x, target, weight, seed, hold_out)
        train(self, self._trainer, data, held_out, epochs)
        self.n_iter_ = len(self.history_)

    def _make(self, seed: int) -> None:
        """The network and its trainer, for data that have been read."""
        inputs, outputs = self._reader.width, self._outputs()
        self.network_: Sequential = build_network(
            self, inputs, outputs, pooling=self._pooling(), seed=seed
        )
        self._trainer: Trainer = make_trainer(self, self.network_, self._loss(), seed)
        self._made_of = self.get_params(deep=False)
        self.history_: History = self._trainer.history

    def _check_unchanged(self) -> None:
        """ValueError for a parameter that acts on a new network alone and was set since the fit
        that this one goes on from; a new learning rate acts."""
        for name, before in self._made_of.items():
            now = getattr(self, name)
            if name not in EVERY_FIT and now is not before and now != before:
                raise ValueError(
                    f"{type(self).__name__}: {name} is {describe(now)}, expected "
                    f"{describe(before)} as in the fit that this one goes on from: it acts on a "
                    "new network, made by fit with warm_start=False"
                )
        with naming(type(self).__name__, "learning_rate"):
            self._trainer.optimizer.lr = self.learning_rate

    def _read_weight(self, sample_weight: Any, target: Any) -> Any:
        """The weights of the samples (N,), of the steps of each if there is an output per step."""
        if sample_weight is None:
            return None
        owner, count = type(self).__name__, len(target)
        if np.isscalar(sample_weight):
            sample_weight = np.full(count, sample_weight)
        weight: Any = read_weight(f"{owner}:", sample_weight, count)
        if np.ndim(weight[0]):
            if self._pooling() is not None or self._loss().whole_sequences:
                raise ValueError(
                    f"{owner}: sample_weight has shape {np.shape(weight[0])} for a sample, "
                    f"expected ({count},), one number for each: a 1D array"
                )
            _check_steps(owner, weight, target)
        every = np.concatenate([np.ravel(w) for w in weight])
        wrong = ~(np.isfinite(every) & (every >= 0))
        if wrong.any():
            raise ValueError(
                f"{owner}: sample_weight has {every[wrong][0]}, expected finite numbers >= 0"
            )
        return weight

    def _split(
        self, x: Any, target: Any, weight: Any, seed: int, hold_out: bool
    ) -> tuple[Dataset, Dataset | None]:
        """What to train on, and what is held out for early stopping, or None."""
        N, share = len(target), check_share(self)
        self._check_weighs(target, weight, range(N), "everywhere")
        if not hold_out:
            return _samples(x, target, weight), None
        count = round(share * N)
        if not 1 <= count < N:
            raise ValueError(
                f"{type(self).__name__}: validation_fraction is {share}, which holds out {count} "
                f"of {N} samples, expected at least one, and one to train on"
            )
        order = np.random.default_rng(seed).permutation(N)
        held, rest = self._held_out(order, target, count)
        self._check_weighs(target, weight, held, "for all samples that early_stopping holds out")
        self._check_weighs(target, weight, rest, "for all samples but those that are held out")
        taken = [_samples(*(_taken(a, rows) for a in (x, target, weight))) for rows in (rest, held)]
        return taken[0], taken[1]

    def _check_weighs(self, target: Any, weight: Any, rows: Iterable[int], where: str) -> None:
        """ValueError unless some of these samples, or of their steps, has a weight > 0."""
        if weight is None:
            return
        for i in rows:
            w = weight[i][: len(target[i])] if np.ndim(weight[i]) else weight[i]
            if np.size(target[i]) and np.any(w):
                return
        raise ValueError(
            f"{type(self).__name__}: sample_weight is 0 {where}. Sample weights must contain at "
            "least one non-zero number."
        )

    def _held_out(self, order: Array, target: Any, count: int) -> tuple[Array, Array]:
        """`count` of the samples, and the others."""
        return order[:count], order[count:]

    def _scores(self, X: Any) -> Any:
        """What the network says of each sample, or of each step of it."""
        check_is_fitted(self)
        x: Sequences = self._reader.read(self, X)
        with inner_threads():
            return self._trainer.predict(x, batch_size=self.batch_size)

    def _pooling(self) -> str | None:
        """How one vector is made of a sequence; None if there is to be an output per step."""
        return check_choice(type(self).__name__, "pooling", self.pooling, POOLINGS)

    def _read_target(self, x: Sequences, y: Any, *, first: bool) -> Any:
        """y as the loss takes it; the `first` one decides on classes and scale."""
        raise NotImplementedError

    def _outputs(self) -> int:
        """The network's outputs."""
        raise NotImplementedError

    def _loss(self) -> Loss:
        """What is minimised."""
        raise NotImplementedError


def _check_steps(owner: str, weight: Any, target: Any) -> None:
    """ValueError unless each sample has a weight for each of its steps; an array has padding."""
    for i, steps in enumerate(map(len, target)):
        shape = np.shape(weight[i])
        padded = isinstance(weight, np.ndarray) and len(shape) == 1 and shape[0] >= steps
        if shape != (steps,) and not padded:
            raise ValueError(
                f"{owner}: sample_weight[{i}] has shape {shape}, expected ({steps},), one number "
                f"for each step of X[{i}]"
            )


def _taken(column: Any, rows: Array) -> Any:
    """Some entries of an array or a list, if there is one."""
    if column is None:
        return None
    return [column[i] for i in rows] if isinstance(column, list) else column[rows]


def _samples(x: Any, target: Any, weight: Any) -> Dataset:
    """What a Trainer is given."""
    return Columns(x, target, None, weight, name="Trainer: train")
