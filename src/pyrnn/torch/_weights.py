"""Packed weights of tensors, never older than what the tensors hold.

A tensor's contents change in ways that its version does not show: `p.data.copy_(...)`,
`p.data.numpy()[:] = ...`. So a copy that was packed at the same versions and addresses is used only
if the fingerprint of all contents is that of then. A training loop writes the weights between any
two calls and pays for no fingerprint: it is taken from the second call with the same versions on.
"""

from collections.abc import Sequence
from typing import NamedTuple
from weakref import ref

from torch import Tensor

from .. import _core
from .._base.checks import Array
from .._base.runtime import active_isa
from ._stack import Layer


class _Kept(NamedTuple):
    weight: ref[Tensor]
    key: tuple[object, ...]
    contents: int | None  # their fingerprint, once it was taken
    packed: _core.Packed


_kept: dict[int, _Kept] = {}  # by the id of a layer's first weight


def packed_weights(
    layer: Layer, weights: Sequence[Tensor], arrays: list[Array], threads: int
) -> _core.Packed:
    """The weights in the kernels' layout; `arrays`: the same as arrays."""
    first = weights[0]
    try:
        versions = [weight._version for weight in weights]
    except RuntimeError:  # tensors of inference_mode have none
        versions = None
    key = layer, active_isa(), versions, [weight.data_ptr() for weight in weights]
    kept, contents = _kept.get(id(first)), None
    if kept is not None and kept.key == key and kept.weight() is first:
        contents = _core.fingerprint(arrays)  # before packing: what changes meanwhile is seen next
        if kept.contents == contents:
            return kept.packed
    packed = layer.stack.pack(arrays, threads)
    number = id(first)
    _kept[number] = _Kept(ref(first, lambda _: _kept.pop(number, None)), key, contents, packed)
    return packed
