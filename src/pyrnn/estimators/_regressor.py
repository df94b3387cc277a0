"""SequenceRegressor: one or several numbers for each sequence, or for each of its steps."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array

from .._base.checks import Array
from .._base.columns import read_numbers
from ..losses import Loss
from ._base import PARAMETERS
from ._data import Given
from ._file import storable
from ._naming import naming
from ._network import read_loss
from ._padding import Read, as_rows
from ._pooled import Pooled
from ._scaling import Scaling, identity, standard
from ._weights import over_steps


@storable
@dataclass(kw_only=True, eq=False, repr=False)
class SequenceRegressor(RegressorMixin, Pooled):
    __doc__ = f"""A recurrent network that makes a number, or several, of a sequence.

    X is a list of arrays (T_i, F) of different lengths, an array (N, T, F), a table (N, T) of one
    feature or (N, T*F) with `n_features_per_step`, or, with `embedding`, a list of sequences of
    integer ids or of tokens (T_i,). y is (N,) or (N, K); with `pooling=None` it has a number for
    each step: a list of (T_i,) or (T_i, K), or an array (N, T) or (N, T, K).

    A sequence without steps teaches the network nothing, and is answered with the mean of the
    training targets, or without a number where each step has one.

    Parameters
    ----------
    {
        PARAMETERS.format(
            pooling='''pooling : "last", "mean", "max" or None
        How one vector is made of all steps: the last output of each direction, or a pool. None:
        there is an output for every step, which knows what follows only with `bidirectional`.
    '''
        )
    }
    loss : "mse", "mae" or "huber"
        What is minimised, of targets that are standardised if `scale`.

    Attributes
    ----------
    n_features_in_, n_iter_
        The columns of a table, or features of a step; the epochs so far.
    network_ : pyrnn.Sequential
        The network, from scaled sequences to scaled targets.
    history_ : pyrnn.History
        Losses of all epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from pyrnn.estimators import SequenceRegressor
    >>> X = np.random.default_rng(0).standard_normal((200, 8))  # 200 series of 8 steps
    >>> y = X[:, -3:].sum(axis=1)
    >>> SequenceRegressor(epochs=30, random_state=0).fit(X, y).score(X, y) > 0.9
    True

    The running sum of sequences of different lengths, a number for every step:

    >>> X = [x[:n] for x, n in zip(X, np.arange(200) % 8 + 1)]
    >>> y = [x.cumsum() for x in X]
    >>> model = SequenceRegressor(pooling=None, epochs=30, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9, model.predict(X)[2].shape
    (True, (3,))
    """

    loss: str = "mse"

    _kinds: ClassVar[dict[str, Any]] = Pooled._kinds | {
        "_target_scaling": Scaling,
        "_is_flat": bool,
    }

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, mask: Any = None
    ) -> Self:
        """One more epoch on X and y, weighted and padded as for `fit`.

        The first call, unless a fit came before, makes the network, and decides on scales and
        vocabulary.
        """
        fresh = self._begin(keep=True)
        given = Given(X, y, sample_weight, self._padding(lengths, mask))
        fresh._learn(given, self._seed(), 1, hold_out=False)
        return self._finish(fresh)

    def predict(self, X: Any, lengths: Any = None, mask: Any = None) -> Array:
        """The numbers for each sample, (N,) or (N, K) as y was. For each step: N arrays (T_i,) or
        (T_i, K) in an array of objects, or (N, T) or (N, T, K) if X is an array without padding."""
        read, scores = self._scores(X, lengths, mask)
        if self._pooling() is not None:
            return self._numbers(scores)
        return read.per_step([self._numbers(sample) for sample in scores])

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, mask: Any = None
    ) -> float:
        """The coefficient of determination R^2 over all samples, or over all steps."""
        read, scores = self._scores(X, lengths, mask)
        weight = self._read_weight(read, sample_weight)
        rows = self._read_rows(read, self._read_y(read, y))
        if self._pooling() is None:
            rows, scores = (np.concatenate(list(column)) for column in (rows, scores))
            weight = over_steps(weight, read.steps)
        with naming(type(self).__name__, "y"):
            return float(r2_score(rows, self._numbers(scores), sample_weight=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _numbers(self, scores: Array) -> Array:
        """The numbers for scores (n, K), (n,) if y had one of each."""
        numbers = self._target_scaling.undo(scores.astype(np.float64))
        return numbers[:, 0] if self._is_flat else numbers

    def _pooling(self) -> str | None:
        return None if self.pooling is None else super()._pooling()

    def _read_target(self, read: Read, y: Any, weight: Any, *, first: bool) -> Any:
        owner, per_step = type(self).__name__, self._pooling() is None
        rows = self._read_rows(read, y)
        flat = np.concatenate(rows) if per_step else rows
        numbers = flat.reshape(len(flat), -1)
        if first:
            self._is_flat = flat.ndim == 1
            of_each = over_steps(weight, read.steps) if per_step else weight
            self._target_scaling: Scaling = (
                standard(f"{owner}: y", numbers, of_each)
                if self.scale
                else identity(numbers.shape[1])
            )
        elif numbers.shape[1] != self._outputs():
            raise ValueError(
                f"{owner}: y has {numbers.shape[1]} numbers per {'step' if per_step else 'sample'},"
                f" expected {self._outputs()} as in fit"
            )
        scaled = self._target_scaling.apply(numbers)
        return np.split(scaled, np.cumsum(read.steps)[:-1]) if per_step else scaled

    def _read_rows(self, read: Read, y: Any) -> Any:
        """y as numbers, (N,) or (N, K); a list of those of each step."""
        if self._pooling() is None:
            return _of_steps(type(self).__name__, read, y)
        if isinstance(y, list) and len({np.size(row) for row in y}) > 1:
            raise ValueError(
                f"{type(self).__name__}: y has rows of different lengths, expected (N,) or (N, K), "
                "numbers for each sample; those of every step need pooling=None"
            )
        with naming(type(self).__name__, "y"):
            return check_array(y, ensure_2d=False, order="C", dtype=np.float64, input_name="y")

    def _outputs(self) -> int:
        return len(self._target_scaling.center)

    def _loss(self) -> Loss:
        return read_loss(self)

    def _prior_terms(self, target: Array) -> Array:
        return target

    def _prior_scores(self, mean: Array) -> Array:
        return mean


def _of_steps(owner: str, read: Read, y: Any) -> list[Array]:
    """The numbers of each sample's steps, (T_i,) or (T_i, K): finite, and all of one width."""
    rows = []
    for i, (row, steps) in enumerate(zip(as_rows(read.cut(y)), read.steps, strict=True)):
        numbers = read_numbers(f"{owner}: y[{i}]", row).astype(np.float64)
        if numbers.ndim not in (1, 2) or len(numbers) != steps:
            raise ValueError(
                f"{owner}: y[{i}] has shape {numbers.shape}, expected ({steps},) or ({steps}, K), "
                f"with a number for each step of X[{i}]"
            )
        if not np.isfinite(numbers).all():
            raise ValueError(f"{owner}: y[{i}] contains NaN or infinity")
        rows.append(numbers)
    like = next((row for row in rows if len(row)), rows[0])
    for i, row in enumerate(rows):
        if len(row) == 0:
            rows[i] = like[:0]
        elif row.shape[1:] != like.shape[1:]:
            raise ValueError(
                f"{owner}: y[{i}] has shape {row.shape}, expected {(len(row), *like.shape[1:])} as "
                "the others"
            )
    return rows
