"""SequenceClassifier: one class for each sequence."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from .._base.checks import Array
from .._base.columns import as_numpys
from ._base import PARAMETERS
from ._class_estimator import ClassEstimator
from ._class_targets import read_labels, targets_of
from ._file import storable
from ._naming import naming
from ._padding import Read
from ._pooled import Pooled


@storable
@dataclass(kw_only=True, eq=False, repr=False)
class SequenceClassifier(ClassifierMixin, Pooled, ClassEstimator):
    __doc__ = f"""A recurrent network that tells the class of a sequence.

    X is a list of arrays (T_i, F) of different lengths, an array (N, T, F), a table (N, T) of one
    feature or (N, T*F) with `n_features_per_step`, or, with `embedding`, a list of sequences of
    integer ids or of tokens (T_i,). y has N labels of any kind; or it is (N, L): of 0 and 1 for
    labels that are there or not (multilabel), or of labels of L kinds (multi-output).

    A sequence without steps teaches the network nothing, and is answered with the share that each
    class had in the training data.

    Parameters
    ----------
    {
        PARAMETERS.format(
            pooling='''pooling : "last", "mean" or "max"
        How one vector is made of all steps: the last output of each direction, or a pool.
    '''
        )
    }
    class_weight : dict, "balanced", list of dicts or None
        Weights of the classes, by which those of their samples are multiplied; of several labels
        the product, as in scikit-learn.

    Attributes
    ----------
    classes_, n_features_in_, n_iter_
        The labels, sorted (of several kinds a list, of 0 and 1 the columns); the columns of a
        table, or features of a step; the epochs so far.
    network_ : pyrnn.Sequential
        The network, which makes logits of scaled sequences; `save(path)` keeps the scales, too.
    history_ : pyrnn.History
        Losses of all epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from pyrnn.estimators import SequenceClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((n, 2)).cumsum(axis=0) for n in rng.integers(5, 20, 100)]
    >>> y = ["up" if x[-1, 0] > 0 else "down" for x in X]
    >>> model = SequenceClassifier(epochs=20, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True

    The same walks padded, with their lengths; the vectors that the network makes of them; the
    feature that the class depends on:

    >>> lengths = [len(x) for x in X]
    >>> padded = np.stack([np.pad(x, ((0, 20 - len(x)), (0, 0))) for x in X])
    >>> bool((model.predict_proba(padded, lengths=lengths) == model.predict_proba(X)).all())
    True
    >>> model.transform(X).shape
    (100, 64)
    >>> int(model.feature_importances(X, y, random_state=0).importances_mean.argmax())
    0
    """

    def predict(self, X: Any, lengths: Any = None, mask: Any = None) -> Array:
        """The most likely label of each sample (N,), or those of each (N, L)."""
        _, scores = self._scores(X, lengths, mask)
        return self._targets.decode(scores)

    def predict_proba(self, X: Any, lengths: Any = None, mask: Any = None) -> Any:
        """The probability of each class (N, C), in the order of `classes_`; of 0 and 1 that of 1
        (N, L), of labels of several kinds a list of (N, C)."""
        _, scores = self._scores(X, lengths, mask)
        return self._targets.probabilities(scores)

    def predict_log_proba(self, X: Any, lengths: Any = None, mask: Any = None) -> Any:
        """Their logarithms."""
        probabilities = self.predict_proba(X, lengths, mask)
        with np.errstate(divide="ignore"):
            if isinstance(probabilities, list):
                return [np.log(p) for p in probabilities]
            return np.log(probabilities)

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, mask: Any = None
    ) -> float:
        """The share of samples whose label is right, or all of whose labels are."""
        predicted = self.predict(X, lengths, mask)
        y = as_numpys(type(self).__name__, "y", y)
        with naming(type(self).__name__, "y"):
            if isinstance(self.classes_, list):  # scikit-learn has no such score
                right = (np.asarray(y) == predicted).all(axis=1)
                return float(np.average(right, weights=sample_weight))
            return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags

    def _read_target(self, read: Read, y: Any, weight: Any, *, first: bool) -> Array:
        owner = type(self).__name__
        labels = read_labels(owner, y)
        if first:
            self._note_targets(targets_of(owner, labels, getattr(self, "classes_", None)))
        return self._targets.encode(labels)

    def _prior_terms(self, target: Array) -> Array:
        return self._targets.expected(target)

    def _prior_scores(self, mean: Array) -> Array:
        return self._targets.scores(mean)

    def _held_out(self, order: Array, target: Array, count: int) -> tuple[Array, Array]:
        """Of each class its share, as nearly as whole numbers allow; of several labels any."""
        if target.ndim > 1:
            return super()._held_out(order, target, count)
        by_class = order[np.argsort(target[order], kind="stable")]
        places = np.floor((np.arange(count) + 0.5) * len(order) / count).astype(int)
        return by_class[places], np.delete(by_class, places)
