"""Promise: nothing is read or written beyond an array, by one byte, on any instruction set.

Every array that the core is given ends, then begins, at a page that nobody may touch; on its other
side are bytes that must stay. The results are those of ordinary arrays.
"""

import signal

import pytest

from cases import CELLS
from children import ran, run

BATCHES, STEPS = (1, 2, 3, 5, 8, 9), (1, 2, 3)
# Each width from 1 to 40 once as the input's and once as the state's; then every pair of them.
SOME = [(n, 1 + 7 * n % 40, BATCHES[n % 6], STEPS[n % 3]) for n in range(1, 41)]
ALL = [
    (i, h, BATCHES[(i + h) % 6], STEPS[(i // 6 + h) % 3])
    for i in range(1, 41)
    for h in range(1, 41)
]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sizes", [SOME, pytest.param(ALL, marks=pytest.mark.slow)], ids=len)
@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_layers(cell, sizes, isa):
    code = f"import guarded; print(guarded.recurrent({cell!r}, {sizes}))"
    assert run(code, timeout=60 + len(sizes), PYRNN_ISA=isa) == [str(2 * len(sizes))]


def test_other_parts_and_losses(isa):
    sizes = [(n, BATCHES[n % 6], STEPS[n % 3]) for n in (*range(1, 20), 31, 32, 33, 40)]
    (tried,) = run(f"import guarded; print(guarded.others({sizes}))", PYRNN_ISA=isa)
    assert int(tried) > 30 * len(sizes)


@pytest.mark.parametrize(("at_end", "offset"), [(True, 12), (False, -1)])
def test_a_stray_byte_ends_the_child(at_end, offset):
    """So the others can fail."""
    code = f"import guarded; guarded.stray({at_end}, {offset})"
    child = ran(code)
    assert child.returncode == -signal.SIGSEGV
