"""Promise: every public class and function has an example, which shows what happens."""

import doctest
import inspect

import numpy as np
import pytest

import pyrnn

FACES = (pyrnn, pyrnn.init, pyrnn.losses, pyrnn.metrics, pyrnn.optim)


def public():
    """{its full name: object} of the classes and functions that users see."""
    return {
        f"{face.__name__}.{name}": value
        for face in FACES
        for name, value in vars(face).items()
        if name[0] != "_" and (inspect.isclass(value) or inspect.isroutine(value))
        if getattr(value, "__module__", None) == face.__name__
    }


@pytest.mark.parametrize("name", public())
def test_examples(name):
    """Each prints what it says, with np and pyrnn at hand."""
    finder = doctest.DocTestFinder(recurse=False)
    names = {"np": np, "pyrnn": pyrnn}
    (test,) = finder.find(public()[name], name, globs=names, module=False)
    assert test.examples, f"{name} has no example"
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(test, out=report.append).failed == 0, "".join(report)
