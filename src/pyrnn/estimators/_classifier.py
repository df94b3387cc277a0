"""SequenceClassifier: one class for each sequence."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from .._base.checks import Array
from ._base import PARAMETERS
from ._class_estimator import ClassEstimator
from ._naming import naming
from ._network import softmax
from ._reader import Sequences


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceClassifier(ClassifierMixin, ClassEstimator):
    __doc__ = f"""A recurrent network that tells the class of a sequence.

    X is a list of arrays (T_i, F) of different lengths, an array (N, T, F), a table (N, T) of one
    feature or (N, T*F) with `n_features_per_step`, or, with `embedding`, a list of sequences of
    integer ids or of tokens (T_i,). y has N labels of any kind.

    Parameters
    ----------
    {
        PARAMETERS.format(
            pooling='''pooling : "last", "mean" or "max"
        How one vector is made of all steps: the last output of each direction, or a pool.
    '''
        )
    }
    class_weight : dict, "balanced" or None
        Weights of the classes in the loss.

    Attributes
    ----------
    classes_, n_features_in_, n_iter_
        The labels, sorted; the columns of a table, or features of a step; the epochs so far.
    network_ : pyrnn.Sequential
        The network, which makes logits of scaled sequences; `network_.save(path)` works.
    history_ : pyrnn.History
        Losses of all epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from pyrnn.estimators import SequenceClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((n, 2)).cumsum(axis=0) for n in rng.integers(5, 20, 100)]
    >>> y = ["up" if x[-1, 0] > 0 else "down" for x in X]
    >>> SequenceClassifier(epochs=20, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    def predict(self, X: Any) -> Array:
        """The most likely label of each sample (N,)."""
        scores = self._scores(X)
        labels: Array = self.classes_[scores.argmax(axis=-1)]
        return labels

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (N, C), in the order of `classes_`."""
        return softmax(self._scores(X))

    def predict_log_proba(self, X: Any) -> Array:
        """Their logarithms (N, C)."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _read_target(self, x: Sequences, y: Any, *, first: bool) -> Array:
        with naming(type(self).__name__, "y"):
            labels = column_or_1d(y, warn=True)
            check_classification_targets(labels)
        return self._encode(labels, first=first)

    def _held_out(self, order: Array, target: Array, count: int) -> tuple[Array, Array]:
        """Of each class its share, as nearly as whole numbers allow."""
        by_class = order[np.argsort(target[order], kind="stable")]
        places = np.floor((np.arange(count) + 0.5) * len(order) / count).astype(int)
        return by_class[places], np.delete(by_class, places)
