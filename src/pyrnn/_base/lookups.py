"""Which Embeddings get the ids of an input as they came, seen in one run of a model."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import _core
from .checks import Array
from .value import observer

Lookups = list[tuple[Any, str]]  # an Embedding, the name of the input whose ids it gets


def watch(inputs: Mapping[str, Array], run: Callable[[], Any]) -> tuple[Any, Lookups]:
    """What a run of a model gives, and its lookups in these inputs. Ids that a forward computes
    are not among them, since nobody but the forward knows those of other samples."""
    found: dict[tuple[int, str], tuple[Any, str]] = {}

    def note(part: Any, _: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        ids = args[0] if args else options.get("x")
        for name in (name for name, x in inputs.items() if _has_all(ids, x)):
            for taker in part.takers_of_ids():  # it may have got a copy, in another layout
                found[id(taker), name] = taker, name

    result = _core.with_value(observer, note, run)
    return result, [*found.values()]


def _has_all(ids: Any, x: Array) -> bool:
    """Whether ids are a view of all of x, perhaps of another shape."""
    is_array = isinstance(ids, np.ndarray)
    return is_array and ids.size == x.size and np.may_share_memory(ids, x)
