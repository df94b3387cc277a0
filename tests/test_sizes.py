"""Promise: sizes that fill no vector, tile or panel are as right as round ones, on every ISA.

Each of input_size, hidden_size and batch takes every awkward value while the others stay small, so
that a failure names the axis whose tail is wrong; then random triples mix them.
"""

import numpy as np
import pytest

from cases import CELLS, Case, check_against_twin

SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65)
AXES = {
    "input_size": {"hidden_size": 5, "B": 2},
    "hidden_size": {"input_size": 3, "B": 3},
    "B": {"input_size": 3, "hidden_size": 7},
    "proj_size": {"input_size": 3, "hidden_size": 66, "B": 3},
}


def check_all(cases):
    """Runs all of them and lists every size that fails, not only the first."""
    failures = []
    for case in cases:
        try:
            check_against_twin(case)
        except AssertionError as error:
            failures.append(f"{case}: {error}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("cell", "axis"), [(c, a) for c in CELLS for a in AXES if a != "proj_size" or c == "lstm"]
)
def test_one_awkward_axis(cell, axis, dtype, isa):
    check_all(Case(cell, T=2, dtype=dtype, **{**AXES[axis], axis: n}) for n in SIZES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
def test_awkward_triples(cell, dtype, isa):
    rng = np.random.default_rng(7)
    check_all(
        Case(
            cell,
            *(int(n) for n in rng.choice(SIZES, 2)),
            B=int(rng.choice(SIZES)),
            T=int(rng.integers(1, 4)),
            num_layers=int(rng.integers(1, 3)),
            bidirectional=bool(rng.integers(2)),
            lengths=str(rng.choice(["none", "ragged"])),
            dtype=dtype,
            seed=seed,
        )
        for seed in range(10)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("hidden_size", [129, 257, 600])
def test_sizes_beyond_one_block(cell, hidden_size, dtype, isa):
    """More hidden units and inputs than one block of the matrix products holds."""
    check_against_twin(Case(cell, hidden_size + 3, hidden_size, T=2, B=5, dtype=dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_pair_of_awkward_sizes(cell, dtype, isa):
    """Every (input_size, hidden_size) and (hidden_size, B)."""
    pairs = [(a, b) for a in SIZES for b in SIZES]
    check_all(Case(cell, a, b, T=2, B=3, dtype=dtype) for a, b in pairs)
    check_all(Case(cell, 3, a, T=2, B=b, dtype=dtype) for a, b in pairs)
