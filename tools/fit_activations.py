"""Fits the coefficients of src/cpp/kernels/vmath.h and prints them with their approximation errors.

    pip install mpmath numpy && python tools/fit_activations.py

All are minimax fits by Remez' exchange (Cheney, Introduction to Approximation Theory, 1966,
chapter 3), in 30-digit arithmetic. The coefficients are then rounded to the format they are used
in, one after the other and lowest power first, and the rest is fitted again after each, so that the
later ones make up for the rounding of the earlier ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import mpmath as mp  # type: ignore[import-untyped]
import numpy as np

mp.mp.dps = 30
Function = Callable[[mp.mpf], mp.mpf]


@dataclass
class Problem:
    """Find P, Q with target(x) ~ base(x) + factor(x) * P(z(x)) / Q(z(x)) and Q(0) = 1.

    The error is measured relative to scale(x), on low <= x <= high.
    """

    target: Function
    factor: Function
    z: Function
    scale: Function
    low: float
    high: float
    numerator: int  # degree of P
    denominator: int  # degree of Q
    base: Function = field(default=lambda x: mp.mpf(0))


@dataclass
class Fit:
    """Coefficients, lowest power first, and the largest scaled error."""

    p: list[mp.mpf]
    q: list[mp.mpf]
    error: mp.mpf


def horner(coefficients: list[mp.mpf], z: mp.mpf) -> mp.mpf:
    """c[0] + c[1] z + c[2] z^2 + ..."""
    return mp.polyval(coefficients[::-1], z)


def error_at(problem: Problem, p: list[mp.mpf], q: list[mp.mpf], x: mp.mpf) -> mp.mpf:
    """The signed error at x, relative to the problem's scale."""
    z = problem.z(x)
    value = problem.base(x) + problem.factor(x) * horner(p, z) / horner(q, z)
    return (value - problem.target(x)) / problem.scale(x)


def solve_on(
    problem: Problem, points: list[mp.mpf], fixed: dict[str, mp.mpf], q_before: list[mp.mpf]
) -> tuple[list[mp.mpf], list[mp.mpf]]:
    """Coefficients with errors +E, -E, +E ... at the points, linearised by Q of the last step."""
    names = [f"p{k}" for k in range(problem.numerator + 1)]
    names += [f"q{k}" for k in range(1, problem.denominator + 1)]
    free = [name for name in names if name not in fixed]
    matrix, right = mp.matrix(len(points)), mp.matrix(len(points), 1)
    for i, x in enumerate(points):
        z, value = problem.z(x), problem.target(x) - problem.base(x)
        column = {
            name: (problem.factor(x) if name[0] == "p" else -value) * z ** int(name[1:])
            for name in names
        }
        right[i] = value - sum(fixed[name] * column[name] for name in names if name in fixed)
        for j, name in enumerate(free):
            matrix[i, j] = column[name]
        matrix[i, len(free)] = (-1) ** i * problem.scale(x) * horner(q_before, z)
    solution = mp.lu_solve(matrix, right)
    value_of = {**fixed, **{name: solution[j] for j, name in enumerate(free)}}
    p = [value_of[f"p{k}"] for k in range(problem.numerator + 1)]
    q = [mp.mpf(1)] + [value_of[f"q{k}"] for k in range(1, problem.denominator + 1)]
    return p, q


def grid(problem: Problem, count: int) -> list[mp.mpf]:
    """Chebyshev points of the interval, in ascending order."""
    low, high = mp.mpf(problem.low), mp.mpf(problem.high)
    angle = [mp.pi * (2 * i + 1) / (2 * count) for i in range(count)]
    return [(low + high) / 2 - (high - low) / 2 * mp.cos(a) for a in angle]


def extrema(errors: list[mp.mpf], wanted: int) -> list[int]:
    """Where each run of one sign is largest; the smaller end drops out down to `wanted`."""
    best: list[int] = []
    for i, e in enumerate(errors):
        if best and (e > 0) == (errors[best[-1]] > 0):
            best[-1] = max(best[-1], i, key=lambda k: abs(errors[k]))
        else:
            best.append(i)
    while len(best) > wanted:
        best.pop(0 if abs(errors[best[0]]) < abs(errors[best[-1]]) else -1)
    return best


def remez(problem: Problem, fixed: dict[str, mp.mpf] | None = None) -> Fit:
    """The minimax fit with some coefficients fixed."""
    fixed = fixed or {}
    unknowns = problem.numerator + 1 + problem.denominator - len(fixed)
    everywhere = grid(problem, 400)
    points = grid(problem, unknowns + 1)
    q = [mp.mpf(1)] + [mp.mpf(0)] * problem.denominator
    best = Fit([], [], mp.inf)
    for _ in range(12):
        for _ in range(6 if problem.denominator else 1):
            p, q = solve_on(problem, points, fixed, q)
        errors = [error_at(problem, p, q, x) for x in everywhere]
        worst = max(abs(e) for e in errors)
        if worst < best.error:
            best = Fit(p, q, worst)
        chosen = extrema(errors, unknowns + 1)
        if len(chosen) < unknowns + 1:
            break
        points = [everywhere[i] for i in chosen]
    return best


def rounded(value: mp.mpf, code: str) -> mp.mpf:
    """The nearest number of the format: "f" is float32, "d" float64."""
    return mp.mpf(struct.unpack(code, struct.pack(code, float(value)))[0])


def fit_rounded(
    problem: Problem, code: str, fixed: dict[str, mp.mpf] | None = None, common: float = 1.0
) -> Fit:
    """A fit whose coefficients, multiplied by `common`, are numbers of the format."""
    fixed = dict(fixed or {})
    degree = max(problem.numerator, problem.denominator)
    for name in [f"{side}{k}" for k in range(degree + 1) for side in "pq"]:
        inside = int(name[1:]) <= (problem.numerator if name[0] == "p" else problem.denominator)
        if name in fixed or not inside or name == "q0":
            continue
        fit = remez(problem, fixed)
        value = (fit.p if name[0] == "p" else fit.q)[int(name[1:])]
        fixed[name] = rounded(value * common, code) / common
    p = [fixed[f"p{k}"] for k in range(problem.numerator + 1)]
    q = [mp.mpf(1)] + [fixed[f"q{k}"] for k in range(1, problem.denominator + 1)]
    error = max(abs(error_at(problem, p, q, x)) for x in grid(problem, 2000))
    return Fit([common * v for v in p], [common * v for v in q], error)


def show(name: str, fit: Fit, code: str) -> None:
    """Prints C++ literals that read back as the same numbers."""
    digits, suffix = (9, "f") if code == "f" else (17, "")
    unit = mp.mpf(2) ** (-24 if code == "f" else -53)
    print(f"{name}: error {mp.nstr(fit.error, 3)} = {mp.nstr(fit.error / unit, 3)} half ulps")
    for side, values in (("P", fit.p), ("Q", fit.q)):
        print(f"  {side}", ", ".join(f"{float(v):.{digits - 1}e}{suffix}" for v in values))


# What vtanh has: coefficients of the fit whose last bits were moved at random, by 2 to 16 ulp,
# until the largest error over all float32 without fused multiply-adds fell from 5.1 to 4.9 ulp.
TANH_P = (1.20178735, 1.61146373e-01, 4.24078340e-03, 2.54273928e-05, 1.69776584e-08)
TANH_Q = (1.20178735, 5.61742008e-01, 3.12500037e-02, 4.01391997e-04, 9.72229827e-07)


def fit_tanh() -> None:
    """tanh(x) = x P(x^2) / Q(x^2), P(0) = Q(0).

    Beyond 8.54 the quotient may rise over 1, where the kernel bounds it: 1 is within 1.3 ulp of
    tanh there. The common factor makes Q's third coefficient 2^-5, which rounds less without fma.
    """
    problem = Problem(
        target=mp.tanh, factor=lambda x: x, z=lambda x: x * x, scale=mp.tanh,
        low=1e-3, high=8.54, numerator=4, denominator=4,
    )  # fmt: skip
    fixed = {"p0": mp.mpf(1), "q2": mp.mpf(2) ** -5 / TANH_P[0]}
    show("float32 tanh", fit_rounded(problem, "f", fixed, common=TANH_P[0]), "f")
    p, q = ([mp.mpf(float(np.float32(c))) / TANH_P[0] for c in side] for side in (TANH_P, TANH_Q))
    moved = max(abs(error_at(problem, p, q, x)) for x in grid(problem, 2000))
    error = mp.nstr(moved, 3)
    print(f"  as in the kernel: error {error}, largest {tanh_error():.2f} ulp without fma")


def tanh_error() -> float:
    """The kernel's largest error in ulp over every float32 in [2^-10, 16), step by step."""
    p, q = (tuple(np.float32(c) for c in side) for side in (TANH_P, TANH_Q))
    worst, first = 0.0, int(np.float32(2**-10).view(np.int32))
    for start in range(first, int(np.float32(16).view(np.int32)), 2**20):
        x = np.arange(start, start + 2**20, dtype=np.int32).view(np.float32)
        a = np.minimum(x, np.float32(9.5))
        u = a * a
        u2 = u * u
        above = (a * u2) * (u2 * p[4] + (u * p[3] + p[2])) + a * (u * p[1] + p[0])
        below = u2 * (u2 * q[4] + (u * q[3] + q[2])) + (u * q[1] + q[0])
        y = np.minimum(above, below) / below
        exact = np.tanh(x.astype(np.float64))
        ulp = 2.0 ** (np.frexp(exact)[1] - 24)
        worst = max(worst, float(np.max(np.abs(y - exact) / ulp)))
    return worst


def fit_exp(name: str, code: str, terms: int) -> None:
    """expm1(r) = r + r^2 P(r) on [0, ln 2] and a little more; serves exp and float64 tanh."""
    problem = Problem(
        target=mp.expm1, base=lambda x: x, factor=lambda x: x * x, z=lambda x: x, scale=mp.expm1,
        low=1e-6, high=float(mp.log(2)) + 2e-5, numerator=terms - 1, denominator=0,
    )  # fmt: skip
    show(f"{name} expm1, {terms} terms", fit_rounded(problem, code), code)


def show_ln2(name: str, code: str, bits: int) -> None:
    """ln 2 in two parts, the first short enough that n * high is exact for every exponent n."""
    high = mp.floor(mp.log(2) * 2**bits) / 2**bits
    low = rounded(mp.log(2) - high, code)
    print(f"{name} ln 2 = {float(high).hex()} + {float(low).hex()}")


if __name__ == "__main__":
    fit_tanh()
    fit_exp("float32", "f", 5)
    fit_exp("float64", "d", 10)
    show_ln2("float32", "f", 15)
    show_ln2("float64", "d", 41)
