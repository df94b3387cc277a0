"""Promise: what the documentation of the estimators shows is what happens."""

import doctest
import re

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import pyrnn
from pyrnn import estimators

CLASSES = [value for name, value in vars(estimators).items() if name[0].isupper()]
SHOWN = [cls for cls in CLASSES if ">>>" in (cls.__doc__ or "")]
ESTIMATORS = [cls for cls in SHOWN if hasattr(cls, "get_params")]


def test_names():
    assert len(ESTIMATORS) == 4 and all(cls.__doc__ for cls in CLASSES)
    for cls in ESTIMATORS:
        for name in cls().get_params():
            assert re.search(rf"^    ([\w, ]+, )?{name}\b", cls.__doc__, re.MULTILINE), name
        for name in (n for n in vars(cls) if n[0] != "_" and callable(getattr(cls, n))):
            assert getattr(cls, name).__doc__, f"{cls.__name__}.{name}"


@pytest.mark.parametrize("name", [n for n in vars(estimators) if n[0] != "_"])
def test_docstrings(name):
    """Of every public name: each example prints what it says, with np and pyrnn at hand."""
    if name.startswith("plot_"):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(verbose=False)
    names = {"np": np, "pyrnn": pyrnn}
    (test,) = finder.find(getattr(estimators, name), name, globs=names, module=False)
    assert test.examples, f"{name} has no example"
    assert runner.run(test, out=lambda text: None).failed == 0
