"""Promise: whatever reaches `_core` directly, it raises TypeError or ValueError and never crashes.

The calls run in child processes (core_calls.py), so that a crash is a failure and not the end.
"""

import sys

import numpy as np
import pytest

from compare import assert_same_bits
from core_calls import assert_all_refused, run
from pyrnn import _core


def test_stack_options():
    assert_all_refused(
        """
        good = dict(cell="lstm", dtype="float32", size=I, hidden=H, layers=L, bi=True, bias=True,
                    proj=0, dropout=0.0, merge="concat")
        huge = [2**31, 2**40, 2**62, 2**63 - 1, 2**64]
        calls(stack, good, cell=["", "LSTM", "peephole", None, 3], dtype=["float16", "f4", None],
              size=[-1, "x", 1.5, *huge[1:]], hidden=[0, -1, None, *huge], layers=[0, -119, *huge],
              proj=[-1, H, H + 1, 2**40], dropout=[-0.1, 1.5, float("nan"), "x"],
              merge=["", "add", None, 3])
        calls(stack, {**good, "cell": "gru"}, proj=[1, H])
        calls(stack, {**good, "bi": False}, merge=["sum", "mul", "average"])
        """,
        minimum=35,
    )


@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru", "gru_reset_before"])
def test_pack(cell):
    assert_all_refused(
        f"""
        good = weights({cell!r})
        s = stack({cell!r})
        good_call = dict(weights=good, threads=1)
        lists = [good[:-1], good + good[:1], [], None, 3, tuple(zeros(0)), [None] * len(good)]
        for k in (0, 1, 2, len(good) - 1):
            for bad in wrong_arrays(*good[k].shape) + not_arrays:
                lists.append(good[:k] + [bad] + good[k + 1:])
        calls(s.pack, good_call, weights=lists, threads=[0, -1, "x", None, 2**40])
        """,
        minimum=80,
    )


@pytest.mark.parametrize("cell", ["rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize("train", [False, True])
def test_forward(cell, train):
    extra = "seed=0, draw=0, recompute_every=0, " if train else ""
    every = "recompute_every=[-1, None, 'sqrt', 2**64]," if train else ""
    assert_all_refused(
        f"""
        s, cell = stack({cell!r}), {cell!r}
        packed = s.pack(weights(cell), 1)
        good = dict(packed=packed, x=zeros(T, B, I), h0=zeros(2 * L, B, H),
                    c0=zeros(2 * L, B, H) if cell == "lstm" else None,
                    lengths=np.array([T, 1]), return_cells=False, {extra}threads=1,
                    batch_first=False, resets=np.zeros((T, B), bool), reset_to_given=True)
        other = _core.Stack(cell, "float32", I, H + 1, L, True, True, 0, 0.0, "concat")
        states = [a for a in wrong_arrays(2 * L, B, H) + not_arrays if a is not None]
        c0 = dict(c0=states if cell == "lstm" else [zeros(2 * L, B, H)])
        lengths = wrong_arrays(B, dtype=i64) + not_arrays[1:]
        lengths += [np.array(v) for v in ([-1, 2], [T + 1, 1], [2**62, 1], [1], [1, 1, 1])]
        calls(s.{"forward_train" if train else "forward"}, good, packed=[None, 3, s, type(packed)],
              x=wrong_arrays(T, B, I) + not_arrays, h0=states, lengths=lengths,
              return_cells=["x"] + [True] * (cell != "lstm"), {every}
              resets=wrong_flags(T, B) + not_arrays[1:], reset_to_given=["state"],
              threads=[0, -3, None, "x", 2**40], **c0)
        """,
        minimum=70,
    )


def test_forward_with_anothers_weights():
    """Packed belongs to one Stack's sizes, dtype and ISA; each mismatch is an error."""
    rows = run(
        """
        def forward(s, packed):
            return s.forward(packed, zeros(T, B, I), None, None, None, False, 1)
        s = stack()
        others = [stack("gru"), stack(hidden=H + 1), stack(layers=1), stack(bi=False),
                  stack(bias=False), stack(size=I + 1)]
        packed = [o for o in (stack("gru").pack(weights("gru"), 1),
                              stack(layers=1).pack(weights(layers=1), 1),
                              stack(bi=False).pack(weights(bi=False), 1),
                              stack(bias=False).pack(weights(bias=False), 1),
                              stack(dtype="float64").pack(weights(dtype=f64), 1))]
        calls(lambda p: forward(s, p), dict(packed=s.pack(weights(), 1)), packed=packed)
        """
    )
    assert [row[1] for row in rows] == ["ValueError"] * 5, rows


@pytest.mark.skipif(len(_core.available_isas()) < 2, reason="this CPU has one instruction set")
def test_weights_packed_for_another_isa():
    """Packed weights keep their own kernels, or are refused: never read in another's layout."""
    s = _core.Stack("gru", "float32", 3, 4, 1, False, False, 0, 0.0, "concat")
    rng = np.random.default_rng(0)
    w = [rng.standard_normal(shape).astype("f4") for shape in ((12, 3), (12, 4))]
    x, before = rng.standard_normal((5, 2, 3)).astype("f4"), _core.active_isa()
    packed, (_, *_, last) = s.pack(w, 1), _core.available_isas()
    expected = s.forward(packed, x, None, None, None, False, 1)[0]
    saved = s.forward_train(packed, x, None, None, None, False, 0, 0, 0, 1)[-1]
    d_x = s.backward(saved, w, expected, None, None, None, True, 1)[0]
    saved = s.forward_train(packed, x, None, None, None, False, 0, 0, 0, 1)[-1]
    _core._set_isa(last)
    try:
        assert_same_bits(s.forward(packed, x, None, None, None, False, 1)[0], expected)
        assert_same_bits(s.backward(saved, w, expected, None, None, None, True, 1)[0], d_x)
    except ValueError as error:
        assert "instruction set" in str(error)
    finally:
        _core._set_isa(before)


@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru"])
def test_backward(cell):
    assert_all_refused(
        f"""
        s, cell = stack({cell!r}), {cell!r}
        w = weights(cell)
        def forward():
            packed, x = s.pack(w, 1), zeros(T, B, I)
            return s.forward_train(packed, x, None, None, None, False, 0, 0, 0, 1)
        def backward(saved, w, dy, dhn, dcn, dcells):
            return s.backward(saved or forward()[-1], w, dy, dhn, dcn, dcells, True, 1)
        state = zeros(2 * L, B, H)
        good = dict(saved=None, w=w, dy=zeros(T, B, 2 * H), dhn=state,
                    dcn=state if cell == "lstm" else None, dcells=None)
        cells = [a for a in wrong_arrays(T, B, 2 * H) + not_arrays if a is not None]
        states = [a for a in wrong_arrays(*state.shape) + not_arrays if a is not None]
        other = stack(cell, layers=1)
        saved = other.forward_train(other.pack(weights(cell, layers=1), 1), zeros(T, B, I), None,
                                    None, None, False, 0, 0, 0, 1)[-1]
        calls(backward, good, saved=[3, "x", saved, s], w=[w[:-1], [], 3, [None] * len(w)],
              dy=[a for a in wrong_arrays(T, B, 2 * H) + not_arrays if a is not None],
              dhn=states, dcn=states if cell == "lstm" else [state],
              dcells=cells if cell == "lstm" else [zeros(T, B, 2 * H)])
        """,
        minimum=50,
    )


def test_add_into():
    assert_all_refused(
        """
        s, w = stack(), weights()
        def add(grads):
            y, *_, saved = s.forward_train(s.pack(w, 1), zeros(T, B, I), None, None, None,
                                             False, 0, 0, 0, 1)
            s.backward(saved, w, y, None, None, None, True, 1)[3].add_into(grads)
        good = [np.zeros_like(a) for a in w]
        read_only = [a.copy() for a in w]
        read_only[2].flags.writeable = False
        bad = [good[:-1], [None] * len(w), read_only, [a[:1] for a in good], 3, None,
               [a.astype(f64) for a in good], [np.asfortranarray(a) for a in good]]
        calls(add, dict(grads=good), grads=bad)
        """,
        minimum=8,
    )


def test_saved_and_gradients_are_spent_once():
    s = _core.Stack("gru", "float32", 3, 4, 1, False, False, 0, 0.0, "concat")
    w, x = [np.ones((12, 3), "f4"), np.ones((12, 4), "f4")], np.ones((5, 2, 3), "f4")
    y, *_, saved = s.forward_train(s.pack(w, 1), x, None, None, None, False, 0, 0, 0, 1)
    gradients = s.backward(saved, w, y, None, None, None, True, 1)[3]
    with pytest.raises((RuntimeError, ValueError), match="saved"):
        s.backward(saved, w, y, None, None, None, True, 1)
    gradients.add_into([np.zeros_like(a) for a in w])
    with pytest.raises((RuntimeError, ValueError), match=r"gradients|once|added"):
        gradients.add_into([np.zeros_like(a) for a in w])


def test_stream():
    assert_all_refused(
        """
        w = weights(layers=1, bi=False)
        s = stack(layers=1, bi=False)
        packed = s.pack(w, 1)
        calls(_core.Stream, dict(s=s, packed=packed, n=B, threads=1), s=[None, 3, packed, stack()],
              packed=[None, s], n=[-1, "x", None, 2**62], threads=[0, -1, None])
        stream = _core.Stream(s, packed, B, 1)
        read_only = zeros(B, H)
        read_only.flags.writeable = False
        x = zeros(B, H)
        for step in (stream.step, stream._checked_step):
            calls(step, dict(x=zeros(B, I), out=None, resets=None, active=None),
                  x=wrong_arrays(B, I) + not_arrays, resets=wrong_flags(B) + not_arrays[1:],
                  active=wrong_flags(B) + not_arrays[1:],
                  out=[a for a in wrong_arrays(B, H) + not_arrays if a is not None] + [read_only])
        calls(stream._run, dict(x=zeros(T, B, I), resets=None, threads=1),
              x=wrong_arrays(T, B, I) + not_arrays, resets=wrong_flags(T, B) + not_arrays[1:],
              threads=[0, -1, None])
        states = wrong_arrays(1, B, H) + not_arrays
        calls(stream._set_state, dict(h=zeros(1, B, H), c=zeros(1, B, H)), h=states, c=states)
        """,
        minimum=160,
    )


def test_model_stream():
    assert_all_refused(
        """
        s = stack(layers=1, bi=False)
        layer = _core.Stream(s, s.pack(weights(layers=1, bi=False), 1), B, 1)
        other = _core.Stream(s, s.pack(weights(layers=1, bi=False), 1), B + 1, 1)
        linear = _core.linear_pack(zeros(7, H), None, 1)
        wide = _core.linear_pack(np.zeros((7, H)), None, 1)
        norm = ("layer_norm", 7, 1e-5, zeros(7), None)
        parts = [("recurrent", layer), ("linear", linear), norm, ("activation", 7, "tanh"),
                 ("softmax", 7)]
        good = dict(owner="x", parts=parts, dtype="float32", n=B, threads=1)
        lists = [[], [()], [("softmax",)], [("softmax", 0)], [("softmax", -1)], [("softmax", "x")],
                 [("tanh", 3)], [(3, 3)], [None], 3, [("recurrent", None)], [("recurrent", linear)],
                 [("recurrent", other)], [("linear", layer)], [("linear", None)],
                 [("linear", wide)], [("linear", linear), ("linear", linear)],
                 [*parts, ("embedding", zeros(9, 7))],
                 [("embedding", None)], [("embedding", zeros(9))], [("activation", 7, "gelu")],
                 [("activation", 7, 3)], [("layer_norm", 7, "x", None, None)],
                 *([("layer_norm", 7, 1e-5, a, None)] for a in wrong_arrays(7)),
                 *([("embedding", a)] for a in wrong_arrays(9, 7)[:8])]
        calls(_core.ModelStream, good, owner=[None, 3], parts=lists, dtype=["f4", None, "float64"],
              n=[-1, 0, "x", None, 2**62], threads=[0, -1, None])
        flags = wrong_flags(B) + not_arrays[1:]
        floats = _core.ModelStream("x", parts, "float32", B, 1)
        words = _core.ModelStream("x", [("embedding", zeros(9, H)), parts[1]], "float32", B, 1)
        ids = np.zeros(B, i64)
        read_only = zeros(B, 7)
        read_only.flags.writeable = False
        outs = [a for a in wrong_arrays(B, 7) + not_arrays if a is not None] + [read_only]
        for stream, x, xs, chunk, chunks in (
            (floats, zeros(B, I), wrong_arrays(B, I), zeros(T, B, I), wrong_arrays(T, B, I)),
            (words, ids, wrong_arrays(B, dtype=i64) + [ids + 9, ids - 1], np.zeros((T, B), i64),
             wrong_arrays(T, B, dtype=i64) + [np.full((T, B), 9), np.full((T, B), -1)]),
        ):
            for step in (stream.step, stream._checked_step):
                calls(step, dict(x=x, out=None, resets=None, active=None), x=xs + not_arrays,
                      out=outs, resets=flags, active=flags)
            calls(stream._run_chunk, dict(x=chunk, resets=None, threads=1), x=chunks + not_arrays,
                  resets=wrong_flags(T, B) + not_arrays[1:], threads=[0, -1, None])
        nothing = _core.ModelStream("x", None, "float32", B, 1)
        for step in (nothing.step, nothing._checked_step):
            calls(lambda how: how and step(zeros(B, I), None, None, None), dict(how=False), how=[1])
        calls(lambda how: how and nothing._run_chunk(zeros(T, B, I), None, 1), dict(how=0), how=[1])
        calls(nothing._alone, dict(work=lambda x: x, x=1), work=[None, 3])
        """,
        minimum=300,
    )


def test_inputs_keep_their_reference_counts():
    """Neither success nor failure leaks a reference to an argument."""
    w = [np.ones((12, 3), "f4"), np.ones((12, 4), "f4")]
    s = _core.Stack("gru", "float32", 3, 4, 1, False, False, 0, 0.0, "concat")
    packed, x, bad = s.pack(w, 1), np.ones((5, 2, 3), "f4"), np.ones((5, 2, 9), "f4")
    before = [sys.getrefcount(a) for a in (*w, x, bad)]
    for _ in range(50):
        s.forward(packed, x, None, None, None, False, 1)
        y, *_, saved = s.forward_train(packed, x, None, None, None, False, 0, 0, 0, 1)
        s.backward(saved, w, y, None, None, None, True, 1)
        del saved
        with pytest.raises(ValueError, match="x"):
            s.forward(packed, bad, None, None, None, False, 1)
    assert [sys.getrefcount(a) for a in (*w, x, bad)] == before
