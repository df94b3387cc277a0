"""What a network is fed, of what users have: tables, arrays, ragged lists, tokens."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .._base.checks import Array, check_size, describe
from .._base.columns import as_numpys, read_numbers
from .._base.layout import is_ids
from .._base.targets import Bools
from ..data._vocabulary import PADDING, Vocabulary
from ._file import learnt
from ._naming import naming
from ._padding import Padding, Read
from ._scaling import Scaling, as_float32, identity, standard


def as_samples(X: Any) -> Any:
    """A list, if X is one axis of objects, such as a Series of arrays; else X itself."""
    is_column = getattr(X, "ndim", None) == 1 and getattr(X, "dtype", None) == np.dtype(object)
    return list(X) if is_column else X


def entries_of(X: Any) -> list[Any] | None:
    """The samples of a list of sequences; None for a table, an array, or a list of numbers."""
    if not isinstance(X, list | tuple) or len(X) == 0:
        return None
    return list(X) if all(hasattr(x, "__len__") for x in X) else None


def is_ragged(entries: list[Any]) -> bool:
    """Whether these are sequences of their own, rather than the rows of a table."""
    lengths = {len(entry) for entry in entries}
    return len(lengths) > 1 or lengths == {0} or np.ndim(entries[0]) > 1


def first_text(X: Any) -> str | None:
    """A text that is a sample or the first entry of one; None where there is none."""
    if isinstance(X, np.ndarray):
        X = [X.reshape(-1)]
    for sample in X if isinstance(X, list | tuple) else ():
        is_text = isinstance(sample, str)
        holds_texts = getattr(getattr(sample, "dtype", None), "kind", "O") in "OU"
        entry = sample if is_text or not holds_texts else next(iter(_entries(sample)), None)
        if isinstance(entry, str):
            return entry
    return None


def _entries(sample: Any) -> Any:
    """What can be walked through of a sample."""
    return sample if isinstance(sample, list | tuple | np.ndarray) and np.ndim(sample) else ()


@learnt
@dataclass
class SequenceReader:
    """Reads X of an estimator: as it came to `fit` first, and the same way from then on.

    `estimator` receives what scikit-learn notes of the input, `n_features_in_` and the names of a
    table's columns. Errors name X, what came and what was expected. What `Padding` or a vocabulary
    calls padding is left out before anything looks at it.
    """

    owner: str
    per_step: int
    takes_ids: bool
    is_table: bool = False  # whether `fit` saw one
    width: int = 0  # features of a step, or the number of ids
    scaling: Scaling | None = None
    vocabulary: Vocabulary | None = None

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """What an estimator's parameters ask for."""
        owner, embedding = type(estimator).__name__, estimator.embedding
        if embedding is not None:
            check_size(owner, "embedding", embedding)
        elif estimator.vocabulary is not None:
            raise ValueError(
                f"{owner}: vocabulary is {describe(estimator.vocabulary)}, expected None "
                "without `embedding`, the size of the vectors that are trained for ids"
            )
        per_step = check_size(owner, "n_features_per_step", estimator.n_features_per_step)
        return cls(owner, per_step, takes_ids=embedding is not None)

    def first(self, estimator: Any, X: Any, padding: Padding) -> Read:
        """Notes width or vocabulary of X, and reads it, with the numbers that came."""
        X = as_samples(as_numpys(self.owner, "X", X))
        if self.takes_ids:
            read = self._fit_ids(estimator, X, padding)
            estimator.n_features_in_ = 1
        else:
            read = self._read_numbers(estimator, X, padding, reset=True)
            self.width = read.sequences[0].shape[-1]
        return read

    def note_scale(self, estimator: Any, read: Read, weight: Array | None) -> None:
        """Notes the scale of what was read first, with weights of its steps; ids have none."""
        if self.takes_ids:
            return
        rows = np.concatenate([array.reshape(-1, self.width) for array in read.sequences])
        scale = standard if estimator.scale else _unscaled
        self.scaling = scale(f"{self.owner}: X", rows, weight)

    def read(self, estimator: Any, X: Any, padding: Padding) -> Read:
        """X as what came first, scaled. ValueError for other features, or unknown ids."""
        return self.scaled(self.unscaled(estimator, X, padding))

    def unscaled(self, estimator: Any, X: Any, padding: Padding) -> Read:
        """The same, with the numbers that came."""
        X = as_samples(as_numpys(self.owner, "X", X))
        if not self.takes_ids:
            return self._read_numbers(estimator, X, padding, reset=False)
        read = self._read_ids(X, padding)
        self._check_ids(read.sequences)
        return read

    def scaled(self, read: Read) -> Read:
        """Scaled, in the network's dtype; ids stay as they are."""
        scaling, sequences = self.scaling, read.sequences
        if scaling is None:
            return read
        if isinstance(sequences, list):
            scaled: Any = [as_float32(self.owner, "X", scaling.apply(array)) for array in sequences]
        else:
            scaled = as_float32(self.owner, "X", scaling.apply(sequences))
        return replace(read, sequences=scaled)

    def _read_numbers(self, estimator: Any, X: Any, padding: Padding, *, reset: bool) -> Read:
        """(N, T, F), or a list of (T_i, F)."""
        if isinstance(X, list | tuple) and len(X) == 0:
            raise ValueError(f"{self.owner}: X has 0 samples, expected at least one")
        if (text := first_text(X)) is not None:
            raise TypeError(
                f"{self.owner}: X holds the text {describe(text)}, expected numbers; tokens need "
                "`embedding`, the size of the vectors that are trained for them"
            )
        entries, is_array = entries_of(X), getattr(X, "ndim", 0) >= 2
        sequences: Any
        if entries is not None and is_ragged(entries):
            sequences = [self._series(i, entry) for i, entry in enumerate(entries)]
        elif getattr(X, "ndim", 2) == 3:
            with naming(self.owner, "X"):
                sequences = check_array(
                    X, allow_nd=True, dtype=np.float64, input_name="X", **_finite(padding)
                )
        else:
            table = self._read_table(estimator, X, padding, reset=reset)
            kept = padding.read([table.shape[1]] * len(table))
            return Read(self._real(table, kept), kept, is_array)
        kept = padding.read([len(sequence) for sequence in sequences])
        sequences = self._checked(estimator, self._real(sequences, kept), reset=reset)
        return Read(sequences, kept, is_array)

    def _real(self, sequences: Any, kept: list[Bools] | None) -> Any:
        """The real steps of each sample. ValueError for one that is not finite."""
        if kept is not None:
            sequences = [steps[real] for steps, real in zip(sequences, kept, strict=True)]
        for i, steps in enumerate(sequences if isinstance(sequences, list) else ()):
            wrong = ~np.isfinite(steps).all(axis=1)
            if wrong.any():
                step = int(np.flatnonzero(kept[i])[wrong][0]) if kept else int(wrong.argmax())
                raise ValueError(f"{self.owner}: X[{i}] contains NaN or infinity at step {step}")
        return sequences

    def _read_table(self, estimator: Any, X: Any, padding: Padding, *, reset: bool) -> Array:
        """A table (N, T*F) as (N, T, F); a row is all features of step 0, then those of step 1."""
        known = reset or self.is_table
        note = estimator if known else BaseEstimator()
        with naming(self.owner, "X"):
            table = validate_data(
                note, X, reset=reset or not known, dtype=np.float64, **_finite(padding)
            )
        self.is_table = self.is_table or reset
        N, columns = table.shape
        if columns % self.per_step:
            raise ValueError(
                f"{self.owner}: X has {columns} columns, expected a multiple of "
                f"{self.per_step} = n_features_per_step"
            )
        array: Array = table.reshape(N, -1, self.per_step)
        if not known:
            self._check_width(array)
        return array

    def _checked(self, estimator: Any, sequences: Any, *, reset: bool) -> Any:
        """Sequences all of one width, also those without steps."""
        width = next((array.shape[1] for array in sequences if len(array)), 0) or self.width
        for i, array in enumerate(sequences):
            if len(array) == 0 and isinstance(sequences, list):
                sequences[i] = np.zeros((0, width))
            elif array.shape[1] != width or width == 0 or len(array) == 0:
                raise ValueError(
                    f"{self.owner}: X[{i}] has shape {array.shape}, expected "
                    f"(steps, {width or 'features'})"
                )
        if reset:
            estimator.n_features_in_, self.is_table = width, False
        else:
            self._check_width(sequences)
        return sequences

    def _check_width(self, sequences: Any) -> None:
        """ValueError unless the steps have as many features as those that `fit` saw."""
        if (came := sequences[0].shape[-1]) != self.width:
            raise ValueError(
                f"{self.owner}: X has {came} features per step, expected {self.width} as in fit"
            )

    def _series(self, i: int, entry: Any) -> Array:
        """One sample (T_i, F); a vector has n_features_per_step features at each step."""
        array = read_numbers(f"{self.owner}: X[{i}]", entry).astype(np.float64, copy=False)
        if array.ndim == 1 and len(array) % self.per_step == 0:
            array = array.reshape(-1, self.per_step)
        if array.ndim != 2:
            raise ValueError(
                f"{self.owner}: X[{i}] has shape {array.shape}, expected (steps, features)"
            )
        return array

    def _fit_ids(self, estimator: Any, X: Any, padding: Padding) -> Read:
        """Ids, of tokens by a vocabulary that was given or is made of X."""
        given = estimator.vocabulary
        if isinstance(given, Vocabulary):
            self.vocabulary = given
        elif given is not None and not hasattr(given, "__index__"):
            raise TypeError(
                f"{self.owner}: vocabulary is {describe(given)}, expected a pyrnn.Vocabulary, the "
                "number of ids, or None"
            )
        elif given is not None:
            self.width = check_size(self.owner, "vocabulary", given)
        elif self._holds_tokens(X):
            kept = padding.read([len(sample) for sample in X])
            self.vocabulary = Vocabulary.build(Read(X, kept, False).cut(X))
        read = self._read_ids(X, padding)
        if self.vocabulary is not None:
            self.width = len(self.vocabulary)
        elif given is None:
            self.width = 1 + max(int(sequence.max(initial=0)) for sequence in read.sequences)
        self._check_ids(read.sequences)
        return read

    def _read_ids(self, X: Any, padding: Padding) -> Read:
        """One array of real ids for each sample."""
        if self._holds_tokens(X):
            if self.vocabulary is None:
                raise TypeError(f"{self.owner}: X holds tokens, expected integer ids as in fit")
            sequences = [self.vocabulary.encode(sample) for sample in X]
        else:
            sequences = [self._ids(i, sample) for i, sample in enumerate(X)]
        kept = padding.read([len(sequence) for sequence in sequences])
        if self.vocabulary is not None:
            everything = kept or [np.ones(len(sequence), bool) for sequence in sequences]
            kept = [self._without_padding(i, sequences[i], k) for i, k in enumerate(everything)]
        if kept is not None:
            sequences = [ids[real] for ids, real in zip(sequences, kept, strict=True)]
        return Read(sequences, kept, getattr(X, "ndim", 0) >= 2)

    def _ids(self, i: int, sample: Any) -> Array:
        """One sample of ids (T_i,)."""
        ids = read_numbers(f"{self.owner}: X[{i}]", sample)
        if ids.ndim == 1 and ids.size == 0:
            return np.zeros(0, np.int64)
        if ids.ndim != 1 or not is_ids(ids):
            raise ValueError(
                f"{self.owner}: X[{i}] has dtype {ids.dtype} and shape {ids.shape}, expected "
                "(steps,) of integer ids"
            )
        return ids

    def _without_padding(self, i: int, ids: Array, kept: Bools) -> Bools:
        """The steps that are kept, less those in front and behind that the vocabulary calls
        padding. ValueError for padding between other ids."""
        padded = kept & (ids == Vocabulary.padding)
        if not padded.any():
            return kept
        others = np.flatnonzero(kept & ~padded)
        between = padded[others[0] : others[-1]] if others.size else padded[:0]
        if between.any():
            raise ValueError(
                f"{self.owner}: X[{i}] holds {PADDING!r}, id {Vocabulary.padding}, at step "
                f"{others[0] + int(between.argmax())} between others, expected padding in front "
                "or behind; mask= says which steps are real"
            )
        real: Bools = kept & ~padded
        return real

    def _check_ids(self, ids: Any) -> None:
        """ValueError for an id that the embedding has no vector for."""
        for i, sequence in enumerate(ids):
            wrong = sequence[(sequence < 0) | (sequence >= self.width)]
            if wrong.size:
                raise ValueError(
                    f"{self.owner}: X[{i}] holds the id {wrong[0]}, "
                    f"expected 0 <= id < {self.width}, the size of the vocabulary"
                )

    def _holds_tokens(self, X: Any) -> bool:
        """Whether the samples are sequences of texts, not of ids."""
        if isinstance(X, str) or not hasattr(X, "__len__"):
            came = describe(X)
            raise TypeError(f"{self.owner}: X is {came}, expected sequences of ids or tokens")
        if len(X) == 0:
            raise ValueError(f"{self.owner}: X has 0 samples, expected at least one")
        for i, sample in enumerate(X):
            if isinstance(sample, str) or not hasattr(sample, "__len__"):
                raise TypeError(
                    f"{self.owner}: X[{i}] is {describe(sample)}, expected a sequence of ids or "
                    "tokens (text.split() for words, list(text) for characters)"
                )
        first = next((token for sample in X for token in sample), None)
        return isinstance(first, str)


def _unscaled(name: str, rows: Array, weight: Array | None) -> Scaling:
    """Leaves the features of rows as they are."""
    return identity(rows.shape[1])


def _finite(padding: Padding) -> dict[str, bool]:
    """What scikit-learn is to check: padding may be NaN."""
    return {"ensure_all_finite": not padding}
