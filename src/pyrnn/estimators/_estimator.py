"""Estimator: the base of all estimators, which an error leaves as they were."""

import copy
import dataclasses
from functools import cache
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._base.checks import Array, check_flag
from .._base.seeding import is_seeded, unseeded
from .._base.settings import Settings
from ._file import check_kinds, write
from ._naming import naming

SCIKIT_LEARNS = ("_metadata_request", "_sklearn_")  # its notes of set_fit_request, set_output


@cache
def _parameters(kind: Any) -> frozenset[str]:
    """The names of an estimator's parameters, for which scikit-learn reads the signature anew."""
    return frozenset(kind._get_param_names())


class Estimator(Settings, BaseEstimator):
    """What is learnt is learnt by a copy, and taken over when all has gone well."""

    __repr__ = BaseEstimator.__repr__
    # By the name of an attribute that is learnt: its type. None says that it need not be there.
    _kinds: ClassVar[dict[str, Any]] = {
        "n_features_in_": int | None,
        "feature_names_in_": Array | None,
    }

    def _takes(self, name: str, value: Any) -> bool:
        """Parameters act at the next fit; scikit-learn and `fit` write what ends in "_"."""
        kind: Any = type(self)
        return name.endswith("_") or name in _parameters(kind) or super()._takes(name, value)

    def save(self, path: Any) -> None:
        """Writes parameters and all that was learnt to one safetensors file, for
        `pyrnn.estimators.load(path)`: network, scales, vocabulary, classes, errors for intervals.
        What set_output and set_fit_request asked for is not kept.

        Atomic: after a crash the path holds the whole old file or the whole new one.
        NotFittedError before a fit; TypeError for a parameter that a file cannot hold, such as a
        function; ValueError for the suffix of another format, such as ".joblib"; OSError with the
        path if it cannot be written.
        """
        check_is_fitted(self)
        known = {k: v for k, v in self._known().items() if not k.startswith(SCIKIT_LEARNS)}
        write(path, self, self.get_params(deep=False), known)

    def _known(self) -> dict[str, Any]:
        """What was learnt, by the name of its attribute."""
        parameters = self.get_params(deep=False)
        return {name: value for name, value in vars(self).items() if name not in parameters}

    def _take(self, known: dict[str, Any]) -> None:
        """Takes what `_known` told; ValueError for what no fit makes."""
        check_kinds(type(self).__name__, known, self._kinds)
        self.__dict__.update(known)

    def _begin(self, *, keep: bool) -> Self:
        """A copy to be trained; with what self has learnt, if it is to continue from there.

        TypeError for a flag that is none, whether this training reads it or not."""
        for field in dataclasses.fields(self):
            if field.type is bool:
                check_flag(type(self).__name__, field.name, getattr(self, field.name))
        fresh: Self = clone(self)
        if keep and hasattr(self, "network_"):
            fresh.__dict__.update(copy.deepcopy(Estimator._known(self)))
        return fresh

    def _finish(self, fresh: Self) -> Self:
        """Takes over what the copy has learnt."""
        self.__dict__.pop("feature_names_in_", None)  # of a table that it may not have seen
        self.__dict__.update(Estimator._known(fresh))
        return self

    def _seed(self) -> int:
        """Where all randomness of a fit comes from; `pyrnn.seed`, if called, without a state."""
        if self.random_state is None and is_seeded():
            return int(unseeded().integers(2**31 - 1))
        with naming(type(self).__name__, "random_state"):
            return int(check_random_state(self.random_state).randint(2**31 - 1))
