"""Promise: a module's call is to Python what a function is, though the core asks for the tape."""

import copy
import gc
import inspect
import pickle
import sys
from contextvars import ContextVar
from functools import update_wrapper

import numpy as np
import pytest

import pyrnn
from children import run
from pyrnn import _core

first, second = (ContextVar(name, default=None) for name in ("first", "second"))


def method(self, *args, **options):
    """What is called."""
    return self, args, options


def noted(self, *args, **options):
    """What is called instead."""
    return "noted", self, args, options


def test_while_no_variable_holds_something_arguments_go_on_as_they_came():
    call = _core.RecordedMethod(method, noted, (first, second))
    assert call("me") == ("me", (), {})
    made = call("me", 1, *[2, 3], name=4, **{"other": 5})
    assert made == ("me", (1, 2, 3), {"name": 4, "other": 5})


@pytest.mark.parametrize("variable", [first, second])
def test_while_one_does_the_call_is_noted(variable):
    call = _core.RecordedMethod(method, noted, (first, second))
    token = variable.set("tape")
    try:
        assert call("me") == ("noted", "me", (), {})
        assert call("me", 1, name=2) == ("noted", "me", (1,), {"name": 2})
    finally:
        variable.reset(token)
    assert call("me") == ("me", (), {})


def test_a_call_with_a_value_sets_it_back():
    def look(*args, **options):
        return first.get(), args, options

    def fail():
        raise KeyboardInterrupt

    assert _core.with_value(first, "tape", look, 1, name=2) == ("tape", (1,), {"name": 2})
    with pytest.raises(KeyboardInterrupt):
        _core.with_value(first, "tape", fail)
    assert first.get() is None
    for wrong in ((), (first, "tape"), ("first", "tape", look)):
        with pytest.raises(TypeError, match="with_value: expected a ContextVar"):
            _core.with_value(*wrong)


def test_errors_of_the_method_come_through():
    call = _core.RecordedMethod(lambda self: self.missing, noted, ())
    with pytest.raises(AttributeError, match="missing"):
        call(0)
    with pytest.raises(TypeError, match="positional"):
        call()


@pytest.mark.parametrize(
    "given", [(), (method,), (method, noted), (method, noted, first), (method, noted, (None,))]
)
def test_it_is_made_of_three(given):
    with pytest.raises(TypeError):
        _core.RecordedMethod(*given)


def test_it_is_read_as_a_method():
    layer = pyrnn.LSTM(3, 2, seed=0)
    assert list(inspect.signature(pyrnn.LSTM.__call__).parameters)[:2] == ["self", "x"]
    assert next(iter(inspect.signature(layer.__call__).parameters)) == "x"
    assert "inference" in inspect.getdoc(pyrnn.LSTM.__call__)
    assert pyrnn.Sequential.run.__name__ == "run"
    assert inspect.isroutine(pyrnn.Sequential.run) and inspect.ismethod(layer.__call__)
    assert repr(pyrnn.Linear.__call__).startswith("<function Linear.__call__")
    x = np.ones((1, 4, 3), np.float32)
    assert np.array_equal(pickle.loads(pickle.dumps(layer.__call__))(x)[0], layer(x)[0])
    assert np.array_equal(copy.deepcopy(layer).__call__(x)[0], layer(x)[0])


def test_nothing_is_kept_and_nothing_is_lost():
    call = update_wrapper(_core.RecordedMethod(method, noted, (first,)), method)
    owner, argument = object(), object()
    before = [sys.getrefcount(thing) for thing in (call, owner, argument, method, noted, first)]
    for _ in range(100):
        call(owner, argument, name=argument)
        call.__get__(owner)(argument)
    assert [
        sys.getrefcount(thing) for thing in (call, owner, argument, method, noted, first)
    ] == before


def test_a_recording_keeps_nothing():
    """Neither one that was gone back through nor one that was not, nor one that failed."""

    class Net(pyrnn.Module):
        def __init__(self):
            self.rnn = pyrnn.GRU(3, 3, seed=0)
            self.scale = pyrnn.Parameter(np.ones(3, np.float32))

        def forward(self, x, fails=False):
            y = x + self.rnn(x)[0] * self.scale
            return self.rnn(y[..., :2] if fails else y, lengths=None)[0][:, -1]

    net, x = Net(), np.ones((2, 4, 3), np.float32)

    def step(goes_back):
        y, pullback = net.vjp(x)
        if goes_back:
            pullback(y)
        with pytest.raises(ValueError, match="GRU: x has shape"):
            net.vjp(x, fails=True)

    def held():
        gc.collect()
        things = net, x, net.rnn, net.scale, net.rnn.weight_ih_l0, np.dtype(np.float32)
        return [sys.getrefcount(thing) for thing in things], len(gc.get_objects())

    step(True)
    counts, objects = held()
    for n in range(200):
        step(n % 2)
    assert held()[0] == counts and held()[1] <= objects + 20


def test_a_class_of_a_notebook_reaches_another_process(tmp_path):
    pytest.importorskip("cloudpickle")
    path = tmp_path / "nets"
    run(
        """
        import os, cloudpickle, pyrnn

        class Net(pyrnn.Module):
            def __init__(self):
                self.linear = pyrnn.Linear(3, 2, seed=0)
            def __call__(self, x):
                return self.linear(x)

        class Doubled(Net):
            def forward(self, x):
                return 2 * self.linear(x)

        with open(os.environ["NETS"], "wb") as file:
            cloudpickle.dump([Net(), Doubled()], file)
        """,
        NETS=str(path),
    )
    net, doubled = pickle.loads(path.read_bytes())
    x = np.ones((2, 3), np.float32)
    assert np.array_equal(doubled(x), 2 * net(x))
    assert np.array_equal(doubled.vjp(x)[0], 2 * net(x))
