"""Attributes that are computed when they are first read."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class ComputedOnce(Generic[Value]):
    """functools.cached_property without the lock that it has in Python 3.11.

    A child that was forked while another thread held that lock would wait for it for ever. Two
    threads may compute the value at once here; one of them is kept.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Value:
        if instance is None:
            raise AttributeError(f"{self._name} belongs to instances")
        value: Value = vars(instance).setdefault(self._name, self._compute(instance))
        return value
