"""SequenceRegressor: one or several numbers for each sequence."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_array

from .._base.checks import Array
from ..losses import Loss
from ._base import PARAMETERS, SequenceEstimator
from ._naming import naming
from ._network import read_loss
from ._reader import Sequences
from ._scaling import Scaling, identity, standard


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceRegressor(RegressorMixin, SequenceEstimator):
    __doc__ = f"""A recurrent network that makes a number, or several, of a sequence.

    X is a list of arrays (T_i, F) of different lengths, an array (N, T, F), a table (N, T) of one
    feature or (N, T*F) with `n_features_per_step`, or, with `embedding`, a list of sequences of
    integer ids or of tokens (T_i,). y is (N,) or (N, K).

    Parameters
    ----------
    {
        PARAMETERS.format(
            pooling='''pooling : "last", "mean" or "max"
        How one vector is made of all steps: the last output of each direction, or a pool.
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
    """

    loss: str = "mse"

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One more epoch on X and y, weighted as by `fit`.

        The first call, unless a fit came before, makes the network, and decides on scales and
        vocabulary.
        """
        fresh = self._begin(keep=True)
        fresh._learn(X, y, sample_weight, self._seed(), 1, hold_out=False)
        return self._finish(fresh)

    def predict(self, X: Any) -> Array:
        """The numbers for each sample, (N,) or (N, K) as y was."""
        scores = self._scores(X)
        numbers = self._target_scaling.undo(scores.astype(np.float64))
        return numbers[:, 0] if self._is_flat else numbers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _read_target(self, x: Sequences, y: Any, *, first: bool) -> Array:
        with naming(type(self).__name__, "y"):
            target = check_array(y, ensure_2d=False, order="C", dtype=np.float64, input_name="y")
        rows: Array = target.reshape(len(target), -1)
        if first:
            self._is_flat = target.ndim == 1
            name = f"{type(self).__name__}: y"
            self._target_scaling: Scaling = (
                standard(name, rows) if self.scale else identity(rows.shape[1])
            )
        elif rows.shape[1] != self._outputs():
            raise ValueError(
                f"{type(self).__name__}: y has {rows.shape[1]} numbers per sample, "
                f"expected {self._outputs()} as in fit"
            )
        return self._target_scaling.apply(rows)

    def _outputs(self) -> int:
        return len(self._target_scaling.center)

    def _loss(self) -> Loss:
        return read_loss(self)
