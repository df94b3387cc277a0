"""Fits the coefficients of src/cpp/kernels/vmath.h and prints them with their approximation errors.

    pip install mpmath && python tools/fit_activations.py

Both functions are minimax fits by Remez' exchange (Cheney, Introduction to Approximation Theory, 1966, chapter 3),
in 30-digit arithmetic. The coefficients are then rounded to the format they are used in one after the other, lowest
power first, and the others fitted again, so that the later ones make up for the rounding of the earlier ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import mpmath as mp

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
    """Coefficients whose error is +E, -E, +E ... at the points; Q of the last step linearises the equation."""
    names = [f"p{k}" for k in range(problem.numerator + 1)]
    names += [f"q{k}" for k in range(1, problem.denominator + 1)]
    free = [name for name in names if name not in fixed]
    matrix, right = mp.matrix(len(points)), mp.matrix(len(points), 1)
    for i, x in enumerate(points):
        z, value = problem.z(x), problem.target(x) - problem.base(x)
        column = {
            name: (problem.factor(x) if name[0] == "p" else -value) * z ** int(name[1:]) for name in names
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
    """Indices of the largest error of each run of one sign, the smallest dropped from the ends down to `wanted`."""
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
    """A fit whose coefficients are numbers of the format once P and Q are multiplied by `common`."""
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


def fit_tanh() -> None:
    """tanh(x) = x P(x^2) / Q(x^2), P(0) = Q(0).

    Beyond 8.3 the quotient rises over 1, where the kernel bounds it: 1 is within 2 ulp of tanh there.
    The common factor changes how P and Q are rounded, no more; of some dozen it gave the least
    error of the whole function without fused multiply-adds.
    """
    problem = Problem(
        target=mp.tanh, factor=lambda x: x, z=lambda x: x * x, scale=mp.tanh,
        low=1e-3, high=8.3, numerator=4, denominator=4,
    )  # fmt: skip
    show("float32 tanh", fit_rounded(problem, "f", {"p0": mp.mpf(1)}, common=1.34375), "f")


def fit_exp(name: str, code: str, terms: int) -> None:
    """expm1(r) = r + r^2 P(r) on [0, ln 2] and a little more, relative to expm1(r): serves exp and tanh."""
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
