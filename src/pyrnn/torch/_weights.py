"""Packed weights of tensors, never older than what the tensors hold.

A tensor's contents change in ways that its version does not show: `p.data.copy_(...)`,
`p.data.numpy()[:] = ...`. So a copy that was packed at the same versions and addresses is used only
if the fingerprint of all contents is that of then. A training loop writes the weights between any
two calls and pays for no fingerprint: it is taken from the second call with the same versions on.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from .. import _core
from .._base.checks import Array
from .._base.runtime import active_isa
from ._stack import Layer


class _Kept(NamedTuple):
    key: tuple[object, ...]
    contents: int | None  # their fingerprint, once it was taken
    packed: _core.Packed


_kept = WeakIdKeyDictionary()  # by the first weight of a layer


def packed_weights(
    layer: Layer, weights: Sequence[Tensor], arrays: list[Array], threads: int
) -> _core.Packed:
    """The weights in the kernels' layout; `arrays`: the same as arrays."""
    try:
        versions = [weight._version for weight in weights]
    except RuntimeError:  # tensors of inference_mode have none
        versions = None
    key = layer, active_isa(), versions, [weight.data_ptr() for weight in weights]
    kept: _Kept | None = _kept.get(weights[0])
    if kept is None or kept.key != key:
        packed = layer.stack.pack(arrays, threads)
        _kept[weights[0]] = _Kept(key, None, packed)
        return packed
    contents = _core.fingerprint(arrays)  # before they are packed: a change meanwhile is seen next
    if kept.contents != contents:
        kept = _Kept(key, contents, layer.stack.pack(arrays, threads))
        _kept[weights[0]] = kept
    return kept.packed
