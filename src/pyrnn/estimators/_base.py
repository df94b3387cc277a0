"""What the estimators of sequences share: their parameters, fit, partial_fit, predictions."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._base.checks import Array, describe
from .._base.columns import as_numpys
from ..layers._sequential import Sequential
from ..losses import Loss
from ..training._history import History
from ..training._trainer import Trainer
from ._data import Data, Given
from ._estimator import Estimator
from ._importances import Exchange
from ._naming import naming
from ._network import build_network, check_share, inner_threads, make_trainer, train
from ._padding import Padding, Read
from ._reader import SequenceReader
from ._weights import Weight, check_weighs, over_steps, read_sample_weight

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
        largest id decides. The padding of a Vocabulary, id 0, is left out in front and behind.
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

    _kinds: ClassVar[dict[str, Any]] = Estimator._kinds | {
        "network_": Sequential,
        "n_iter_": int,
        "_reader": SequenceReader,
        "_made_of": dict[str, Any],
        "_prior": tuple[Any, Any] | None,
    }

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, mask: Any = None
    ) -> Self:
        """Trains on sequences X with targets y; see the class for their forms.

        `sample_weight` (N,) are numbers >= 0 that weight the samples in the loss, which is
        sum(w * loss) / sum(w), and in the scales: 2 is as two equal samples, 0 as none, but that
        classes and vocabulary are those of all. Where there is an output for every step, each step
        may have a weight.

        X that is padded needs `lengths` (N,), the numbers of real steps, or `mask` (N, T), True at
        the real ones, in any pattern. Padding is never read: the results are those of the
        sequences without it. What has an entry for each step may be padded as X is.

        TypeError or ValueError for what does not fit; after any error the estimator is as before.
        """
        given = Given(X, y, sample_weight, self._padding(lengths, mask))
        fresh = self._begin(keep=self.warm_start)
        fresh._learn(given, self._seed(), self.epochs, hold_out=self.early_stopping)
        return self._finish(fresh)

    def feature_importances(
        self,
        X: Any,
        y: Any,
        *,
        scoring: Any = None,
        n_repeats: int = 5,
        n_jobs: int | None = None,
        random_state: Any = None,
        sample_weight: Any = None,
        lengths: Any = None,
        mask: Any = None,
    ) -> Any:
        """How much worse y is predicted where a feature is exchanged between the samples of X.

        A feature's whole sequences go to other samples in random order (Breiman 2001); of unlike
        lengths, they are laid end to end and cut anew, so that each value is there once and has
        its neighbours. The importance is the score of (X, y) less the score after that: 0 for a
        feature that no prediction depends on.

        `scoring` is scikit-learn's word or callable, None `score`. The Bunch is that of
        scikit-learn's `permutation_importance`: `importances` (F, n_repeats), `importances_mean`
        and `importances_std` (F,). Ids are one feature.
        """
        check_is_fitted(self)
        read = self._reader.unscaled(self, X, self._padding(lengths, mask))
        weight, y = self._read_weight(read, sample_weight), self._read_y(read, y)
        exchange = Exchange(read.sequences, y if self._pooling() else read.cut(y), weight)
        return exchange.importances(self, scoring, n_repeats, n_jobs, random_state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = True
        tags.target_tags.required = True
        tags.non_deterministic = False
        return tags

    def _padding(self, lengths: Any, mask: Any) -> Padding:
        """What a caller says of the steps of X."""
        return Padding(type(self).__name__, lengths, mask)

    def _learn(self, given: Given, seed: int, epochs: int, *, hold_out: bool) -> None:
        """Reads the data, makes a network unless there is one, and trains it."""
        owner, first = type(self).__name__, not hasattr(self, "network_")
        if given.y is None:
            raise ValueError(
                f"{owner}: This {owner} estimator requires y to be passed, but the target y is "
                "None."
            )
        if first:
            self._reader: SequenceReader = SequenceReader.of(self)
            read = self._reader.first(self, given.X, given.padding)
        else:
            self._check_unchanged()
            read = self._reader.unscaled(self, given.X, given.padding)
        read.check_steps(owner)
        y, weight = self._read_y(read, given.y), self._read_weight(read, given.sample_weight)
        of_each = over_steps(weight, read.steps)
        check_weighs(owner, "sample_weight", of_each, "everywhere")
        if first:
            self._reader.note_scale(self, read, of_each)
        target = self._read_target(read, y, weight, first=first)
        weighed_by = "class_weight" if weight is None else "sample_weight"
        weight = self._weighted(target, weight, first=first)
        data = Data(owner, self._reader.scaled(read).sequences, target, weight, weighed_by)
        check_weighs(owner, weighed_by, over_steps(weight, read.steps), "everywhere")
        if self._pooling() is not None:
            self._note_prior(target, weight)
            data = data if all(read.steps) else data.take(np.flatnonzero(read.steps))
        if first:
            self._make(seed)
        train(self, self._trainer, *self._split(data, seed, hold_out), epochs)
        self.n_iter_ = len(self.history_)

    def _read_y(self, read: Read, y: Any) -> Any:
        """y with an entry for each sample."""
        owner = type(self).__name__
        if y is None:
            raise TypeError(f"{owner}: y is None, expected a target for each sample of X")
        y = as_numpys(owner, "y", y)
        with naming(owner, "y"):
            check_consistent_length(read.sequences, y)
        return y.toarray() if hasattr(y, "tocsr") else y  # a sparse matrix

    def _make(self, seed: int) -> None:
        """The network and its trainer, for data that have been read."""
        inputs, outputs = self._reader.width, self._outputs()
        self.network_: Sequential = build_network(
            self, inputs, outputs, pooling=self._pooling(), seed=seed
        )
        self._trainer: Trainer = make_trainer(self, self.network_, self._loss(), seed)
        self._made_of = self.get_params(deep=False)
        self.history_: History = self._trainer.history

    def _known(self) -> dict[str, Any]:
        """Of the trainer its state, but for the weights, which are the network's."""
        known = super()._known()
        trainer, _ = known.pop("_trainer"), known.pop("history_")  # which is in its state
        state = {name: part for name, part in trainer.state_dict().items() if name != "model"}
        return {**known, "training": state}

    def _take(self, known: dict[str, Any]) -> None:
        state = known.pop("training")
        super()._take(known)
        made = type(self)(**self._made_of)  # the parameters may have been set since
        made.__dict__.update(known)
        trainer = make_trainer(made, self.network_, made._loss(), seed=0)
        trainer.load_state_dict(trainer.state_dict() | state)
        self._trainer, self.history_ = trainer, trainer.history

    def _check_unchanged(self) -> None:
        """ValueError for a parameter that acts on a new network alone and was set since the fit
        that this one goes on from; a new learning rate acts."""
        for name, before in self._made_of.items():
            now = getattr(self, name)
            if name not in EVERY_FIT and not _is_same(now, before):
                raise ValueError(
                    f"{type(self).__name__}: {name} is {describe(now)}, expected "
                    f"{describe(before)} as in the fit that this one goes on from: it acts on a "
                    "new network, made by fit with warm_start=False"
                )
        with naming(type(self).__name__, "learning_rate"):
            self._trainer.optimizer.lr = self.learning_rate

    def _read_weight(self, read: Read, sample_weight: Any) -> Weight | None:
        """The weights of the samples (N,), of the steps of each if there is an output per step."""
        per_step = self._pooling() is None and self._weighs_steps()
        return read_sample_weight(type(self).__name__, sample_weight, read, per_step=per_step)

    def _split(self, data: Data, seed: int, hold_out: bool) -> tuple[Any, Any]:
        """What to train on, and what is held out for early stopping, or None."""
        N, share = len(data), check_share(self)
        if not hold_out:
            return data.dataset(), None
        count = round(share * N)
        if not 1 <= count < N:
            raise ValueError(
                f"{type(self).__name__}: validation_fraction is {share}, which holds out {count} "
                f"of {N} samples, expected at least one, and one to train on"
            )
        order = np.random.default_rng(seed).permutation(N)
        held, rest = self._held_out(order, data.target, count)
        data.check_weighs(held, "for all samples that early_stopping holds out")
        data.check_weighs(rest, "for all samples but those that are held out")
        return data.take(rest).dataset(), data.take(held).dataset()

    def _held_out(self, order: Array, target: Any, count: int) -> tuple[Array, Array]:
        """`count` of the samples, and the others."""
        return order[:count], order[count:]

    def _scores(self, X: Any, lengths: Any, mask: Any) -> tuple[Read, Any]:
        """X as it is read, and what the network says of each sample, or of each step of it."""
        check_is_fitted(self)
        read = self._reader.read(self, X, self._padding(lengths, mask))
        if self._pooling() is None:
            return read, self._predict(self._trainer, read.sequences)
        total, weight = self._prior
        return read, self._of_some(self._trainer, read, self._prior_scores(total / weight))

    def _of_some(self, predictor: Any, read: Read, otherwise: Array) -> Array:
        """A vector for each sample: what a predictor says of it, or `otherwise` without steps."""
        rows = np.flatnonzero(read.steps)
        if len(rows) == len(read):
            found: Array = self._predict(predictor, read.sequences)
            return found
        every = np.tile(otherwise, (len(read), 1))
        if len(rows):
            every[rows] = self._predict(predictor, [read.sequences[i] for i in rows])
        return every

    def _predict(self, predictor: Any, sequences: Any) -> Any:
        """What the Trainer or a part of the network makes of sequences that have steps."""
        with inner_threads():
            return predictor.predict(sequences, batch_size=self.batch_size)

    def _note_prior(self, target: Any, weight: Any) -> None:
        """Adds to the sums that say what is to be expected of a sequence without steps."""
        terms = self._prior_terms(target)
        weight = np.ones(len(terms)) if weight is None else weight
        total, count = getattr(self, "_prior", (0.0, 0.0))
        self._prior = total + weight @ terms, count + weight.sum()

    def _pooling(self) -> str | None:
        """How one vector is made of a sequence; None if there is to be an output per step."""
        return None

    def _weighs_steps(self) -> bool:
        """Whether each step may have a weight, where there is an output per step."""
        return True

    def _weighted(self, target: Any, weight: Weight | None, *, first: bool) -> Weight | None:
        """The weights of samples or steps, with those of the classes."""
        return weight

    def _prior_terms(self, target: Any) -> Array:
        """(N, outputs), whose mean is what is to be expected without a sequence."""
        raise NotImplementedError

    def _prior_scores(self, mean: Array) -> Array:
        """The network's outputs (outputs,) that say so."""
        raise NotImplementedError

    def _read_target(self, read: Read, y: Any, weight: Weight | None, *, first: bool) -> Any:
        """y as the loss takes it; the `first` one decides on classes and, with weights, scale."""
        raise NotImplementedError

    def _outputs(self) -> int:
        """The network's outputs."""
        raise NotImplementedError

    def _loss(self) -> Loss:
        """What is minimised."""
        raise NotImplementedError


def _is_same(now: Any, before: Any) -> bool:
    """Whether a parameter is as it was."""
    if isinstance(now, np.ndarray) or isinstance(before, np.ndarray):
        return np.array_equal(now, before)
    return now is before or bool(now == before)
