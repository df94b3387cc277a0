"""Promise: what `forward` computes is recorded and differentiated, with the core's bits."""

import copy
import pickle
import threading

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits, assert_same_for_threads
from shapes import Net, floats, made

OPERATIONS = {  # of arrays of these shapes; positive ones where the name ends in +
    "a + b": (lambda a, b: a + b, (2, 3), (3,)),
    "a - b": (lambda a, b: a - b, (2, 3), (2, 1)),
    "a * b": (lambda a, b: a * b, (4, 2, 3), (1, 2, 3)),
    "a / b +": (lambda a, b: a / b, (2, 3), (4, 2, 3)),
    "numbers": (lambda a: 2 - a * 3 + 1 / (a + 9) - np.float64(2) * a, (2, 3)),
    "constants": (lambda a: np.arange(3) * a + [1.0, 2.0, 3.0] - (np.ones(3) - a), (2, 3)),
    "unary": (lambda a: -a + abs(a) + +a, (2, 3)),
    "powers +": (lambda a: a**3 + a**-2 + a**0.5 + a**0 + a**1, (2, 3)),
    "matrix": (lambda a, b: a @ b, (5, 3), (3, 2)),
    "rows": (lambda a, b: a @ b, (4, 5, 3), (3, 2)),
    "batched": (lambda a, b: a @ b, (4, 5, 3), (4, 3, 2)),
    "batched with one": (lambda a, b: a @ b, (5, 3), (4, 3, 2)),
    "batched, broadcast": (lambda a, b: a @ b, (4, 1, 5, 3), (6, 3, 2)),
    "vector on the right": (lambda a, b: a @ b, (4, 5, 3), (3,)),
    "vector on the left": (lambda a, b: a @ b, (3,), (4, 3, 2)),
    "two vectors": (lambda a, b: a @ b, (3,), (3,)),
    "sum": (lambda a: a.sum() * a, (2, 3)),
    "sum over some": (lambda a: a.sum(axis=(0, -1)), (2, 3, 4)),
    "sum over the first": (lambda a: a.sum(axis=0, keepdims=True) * a, (4, 2, 3)),
    "mean": (lambda a: a.mean(axis=1) + np.mean(a, axis=(0, 1)), (2, 3, 4)),
    "max": (lambda a: a.max(axis=1) * np.max(a) + a.max((2, 0), keepdims=True)[0].T, (2, 3, 3)),
    "one number": (lambda a: (a.mean() * 2 + 1) / a.sum() - abs(a.max()) ** 2 * a[0, 0], (2, 3)),
    "one number often": (lambda a: a.sum() * (a.mean() + 1) + sum([a.max()] * 3), (2, 3)),
    "indices": (lambda a: a[1] + a[:, 0] * a[-1, 1] - a[::-1], (3, 3)),
    "rows by number": (lambda a: a[[0, 2, 0]] * a[np.array([1, 1, 2])], (3, 4)),
    "bools": (lambda a: a[np.array([True, False, True])], (3, 4)),
    "new axes": (lambda a: a[:, None] * a[None] + a[..., None, :], (3, 4)),
    "steps": (lambda a: sum(step * step for step in a), (3, 4)),
    "reshape": (lambda a: a.reshape(6, -1) @ np.reshape(a, (4, 6)), (2, 3, 4)),
    "transpose": (lambda a: a.T @ a + a.transpose(1, 0) @ np.swapaxes(a.T, 0, 1), (3, 4)),
    "axes": (lambda a: a.transpose((-1, 0, 1)) * a.swapaxes(0, 2).swapaxes(-1, -2), (2, 3, 4)),
    "squeeze": (lambda a: np.squeeze(np.expand_dims(a, 1), 1) * np.transpose(a.T), (2, 3)),
    "concat": (lambda a, b: pyrnn.concat([a, b, a], axis=1) * 2, (2, 3), (2, 1)),
    "stack": (lambda a, b: np.stack([a, b], axis=-1) * pyrnn.stack([b, a], 2), (2, 3), (2, 3)),
    "where": (lambda a, b: pyrnn.where(a > b, a, b) + np.where(a < 0, 0.0, a), (2, 3), (3,)),
    "broadcast_to": (lambda a: pyrnn.broadcast_to(a, (4, 2, 3)) * floats(4, 2, 3), (2, 1)),
    "exp": (lambda a: pyrnn.exp(a) * np.exp(-a * a), (2, 3)),
    "log +": (lambda a: pyrnn.log(a) + np.log(a * a), (2, 3)),
    "tanh": (lambda a: pyrnn.tanh(a) * np.tanh(2 * a), (2, 3)),
    "sigmoid": (lambda a: pyrnn.sigmoid(a) * a, (2, 3)),
    "sqrt +": (lambda a: np.sqrt(a) + np.square(a), (2, 3)),
    "shapes": (lambda a: a * a.shape[0] + len(a) + a.ndim + np.ones_like(a) * np.size(a), (2, 3)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name):
    """The value is numpy's; the gradients are differences of it, along a random direction."""
    function, *shapes = OPERATIONS[name]
    given = [floats(*shape, seed=i + 1) for i, shape in enumerate(shapes)]
    given = [abs(a) + 0.5 for a in given] if name.endswith("+") else given
    module = made(lambda _, *arrays: function(*arrays))
    y, pullback = module.vjp(*given)
    assert_same_bits(y, module(*given))
    dy, e = floats(*y.shape, seed=9), 1e-6
    dx = pullback(dy)
    for i, d in enumerate(dx if len(given) > 1 else (dx,)):
        way = floats(*shapes[i], seed=20 + i)
        moved = [[a + s * e * way if j == i else a for j, a in enumerate(given)] for s in (1, -1)]
        up, down = (float(np.sum(module(*arrays) * dy)) for arrays in moved)
        assert d.shape == shapes[i]
        assert np.sum(d * way) == pytest.approx((up - down) / (2 * e), rel=2e-7, abs=2e-8)


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n not in ("max", "steps", "shapes")])
def test_operations_are_those_of_numpy(name):
    """The same expression of plain arrays, where numpy knows it."""
    function, *shapes = OPERATIONS[name]
    given = [abs(floats(*shape, seed=i + 1)) + 0.5 for i, shape in enumerate(shapes)]
    y = made(lambda _, *arrays: function(*arrays))(*given)
    np.testing.assert_allclose(y, function(*given), rtol=1e-12)


def test_powers_at_zero():
    module = made(lambda _, x: x**2 + x**1 + x**0)
    y, pullback = module.vjp(np.zeros(2))
    assert y.tolist() == [1, 1] and pullback(np.ones(2)).tolist() == [1, 1]


class TestBits:
    """A row alone has the bits that it has in any batch, for any number of threads and layout."""

    def module(self):
        def forward(self, x):
            h = pyrnn.tanh(x @ self.w) / (1 + pyrnn.exp(x).sum(axis=-1, keepdims=True))
            scores = pyrnn.sigmoid(h @ h.swapaxes(1, 2))
            pooled = (scores @ h).mean(axis=1) + x.max(axis=1) @ self.w
            return pyrnn.log(1 + pooled * pooled)

        return made(forward, w=pyrnn.Parameter(floats(19, 21, dtype=np.float32)))

    def test_rows(self, isa):
        module, x = self.module(), floats(9, 7, 19, dtype=np.float32)
        whole = module(x)
        for rows in (slice(0, 1), slice(4, 5), slice(2, 8)):
            assert_same_bits(module(x[rows]), whole[rows])

    def test_threads(self, isa):
        module, x = self.module(), floats(40, 30, 19, dtype=np.float32)

        def compute():
            module.zero_grad()
            y, pullback = module.vjp(x)
            return [y, pullback(np.ones_like(y)), module.w.grad.copy()]

        assert_same_for_threads(compute)

    def test_time_major_memory(self):
        module, x = self.module(), floats(9, 7, 19, dtype=np.float32)
        view = x.swapaxes(0, 1).copy().swapaxes(0, 1)
        assert_same_bits(module(view), module(x))

    def test_functions_are_the_layers(self):
        x = floats(4, 33, dtype=np.float32)
        for function, layer in ((pyrnn.tanh, pyrnn.Tanh()), (pyrnn.sigmoid, pyrnn.Sigmoid())):
            assert_same_bits(made(lambda _, x, f=function: f(x))(x), layer(x))
            assert_same_bits(function(x), layer(x))
        linear = pyrnn.Linear(33, 5, bias=False, seed=0)
        product = made(lambda self, x: x @ self.w.T, w=linear.weight)
        assert_same_bits(product(x), linear(x))


class ByHand(Net):
    """The same as Net, with a vjp."""

    def __call__(self, x, lengths=None):
        y, _ = self.rnn(self.norm(x), lengths=lengths)
        return self.head(y * self.scale.data)

    def vjp(self, x, lengths=None, *, need_dx=True, rng=None):
        normal, norm_back = self.norm.vjp(x, need_dx=need_dx)
        (y, _), rnn_back = self.rnn.vjp(normal, lengths=lengths)
        dropped, drop_back = self.drop.vjp(y, rng=rng)
        out, head_back = self.head.vjp(dropped * self.scale.data)

        def pullback(dy):
            d = head_back(dy)
            share = d * dropped
            by_time = share.swapaxes(0, 1) if share.swapaxes(0, 1).flags.c_contiguous else share
            self.scale.grad += pyrnn.SumPool()(by_time.reshape(1, -1, share.shape[-1]))[0]
            dx, _ = rnn_back(drop_back(d * self.scale.data))
            return norm_back(dx)

        return out, pullback


def test_the_bits_are_those_of_a_vjp_by_hand():
    x, lengths = floats(5, 6, 3, dtype=np.float32), np.array([6, 2, 1, 5, 3])
    found = []
    for cls in (Net, ByHand):
        model = cls()
        y, pullback = model.vjp(x, lengths=lengths)
        found.append([y, pullback(np.ones_like(y)), [p.grad for p in model.parameters()]])
    assert_same_bits(*found)


class TestModule:
    def test_weights_used_twice_add_up(self):
        linear = pyrnn.Linear(3, 3, dtype=np.float64, seed=0)
        twice = made(lambda self, x: self.a(self.a(x)) + x @ self.a.weight, a=linear)
        once = copy.deepcopy(linear)
        x = floats(4, 3)
        y, pullback = twice.vjp(x)
        dy = floats(4, 3, seed=1)
        pullback(dy)
        (h, first), (_, second) = once.vjp(x), once.vjp(once(x))
        first(second(dy))
        once.weight.grad[...] += x.T @ dy
        assert h.shape == y.shape
        np.testing.assert_allclose(linear.weight.grad, once.weight.grad, rtol=1e-12)

    def test_a_part_takes_other_shapes_the_second_time(self):
        linear = pyrnn.Linear(3, 3, dtype=np.float64, seed=0)
        module = made(lambda self, x: self.a(x).mean(axis=1) + self.a(x[:, 0]), a=linear)
        y, pullback = module.vjp(floats(2, 4, 3))
        pullback(np.ones_like(y))
        np.testing.assert_allclose(linear.bias.grad, [4, 4, 4])
        gru = made(lambda self, x: self.a(x)[0] + self.a(x[..., :2])[0], a=pyrnn.GRU(3, 2, seed=0))
        with pytest.raises(ValueError, match=r"GRU: x has shape \(2, 4, 2\), expected \(N, T, 3\)"):
            gru.vjp(floats(2, 4, 3, dtype=np.float32))
        assert not any(p.grad.any() for p in gru.parameters())

    def test_state_is_given_and_comes_back(self):
        def forward(self, x, state=None, lengths=None):
            y, state = self.rnn(x, state, lengths)
            return self.head(y), state

        module = made(
            forward,
            rnn=pyrnn.LSTM(3, 4, dtype=np.float64, seed=0),
            head=pyrnn.Linear(4, 2, dtype=np.float64, seed=0),
        )
        chain = pyrnn.Sequential(module.rnn, module.head)
        x, state = floats(2, 5, 3), (floats(1, 2, 4), floats(1, 2, 4, seed=1))
        (y, after), pullback = module.vjp(x, state)
        dy, dafter = floats(2, 5, 2), (floats(1, 2, 4, seed=4), None)
        (expected, (last,)), other = chain.vjp(x, (state,))
        assert_same_bits((y, after), (expected, last))
        dx, dstate = pullback(dy, dafter)
        assert_same_bits((dx, (dstate,)), other(dy, (dafter,)))
        inside = pyrnn.Sequential(module, pyrnn.Tanh())
        (_, states), back = inside.vjp(x, (state,))
        assert_same_bits(states[0], last)
        assert back(dy, None)[1][0][0].shape == (1, 2, 4)
        whole = module.vjp(x)[0][0]
        (head, middle), _ = module.vjp(x[:, :2])
        (tail, _), _ = module.vjp(x[:, 2:], state=middle)
        assert_same_bits(np.concatenate([head, tail], axis=1), whole)

    def test_a_sequential_inside(self):
        chain = pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), pyrnn.LastStep(), pyrnn.Linear(4, 2))
        module = made(lambda self, x, lengths=None: self.a(x, lengths) * 2.0, a=chain)
        x, lengths = floats(3, 5, 3, dtype=np.float32), [5, 1, 3]
        y, pullback = module.vjp(x, lengths)
        assert_same_bits(y, chain(x, lengths) * 2)
        assert_same_bits(
            pullback(np.ones_like(y)), chain.vjp(x, None, lengths)[1](2 * np.ones_like(y))[0]
        )
        states = made(lambda self, x: self.a.run(x).state[0][0], a=chain)
        y, pullback = states.vjp(x)
        assert_same_bits(y, chain.run(x).state[0][0])
        assert pullback(np.ones_like(y)).any()

    def test_modules_with_a_forward_are_parts_of_others(self):
        inner = made(lambda self, pair: {"sum": pair[0] + pair[1], "first": pair[0] * self.w})
        inner.w = pyrnn.Parameter(np.array([2.0]))

        def forward(self, x, y):
            out = self.inner((x, y))
            return out["sum"] * out["first"]

        outer = made(forward, inner=inner)
        y, pullback = outer.vjp(np.array([3.0]), np.array([4.0]))
        assert (y, pullback(np.ones(1))) == (42.0, (20.0, 6.0))
        assert inner.w.grad == 21.0

    def test_attention_as_a_part(self):
        attention = pyrnn.Attention(3, 4, dtype=np.float64, seed=0)
        module = made(lambda self, q, m: self.a(q, m, lengths=[3, 2])[0], a=attention)
        q, m, dy = floats(2, 5, 3), floats(2, 3, 4), floats(2, 5, 4)
        y, pullback = module.vjp(q, m)
        (expected, _), other = attention.vjp(q, m, lengths=[3, 2])
        assert_same_bits((y, pullback(dy)), (expected, other(dy)))

    def test_dropout_drops_in_training_alone_and_by_rng(self):
        module = made(lambda self, x: self.drop(x) * 1.0, drop=pyrnn.Dropout(0.5, seed=0))
        x = np.ones((2, 50))
        assert (module(x) == 1).all()
        a, b, c = (module.vjp(x, rng=n)[0] for n in (1, 1, 2))
        assert_same_bits(a, b)
        assert not np.array_equal(a, c) and set(np.unique(a)) == {0.0, 2.0}

    def test_no_gradient_where_none_is_wanted(self):
        model = Net()
        y, pullback = model.vjp(floats(2, 3, 3, dtype=np.float32), need_dx=False)
        assert pullback(np.ones_like(y)) is None
        assert all(p.grad.any() for p in model.parameters())

    def test_stopped_gradients(self):
        module = made(lambda self, x: x * pyrnn.stop_gradient(x) + pyrnn.stop_gradient(self.w))
        module.w = pyrnn.Parameter(np.array([5.0]))
        y, pullback = module.vjp(np.array([3.0]))
        assert (y, pullback(np.ones(1)), module.w.grad) == (14.0, 3.0, 0.0)

    def test_an_interrupted_pullback_adds_nothing(self):
        model = Net()
        model.rnn.vjp = failing(model.rnn.vjp)
        y, pullback = model.vjp(floats(2, 3, 3, dtype=np.float32))
        with pytest.raises(KeyboardInterrupt):
            pullback(np.ones_like(y))
        assert not any(p.grad.any() for p in model.parameters())
        with pytest.raises(RuntimeError, match="Net: this pullback was interrupted"):
            pullback(np.ones_like(y))

    def test_a_written_parameter_is_noticed(self):
        for name in ("scale", "head.weight"):
            model = Net()
            y, pullback = model.vjp(floats(2, 3, 3, dtype=np.float32))
            dict(model.named_parameters())[name][...] = 1
            with pytest.raises(RuntimeError, match="written after the vjp"):
                pullback(np.ones_like(y))
            assert not any(p.grad.any() for p in model.parameters())

    def test_a_pullback_is_called_once(self):
        y, pullback = Net().vjp(floats(2, 3, 3, dtype=np.float32))
        with pytest.raises(ValueError, match=r"Net: dy has shape \(2, 3\), expected \(2, 3, 2\)"):
            pullback(y[..., 0])
        pullback(y)
        with pytest.raises(RuntimeError, match="has been used"):
            pullback(y)

    def test_threads_have_tapes_of_their_own(self):
        model, x = Net(), floats(4, 6, 3, dtype=np.float32)
        expected, found = model.vjp(x, rng=1)[0], []

        def work():
            found.extend(model.vjp(x, rng=1)[0] for _ in range(30))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 120
        for y in found:
            assert_same_bits(y, expected)

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
    def test_copies(self, copied):
        model, x = Net(), floats(2, 3, 3, dtype=np.float32)
        assert_same_bits(copied(model).vjp(x, rng=3)[0], model.vjp(x, rng=3)[0])


def failing(vjp):
    """A vjp whose pullback is interrupted."""

    def pullback(*_):
        raise KeyboardInterrupt

    return lambda *args, **options: (vjp(*args, **options)[0], pullback)


def test_arrays_that_forward_writes_again_are_kept_as_they_were():
    """The masks, indices and factors of a loop may be one array."""

    class Loop(pyrnn.Module):
        def __init__(self):
            self.w = pyrnn.Parameter(np.ones(3))

        def forward(self, x):
            mask, factor, place, y = np.zeros(3, bool), np.zeros(3), np.zeros(1, int), x.sum()
            for k in range(3):
                mask[:], factor[:], place[:] = False, k + 1.0, k
                mask[k] = True
                y = y + pyrnn.where(mask, self.w * (k + 1.0), 0.0).sum()
                y = y + (self.w * factor).sum() + 10 * self.w[place].sum() + self.w[[k]].sum()
            return y

    loop = Loop()
    _, pullback = loop.vjp(np.zeros(2))
    pullback(np.ones(()))
    assert loop.w.grad.tolist() == [1 + 6 + 11, 2 + 6 + 11, 3 + 6 + 11]
