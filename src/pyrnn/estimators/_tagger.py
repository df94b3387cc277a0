"""SequenceTagger: one label for each step of a sequence."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_consistent_length

from .._base.checks import Array, check_choice, describe
from ..losses import Loss
from ..losses._crf import CRF
from ._base import PARAMETERS
from ._class_estimator import ClassEstimator
from ._naming import naming
from ._network import softmax
from ._reader import Sequences, as_numpys


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceTagger(ClassEstimator):
    __doc__ = f"""A recurrent network that labels every step: parts of speech, names, activities.

    X is a list of arrays (T_i, F) of different lengths, an array (N, T, F), a table (N, T) of one
    feature or (N, T*F) with `n_features_per_step`, or, with `embedding`, a list of sequences of
    integer ids or of tokens (T_i,). y is a list of N sequences of T_i labels each, or an array
    (N, T). `sample_weight` has a number for each sequence or, without `crf`, for each step.

    A step's label may depend on what follows it only with `bidirectional`.

    Parameters
    ----------
    {
        PARAMETERS.format(
            pooling='''pooling : "last"
        The one that is taken, and does nothing: there is an output for every step.
    '''
        )
    }
    class_weight : dict, "balanced" or None
        Weights of the labels in the loss; there are none with `crf`.
    crf : bool
        Labels are told of the whole sequence together: a CRF, trained with the network, adds how
        well each follows the one before. `predict` gives its most probable labels (Viterbi),
        `predict_proba` its marginals.

    Attributes
    ----------
    classes_, n_features_in_, n_iter_
        The labels, sorted; the columns of a table, or features of a step; the epochs so far.
    network_ : pyrnn.Sequential
        The network, which makes logits of every step of scaled sequences.
    crf_ : pyrnn.CRF or None
        The CRF on these logits.
    history_ : pyrnn.History
        Losses of all epochs.

    Examples
    --------
    >>> from pyrnn.estimators import SequenceTagger
    >>> X = [["the", "dog", "barks"], ["a", "cat", "sees", "the", "dog"]] * 20
    >>> y = [["DET", "NOUN", "VERB"], ["DET", "NOUN", "VERB", "DET", "NOUN"]] * 20
    >>> tagger = SequenceTagger(embedding=8, epochs=20, random_state=0).fit(X, y)
    >>> tagger.predict([["a", "dog", "sees", "a", "cat"]])[0].tolist()
    ['DET', 'NOUN', 'VERB', 'DET', 'NOUN']
    """

    crf: bool = False

    _least_steps: ClassVar[int] = 0  # an empty sequence has no labels

    def predict(self, X: Any) -> Array:
        """The labels of all steps: N arrays (T_i,) in an array of objects, which scikit-learn can
        join and index, or (N, T) if X is an array."""
        results = self._per_sample(self._decode, self._scores(X), X)
        if isinstance(results, np.ndarray):
            return results
        several = np.empty(len(results), object)
        for i, labels in enumerate(results):  # numpy would take those of one length for one array
            several[i] = labels
        return several

    def predict_proba(self, X: Any) -> Any:
        """The probability of each label at each step: a list of (T_i, C), or (N, T, C)."""
        return self._per_sample(self._probabilities, self._scores(X), X)

    def score(self, X: Any, y: Any) -> float:
        """The share of all steps whose label is right; NaN without steps.

        TypeError for labels of another kind than those that were learnt, such as numbers for texts.
        """
        predicted, y = list(self.predict(X)), as_numpys(type(self).__name__, "y", y)
        with naming(type(self).__name__, "y"):
            check_consistent_length(predicted, y)
            y = y if hasattr(y, "__len__") else np.atleast_1d(y)
        given = self._all_labels(predicted, y)
        right = [labels == true for labels, true in zip(predicted, given, strict=True)]
        every = np.concatenate(right)
        return float(every.mean()) if every.size else math.nan

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Of tables too, but scikit-learn's common checks of 2-D input have a label per sample.
        tags.input_tags.two_d_array = False
        return tags

    def _make(self, seed: int) -> None:
        if self.crf and self.class_weight is not None:
            raise ValueError(
                f"{type(self).__name__}: class_weight is {describe(self.class_weight)}, expected "
                "None with crf=True: a CRF weighs whole sequences"
            )
        self.crf_: CRF | None = CRF(self._outputs(), seed=seed) if self.crf else None
        super()._make(seed)

    def _loss(self) -> Loss:
        return super()._loss() if self.crf_ is None else self.crf_

    def _decode(self, scores: Array) -> Array:
        """The labels for scores (T, C) of a sequence: the most likely path, or one at each step."""
        if self.crf_ is None:
            numbers = scores.argmax(axis=-1)
        else:
            (numbers,) = self.crf_.decode(scores[None])
        labels: Array = self.classes_[numbers]
        return labels

    def _probabilities(self, scores: Array) -> Array:
        """(T, C), which sum to 1 in float64."""
        if self.crf_ is None:
            return softmax(scores)
        marginals = self.crf_.marginals(scores[None])[0].astype(np.float64)
        probabilities: Array = marginals / marginals.sum(axis=-1, keepdims=True)
        return probabilities

    def _per_sample(self, function: Any, scores: Any, X: Any) -> Any:
        """A function of each sequence's scores; an array if X is one."""
        results = [function(sample) for sample in scores]
        is_array = (
            getattr(as_numpys(type(self).__name__, "X", X), "ndim", 0) >= 2
        )  # with one axis it holds sequences
        return np.stack(results) if is_array else results

    def _pooling(self) -> str | None:
        check_choice(type(self).__name__, "pooling", self.pooling, ("last",))
        return None

    def _read_target(self, x: Sequences, y: Any, *, first: bool) -> list[Array]:
        labels = self._all_labels(x, y)
        if not any(len(sample) for sample in labels):
            raise ValueError(f"{type(self).__name__}: y holds no labels, expected at least one")
        numbers = self._encode(np.concatenate(labels), first=first)
        return np.split(numbers, np.cumsum([len(sample) for sample in labels])[:-1])

    def _all_labels(self, x: Any, y: Any) -> list[Array]:
        """The labels of all samples, of one kind; without steps, of the kind of the others."""
        rows = y.to_numpy() if hasattr(y, "columns") else y  # a table
        labels = [self._labels(i, given, len(x[i])) for i, given in enumerate(rows)]
        dtypes = [sample.dtype for sample in labels if len(sample)]
        if hasattr(self, "classes_"):
            dtypes.append(self.classes_.dtype)
        if len({"i" if dtype.kind == "u" else dtype.kind for dtype in dtypes}) > 1:
            learnt = f", {self.classes_.dtype} as learnt" if hasattr(self, "classes_") else ""
            raise TypeError(
                f"{type(self).__name__}: y has labels of the dtypes "
                f"{sorted({str(dtype) for dtype in dtypes})}, expected one kind{learnt}"
            )
        kind = dtypes[0] if dtypes else np.dtype(np.float64)
        return [sample if len(sample) else np.zeros(0, kind) for sample in labels]

    def _labels(self, i: int, given: Any, steps: int) -> Array:
        """The labels of one sample, one for each step."""
        name = f"{type(self).__name__}: y[{i}]"
        if isinstance(given, str) or not hasattr(given, "__len__"):
            raise TypeError(
                f"{name} is {describe(given)}, expected a label for each step of X[{i}]"
            )
        labels = _as_labels(given)
        if labels.shape != (steps,):
            raise ValueError(
                f"{name} has shape {labels.shape}, expected ({steps},): one label for each step of "
                f"X[{i}]"
            )
        if steps and labels.dtype.kind not in "biuUS":
            raise TypeError(
                f"{name} has dtype {labels.dtype}, expected texts or integers as labels"
            )
        return labels


def _as_labels(given: Any) -> Array:
    """An array of labels, of objects if there are texts and others: numpy would make all texts."""
    if isinstance(given, np.ndarray) and given.dtype != object:
        return given
    entries = list(given)
    labels = np.asarray(entries)
    texts = sum(isinstance(entry, str | bytes) for entry in entries)
    return labels.astype(object) if 0 < texts < len(entries) else labels
