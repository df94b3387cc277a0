"""Promise: `recompute_every` bounds the memory of BPTT and changes no bit of any result."""

from dataclasses import replace

import numpy as np
import pytest

import pyrnn
from cases import CELLS, Case
from children import run, run_stopped
from compare import assert_same_bits
from covering import OPTIONS, one_way, pairwise

# A chunk of the weight gradients takes 16 steps: segments of 16, 32 and 48, the last one short.
SIZES = {"input_size": 5, "hidden_size": 9, "T": 70, "B": 35}
EVERY = (1, "sqrt", 17, 40)


def settings():
    """Cases of every cell, pairwise over the options."""
    cases = []
    for cell in CELLS:
        own = {"proj_size": (0, 4), "cells": (False, True)} if cell == "lstm" else {}
        for row in pairwise(2, recompute_every=EVERY, dropout=(0.0, 0.4), **own, **OPTIONS):
            row = one_way(row)
            row["dropout"] = row["dropout"] if row["num_layers"] > 1 else 0.0
            cases.append(Case(cell, seed=len(cases), **SIZES, **row))
    return cases


def plain(case):
    return replace(case, recompute_every=None)


@pytest.mark.parametrize("case", settings(), ids=str)
def test_same_bits_as_without(case, isa):
    assert_same_bits(case.any_problem().training(), plain(case).any_problem().training())


@pytest.mark.parametrize("heads", [("y",), ("hn",), ("cn", "cells"), ()], ids="+".join)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_only_some_outputs_have_a_gradient(heads, bidirectional, isa):
    options = {"num_layers": 2, "bidirectional": bidirectional, "lengths": "zeros"}
    case = Case("lstm", cells=True, recompute_every=16, **SIZES, **options)
    expected = plain(case).any_problem().training(heads)
    assert_same_bits(case.any_problem().training(heads), expected)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("B", "T", "H"), [(1, 1100, 20), (2, 300, 520), (64, 40, 70)], ids=str)
def test_any_number_of_threads(cell, bidirectional, B, T, H, isa):
    """One row, units shared between threads, rows of their own."""
    options = {"num_layers": 2, "bidirectional": bidirectional, "lengths": "ragged"}
    case = Case(cell, 7, H, T=T, B=B, dtype="float32", recompute_every=16, **options)
    problem = case.any_problem()
    with pyrnn.threads(1):
        expected = plain(case).any_problem().training()
    for n in (1, 2):
        with pyrnn.threads(n):
            assert_same_bits(problem.training(), expected, f"{n} threads")


@pytest.mark.parametrize("sizes", [{"T": 0}, {"B": 0}, {"T": 1}], ids=str)
def test_short_sequences(sizes):
    case = Case("gru", num_layers=2, bidirectional=True, **{**SIZES, **sizes})
    expected = case.any_problem().training()
    for every in (1, "sqrt", 10**6, 2**31 - 1):
        shortened = replace(case, recompute_every=every).any_problem()
        assert_same_bits(shortened.training(), expected)


def test_mask_and_need_dx(isa):
    problem = Case("lstm", recompute_every=16, **SIZES).any_problem()
    mask = np.random.default_rng(0).random((70, 35)) < 0.7
    results = []
    for every in (None, 10**6):  # the layer's 16, or more steps than there are
        problem.layer.zero_grad()
        for need_dx in (True, False):
            options = {"mask": mask, "need_dx": need_dx, "recompute_every": every}
            outputs, pullback = problem.layer.vjp(problem.x, **options)
            results.append((outputs, pullback(problem.d_y)))
        results.append([p.grad.copy() for p in problem.layer.parameters()])
    assert_same_bits(results[3:], results[:3])
    assert results[1][1][0] is None


def test_two_forward_passes_before_two_pullbacks():
    """Nothing of one is in the way of the other; an array that the caller may write is no help."""
    problem = Case("gru", recompute_every=16, num_layers=2, **SIZES).any_problem()
    outputs, gradients = problem.training(("y",))
    problem.layer.zero_grad()
    (y, h), first = problem.layer.vjp(problem.x, problem.h0)
    (_, _), second = problem.layer.vjp(problem.x, problem.h0)
    y[...], h[...], problem.h0[...] = np.nan, np.nan, np.nan
    for pullback in (second, first):
        d_x, d_h0 = pullback(problem.d_y)
        assert_same_bits((d_x, d_h0), (gradients["d_x"], gradients["d_h0"]))
    for name, p in problem.layer.named_parameters():
        assert_same_bits(p.grad, 2 * gradients[name], name)
    with pytest.raises(RuntimeError, match="has been used"):
        first(problem.d_y)
    assert outputs["y"].shape == y.shape


def test_the_layers_keyword_holds_in_sequential(tmp_path):
    """It is part of the configuration, and a model's vjp follows it."""
    layer = pyrnn.LSTM(5, 9, recompute_every="sqrt", seed=0)
    layer.save(tmp_path / "layer.safetensors")
    copy = pyrnn.load(tmp_path / "layer.safetensors")
    assert copy.recompute_every == "sqrt" and "recompute_every='sqrt'" in repr(copy)
    x = np.random.default_rng(0).standard_normal((70, 35, 5)).astype("f4")
    results = []
    for front in (copy, pyrnn.LSTM(5, 9, seed=0)):
        model = pyrnn.Sequential(front, pyrnn.LastStep(), pyrnn.Linear(9, 2, seed=1))
        (y, _), pullback = model.vjp(x)
        d_x, _ = pullback(np.ones_like(y))
        results.append((y, d_x, [p.grad for p in model.parameters()]))
    assert_same_bits(results[0], results[1])


def test_bad_input():
    for value, error in ((0, ValueError), (-3, ValueError), ("all", ValueError), (2.5, TypeError)):
        with pytest.raises(error, match=r"GRU: recompute_every is"):
            pyrnn.GRU(3, 4, recompute_every=value)
        with pytest.raises(error, match=r"GRU: recompute_every is"):
            pyrnn.GRU(3, 4).vjp(np.zeros((2, 1, 3), "f4"), recompute_every=value)
    with pytest.raises(TypeError, match=r"GRU: recompute_every is True"):
        pyrnn.GRU(3, 4, recompute_every=True)


MEGABYTES = """
    import pyrnn
    def peak():
        with open("/proc/self/status") as status:
            return next(int(s.split()[1]) for s in status if s.startswith("VmHWM")) / 1024
    layer = pyrnn.{cell}(32, 32, num_layers={layers}, seed=0)
    x, dy = np.ones((2, 1, {T}, 32), "f4")
    layer.vjp(x[:, :100])[1](dy[:, :100])
    before = peak()
    (y, state), pullback = layer.vjp(x, recompute_every={every!r})
    dx, dstate = pullback(dy)
    print(peak() - before - (y.nbytes + dx.nbytes) / 2**20)
"""


def megabytes(**names):
    """The memory of a vjp and its pullback, without inputs, outputs and gradients."""
    (word,) = run(MEGABYTES.format(**names), timeout=600, PYRNN_NUM_THREADS="1")
    return float(word)


@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("layers", [1, 3])
def test_memory_is_that_of_a_segment(cell, layers):
    """Beyond inputs, outputs and gradients; all activations take over ten times as much."""
    names = {"cell": cell, "T": 100_000, "layers": layers}
    recomputing = megabytes(every="sqrt", **names)
    assert recomputing < 4 + 2 * layers
    assert megabytes(every=None, **names) > 10 * recomputing


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_a_million_steps(cell):
    """Full BPTT in under 100 MB."""
    assert megabytes(every="sqrt", cell=cell, T=1_000_000, layers=1) < 100


def test_control_c_stops_between_short_segments():
    """Segments are shorter than the time between two looks at the signals: all are looked at."""
    code = """
        pyrnn.set_num_threads(1)
        layer = pyrnn.LSTM(8, 32, num_layers=6, recompute_every="sqrt", seed=0)
        x = np.ones((1, 200_000, 8), "f4")
        (y, state), pullback = layer.vjp(x)
        print(ended(layer.vjp, x, looks=3), ended(pullback, np.ones_like(y), looks=3))
        print(any(p.grad.any() for p in layer.parameters()))
    """
    assert run_stopped(code) == ["stopped", "stopped", "False"]
