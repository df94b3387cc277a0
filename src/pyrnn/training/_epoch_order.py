"""Which samples make a batch: the order of an epoch."""

import numpy as np

from .._base.checks import Array
from .._base.samples import cut

POOL = 64  # batches among which samples are sorted by length


def epoch_batches(
    generator: "np.random.Generator",
    count: int,
    lengths: Array | None,
    batch_size: int,
    shuffle: bool,
    bucket: bool,
) -> list[Array]:
    """The batches of one epoch, which follow from the generator's state and the lengths.

    With `bucket`, the shuffled samples are sorted by length within pools of 64 batches, cut, and
    the batches shuffled: samples of about one length share a batch, in another way each epoch
    (Khomenko et al. 2016).
    """
    if not shuffle:
        return cut(np.arange(count), batch_size)
    order = generator.permutation(count)
    if not bucket or lengths is None or lengths.min() == lengths.max():
        return cut(order, batch_size)
    pools = cut(order, POOL * batch_size)
    sorted_pools = (pool[np.argsort(lengths[pool], kind="stable")] for pool in pools)
    batches = [batch for pool in sorted_pools for batch in cut(pool, batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]
