"""Few settings of the recurrent layers in which every two options meet."""

import itertools

import numpy as np

from cases import CELLS, Case

OPTIONS = {
    "num_layers": (1, 2, 3),
    "bidirectional": (False, True),
    "direction": ("forward", "reverse"),
    "bias": (True, False),
    "batch_first": (False, True),
    "lengths": ("none", "ragged", "zeros"),
    "state": (True, False),
    "merge": ("concat", "sum", "mul", "average"),
    "dtype": ("float32", "float64"),
}


def one_way(row):
    """The settings, where both directions have no further choice and one is not merged."""
    unused = {"direction": "forward"} if row["bidirectional"] else {"merge": "concat"}
    return row | unused


def pairwise(seed=0, **options):
    """Settings in which every two values of every two options meet at least once."""
    names, rng = list(options), np.random.default_rng(seed)
    missing = {
        (a, u, b, v)
        for a, b in itertools.combinations(range(len(names)), 2)
        for u in range(len(options[names[a]]))
        for v in range(len(options[names[b]]))
    }
    chosen = []
    while missing:
        rows = [[int(rng.integers(len(options[n]))) for n in names] for _ in range(40)]
        covered = [{m for m in missing if r[m[0]] == m[1] and r[m[2]] == m[3]} for r in rows]
        best = max(range(len(rows)), key=lambda k: len(covered[k]))
        if covered[best]:
            missing -= covered[best]
            chosen.append({n: options[n][k] for n, k in zip(names, rows[best], strict=True)})
    return chosen


def covering_cases(seed=0):
    """Cases of every cell, pairwise over the options of the layers."""
    return layer_cases(CELLS, lambda cell, **options: pairwise(seed, **options))


def layer_cases(cells, settings):
    """Cases of `settings(cell, **options)`, with sizes that fill no vector exactly."""
    sizes = ((5, 6, 4, 5), (3, 17, 9, 4), (33, 16, 2, 3), (1, 9, 1, 1))  # I, H, B, T
    cases = []
    for cell in cells:
        own = {"projected": (False, True), "cells": (False, True)} if cell == "lstm" else {}
        for row in settings(cell, sizes=sizes, **own, **OPTIONS):
            row = one_way(row)
            keys = ("input_size", "hidden_size", "B", "T")
            row |= dict(zip(keys, row.pop("sizes"), strict=True))
            row["proj_size"] = row["hidden_size"] // 2 if row.pop("projected", False) else 0
            cases.append(Case(cell, seed=len(cases), **row))
    return cases
