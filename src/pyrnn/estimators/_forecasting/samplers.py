"""Samplers: which parameters a search tries next, and which trials it breaks off.

A trial is broken off by the median rule: its mean error is above the median of those that the
other trials had after as many origins (Golovin et al. 2017, section 3.2.2).
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from .space import Dimension

UNPRUNED = 4  # the first trials, which show what others are compared with


class Sampler(Protocol):
    """Asked for the parameters of each trial, and told how it goes."""

    name: str

    def ask(self) -> dict[str, Any]:
        """The parameters of the next trial."""

    def prunes(self, step: int, error: float) -> bool:
        """Whether to break the trial off, `error` the mean of the origins up to this one."""

    def tell(self, error: float | None, *, pruned: bool) -> None:
        """The mean error of the trial, or None if it failed; and whether it was broken off."""


class RandomSampler:
    """Parameters drawn independently."""

    name = "random"

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        self._space, self._random = space, np.random.default_rng(seed)
        self._finished = 0
        self._errors: list[list[float]] = []  # after each origin, of all trials

    def ask(self) -> dict[str, Any]:
        shares = self._random.random(len(self._space)).tolist()
        pairs = zip(self._space.items(), shares, strict=True)
        return {name: dimension.at(share) for (name, dimension), share in pairs}

    def prunes(self, step: int, error: float) -> bool:
        if step == len(self._errors):
            self._errors.append([])
        others = self._errors[step]
        worse = self._finished >= UNPRUNED and len(others) > 0 and error > np.median(others)
        others.append(error)
        return bool(worse)

    def tell(self, error: float | None, *, pruned: bool) -> None:
        self._finished += error is not None and not pruned


class OptunaSampler:
    """Parameters chosen by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011)."""

    name = "optuna"

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        import optuna

        self._space = space
        said = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._study = optuna.create_study(
                sampler=optuna.samplers.TPESampler(seed=seed),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
            )
        finally:
            optuna.logging.set_verbosity(said)
        self._states = optuna.trial.TrialState
        self._trial: Any = None

    def ask(self) -> dict[str, Any]:
        self._trial = self._study.ask()
        return {name: one.suggest(self._trial, name) for name, one in self._space.items()}

    def prunes(self, step: int, error: float) -> bool:
        self._trial.report(error, step)
        return bool(self._trial.should_prune())

    def tell(self, error: float | None, *, pruned: bool) -> None:
        if error is None:
            self._study.tell(self._trial, state=self._states.FAIL)
        elif pruned:
            self._study.tell(self._trial, state=self._states.PRUNED)
        else:
            self._study.tell(self._trial, error)


def make_sampler(space: Mapping[str, Dimension], seed: int) -> Sampler:
    """Optuna's where it is installed, else the random one."""
    try:
        return OptunaSampler(space, seed)
    except ImportError:
        return RandomSampler(space, seed)
