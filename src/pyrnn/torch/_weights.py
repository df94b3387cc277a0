"""Packed weights of tensors, as the tensors are at the call.

A tensor's contents change in ways that its version does not show: `p.data.copy_(...)`,
`p.data.numpy()[:] = ...`. So a copy that was packed at the same versions and addresses is used only
if the fingerprint of all contents is that of then. A training loop writes the weights between any
two calls and pays for no fingerprint: it is taken from the second call with the same versions on.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import ref

from torch import Tensor

from .. import _core
from .._base.checks import Array
from .._base.runtime import active_isa
from ._stack import Layer


class _Kept(NamedTuple):
    memory: ref[Any]  # not of a tensor: torch.utils.swap_tensors refuses those with weak references
    key: tuple[object, ...]
    contents: int | None  # their fingerprint, once it was taken
    packed: _core.Packed


_kept: dict[int, _Kept] = {}  # by the address of a layer's first weight, until its memory is freed


def packed_weights(
    layer: Layer, weights: Sequence[Tensor], arrays: list[Array], threads: int
) -> _core.Packed:
    """The weights in the kernels' layout; `arrays`: the same as arrays."""
    try:
        versions = [weight._version for weight in weights]
    except RuntimeError:  # tensors of inference_mode have none
        versions = None
    addresses = [weight.data_ptr() for weight in weights]
    key = layer, active_isa(), versions, addresses
    address = addresses[0]
    kept, contents = _kept.get(address), None
    if kept is not None and kept.key == key:
        contents = _core.fingerprint(arrays)  # before packing: what changes meanwhile is seen next
        if kept.contents == contents:
            return kept.packed
    packed = layer.stack.pack(arrays, threads)
    memory = ref(weights[0].untyped_storage(), lambda _: _kept.pop(address, None))
    _kept[address] = _Kept(memory, key, contents, packed)
    return packed
