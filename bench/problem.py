"""A case's arrays, the same for everybody, and how results are compared."""

from dataclasses import dataclass

import numpy as np

from cases import GATES

# Largest error relative to the largest entry of each array, against float64: what rounding and the
# activations' stated errors explain over 100 steps. Reduced precision (bfloat16: 4e-3) is refused,
# except in jobs that are named after it.
TOLERANCE = {"float32": 3e-5, "float64": 1e-10}
TOLERANCE_OF_BF16 = 0.1


@dataclass(frozen=True)
class Problem:
    """Weights by torch's names, x (T, B, I), dy as y, and lengths (B,) where the case is ragged."""

    case: object
    weights: dict[str, np.ndarray]
    x: np.ndarray
    dy: np.ndarray
    lengths: np.ndarray | None


def shapes(case):
    """(name, shape) of every weight, in torch's order."""
    rows, P = GATES[case.cell] * case.H, case.proj_size or case.H
    for layer, width in enumerate(case.widths()):
        for direction in ("", "_reverse")[: case.directions]:
            suffix = f"l{layer}{direction}"
            yield f"weight_ih_{suffix}", (rows, width)
            yield f"weight_hh_{suffix}", (rows, P)
            yield f"bias_ih_{suffix}", (rows,)
            yield f"bias_hh_{suffix}", (rows,)
            if case.proj_size:
                yield f"weight_hr_{suffix}", (P, case.H)


def make_problem(case):
    """Weights from U(-1/sqrt(H), 1/sqrt(H)), x and dy normal: float32 values in its dtype."""
    rng = np.random.default_rng(20260101)
    k = case.H**-0.5

    def normal(*shape):
        return rng.standard_normal(shape, np.float32).astype(case.dtype)

    weights = {
        name: rng.uniform(-k, k, shape).astype(np.float32).astype(case.dtype)
        for name, shape in shapes(case)
    }
    x = normal(case.T, case.B, case.H)
    dy = normal(case.T, case.B, case.directions * (case.proj_size or case.H))
    lengths = case.lengths() if case.ragged else None
    return Problem(case, weights, x, dy, lengths)


def largest_error(actual, expected):
    """(error, name): over all of `actual`, relative to the expected array's largest entry."""
    errors = []
    for name, array in actual.items():
        if array.shape != expected[name].shape:
            return np.inf, f"{name} of shape {array.shape}, expected {expected[name].shape}"
        scale = np.abs(expected[name]).max() or 1.0  # all zero: W_hh after one step from zero
        error = float(np.abs(array.astype(np.float64) - expected[name]).max() / scale)
        errors.append((error if np.isfinite(error) else np.inf, name))
    return max(errors)
