"""One vector for each sequence: how it is made, and what it is good for by itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._base.checks import Array, check_choice
from ._base import SequenceEstimator

POOLINGS = ("last", "mean", "max")


@dataclass(kw_only=True, eq=False, repr=False)
class Pooled(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceEstimator):
    """An estimator whose network makes a vector of a sequence, and its outputs of the vector."""

    pooling: str | None = "last"

    def transform(self, X: Any, lengths: Any = None, mask: Any = None) -> Array:
        """The vector that the network makes of each sequence (N, H), its features for another
        estimator; H is hidden_size, twice that if bidirectional. 0 without steps.

        `set_output(transform="pandas")` makes it a table. ValueError with an output for every
        step, where there is no such vector.
        """
        check_is_fitted(self)
        self._check_pooled("transform")
        read = self._reader.read(self, X, self._padding(lengths, mask))
        vectors = self._of_some(self.network_[:-1], read, np.zeros(self._n_features_out))
        return vectors.astype(np.float32, copy=False)

    def fit_transform(
        self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, mask: Any = None
    ) -> Array:
        """`fit`, and `transform` of the same X."""
        self._check_pooled("fit_transform")
        self.fit(X, y, sample_weight, lengths, mask)
        vectors: Array = self.transform(X, lengths, mask)
        return vectors

    @property
    def _n_features_out(self) -> int:
        """Of the vector: what the last linear layer takes."""
        check_is_fitted(self)
        last: Any = self.network_[-1]
        return int(last.in_features)

    def _check_pooled(self, method: str) -> None:
        if self._pooling() is None:
            raise ValueError(
                f"{type(self).__name__}: pooling is None, expected one of {', '.join(POOLINGS)} "
                f"for {method}, which gives a vector for each sequence"
            )

    def _pooling(self) -> str | None:
        return check_choice(type(self).__name__, "pooling", self.pooling, POOLINGS)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # float32, whatever X is
        return tags
