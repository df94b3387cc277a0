"""Estimator: the base of all estimators, which an error leaves as they were."""

import copy
import dataclasses
from typing import Any, Self

from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from .._base.checks import check_flag
from .._base.seeding import is_seeded, unseeded
from .._base.settings import Settings
from ._naming import naming


class Estimator(Settings, BaseEstimator):
    """What is learnt is learnt by a copy, and taken over when all has gone well."""

    __repr__ = BaseEstimator.__repr__

    def _takes(self, name: str, value: Any) -> bool:
        """Parameters act at the next fit; scikit-learn and `fit` write what ends in "_"."""
        return name.endswith("_") or name in self._get_param_names() or super()._takes(name, value)

    def _begin(self, *, keep: bool) -> Self:
        """A copy to be trained; with what self has learnt, if it is to continue from there.

        TypeError for a flag that is none, whether this training reads it or not."""
        for field in dataclasses.fields(self):
            if field.type is bool:
                check_flag(type(self).__name__, field.name, getattr(self, field.name))
        fresh: Self = clone(self)
        if keep and hasattr(self, "network_"):
            learnt = set(vars(self)) - set(self.get_params(deep=False))
            fresh.__dict__.update(copy.deepcopy({name: vars(self)[name] for name in learnt}))
        return fresh

    def _finish(self, fresh: Self) -> Self:
        """Takes over what the copy has learnt."""
        self.__dict__.pop("feature_names_in_", None)  # of a table that it may not have seen
        params = set(self.get_params(deep=False))
        self.__dict__.update({k: v for k, v in vars(fresh).items() if k not in params})
        return self

    def _seed(self) -> int:
        """Where all randomness of a fit comes from; `pyrnn.seed`, if called, without a state."""
        if self.random_state is None and is_seeded():
            return int(unseeded().integers(2**31 - 1))
        with naming(type(self).__name__, "random_state"):
            return int(check_random_state(self.random_state).randint(2**31 - 1))
