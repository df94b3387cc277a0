"""Promise: exp, log, tanh and sigmoid keep their error bounds over the whole range, on every ISA.

float32: tanh 5 ulp, exp and log 2 ulp, sigmoid 2e-7 absolute; float64: 4 ulp, sigmoid absolutely.
Exact saturation, NaN kept, and the cells use these very functions.
"""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import _core

ULPS = {"float32": {"tanh": 5, "exp": 2, "log": 2}, "float64": {"tanh": 4, "exp": 4, "log": 4}}
DTYPES = ("float32", "float64")


def activation(name, x):
    return _core.activation_forward(name, np.ascontiguousarray(x), 1)


def every_exponent(step=1021):
    """float32 values spread over all bit patterns, about four million of them."""
    x = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return x[np.isfinite(x)]


def float64_sample(rng):
    """Every exponent of float64 with random mantissas, and a dense middle."""
    exponent = rng.uniform(-300, 300, 200_000)
    wide = np.copysign(10.0**exponent, rng.standard_normal(exponent.size))
    return np.concatenate([wide, rng.uniform(-40, 40, 400_000), rng.uniform(-750, 750, 100_000)])


def exact(name, x):
    """The function in a wider type: float64 for float32, long double for float64."""
    wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
    with np.errstate(over="ignore", under="ignore"):
        if name == "sigmoid":
            return 1 / (1 + np.exp(-wide))
        return getattr(np, name)(wide)


def errors_in_ulp(actual, expected):
    """Distance in units of the last place; results below the normal range may be flushed to 0."""
    dtype, info = actual.dtype, np.finfo(actual.dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        ulp = np.spacing(np.maximum(np.abs(expected), info.tiny).astype(dtype))
        difference = np.abs(actual - expected)
        flushed = (np.abs(expected) < info.tiny) & (difference <= info.tiny)
        both_infinite = np.isinf(actual) & (np.abs(expected) >= info.max)
        return np.where(flushed | both_infinite, 0, difference / ulp).astype(np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tanh", "exp"])
def test_error_in_ulp(name, dtype, rng, isa):
    x = every_exponent() if dtype == "float32" else float64_sample(rng)
    errors = errors_in_ulp(activation(name, x), exact(name, x))
    worst = int(np.argmax(errors))
    assert errors[worst] <= ULPS[dtype][name], f"{name}({x[worst]!r}) is off by {errors[worst]} ulp"


@pytest.mark.parametrize("dtype", DTYPES)
def test_error_of_log_in_ulp(dtype, rng, isa):
    x = every_exponent() if dtype == "float32" else float64_sample(rng)
    near_one = 1 + rng.uniform(-0.3, 0.5, 400_000).astype(dtype)
    x = np.concatenate([x[x >= np.finfo(dtype).tiny], near_one])
    errors = errors_in_ulp(activation("log", x), exact("log", x))
    worst = int(np.argmax(errors))
    assert errors[worst] <= ULPS[dtype]["log"], f"log({x[worst]!r}) is off by {errors[worst]} ulp"


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_beyond_its_range(dtype, isa):
    x = np.array([0.0, -0.0, np.inf, -1.0, -np.inf, np.nan, 1.0], dtype)
    expected = np.array([-np.inf, -np.inf, np.inf, np.nan, np.nan, np.nan, 0.0], dtype)
    np.testing.assert_array_equal(activation("log", x), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_is_near_and_inside_0_1(dtype, rng, isa):
    x = every_exponent() if dtype == "float32" else float64_sample(rng)
    y = activation("sigmoid", x)
    assert y.min() >= 0 and y.max() <= 1
    allowed = 2e-7 if dtype == "float32" else 4 * np.finfo(np.float64).eps
    errors = np.abs(y - exact("sigmoid", x))
    worst = int(np.argmax(errors))
    assert errors[worst] <= allowed, f"sigmoid({x[worst]!r}) is off by {errors[worst]}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_odd_and_at_most_one(dtype, rng, isa):
    x = every_exponent() if dtype == "float32" else float64_sample(rng)
    y = activation("tanh", x)
    assert np.abs(y).max() <= 1
    assert_same_bits(activation("tanh", -x), -y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp"])
def test_saturation_is_exact(name, dtype, isa):
    far = np.array([104 if dtype == "float32" else 746, 1e4, np.finfo(dtype).max, np.inf], dtype)
    high = {"tanh": 1, "sigmoid": 1, "exp": np.inf}[name]
    low = {"tanh": -1, "sigmoid": 0, "exp": 0}[name]
    assert (activation(name, far) == high).all()
    assert (activation(name, -far) == low).all()
    zero = np.array([0.0, -0.0], dtype)
    at_zero = {"tanh": 0.0, "sigmoid": 0.5, "exp": 1.0}[name]
    assert (activation(name, zero) == at_zero).all()
    if name == "tanh":
        assert_same_bits(activation(name, zero), zero)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp", "relu"])
def test_nan_is_kept_in_every_lane(name, dtype, isa):
    for size in (1, 7, 16, 33):
        for k in range(size):
            x = np.zeros(size, dtype)
            x[k] = np.nan
            y = activation(name, x)
            assert np.isnan(y[k]) and np.isfinite(np.delete(y, k)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp"])
def test_nearly_monotone(name, dtype, isa):
    """Neighbouring arguments never fall back by more than the error bound allows."""
    x = np.linspace(-20, 20, 400_001).astype(dtype)
    y = activation(name, x).astype(np.float64)
    allowed = 2 * 5 * np.finfo(dtype).eps * np.maximum(np.abs(y[1:]), 0.5 * (name == "sigmoid"))
    assert (np.diff(y) >= -allowed).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp", "relu"])
def test_a_value_is_the_same_in_any_lane(name, dtype, rng, isa):
    """Body and tail lanes, one thread or two: one function."""
    x = rng.uniform(-9, 9, 100_003).astype(dtype)
    y = activation(name, x)
    assert_same_bits(_core.activation_forward(name, x, 2), y)
    for size in (1, 2, 7, 9, 17, 33):
        assert_same_bits(activation(name, x[:size]), y[:size])
    assert_same_bits(activation(name, x[::-1])[::-1], y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cells_use_the_same_functions(dtype, rng, isa):
    """One tanh and one sigmoid for all paths: a bare RNN is tanh, LSTM's forget gate is sigmoid."""
    H, x = 19, np.linspace(-12, 12, 3 * 19).reshape(3, 19).astype(dtype)
    rnn = pyrnn.RNN(H, H, dtype=np.dtype(dtype), bias=False)
    rnn.parameters()[0][...] = np.eye(H, dtype=dtype)
    rnn.parameters()[1][...] = 0
    for sequence in (x[:, None], x[None]):  # three steps of one row, one step of three rows
        assert_same_bits(np.squeeze(rnn(sequence)[0]), activation("tanh", x))
    lstm = pyrnn.LSTM(H, H, batch_first=False, dtype=np.dtype(dtype), bias=False)
    for p in lstm.parameters():
        p[...] = 0
    lstm.parameters()[0][H : 2 * H] = np.eye(H, dtype=dtype)  # the forget gate sees x
    one = np.ones((1, 3, H), dtype)
    _, (_, c) = lstm(x[None], (one, one))  # g = 0, so c' = sigmoid(x) * 1
    assert_same_bits(c[0], activation("sigmoid", x))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", ["tanh", "exp", "sigmoid"])
def test_every_float32(name, isa):
    """Four thousand million numbers, in blocks."""
    for start in range(0, 2**32, 2**22):
        bits = np.arange(start, start + 2**22, dtype=np.uint64)
        x = bits.astype(np.uint32).view(np.float32)
        x = x[np.isfinite(x)]
        y = activation(name, x)
        if name == "sigmoid":
            assert (np.abs(y - exact(name, x)) <= 2e-7).all()
        else:
            assert errors_in_ulp(y, exact(name, x)).max(initial=0) <= ULPS["float32"][name]
