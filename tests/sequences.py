"""Small tasks and quick estimators for the tests of estimators."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from pyrnn.estimators import SequenceClassifier

QUICK = {"hidden_size": 16, "learning_rate": 0.02, "random_state": 0}


def ragged(N=80, F=2, seed=0):
    """Walks of different lengths, and whether feature 0 ends above zero."""
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((n, F)).cumsum(axis=0) * 50 + 20 for n in rng.integers(3, 12, N)]
    return X, np.array(["up" if x[-1, 0] > 20 else "down" for x in X])


def texts(N=60, seed=0):
    """Sentences of different lengths, and whether a certain word is in them."""
    rng = np.random.default_rng(seed)
    words = np.array(["good", "a", "b", "c", "d"])
    X = [words[rng.integers(0, 5, n)].tolist() for n in rng.integers(2, 9, N)]
    return X, np.array([int("good" in x) for x in X])


def classifier(**options):
    return SequenceClassifier(**{"epochs": 15, **QUICK, **options})
