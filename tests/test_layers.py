"""Promise: the parts without recurrence, and Sequential, compute their equations."""

import numpy as np
import pytest

import pyrnn
from compare import assert_close, assert_same_bits
from pyrnn import _core

DTYPES = ("float32", "float64")
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
LINEAR_SIZES = [(1, 1, 1), (3, 8, 9), (7, 17, 33), (65, 16, 31), (130, 70, 65), (2, 513, 300)]


def linear_problem(sizes, dtype, bias=True):
    """A layer of N rows, I inputs, O outputs, with x and dy."""
    N, I, O = sizes
    rng = np.random.default_rng(0)
    module = pyrnn.Linear(I, O, bias=bias, seed=1, dtype=np.dtype(dtype))
    return module, *(rng.standard_normal((N, k)).astype(dtype) for k in (I, O))


@each_dtype
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", LINEAR_SIZES, ids=str)
def test_linear(sizes, bias, dtype, isa):
    """Outputs and gradients against float64 numpy."""
    module, x, d_y = linear_problem(sizes, dtype, bias)
    y, pullback = module.vjp(x)
    d_x = pullback(d_y)
    w, wide, d_wide = (np.asarray(a, np.float64) for a in (module.weight.data, x, d_y))
    b = module.bias.data.astype(np.float64) if bias else 0
    N, width, _ = sizes
    assert_close({"y": y}, {"y": wide @ w.T + b}, dtype, width + 1)
    assert_same_bits(module(x), y)
    expected = {"d_x": d_wide @ w, "weight": d_wide.T @ wide} | (
        {"bias": d_wide.sum(0)} if bias else {}
    )
    actual = {"d_x": d_x} | {n: p.grad for n, p in module.named_parameters()}
    assert_close(actual, expected, dtype, max(N, sizes[2]), backward=True)


@each_dtype
def test_linear_bits(dtype, isa):
    """Threads, batches and leading axes change nothing."""
    results = []
    for n in (1, 2):
        module, x, d_y = linear_problem((301, 130, 70), dtype)
        with pyrnn.threads(n):
            y, pullback = module.vjp(x)
            results.append([y, pullback(d_y), *(p.grad for p in module.parameters())])
    assert_same_bits(*results)
    y, d_x = results[0][:2]
    for row in (0, 7, 300):
        alone, pullback = module.vjp(x[row])
        assert_same_bits(alone, y[row])
        assert_same_bits(pullback(d_y[row]), d_x[row])
    assert_same_bits(module(x.reshape(7, 43, 1, 130)), y.reshape(7, 43, 1, 70))
    _, pullback = module.vjp(x.reshape(43, 7, 130))
    assert_same_bits(pullback(d_y.reshape(43, 7, 70)), d_x.reshape(43, 7, 130))
    empty, pullback = module.vjp(x[:0].reshape(2, 0, 130))
    assert empty.shape == (2, 0, 70) and pullback(empty).shape == (2, 0, 130)


def test_linear_uses_new_weights():
    module, x, _ = linear_problem((3, 4, 5), "float32")
    module(x)
    module.weight[...] = 0
    assert_same_bits(module(x), np.broadcast_to(module.bias.data, (3, 5)).copy())


@each_dtype
def test_embedding(dtype, rng, isa):
    module = pyrnn.Embedding(11, 7, seed=0, dtype=np.dtype(dtype))
    ids = rng.integers(0, 11, (5, 4))
    y, pullback = module.vjp(ids)
    assert_same_bits(y, module.weight.data[ids])
    d_y = rng.standard_normal(y.shape).astype(dtype)
    ids_before = ids.copy()
    ids[...] = 0  # the pullback remembers what it looked up
    assert pullback(d_y) is None
    expected = np.zeros((11, 7), dtype)
    np.add.at(expected, ids_before.reshape(-1), d_y.reshape(-1, 7))
    assert_same_bits(module.weight.grad, expected)
    assert_same_bits(module(ids.astype(np.uint8)), module(ids))
    assert module(ids[:0]).shape == (0, 4, 7)


def test_embedding_padding_row():
    module = pyrnn.Embedding(5, 3, padding_idx=-1, seed=0)
    assert not module.weight.data[4].any()
    _, pullback = module.vjp(np.array([4, 0, 4]))
    pullback(np.ones((3, 3), np.float32))
    assert not module.weight.grad[4].any() and (module.weight.grad[0] == 1).all()


@pytest.mark.parametrize("ids", [[[0, 11]], [[-1, 0]], [[2**40, 0]]])
def test_embedding_ids_out_of_range(ids):
    module = pyrnn.Embedding(11, 7, seed=0)
    for call in (module, module.vjp):
        with pytest.raises(ValueError, match=r"x\[0, [01]\] is"):
            call(np.array(ids))
    for bad in (np.zeros((1, 2)), np.zeros((1, 2), bool), None, "ab"):
        with pytest.raises(TypeError, match="x"):
            module(bad)


EQUATIONS = {
    "Tanh": (np.tanh, lambda y: 1 - y**2),
    "ReLU": (lambda x: np.maximum(x, 0), lambda y: (y > 0) * 1.0),
    "Identity": (lambda x: x, np.ones_like),
    "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
}


@each_dtype
@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("shape", [(), (1,), (17,), (3, 5, 33), (0, 4)], ids=str)
def test_activations(name, shape, dtype, rng, isa):
    equation, slope = EQUATIONS[name]
    module = getattr(pyrnn, name)()
    x, d_y = (np.asarray(rng.standard_normal(shape), dtype) for _ in range(2))
    y, pullback = module.vjp(x)
    exact = np.asarray(equation(x.astype(np.float64)))
    assert_close({"y": y}, {"y": exact}, dtype, 4)
    assert_close({"d_x": pullback(d_y)}, {"d_x": slope(exact) * d_y}, dtype, 4, backward=True)


@each_dtype
@pytest.mark.parametrize("shape", [(1,), (7, 1), (9, 17), (3, 5, 33), (2, 1000), (0, 4)], ids=str)
def test_softmax(shape, dtype, rng, isa):
    x, d_y = (5 * rng.standard_normal(shape).astype(dtype) for _ in range(2))
    y, pullback = pyrnn.Softmax().vjp(x)
    e = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf), dtype=np.float64)
    exact = e / e.sum(axis=-1, keepdims=True)
    assert_close({"y": y}, {"y": exact}, dtype, shape[-1] * 4)
    expected = exact * (d_y - (d_y * exact).sum(axis=-1, keepdims=True))
    scale = np.abs(d_y).max(initial=0)
    d_x = pullback(d_y)
    allowed = 8 * np.log2(4 * shape[-1]) * np.finfo(dtype).eps * scale
    assert d_x.shape == shape and np.abs(d_x - expected).max(initial=0) <= allowed
    assert_same_bits(pyrnn.Softmax()(x[-1:]), y[-1:])
    huge = np.array([[1e4, 0.0, -1e4]], dtype)
    assert_same_bits(pyrnn.Softmax()(huge), np.array([[1, 0, 0]], dtype))


class TestDropout:
    def test_inference_drops_nothing(self, rng):
        x = rng.standard_normal((4, 3, 5))
        assert_same_bits(pyrnn.Dropout(0.9, seed=0)(x), x)

    @each_dtype
    @pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
    def test_statistics(self, p, dtype, isa):
        """The share that is dropped, and the mean that is kept, within five standard deviations."""
        x = np.ones((50, 40, 60), dtype)
        y, pullback = pyrnn.Dropout(p, seed=3).vjp(x)
        n, sigma = x.size, np.sqrt(p * (1 - p) / x.size)
        assert abs(np.count_nonzero(y == 0) / n - p) <= 5 * sigma
        if p < 1:
            assert set(np.unique(y)) <= {0, np.dtype(dtype).type(1 / (1 - p))}
        assert_same_bits(pullback(x), y)
        for axis in range(3):  # no axis is dropped together
            share = np.moveaxis(y == 0, axis, 0).reshape(x.shape[axis], -1).mean(axis=1)
            spread = np.sqrt(p * (1 - p) * x.shape[axis] / n)
            assert np.abs(share - p).max() <= 6 * spread

    def test_masks_differ_between_draws_and_seeds(self):
        x = np.ones((5, 4, 60), np.float32)
        module = pyrnn.Dropout(0.5, seed=3)
        first, second = module.vjp(x)[0], module.vjp(x)[0]
        other = pyrnn.Dropout(0.5, seed=4).vjp(x)[0]
        assert not np.array_equal(first, second) and not np.array_equal(first, other)
        again = pyrnn.Dropout(0.5, seed=3)
        assert_same_bits([again.vjp(x)[0], again.vjp(x)[0]], [first, second])
        assert_same_bits(module.vjp(x, rng=0)[0], first)
        assert abs(np.mean((first == 0) == (second == 0)) - 0.5) < 0.1

    def test_mask_depends_on_place_not_on_threads_or_layout(self):
        """(t, row, unit) decide: the same in a shorter, narrower or differently laid out batch."""
        x = np.ones((60, 50, 70), np.float32)
        with pyrnn.threads(1):
            expected = pyrnn.Dropout(0.5, seed=3).vjp(x, rng=7)[0]
        with pyrnn.threads(2):
            assert_same_bits(pyrnn.Dropout(0.5, seed=3).vjp(x, rng=7)[0], expected)
        time_first = pyrnn.Dropout(0.5, seed=3, batch_first=False)
        assert_same_bits(time_first.vjp(x.swapaxes(0, 1), rng=7)[0].swapaxes(0, 1), expected)
        part = pyrnn.Dropout(0.5, seed=3).vjp(x[:7, :9, :33].copy(), rng=7)[0]
        assert_same_bits(part, expected[:7, :9, :33])

    def test_core_masks_differ_between_layers(self):
        x = np.ones((5, 4, 60), np.float32)
        masks = [_core.dropout(x, 0.5, 3, 0, layer, 1).tobytes() for layer in range(4)]
        assert len(set(masks)) == 4


@pytest.mark.parametrize("batch_first", [False, True])
def test_last_step(batch_first, rng):
    """Each direction's own final output: the last real step, and step 0 of the reverse one."""
    T, B, H, lengths = 5, 3, 2, [5, 1, 3]
    both = pyrnn.GRU(4, H, bidirectional=True, seed=0, batch_first=batch_first)
    shape = (B, T, 4) if batch_first else (T, B, 4)
    x = rng.standard_normal(shape).astype(np.float32)
    y, state = both(x, lengths=lengths)
    last = pyrnn.LastStep(bidirectional=True, batch_first=batch_first)
    expected = np.concatenate([state[0], state[1]], axis=1)
    assert_same_bits(last(y, lengths=lengths), expected)
    y, state = both(x)
    assert_same_bits(last(y), np.concatenate([state[0], state[1]], axis=1))


def test_sequential(rng):
    """Parts in order; one state per recurrent layer; lengths reach those that need them."""
    wide = {"seed": 0, "dtype": np.float64}
    gru, lstm = pyrnn.GRU(3, 4, bidirectional=True, **wide), pyrnn.LSTM(8, 5, **wide)
    tanh, last, linear = pyrnn.Tanh(), pyrnn.LastStep(), pyrnn.Linear(5, 2, **wide)
    model = pyrnn.Sequential(gru, tanh, lstm, last, linear)
    x, lengths = rng.standard_normal((4, 6, 3)), [6, 2, 3, 1]
    y, state = model.run(x, lengths=lengths)
    assert_same_bits(model(x, lengths=lengths), y)
    y1, s1 = gru(x, lengths=lengths)
    y2, s2 = lstm(tanh(y1), lengths=lengths)
    assert_same_bits(y, linear(last(y2, lengths=lengths)))
    assert_same_bits(state, (s1, s2))
    carried = model.run(x, state, lengths=lengths)
    assert not np.array_equal(carried.y, y)
    assert pyrnn.Sequential(tanh, linear).run(x[..., [0] * 5]).state == ()


def test_sequential_with_a_mask(rng):
    """A mask with holes runs each row's real steps; a prefix is the same as lengths."""
    wide = {"seed": 0, "dtype": np.float64}
    model = pyrnn.Sequential(pyrnn.GRU(3, 4, **wide), pyrnn.Tanh(), pyrnn.LSTM(4, 5, **wide))
    x, lengths = rng.standard_normal((2, 6, 3)), np.array([4, 2])
    prefix = np.arange(6) < lengths[:, None]
    assert_same_bits(model.run(x, mask=prefix), model.run(x, lengths=lengths))
    holes = np.array([[1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 1]], bool)
    y, state = model.run(x, mask=holes)
    for row in range(2):
        alone, s = model.run(x[row : row + 1, holes[row]])
        assert_same_bits(y[row : row + 1, holes[row]], alone)
        assert_same_bits(state[0][:, row], s[0][:, 0])


WITH_VJP = {
    "Linear": (pyrnn.Linear(3, 2), (np.ones((2, 4, 3), "f4"),)),
    "Embedding": (pyrnn.Embedding(3, 2), (np.ones((2, 4), int),)),
    "Tanh": (pyrnn.Tanh(), (np.ones(3),)),
    "Softmax": (pyrnn.Softmax(), (np.ones(3),)),
    "LayerNorm": (pyrnn.LayerNorm(3), (np.ones(3, "f4"),)),
    "Dropout": (pyrnn.Dropout(), (np.ones(3),)),
    "MaxPool": (pyrnn.MaxPool(), (np.ones((2, 4, 3)),)),
    "LastStep": (pyrnn.LastStep(), (np.ones((2, 4, 3)),)),
    "GRU": (pyrnn.GRU(3, 2), (np.ones((2, 4, 3), "f4"),)),
    "Sequential": (pyrnn.Sequential(pyrnn.Tanh()), (np.ones(3),)),
    "Concat": (pyrnn.Concat(pyrnn.Tanh()), (np.ones(3),)),
    "TimeDistributed": (pyrnn.TimeDistributed(pyrnn.Tanh()), (np.ones((2, 4, 3)),)),
    "Attention": (pyrnn.Attention(3, 3), (np.ones((2, 4, 3), "f4"),) * 2),
    "Seq2Seq": (pyrnn.Seq2Seq(5, 5, 2, 2), (np.ones((1, 2), int), np.full((1, 2), 3))),
}


@pytest.mark.parametrize("name", WITH_VJP)
def test_need_dx_is_a_flag(name):
    module, arguments = WITH_VJP[name]
    for bad in ("no", 1, None):
        with pytest.raises(TypeError, match=f"^{name}: need_dx is .*expected True or False"):
            module.vjp(*arguments, need_dx=bad)


@pytest.mark.parametrize("cls", [pyrnn.RNN, pyrnn.LSTM, pyrnn.GRU])
def test_messages_name_the_users_class(cls):
    class Mine(cls):
        pass

    own = {
        "RNN": {"nonlinearity": "sin"},
        "LSTM": {"peephole": "no"},
        "GRU": {"reset_after": "no"},
    }
    wrong = [own[cls.__name__], {"merge": "max"}, {"bias": "no"}]
    wrong += [{"layer_norm": True, "reset_after": False}] * (cls is pyrnn.GRU)
    for options in wrong:
        with pytest.raises((TypeError, ValueError), match=r"^Mine: "):
            Mine(3, 2, **options)
    with pytest.raises(ValueError, match=r"^Mine: x has shape .*expected \(N, T, 3\)"):
        Mine(3, 2)(np.ones((2, 4, 5), "f4"))


def test_sequential_takes_modules_alone():
    with pytest.raises(TypeError, match=r"Module|module"):
        pyrnn.Sequential(pyrnn.Tanh(), np.tanh)
