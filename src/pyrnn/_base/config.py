"""What a constructor takes, as values that JSON holds."""

import inspect
from typing import Any

import numpy as np


def constructor(cls: Any) -> dict[str, Any]:
    """The constructor's keywords with their defaults as JSON values, without `seed`."""
    keywords = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return {p.name: as_json(p.default) for p in named if p.kind in keywords and p.name != "seed"}


def as_json(value: Any) -> Any:
    """A constructor's argument as JSON holds it: dtypes by name."""
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    return value
