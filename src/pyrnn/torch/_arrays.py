"""torch as the core sees it: the memory of its tensors, and who else watches them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from .. import _core
from .._base.runtime import num_threads_beside


def threads() -> int:
    """The most threads of a call among torch's own."""
    return num_threads_beside(torch.get_num_threads())


def _in_forward_mode() -> bool:
    return bool(forward_ad._current_level >= 0)


LIBRARY = _core.TensorLibrary(
    # Newer versions of torch have C functions for it, which take a fraction of the time.
    api=getattr(torch.Tensor, "__dlpack_c_exchange_api__", None),
    classes=(Tensor, nn.Parameter),  # others say themselves what a call does with them
    watchers=(
        torch._C._len_torch_dispatch_stack,
        torch._C._is_tracing,
        torch._C._are_functorch_transforms_active,
        _in_forward_mode,
    ),
    is_negated=Tensor.is_neg,
    needs_gradients=torch.is_grad_enabled,
    threads=threads,
)
_OFFERS_VIEWS = LIBRARY.offers_views


def arrays_of(tensors: Sequence[Tensor | None], sequences: int) -> list[Any]:
    """Arrays over the memory of CPU tensors, None for None.

    The first `sequences` may have any strides but that of the last axis; the others are copied
    unless they are C-contiguous.
    """
    if _OFFERS_VIEWS:
        return LIBRARY.arrays_of(list(tensors), sequences)
    return [None if t is None else _array(t, n < sequences) for n, t in enumerate(tensors)]


def _array(tensor: Tensor, is_sequence: bool) -> Any:
    array = tensor.detach().numpy()
    fits = array.flags.c_contiguous or (is_sequence and _core.has_whole_rows(array))
    return array if fits else np.ascontiguousarray(array)
