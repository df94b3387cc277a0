"""Promise: `forward_into` and `backward_from` are vjp and pullback with activations in an array.

Outputs and gradients have the same bits, for padded arrays and for packed rows.
"""

import numpy as np
import pytest

import pyrnn
from cell_options import all_of
from compare import assert_same_bits
from core_calls import assert_all_refused
from pyrnn import _core

N, T, F, H = 4, 7, 6, 9
CELLS = {
    "rnn": (pyrnn.RNN, {}),
    "lstm": (pyrnn.LSTM, {}),
    "lstm-projected": (pyrnn.LSTM, {"proj_size": 5}),
    "lstm-options": (pyrnn.LSTM, dict(all_of("lstm"))),
    "gru": (pyrnn.GRU, {}),
    "gru-options": (pyrnn.GRU, dict(all_of("gru"))),
    "gru-reset-before": (pyrnn.GRU, {"reset_after": False}),
}
LENGTHS = [None, [T] * N, [7, 5, 5, 2], [3, 7, 1, 7], [0, 0, 4, 0]]


class Training:
    """A layer's vjp and pullback on random data, and the same data for the core."""

    def __init__(self, cell, dtype, lengths, **options):
        cls, own = CELLS[cell]
        self.layer = cls(F, H, dtype=dtype, seed=1, **own, **options)
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((N, T, F)).astype(dtype)
        self.lengths = lengths
        (self.y, state), pullback = self.layer.vjp(self.x, lengths=lengths, rng=3)
        self.state = state if isinstance(state, tuple) else (state,)
        self.dy = rng.standard_normal(self.y.shape).astype(dtype)
        self.dx, dstate = pullback(self.dy)
        self.dstate = dstate if isinstance(dstate, tuple) else (dstate,)

    def run(self, packed, threads=1, need_dx=True, need_dw=True, drops=True):
        """(y, states, dx, dstates, dW) of the core's two functions."""
        layer, stack = self.layer, self.layer._stack
        lengths = None if self.lengths is None else np.array(self.lengths)
        form = self.pack if packed else lambda a: a.swapaxes(0, 1)
        x, dy = form(self.x), form(self.dy)
        rows = len(x) if packed else N * T
        saved = _core.workspace(stack.saved_bytes(rows, N, lengths is not None, packed))
        saved[:] = 255  # NaN in whatever is read before it is written
        key = (layer._draws.seed, 3) if drops else None
        given = (layer._packed(), x, None, None, lengths, packed, key, threads)
        y, *states = stack.forward_into(saved, *given)
        weights = [parameter.data for parameter in layer.weights()]
        passed = (weights, x, lengths, packed, key, dy, None, None, need_dx, need_dw, threads)
        dx, dh0, dc0, gradients = stack.backward_from(saved, *passed)
        sums = [np.zeros_like(weight) for weight in weights]
        gradients.add_into(sums)
        return y, states, dx, (dh0, dc0), sums

    def pack(self, array):
        """Packed rows of a padded array, step by step."""
        lengths = np.array(self.lengths or [T] * N)
        return np.concatenate([array[lengths > t, t] for t in range(T)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_same_bits_as_vjp_and_pullback(cell, bidirectional, layers, lengths, dtype):
    dropout = 0.3 if layers > 1 else 0.0
    options = {"bidirectional": bidirectional, "num_layers": layers, "dropout": dropout}
    expected = Training(cell, dtype, lengths, **options)
    descending = lengths is not None and lengths == sorted(lengths, reverse=True)
    for packed in [False, True][: 1 + descending]:
        form = expected.pack if packed else lambda a: a.swapaxes(0, 1)
        for threads in (1, 2):
            y, states, dx, dstates, sums = expected.run(packed, threads)
            assert_same_bits(y, form(expected.y))
            assert_same_bits(dx, form(expected.dx))
            for got, wanted in zip(states, expected.state, strict=False):
                assert_same_bits(got, wanted)
            for got, wanted in zip(dstates, expected.dstate, strict=False):
                assert_same_bits(got, wanted)
            for got, parameter in zip(sums, expected.layer.weights(), strict=True):
                assert_same_bits(got, parameter.grad)


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_not_wanted_is_not_computed(cell):
    training = Training(cell, np.float32, [7, 5, 5, 2])
    *_, whole, dstates, _ = training.run(False)
    _, _, dx, without, sums = training.run(False, need_dw=False)
    assert_same_bits(dx, whole)
    for got, wanted in zip(without, dstates, strict=True):
        assert got is wanted is None or got.tobytes() == wanted.tobytes()
    assert not any(total.any() for total in sums)
    assert training.run(False, need_dx=False)[2] is None


def test_a_workspace_is_whole_cache_lines():
    arrays = [_core.workspace(n) for n in (0, 1, 1000, 3 << 20)]
    assert [a.nbytes for a in arrays] == [0, 1, 1000, 3 << 20]
    assert all(a.ctypes.data % 64 == 0 and a.flags.writeable for a in arrays)


GOOD = """
        s, u8 = stack(), np.uint8
        packed, size = s.pack(weights(), 1), s.saved_bytes(T * B, B, True, False)
        saved = _core.workspace(size)
        lengths = np.array([5, 3])
        misaligned = _core.workspace(size + 64)[8 : 8 + size]
        bad_saved = [saved[:64], saved.view(np.int8), saved[::2], misaligned, zeros(9), None, 3]
        bad_saved += [np.frombuffer(bytes(size), u8)]
        bad_lengths = [np.array([6, 1]), np.array([-1, 1]), np.array([5]), zeros(2), [5, 3]]
"""


def test_bad_arguments_of_the_forward_pass():
    assert_all_refused(
        GOOD
        + """
        good = dict(saved=saved, packed=packed, x=zeros(T, B, I), h0=zeros(2 * L, B, H),
                    c0=zeros(2 * L, B, H), lengths=lengths, packed_rows=False, key=None,
                    threads=1)
        bad_x = [zeros(T * B, I), zeros(T, B, I + 1), zeros(T, B, I).astype(f64), None]
        calls(s.forward_into, good, saved=bad_saved,
              packed=[None, stack("gru").pack(weights("gru"), 1)], x=bad_x,
              h0=wrong_arrays(2 * L, B, H), lengths=bad_lengths,
              key=[3, (1,), (-1, 0)], threads=[0, None])
        calls(s.forward_into, {**good, "x": zeros(8, I), "packed_rows": True},
              lengths=[np.array([3, 5]), np.array([5, 4]), np.array([8]), None],
              x=[zeros(7, I), zeros(T, B, I)])
        """,
        minimum=30,
    )


def test_bad_arguments_of_the_backward_pass():
    assert_all_refused(
        GOOD
        + """
        good = dict(saved=saved, weights=weights(), x=zeros(T, B, I), lengths=lengths,
                    packed_rows=False, key=None, dy=zeros(T, B, 2 * H), dhn=None, dcn=None,
                    need_dx=True, need_dw=True, threads=1)
        saved[:] = 0
        calls(s.backward_from, good, saved=bad_saved, weights=[weights()[1:], [], None],
              x=[zeros(T, B, I + 1), zeros(T * B, I), None], lengths=bad_lengths,
              dy=[zeros(T, B, H), zeros(T * B, 2 * H), 3], dhn=[zeros(2, 2)], dcn=[zeros(3)],
              threads=[0, None])
        """,
        minimum=20,
    )


def test_bad_sizes():
    assert_all_refused(
        """
        calls(stack().saved_bytes, dict(rows=4, sequences=2, ragged=True, packed=False),
              rows=[-1, 2**64, None], sequences=[-1, 2**64, "x"])
        calls(_core.workspace, dict(bytes=4), bytes=[-1, 2**64, None])
        """,
        minimum=8,
    )


@pytest.mark.parametrize("lengths", [None, [7, 5, 5, 2]], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_without_a_key_nothing_is_dropped(cell, lengths):
    """The outputs are those of inference, zoneout's mean included, and the gradients theirs."""
    options = {"num_layers": 2, "dropout": 0.3}
    training = Training(cell, np.float64, lengths, **options)
    layer, x, dy = training.layer, training.x, training.dy
    y, _, dx, _, sums = training.run(False, drops=False)
    assert_same_bits(y.swapaxes(0, 1), layer(x, lengths=lengths)[0])
    step = np.random.default_rng(1).standard_normal(x.shape)
    eps = 1e-6

    def loss(x):
        return (layer(x, lengths=lengths)[0] * dy).sum()

    slope = (loss(x + eps * step) - loss(x - eps * step)) / (2 * eps)
    assert slope == pytest.approx((dx.swapaxes(0, 1) * step).sum(), rel=1e-6)
    for parameter, gradient in zip(layer.weights(), sums, strict=True):
        value, step = np.array(parameter.data), np.ones(parameter.shape)
        parameter[...] = value + eps * step
        above = loss(x)
        parameter[...] = value - eps * step
        slope = (above - loss(x)) / (2 * eps)
        parameter[...] = value
        assert slope == pytest.approx((gradient * step).sum(), rel=1e-5, abs=1e-7)
