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
    drop_last: bool = False,
) -> list[Array]:
    """The batches of one epoch, which follow from the generator's state and the lengths.

    With `bucket`, the shuffled samples are sorted by length within pools of 64 batches, cut, and
    the batches shuffled: samples of about one length share a batch, in another way each epoch
    (Khomenko et al. 2016). `drop_last` leaves out the batch that is smaller than the others.
    """
    if drop_last:
        batches_per_epoch(count, batch_size, drop_last)  # at least one
    order = generator.permutation(count) if shuffle else np.arange(count)
    batches = cut(order, batch_size)
    if shuffle and bucket and lengths is not None and lengths.min() < lengths.max():
        pools = cut(order, POOL * batch_size)
        sorted_pools = (pool[np.argsort(lengths[pool], kind="stable")] for pool in pools)
        batches = [batch for pool in sorted_pools for batch in cut(pool, batch_size)]
        batches = [batches[i] for i in generator.permutation(len(batches))]
    return [batch for batch in batches if len(batch) == batch_size] if drop_last else batches


def batches_per_epoch(count: int, batch_size: int, drop_last: bool) -> int:
    """How many of them there are; ValueError if all are left out."""
    if drop_last and count < batch_size:
        raise ValueError(
            f"Trainer: train has {count} samples, and the loader drops a batch of fewer than "
            f"batch_size = {batch_size}, expected one whole batch at least"
        )
    return count // batch_size if drop_last else -(-count // batch_size)
