"""Promise: segments of any length fit together, and one that finds no memory does no harm."""

from dataclasses import replace

import pytest

from cases import CELLS, Case
from compare import assert_same_bits
from core_calls import run


# A chunk of the weight gradients takes 16 steps of 35 rows.
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("T", "every"), [(16, 16), (17, 16), (32, 16), (32, 17), (33, 32)])
def test_at_the_borders_of_segments(T, every, cell, bidirectional, isa):
    """One segment exactly, two exactly, and a last one of a single step."""
    lengths = "zeros" if bidirectional else "none"
    sizes = {"input_size": 5, "hidden_size": 9, "T": T, "B": 35, "lengths": lengths}
    case = Case(cell, num_layers=2, bidirectional=bidirectional, **sizes)
    cut = replace(case, recompute_every=every)
    assert_same_bits(cut.any_problem().training(), case.any_problem().training())


# The last segment has one row and fits; the one before has 4,096 and does not.
NO_MEMORY = """
    import resource, pyrnn
    pyrnn.set_num_threads({threads})
    layer = pyrnn.LSTM(16, 16, recompute_every=16, batch_first=False, seed=0)
    rng, lengths = np.random.default_rng(0), [32] + [16] * 4095
    x, dy = rng.standard_normal((2, 32, 4096, 16), dtype="f4")
    def results(pullback):
        dx, (dh, dc) = pullback(dy)
        return [dx, dh, dc] + [p.grad.copy() for p in layer.parameters()]
    expected = results(layer.vjp(x, lengths=lengths, recompute_every=32)[1])
    pyrnn.set_workspace_limit(0)  # what was kept goes back
    layer.zero_grad()
    pullback = layer.vjp(x, lengths=lengths)[1]
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (24 << 20), limits[1]))
    try:
        pullback(dy)
        print("finished")
    except MemoryError:
        print("refused")
    resource.setrlimit(resource.RLIMIT_AS, limits)
    print(any(p.grad.any() for p in layer.parameters()))
    print(all((a == b).all() for a, b in zip(results(pullback), expected)))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_no_memory_for_a_later_segment(threads):
    """MemoryError, gradients as before, and the same pullback works once there is memory."""
    assert run(NO_MEMORY.format(threads=threads)) == [["refused"], ["False"], ["True"]]
