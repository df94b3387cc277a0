"""Promise: relations that hold for any weights and sizes: reversal, layer split, strides, lengths.

Hypothesis draws the settings; every failure shrinks to the smallest one.
"""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import pyrnn
from cases import CELLS, Case, check_against_twin
from cell_options import DRAWN, TAKEN, chosen
from compare import assert_same_bits

QUICK = settings(max_examples=60, deadline=None, derandomize=True)

sizes = st.integers(1, 35)


@st.composite
def cases(draw, masks=False, **fixed):
    """Any setting of any layer, small enough for the twin; with options that draw masks or not."""
    cell = draw(st.sampled_from(CELLS))
    hidden_size = draw(st.integers(2, 35))
    projected = cell == "lstm" and draw(st.booleans())
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "proj_size": draw(st.integers(1, hidden_size - 1)) if projected else 0,
        "batch_first": draw(st.booleans()),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "T": draw(st.integers(0, 6)),
        "B": draw(st.integers(0, 9)),
        "lengths": draw(st.sampled_from(["none", "ragged", "zeros"])),
        "state": draw(st.booleans()),
        "seed": draw(st.integers(0, 1000)),
        "options": chosen(
            n for n in TAKEN[cell] if draw(st.booleans()) and (masks or n not in DRAWN)
        ),
    } | fixed
    if options["T"] == 0:
        options["lengths"] = "none"
    return Case(cell, draw(sizes), hidden_size, **options)


@st.composite
def restrided(draw):
    """A function that lays an array out in memory anew, values unchanged."""
    kind = draw(st.sampled_from(["C", "F", "reversed", "every other", "misaligned", "swapped"]))

    def lay_out(a):
        if kind == "F":
            return np.asfortranarray(a)
        if kind == "reversed":
            return np.ascontiguousarray(a[::-1, ..., ::-1])[::-1, ..., ::-1]
        if kind == "every other":
            return np.repeat(a, 2, axis=-1)[..., ::2]
        if kind == "misaligned":
            raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
            b = raw.view(a.dtype).reshape(a.shape)
            b[...] = a
            return b
        return a.astype(a.dtype.newbyteorder()) if kind == "swapped" else a

    return lay_out


@QUICK
@given(cases(masks=True))
def test_equals_the_twin(case):
    check_against_twin(case)


@QUICK
@given(cases(), restrided(), restrided())
def test_strides_never_matter(case, lay_out, lay_out_state):
    """Whatever the memory layout, alignment or byte order of x, states and gradients: same bits."""
    problem = case.problem()
    expected = problem.inference(), problem.training()
    for name in ("x", "d_y"):
        setattr(problem, name, lay_out(getattr(problem, name)))
    for name in ("h0", "c0", "d_hn", "d_cn"):
        a = getattr(problem, name)
        setattr(problem, name, None if a is None else lay_out_state(a))
    assert_same_bits((problem.inference(), problem.training()), expected)


@QUICK
@given(cases(bidirectional=False, num_layers=1, lengths="none", batch_first=False))
def test_reverse_direction_is_the_reversed_sequence(case):
    """The reverse half of a two-way layer equals a one-way layer on x turned around."""
    one = case.problem()
    both = replace(case, bidirectional=True).problem()
    both.x = one.x
    for name, p in both.layer.named_parameters():
        p[...] = dict(one.layer.named_parameters())[name.removesuffix("_reverse")].data
    if case.state:
        both.h0 = np.concatenate([one.h0, one.h0])
        both.c0 = None if one.c0 is None else np.concatenate([one.c0, one.c0])
    y, width = both.inference(), case.output_size
    assert_same_bits(y["y"][..., :width], one.inference()["y"])
    one.x = one.x[::-1]
    expected = one.inference()
    assert_same_bits(y["y"][::-1, :, width:], expected["y"])
    assert_same_bits(y["hn"][1:], expected["hn"])


@QUICK
@given(cases(num_layers=2, dtype="float64", batch_first=False))
def test_two_layers_are_one_after_the_other(case):
    """A stack equals its layers called in turn, forward and backward."""
    both, D = case.problem(), case.directions
    width = D * case.output_size
    layers = [
        replace(case, num_layers=1).layer(),
        replace(case, num_layers=1, input_size=width).layer(),
    ]
    weights = both.layer.state_dict()
    for k, layer in enumerate(layers):
        layer.load_state_dict({n: weights[n.replace("_l0", f"_l{k}")] for n in layer.state_dict()})
    pullbacks, y = [], both.x
    for k, layer in enumerate(layers):
        cut = slice(k * D, k * D + D)
        h0, c0 = (None if a is None else a[cut] for a in (both.h0, both.c0))
        state = both.pack_state(h0, c0) if case.state else None
        (y, _), pullback = layer.vjp(y, state, lengths=both.lengths)
        pullbacks.append(pullback)
    outputs, gradients = both.training(("y",))
    assert_same_bits(y, outputs["y"])
    d_x = both.d_y
    for pullback in reversed(pullbacks):
        d_x, _ = pullback(d_x)
    assert_same_bits(d_x, gradients["d_x"])
    for k, layer in enumerate(layers):
        for name, p in layer.named_parameters():
            assert_same_bits(p.grad, gradients[name.replace("_l0", f"_l{k}")], name)


@QUICK
@given(cases(batch_first=False))
def test_layouts_agree(case):
    """batch_first changes the axes of x and y, and nothing else."""
    time_first, batch_first = case.problem(), replace(case, batch_first=True).problem()
    expected = time_first.inference(), time_first.training()
    assert_same_bits((batch_first.inference(), batch_first.training()), expected)


@QUICK
@given(cases(), st.data())
def test_lengths_equal_shorter_calls(case, data):
    """A row of length n gives what that row alone gives when only its n steps are passed."""
    if not case.B or not case.T:
        return
    problem = case.problem()
    lengths = problem.lengths if problem.lengths is not None else [case.T] * case.B
    row = data.draw(st.integers(0, case.B - 1))
    outputs, n = problem.inference(), int(lengths[row])
    cut = slice(row, row + 1)
    h0, c0 = (None if a is None else a[:, cut] for a in (problem.h0, problem.c0))
    x = problem.to_layout(problem.x[:n, cut])
    y, state = problem.layer(x, problem.pack_state(h0, c0) if case.state else None)
    assert_same_bits(problem.to_layout(y), outputs["y"][:n, cut])
    assert_same_bits(problem.unpack_state(state)[0], outputs["hn"][:, cut])


@QUICK
@given(cases(lengths="none", T=5), st.data())
def test_mask_of_the_first_steps_is_lengths(case, data):
    """A mask that is True on each row's first n steps equals lengths n, to the bit."""
    problem = case.problem()
    lengths = np.array([data.draw(st.integers(0, 5)) for _ in range(case.B)], np.int64)
    mask = problem.to_layout(np.arange(5)[:, None] < lengths)
    x = problem.to_layout(problem.x)
    expected = problem.layer(x, problem.state, lengths=lengths)
    assert_same_bits(problem.layer(x, problem.state, mask=mask), expected)


@QUICK
@given(cases(lengths="none", batch_first=False, T=6), st.data())
def test_mask_with_holes_is_the_gathered_sequence(case, data):
    """The real steps of a row, wherever they stand, are run as one sequence without the holes."""
    if not case.B:
        return
    problem = case.problem()
    bits = st.lists(st.booleans(), min_size=6, max_size=6)
    mask = np.array([data.draw(bits) for _ in range(case.B)]).T
    y, state = problem.layer(problem.x, problem.state, mask=mask)
    h = problem.unpack_state(state)[0]
    for row in range(case.B):
        cut, real = slice(row, row + 1), mask[:, row]
        h0, c0 = (None if a is None else a[:, cut] for a in (problem.h0, problem.c0))
        alone = problem.pack_state(h0, c0) if case.state else None
        y_row, state_row = problem.layer(problem.x[real][:, cut], alone)
        assert_same_bits(y[real][:, cut], y_row)
        assert not y[~real][:, cut].any()
        assert_same_bits(h[:, cut], problem.unpack_state(state_row)[0])


@QUICK
@given(cases(), st.integers(1, 4))
def test_threads_never_matter(case, n):
    problem = case.problem()
    with pyrnn.threads(1):
        expected = problem.inference(), problem.training()
    with pyrnn.threads(n):
        assert_same_bits((problem.inference(), problem.training()), expected)
