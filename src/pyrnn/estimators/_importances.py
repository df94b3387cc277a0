"""Importance of features, by an exchange of their whole sequences between the samples."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

from .._base.checks import Array, check_size
from ._naming import naming


@dataclass(frozen=True)
class Exchange:
    """Samples whose features come from other samples: the scorer of `permutation_importance`,
    which exchanges the numbers of the samples in place of the sequences.

    `sequences` are (T_i, F), or (T_i,) of ids; y and weight are theirs."""

    sequences: Any
    y: Any
    weight: Any
    scorer: Any = None

    def importances(
        self, estimator: Any, scoring: Any, n_repeats: int, n_jobs: Any, random_state: Any
    ) -> Any:
        """scikit-learn's Bunch."""
        owner = type(estimator).__name__
        check_size(owner, "n_repeats", n_repeats)
        with naming(owner, "scoring"):
            scorer = check_scoring(estimator, scoring=scoring)
        numbers = np.arange(len(self.sequences))[:, None].repeat(self._features(), axis=1)
        with naming(owner, "random_state"):
            random_state = check_random_state(random_state)
        return permutation_importance(
            estimator,
            numbers,
            self.y,
            scoring=replace(self, scorer=scorer),
            n_repeats=n_repeats,
            n_jobs=n_jobs,
            random_state=random_state,
            sample_weight=self.weight,
        )

    def __call__(self, estimator: Any, numbers: Array, y: Any, **options: Any) -> Any:
        """The score where feature f of sample i is that of sample numbers[i, f]."""
        return self.scorer(estimator, self._exchanged(numbers), y, **options)

    def _features(self) -> int:
        first = self.sequences[0]
        return 1 if first.ndim == 1 else int(first.shape[1])

    def _exchanged(self, numbers: Array) -> list[Array]:
        """The samples, each with features of others."""
        ends = np.cumsum([len(sequence) for sequence in self.sequences])[:-1]
        if self.sequences[0].ndim == 1:
            return np.split(np.concatenate([self.sequences[j] for j in numbers[:, 0]]), ends)
        columns = [
            np.concatenate([self.sequences[j][:, f] for j in numbers[:, f]])
            for f in range(self._features())
        ]
        return np.split(np.stack(columns, axis=1), ends)
