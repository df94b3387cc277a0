"""Search: parameters of a forecaster that forecast best from rolling origins."""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._base.checks import printable
from .backtest import as_table
from .samplers import Sampler

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
Errors = Callable[[dict[str, Any]], Iterator[float]]  # of parameters, from each origin


@dataclass(frozen=True)
class Attempt:
    """One trial of a search."""

    params: dict[str, Any]
    state: str
    error: float  # the mean MASE of the origins that were tried
    origins: int
    seconds: float
    message: str  # why it failed


@dataclass(frozen=True, repr=False)
class ForecasterSearch:
    """What a search has found.

    `best_params_` are those of the trial with the least MASE, `best_score_` minus that,
    `best_forecaster_` one with these parameters fitted to all data, and `trials` a table with a row
    for each trial: its parameters; `mase`, the mean of the `origins` that were tried; `state`,
    "complete", "pruned" (broken off) or "failed", then with `message`; and `seconds`. `sampler` is
    "optuna" or "random". The table is a DataFrame if pandas is installed, else a dict of arrays.

    Examples
    --------
    >>> from pyrnn.estimators import Forecaster
    >>> wave = np.sin(np.arange(120) / 3)
    >>> forecaster = Forecaster(horizon=4, epochs=2, random_state=0)
    >>> space = {"hidden_size": [4, 8]}
    >>> search = forecaster.search(space, wave, n_trials=2)
    >>> search.best_params_["hidden_size"] in (4, 8), len(search.trials["mase"])
    (True, 2)
    """

    best_params_: dict[str, Any]
    best_score_: float
    best_forecaster_: Any
    trials: Any
    sampler: str

    def __repr__(self) -> str:
        count, best = len(self.trials["mase"]), printable(repr(self.best_params_), 200)
        return f"ForecasterSearch({count} trials, MASE {-self.best_score_:.4g}: {best})"


def run_trials(sampler: Sampler, errors_of: Errors, n_trials: int) -> list[Attempt]:
    """Tries parameters, one set after the other."""
    return [_attempt(sampler, errors_of) for _ in range(n_trials)]


def _attempt(sampler: Sampler, errors_of: Errors) -> Attempt:
    """The next trial. What its parameters make impossible is its failure, not the search's."""
    params, began = sampler.ask(), time.perf_counter()
    errors: list[float] = []
    state, message = COMPLETE, ""
    try:
        for step, error in enumerate(errors_of(params)):
            errors.append(error)
            if not np.isfinite(error):
                raise ValueError(f"the MASE is {error}")
            if sampler.prunes(step, float(np.mean(errors))):
                state = PRUNED
                break
    except (TypeError, ValueError, ArithmeticError, MemoryError) as error:
        state, message = FAILED, printable(str(error), 400)
    mean = float(np.mean(errors)) if errors else np.nan
    sampler.tell(None if state == FAILED else mean, pruned=state == PRUNED)
    return Attempt(params, state, mean, len(errors), time.perf_counter() - began, message)


def best_of(owner: str, attempts: list[Attempt]) -> Attempt:
    """The complete one with the least error. Warns of those that failed; ValueError if all did."""
    failed = [one for one in attempts if one.state == FAILED]
    complete = [one for one in attempts if one.state == COMPLETE]
    if not complete:
        raise ValueError(
            f"{owner}: all {len(attempts)} trials failed, the first: {failed[0].message}"
        )
    if failed:
        warnings.warn(
            f"{owner}: {len(failed)} of {len(attempts)} trials failed, the first with "
            f"{failed[0].params}: {failed[0].message}",
            stacklevel=3,
        )
    return min(complete, key=lambda one: one.error)


def trials_table(attempts: list[Attempt]) -> Any:
    """A row for each trial."""
    names = list(attempts[0].params)
    columns = {name: _column([one.params[name] for one in attempts]) for name in names}
    return as_table(
        {"trial": np.arange(len(attempts))},
        columns
        | {
            "mase": np.array([one.error for one in attempts]),
            "state": _column([one.state for one in attempts]),
            "origins": np.array([one.origins for one in attempts]),
            "seconds": np.array([one.seconds for one in attempts]),
            "message": _column([one.message for one in attempts]),
        },
    )


def _column(values: list[Any]) -> Any:
    """Values as an array: numbers if all are of one type, else objects."""
    if len({type(value) for value in values}) == 1 and isinstance(values[0], bool | int | float):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
