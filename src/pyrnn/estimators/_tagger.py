"""SequenceTagger: one label for each step of a sequence."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.multiclass import unique_labels

from .._base.checks import Array, describe
from .._base.targets import Bools
from ..losses import Loss
from ..losses._crf import CRF
from ._base import PARAMETERS
from ._class_estimator import ClassEstimator
from ._class_targets import OneLabel
from ._file import storable
from ._naming import naming
from ._network import softmax
from ._padding import Read, as_rows
from ._tag_constraints import check_labels, constraints_of
from ._weights import over_steps


@storable
@dataclass(kw_only=True, eq=False, repr=False)
class SequenceTagger(ClassEstimator):
    __doc__ = f"""A recurrent network that labels every step: parts of speech, names, activities.

    X is a list of arrays (T_i, F) of different lengths, an array (N, T, F), a table (N, T) of one
    feature or (N, T*F) with `n_features_per_step`, or, with `embedding`, a list of sequences of
    integer ids or of tokens (T_i,). y is a list of N sequences of T_i labels each, or an array
    (N, T). `sample_weight` has a number for each sequence or, without `crf`, for each step.

    A step's label may depend on what follows it only with `bidirectional`. A sequence without
    steps has no labels.

    Parameters
    ----------
    {PARAMETERS.format(pooling="")}
    class_weight : dict, "balanced" or None
        Weights of the labels, by which those of their steps are multiplied; none with `crf`.
    crf : bool
        Labels are told of the whole sequence together: a CRF, trained with the network, adds how
        well each follows the one before. `predict` gives its most probable labels (Viterbi),
        `predict_proba` its marginals.
    scheme : "IOB1", "IOB2", "BILOU", "BIOES" or None
        What the labels' names say of spans, which `predict` then never breaks; needs `crf`. See
        `pyrnn.bio_constraints`.
    constraints : array of bools or None
        (C, C), True where the second label may follow the first, in the order of `classes_`, or
        (C+1, C+1) with beginning and end, as a `pyrnn.CRF` takes them; needs `crf`.

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

    Names of several words, by a scheme that no prediction breaks:

    >>> y = [["O", "O", "O"], ["B-ANIMAL", "L-ANIMAL", "O", "O", "U-ANIMAL"]] * 20
    >>> tagger = SequenceTagger(embedding=8, crf=True, scheme="BILOU", epochs=20, random_state=0)
    >>> tagger.fit(X, y).predict([["a", "cat", "barks"]])[0].tolist()
    ['B-ANIMAL', 'L-ANIMAL', 'O']
    """

    _kinds: ClassVar[dict[str, Any]] = ClassEstimator._kinds | {
        "_targets": OneLabel,
        "_allowed": Array | None,
        "crf_": CRF | None,
    }

    crf: bool = False
    scheme: str | None = None
    constraints: Any = None

    def predict(self, X: Any, lengths: Any = None, mask: Any = None) -> Array:
        """The labels of all steps: N arrays (T_i,) in an array of objects, which scikit-learn can
        join and index, or (N, T) if X is an array without padding."""
        read, scores = self._scores(X, lengths, mask)
        return read.per_step([self._decode(sample) for sample in scores])

    def predict_proba(self, X: Any, lengths: Any = None, mask: Any = None) -> Any:
        """The probability of each label at each step: a list of (T_i, C), or (N, T, C)."""
        read, scores = self._scores(X, lengths, mask)
        found = read.per_step([self._probabilities(sample) for sample in scores])
        return list(found) if found.dtype == object else found

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, mask: Any = None
    ) -> float:
        """The share of all steps whose label is right; NaN without steps.

        TypeError for labels of another kind than those that were learnt, such as numbers for texts.
        """
        read, scores = self._scores(X, lengths, mask)
        weight = over_steps(self._read_weight(read, sample_weight), read.steps)
        given = self._all_labels(read, self._read_y(read, y))
        pairs = zip(scores, given, strict=True)
        right = np.concatenate([self._decode(sample) == true for sample, true in pairs])
        if right.size == 0 or (weight is not None and not weight.any()):
            return math.nan
        return float(np.average(right, weights=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Of tables too, but scikit-learn's common checks of 2-D input have a label per sample.
        tags.input_tags.two_d_array = False
        return tags

    def _make(self, seed: int) -> None:
        self.crf_: CRF | None = None
        if self.crf:
            self.crf_ = CRF(self._outputs(), constraints=self._allowed, seed=seed)
        super()._make(seed)

    def _check_options(self) -> None:
        """ValueError for options that do not go together."""
        owner = type(self).__name__
        if self.crf and self.class_weight is not None:
            raise ValueError(
                f"{owner}: class_weight is {describe(self.class_weight)}, expected None with "
                "crf=True: a CRF weighs whole sequences"
            )
        for name in ("scheme", "constraints"):
            if getattr(self, name) is not None and not self.crf:
                raise ValueError(
                    f"{owner}: {name} is {describe(getattr(self, name))}, expected None without "
                    "crf=True: only a CRF knows which label follows which"
                )

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

    def _weighs_steps(self) -> bool:
        return not self.crf

    def _read_target(self, read: Read, y: Any, weight: Any, *, first: bool) -> list[Array]:
        owner = type(self).__name__
        labels = self._all_labels(read, y)
        every = np.concatenate(labels)
        if first:
            self._check_options()
            with naming(owner, "y"):
                classes = getattr(self, "classes_", None)
                classes = unique_labels(every) if classes is None else classes
            self._note_targets(OneLabel(owner, classes))
            self._allowed: Bools | None = constraints_of(
                owner, classes, self.scheme, self.constraints
            )
        numbers = np.split(self._targets.encode(every), np.cumsum(read.steps)[:-1])
        check_labels(owner, self._allowed, self.classes_, numbers, self.scheme)
        return numbers

    def _all_labels(self, read: Read, y: Any) -> list[Array]:
        """The labels of all samples, of one kind; without steps, of the kind of the others."""
        rows = zip(as_rows(read.cut(y)), read.steps, strict=True)
        labels = [self._labels(i, *row) for i, row in enumerate(rows)]
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
