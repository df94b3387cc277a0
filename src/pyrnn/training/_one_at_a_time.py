"""OneAtATime: calls that change a Trainer run one after another; a second one is refused."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from .. import _core

Method = TypeVar("Method", bound=Callable[..., Any])


class OneAtATime:
    """Who is in a call; a copy, or what a pickle holds, is in none."""

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal
        self.run = _core.OneAtATime(refusal).run

    def __reduce__(self) -> Any:
        return OneAtATime, (self._refusal,)


def one_at_a_time(method: Method) -> Method:
    """A method that runs alone: `_alone` of its object, a OneAtATime, refuses others meanwhile."""

    @wraps(method)
    def alone(self: Any, *args: Any, **options: Any) -> Any:
        return self._alone.run(method, self, *args, **options)

    return cast(Method, alone)
