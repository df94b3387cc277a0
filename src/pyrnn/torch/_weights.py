"""Packed weights of tensors, as the tensors are at the call."""

from typing import Any
from weakref import ref

from torch import Tensor

from .. import _core


def _watch(weight: Tensor, address: int) -> ref[Any]:
    """A weak reference, for the cache to keep, that ends what it has of a layer with its memory."""
    return ref(weight.untyped_storage(), lambda _: CACHE.forget(address))


CACHE = _core.WeightCache(_watch)
