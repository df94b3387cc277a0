"""Promise: what a forward cannot do is refused with the way out, and nothing is half done."""

import signal

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from shapes import made

X = np.ones((2, 3), np.float32)


def write(x):
    x[0] = 1


def add_to_array(x):
    array = np.zeros(x.shape, np.float32)
    array += x


BAD = {  # a forward of x (2, 3) float32, the words of its error
    "float": (lambda s, x: float(x.sum()), TypeError, "pyrnn.stop_gradient"),
    "bool": (lambda s, x: x if x.sum() > 0 and x.mean() else -x, TypeError, "stop_gradient"),
    "int": (lambda s, x: int(x[0, 0]), TypeError, "stop_gradient"),
    "asarray": (lambda s, x: np.asarray(x), TypeError, "stop_gradient"),
    "array of values": (lambda s, x: np.array([x[0], x[1]]), TypeError, "stop_gradient"),
    "range": (lambda s, x: range(x.sum()), TypeError, "stop_gradient"),
    "cumsum": (lambda s, x: np.cumsum(x), TypeError, r"np\.cumsum is not recorded.*vjp of its own"),
    "norm": (lambda s, x: np.linalg.norm(x), TypeError, r"np\.linalg\.norm is not recorded"),
    "sin": (lambda s, x: np.sin(x), TypeError, r"np\.sin is not recorded.*stop_gradient"),
    "reduce": (lambda s, x: np.add.reduce(x), TypeError, r"np\.add\.reduce is not recorded"),
    "number to a value": (lambda s, x: 2.0**x, TypeError, "exponent.*pyrnn.exp"),
    "whole quotient": (lambda s, x: x // 2, TypeError, r"np\.floor_divide is not recorded.*stop_g"),
    "quotient of it": (lambda s, x: 2 // x, TypeError, r"np\.floor_divide is not recorded"),
    "remainder": (lambda s, x: x % 2, TypeError, r"np\.remainder is not recorded.*vjp of its own"),
    "remainder by it": (lambda s, x: 2 % s.w, TypeError, r"np\.remainder is not recorded"),
    "both": (lambda s, x: divmod(x, 2), TypeError, r"np\.divmod is not recorded"),
    "round": (lambda s, x: round(x, 2), TypeError, "round is not recorded.*stop_gradient"),
    "format": (lambda s, x: f"{x:.2f}", TypeError, r"format '.2f' is not.*stop_gradient"),
    "dtype": (lambda s, x: np.sum(x, dtype=np.float64), TypeError, r"np\.sum with dtype is"),
    "its place": (lambda s, x: np.mean(x, 0, np.float64), TypeError, r"np\.mean with 3 arguments"),
    "order": (lambda s, x: np.reshape(x, -1, order="F"), TypeError, r"np\.reshape with order"),
    "initial": (lambda s, x: np.max(x, initial=0.0), TypeError, r"np\.max with initial is not rec"),
    "concat": (lambda s, x: np.concatenate([x, x], dtype=np.float64), TypeError, "with dtype is"),
    "method": (lambda s, x: x.cumsum(), AttributeError, "has no 'cumsum'.*vjp of its own"),
    "write": (lambda s, x: write(x), TypeError, "values are read-only.*pyrnn.where"),
    "into an array": (lambda s, x: add_to_array(x), TypeError, "np.add into an array"),
    "out": (lambda s, x: np.exp(x, out=np.ones((2, 3))), TypeError, "np.exp into an array"),
    "other dtype": (lambda s, x: x * np.ones(3), TypeError, r"float64, expected float32.*astype"),
    "other parameter": (lambda s, x: x @ s.double, TypeError, "float64, expected float32"),
    "parameter by numpy": (lambda s, x: x + np.sort(s.w), TypeError, "numpy would lose its"),
    "written parameter": (lambda s, x: s.w.__setitem__(0, 1.0), RuntimeError, "written in forward"),
    "nothing": (lambda s, x: None, TypeError, "forward returned None, expected a value"),
    "an array": (lambda s, x: pyrnn.stop_gradient(x) + 1, TypeError, "forward returned.*ndarray"),
    "a text": (lambda s, x: x + "a", TypeError, "operand of add is 'a'"),
    "axis": (lambda s, x: x.sum(axis=2), ValueError, "axis is 2"),
    "axis word": (lambda s, x: x.sum(axis="time"), TypeError, "axis is 'time'"),
    "exponent": (lambda s, x: x**0.3, ValueError, r"exponent.*0\.3.*pyrnn\.exp"),
    "value as exponent": (lambda s, x: x**x, TypeError, "exponent"),
    "shapes": (lambda s, x: x @ x, ValueError, r"@ of the shapes \(2, 3\) and \(2, 3\)"),
    "a loss": (lambda s, x: s.crf(x[None], [[0, 1]]), TypeError, "CRF gave.*a loss is called on"),
    "vjp of a part": (lambda s, x: s.linear.vjp(x)[0], TypeError, "stop_gradient"),
    "predict of a part": (lambda s, x: s.linear.predict(x), TypeError, "Value"),
    "a part's error": (
        lambda s, x: s.linear(x[:, :2]),
        ValueError,
        r"Linear: x has shape \(2, 2\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_forwards(name):
    forward, error, words = BAD[name]
    module = made(
        forward,
        w=pyrnn.Parameter(np.ones(3, np.float32)),
        double=pyrnn.Parameter(np.ones((3, 3))),
        linear=pyrnn.Linear(3, 2, seed=0),
        crf=pyrnn.CRF(3, seed=0),
    )
    before = module.state_dict()
    for run in (module, module.vjp):
        with pytest.raises(error, match=f"(?s){words}"):
            run(X)
        assert pyrnn.Linear(3, 2)(X).shape == (2, 2)  # no forward runs any more
    assert_same_bits(module.state_dict(), before)
    assert not any(p.grad.any() for p in module.parameters())


class TestBadInput:
    def test_an_interrupt_leaves_no_tape_behind(self):
        """Wherever it comes: what is called afterwards is not recorded."""
        linear = pyrnn.Linear(3, 3, seed=0)
        module = made(lambda self, x: self.a(self.a(x) + 1.0) * 2.0, a=linear)

        def interrupt(*_):
            raise KeyboardInterrupt

        before, interrupted = signal.signal(signal.SIGALRM, interrupt), 0
        try:
            for n in range(150):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 1e-4 + 2e-6 * n)
                    while True:
                        module.vjp(X)
                except KeyboardInterrupt:
                    interrupted += 1
                assert type(linear(X)) is np.ndarray
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert interrupted == 150

    def test_a_value_after_its_forward(self):
        kept = []
        module = made(lambda self, x: kept.append(x) or x + 1)
        module(X)
        value = kept.pop()
        with pytest.raises(RuntimeError, match="a forward pass that is over"):
            value + 1
        with pytest.raises(RuntimeError, match="or of another one"):
            made(lambda self, x: x + value)(X)
        with pytest.raises(TypeError, match="stop_gradient"):
            pyrnn.Linear(3, 2)(value)
        assert_same_bits(pyrnn.stop_gradient(value), X)

    def test_parts_that_nobody_would_train(self):
        """A list of parts is not searched: its weights would never change."""
        module = made(lambda self, x: self.parts[0](x), parts=[pyrnn.Linear(3, 2, seed=0)])
        with pytest.raises(ValueError, match="Made: forward uses parts or parameters that are not"):
            module.vjp(X)
        module.first = module.parts[0]
        module.vjp(X)[1](np.ones((2, 2), np.float32))
        assert module.first.weight.grad.any()

    def test_lists_of_numbers_are_arrays(self):
        linear = pyrnn.Linear(3, 2, seed=0)
        module = made(lambda self, x, ids: (self.a(x), ids + 1), a=linear)
        y, ids = module(X.tolist(), [[1, 2]])
        assert_same_bits(y, linear(X))
        assert ids.tolist() == [[2, 3]]
        pair = made(lambda self, both: both[0] + both[1])
        assert_same_bits(pair([X, X]), X + X)

    def test_inputs(self):
        module = made(lambda self, x, lengths=None: x * 2)
        with pytest.raises(TypeError, match="an input has dtype float16"):
            module(X.astype(np.float16))
        for name in ("state", "mask"):
            with pytest.raises(ValueError, match=f"Made: {name} came, and forward does not name"):
                module(X, **{name: np.ones(2, bool)})
            assert module(X, **{name: None}).shape == (2, 3)
        with pytest.raises(TypeError, match="unexpected keyword argument 'lenghts'"):
            module(X, lenghts=[3, 2])
        swapped = X.astype(X.dtype.newbyteorder())
        assert_same_bits(module(swapped), 2 * X)

    def test_inputs_are_not_written(self):
        def forward(self, x, ids):
            ids[0] = 1
            return x * 1

        ids = np.zeros(3, int)
        with pytest.raises(ValueError, match="read-only"):
            made(forward)(X, ids)
        assert not ids.any()

    def test_gradients_of_outputs(self):
        module = made(lambda self, x: {"a": x, "b": (x * 2, np.arange(3))})
        y, pullback = module.vjp(X)
        assert y["b"][1].tolist() == [0, 1, 2]
        for dy, words in (
            ({"c": X}, "dy has 'c', expected 'a', 'b'"),
            ({"b": X}, r"dy\['b'\] is of type ndarray, expected one for each of 2"),
            ({"b": (X[:1], None)}, r"dy\['b'\]\[0\] has shape \(1, 3\)"),
            ({"b": (None, X)}, r"dy\['b'\]\[1\] is .*, expected None"),
        ):
            with pytest.raises(ValueError, match=words):
                pullback(dy)
        assert_same_bits(pullback({"b": (X, None)}), 2 * X)

    def test_a_pullback_by_hand_that_is_wrong(self):
        class Part(pyrnn.Module):
            def __call__(self, x, y):
                return x + y

            def vjp(self, x, y, *, need_dx=True):
                return x + y, self.pullback

        module = made(lambda self, x: self.part(x, x * 2), part=Part())
        for pullback, error, words in (
            (lambda dy: dy, TypeError, "Part: its pullback gave .*, expected a tuple"),
            (lambda dy: (dy, dy[0]), ValueError, r"Part: its pullback gave .*\(3,\), expected"),
        ):
            module.part.pullback = pullback
            y, back = module.vjp(X)
            with pytest.raises(error, match=words):
                back(y)

    def test_a_vjp_by_hand_that_is_wrong(self):
        """Objects that were never made end no process either."""

        class Part(pyrnn.Module):
            def __call__(self, x):
                return x

            def vjp(self, x, *, need_dx=True):
                return self.given

        module = made(lambda self, x: self.part(x), part=Part())
        for given, words in (
            ((X, None, None), "Part: its vjp gave a tuple of 3, expected .* output and a pullback"),
            (X, "Part: its vjp gave numpy.ndarray, expected"),
            ((X, pyrnn.Pullback.__new__(pyrnn.Pullback)), "Pullback: __init__ never ran"),
        ):
            module.part.given = given
            with pytest.raises(TypeError, match=words):
                module.vjp(X)
        raw = pyrnn.Value.__new__(pyrnn.Value)
        for forward in (lambda self, x: x + raw, lambda self, x: raw * raw, lambda s, x: s.a(raw)):
            with pytest.raises((TypeError, AttributeError, RuntimeError)):
                made(forward, a=pyrnn.Linear(3, 2, seed=0)).vjp(X)
        with pytest.raises(TypeError, match="missing 1 required"):
            made(lambda self, x: self.a(), a=pyrnn.Linear(3, 2, seed=0)).vjp(X)

    def test_neither_forward_nor_vjp(self):
        class Empty(pyrnn.Module):
            pass

        for run in (Empty(), Empty().vjp):
            with pytest.raises(NotImplementedError, match="Empty defines neither forward nor"):
                run(X)


def test_a_forward_that_nobody_would_train_is_refused():
    with pytest.raises(
        TypeError, match=r"Shifted: forward came, and Linear.vjp would.*expected a vjp"
    ):

        class Shifted(pyrnn.Linear):
            def forward(self, x):
                return self(x) + 1


def test_the_nearest_of_call_and_forward_counts():
    class Called(pyrnn.Module):
        def __call__(self, x):
            return x

    class Negative(Called):
        def forward(self, x):
            return -x

    assert_same_bits(Called()(X), X)
    assert_same_bits(Negative()(X), -X)
    assert_same_bits(Negative().vjp(X)[0], -X)
