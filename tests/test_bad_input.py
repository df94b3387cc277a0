"""Promise: bad input is a clear error that names the argument, what came and what was expected.

Shapes, lengths, dtypes and misuse of the recurrent layers; after each error the layer still works.
"""

import warnings

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits

F = np.float32
T, B, WIDTH, H = 5, 3, 4, 6


def layer(cls=pyrnn.LSTM, **options):
    options = {"batch_first": False} | options
    return cls(WIDTH, H, num_layers=2, bidirectional=True, seed=0, **options)


def zeros(*shape, dtype=F):
    return np.zeros(shape, dtype)


X, STATE = zeros(T, B, WIDTH), zeros(4, B, H)
WRONG_STATES = [(2, B, H), (8, B, H), (4, 1, H), (4, B + 1, H), (4, B, 1), (4, H), (B, 4, H)]
WRONG_PAIRS = [STATE, (STATE,), (STATE,) * 3, [STATE] * 2, {"h": STATE}, (STATE, None), "hc", 0]
NO_ARRAYS = [None, 3, "x", object(), {1, 2}, np.ma.ones(X.shape, F), X[0].view(np.matrix)]


def refused(call, error, *words):
    """The call fails with this kind of error, and its text has all the words."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value), f"{word!r} is not in {str(caught.value)!r}"


@pytest.fixture(params=[pyrnn.RNN, pyrnn.LSTM, pyrnn.GRU], ids=lambda c: c.__name__)
def module(request):
    """A layer that must give the same results after the test as before."""
    made = layer(request.param)
    before = made(X + 1)
    yield made
    assert_same_bits(made(X + 1), before)


@pytest.fixture(params=["call", "vjp"])
def call(request, module):
    return module if request.param == "call" else module.vjp


class TestShapes:
    @pytest.mark.parametrize("shape", [(), (4,), (3, 5, 7, 4), (1, 1, 1, 1, 4)], ids=str)
    def test_rank_of_x(self, call, shape):
        refused(lambda: call(zeros(*shape)), ValueError, "x", str(shape), "4")

    @pytest.mark.parametrize("width", [0, 1, 3, 5, 8])
    def test_width_of_x_even_without_a_state(self, call, width):
        refused(lambda: call(zeros(T, B, width)), ValueError, "x", f"({T}, {B}, {width})", "4")

    @pytest.mark.parametrize("shape", WRONG_STATES, ids=str)
    def test_state(self, module, call, shape):
        bad = zeros(*shape)
        if isinstance(module, pyrnn.LSTM):
            for name, state in (("h0", (bad, STATE)), ("c0", (STATE, bad))):
                refused(lambda s=state: call(X, s), ValueError, name, str(shape), f"(4, {B}, {H})")
        else:
            refused(lambda: call(X, bad), ValueError, "h0", str(shape), f"(4, {B}, {H})")

    def test_the_message_of_the_design(self):
        words = "LSTM: h0 has shape (2, 3, 6), expected (4, 3, 6) = "
        words += "(num_layers*num_directions, batch, hidden_size)"
        refused(lambda: layer()(X, (zeros(2, 3, 6), STATE)), ValueError, words)

    @pytest.mark.parametrize("state", WRONG_PAIRS, ids=range(len(WRONG_PAIRS)))
    def test_lstm_takes_a_pair(self, state):
        for call in (layer(), layer().vjp):
            refused(lambda c=call: c(X, state), (TypeError, ValueError), "LSTM")

    @pytest.mark.parametrize("cls", [pyrnn.RNN, pyrnn.GRU])
    def test_others_take_one_array(self, cls):
        refused(lambda: layer(cls)(X, (STATE, STATE)), (TypeError, ValueError), "h0")

    def test_projection_swaps_no_widths(self):
        projected = layer(proj_size=2)
        h, c = zeros(4, B, 2), STATE
        projected(X, (h, c))
        refused(lambda: projected(X, (c, c)), ValueError, "h0", "(4, 3, 2)", "proj_size")
        refused(lambda: projected(X, (h, h)), ValueError, "c0", "(4, 3, 6)", "hidden_size")

    def test_unbatched_and_batched_do_not_mix(self):
        gru = layer(pyrnn.GRU)
        gru(X[:, 0], STATE[:, 0])
        refused(lambda: gru(X[:, 0], STATE), ValueError, "h0", "(4, 6)")
        refused(lambda: gru(X, STATE[:, 0]), ValueError, "h0", "(4, 3, 6)")

    def test_state_layout_with_batch_first(self):
        gru = layer(pyrnn.GRU, batch_first=True)
        refused(lambda: gru(X.swapaxes(0, 1), zeros(B, 4, H)), ValueError, "h0", "(4, 3, 6)")

    @pytest.mark.parametrize("shape", [(T, B, H), (B, T, 2 * H), (T, B), (T, B, 2 * H, 1)], ids=str)
    def test_dy(self, module, shape):
        _, pullback = module.vjp(X)
        refused(
            lambda: pullback(zeros(*shape)), ValueError, "dy", str(shape), f"({T}, {B}, {2 * H})"
        )

    def test_dstate(self, module):
        _, pullback = module.vjp(X)
        bad = zeros(2, B, H)
        refused(
            lambda: pullback(None, (bad, STATE) if isinstance(module, pyrnn.LSTM) else bad),
            ValueError, "dstate", "(2, 3, 6)", "(4, 3, 6)",
        )  # fmt: skip


class TestLengths:
    @pytest.mark.parametrize(
        ("lengths", "error", "words"),
        [
            ([5, -1, 2], ValueError, "lengths[1] is -1"),
            ([5, 2, 6], ValueError, "lengths[2] is 6"),
            ([5, 2], ValueError, "(2,)"),
            ([[5, 2, 1]], ValueError, "(1, 3)"),
            ([], ValueError, "(0,)"),
            ([5.0, 2.0, 1.0], TypeError, "float64"),
            ([5, 2, np.nan], TypeError, "float64"),
            (np.array([True, True, True]), TypeError, "bool"),
            ([True, 2, 1], TypeError, "bool"),
            (np.array([5, 2, 1], object), TypeError, "object"),
            (np.array([2**63, 1, 1], np.uint64), ValueError, str(2**63)),
            (["5", "2", "1"], TypeError, "lengths"),
            (5, (TypeError, ValueError), "lengths"),
            ("521", TypeError, "lengths"),
        ],
        ids=str,
    )
    def test_bad(self, call, lengths, error, words):
        refused(lambda: call(X, lengths=lengths), error, "lengths", words)

    @pytest.mark.parametrize("kind", [list, tuple, np.array, lambda v: np.array(v, np.uint8)])
    def test_integers_of_any_kind(self, module, kind):
        assert_same_bits(module(X, lengths=kind([5, 0, 2])), module(X, lengths=np.array([5, 0, 2])))

    def test_mask(self, call):
        refused(lambda: call(X, mask=np.ones((T, B))), TypeError, "mask", "float64", "bool")
        refused(lambda: call(X, mask=np.ones((B, T), bool)), ValueError, "mask", f"({T}, {B})")
        refused(lambda: call(X, mask=np.ones(T, bool)), ValueError, "mask")
        both = {"mask": np.ones((T, B), bool), "lengths": [1, 1, 1]}
        refused(lambda: call(X, **both), ValueError, "mask", "lengths")


class TestDtypes:
    @pytest.mark.parametrize(
        "dtype", ["f2", "f8", "g", "c8", "i4", "?", "O", "U3", "M8[s]", [("a", "f4")]], ids=str
    )
    def test_of_x(self, call, dtype):
        refused(lambda: call(np.zeros((T, B, WIDTH), dtype)), TypeError, "x", "float32")

    def test_the_message_shows_the_conversion(self, call):
        refused(lambda: call(X.astype("f8")), TypeError, "float64", "x.astype(np.float32)")

    def test_of_states_and_gradients(self, module):
        lstm = isinstance(module, pyrnn.LSTM)
        bad = STATE.astype("f8")
        refused(lambda: module(X, (bad, bad) if lstm else bad), TypeError, "h0", "float64")
        _, pullback = module.vjp(X)
        refused(lambda: pullback(zeros(T, B, 2 * H, dtype="f8")), TypeError, "dy", "float64")

    @pytest.mark.parametrize("x", NO_ARRAYS, ids=lambda x: type(x).__name__)
    def test_what_is_no_plain_array(self, call, x):
        refused(lambda: call(x), TypeError, "x")

    def test_lists_of_floats(self, module):
        assert_same_bits(module((X + 1).tolist()), module(X + 1))
        refused(lambda: module([[[1.0, 2.0], [3.0]]]), (TypeError, ValueError), "x")

    def test_big_endian_and_read_only(self, module):
        x = np.random.default_rng(0).standard_normal(X.shape).astype(F)
        expected = module(x)
        assert_same_bits(module(x.astype(">f4")), expected)
        assert_same_bits(module(np.frombuffer(x.tobytes(), F).reshape(X.shape)), expected)
        wide = np.broadcast_to(x[:1], x.shape)  # stride 0
        assert_same_bits(module(wide), module(wide.copy()))

    def test_an_array_that_fails_to_convert(self, call):
        class Broken:
            def __array__(self, dtype=None, copy=None):
                raise RuntimeError("no array today")

        with pytest.raises(TypeError, match="x is of type Broken that makes no array: no array to"):
            call(Broken())


class TestConstruction:
    @pytest.mark.parametrize("name", ["hidden_size", "num_layers", "input_size"])
    @pytest.mark.parametrize("value", [-1, -119, True, 1.5, "3", None, 2**31, 2**63, 2**70])
    def test_sizes(self, name, value):
        options = {"input_size": 3, "hidden_size": 4, name: value}
        refused(lambda: pyrnn.GRU(**options), (TypeError, ValueError, MemoryError), "GRU")

    def test_zero_sizes(self):
        refused(lambda: pyrnn.GRU(3, 0), ValueError, "hidden_size")
        refused(lambda: pyrnn.GRU(3, 4, num_layers=0), ValueError, "num_layers")
        assert pyrnn.GRU(0, 4).input_size == 0

    @pytest.mark.parametrize("value", [-0.1, 1.1, 33.8, np.nan, "x", True, None])
    def test_dropout(self, value):
        make = lambda: pyrnn.GRU(3, 4, num_layers=2, dropout=value)  # noqa: E731
        refused(make, (TypeError, ValueError), "dropout")

    def test_dropout_in_one_layer_warns(self):
        with pytest.warns(UserWarning, match="between layers"):
            pyrnn.GRU(3, 4, dropout=0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pyrnn.GRU(3, 4, num_layers=2, dropout=0.5)

    def test_words_and_flags(self):
        refused(lambda: pyrnn.RNN(3, 4, nonlinearity="gelu"), ValueError, "gelu", "tanh", "relu")
        refused(lambda: pyrnn.LSTM(3, 4, proj_size=4), ValueError, "proj_size", "4")
        refused(lambda: pyrnn.GRU(3, 4, proj_size=2), TypeError, "proj_size")
        refused(lambda: pyrnn.GRU(3, 4, bias=1), TypeError, "bias")
        refused(lambda: pyrnn.GRU(3, 4, dtype="float16"), TypeError, "dtype", "float32")
        refused(lambda: pyrnn.GRU(3, 4, seed=-1), ValueError, "seed")
        refused(lambda: pyrnn.GRU(3, 4, seed="x"), TypeError, "seed")

    def test_too_large_for_the_machine(self):
        refused(lambda: pyrnn.LSTM(2**20, 2**20), MemoryError, "GiB")
