"""The memory of torch's tensors as arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import _core

# Newer versions of torch have C functions for it, which take a fraction of the time.
_API: Any = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
_OFFERS_VIEWS = _API is not None and _core.offers_views(_API)


def arrays_of(tensors: Sequence[Tensor | None], sequences: int) -> list[Any]:
    """Arrays over the memory of CPU tensors, None for None.

    The first `sequences` may have any strides but that of the last axis; the others are copied
    unless they are C-contiguous.
    """
    if _OFFERS_VIEWS:
        return _core.arrays_of(_API, list(tensors), sequences)
    return [None if t is None else _array(t, n < sequences) for n, t in enumerate(tensors)]


def _array(tensor: Tensor, is_sequence: bool) -> Any:
    array = tensor.detach().numpy()
    fits = array.flags.c_contiguous or (is_sequence and _core.has_whole_rows(array))
    return array if fits else np.ascontiguousarray(array)
