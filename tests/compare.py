"""How results are compared: tolerances that follow from sizes, and equality of bits."""

import numpy as np

import pyrnn


def tolerance(dtype, terms, backward=False):
    """The largest error that rounding explains, for results that sum `terms` products of order one.

    Rounding errors of a sum grow with the depth of its tree, at worst with a small multiple of it,
    hence 4 * log2(terms) * eps, and twice that on the way back, which goes through two products.
    This is the bound oneDNN's benchdnn derives for its recurrent primitives; no test loosens it.
    """
    depth = np.ceil(np.log2(max(2, terms)))
    return float(4 * (1 + backward) * depth * np.finfo(dtype).eps)


def assert_close(actual, expected, dtype, terms, backward=False):
    """Every array of `actual` (by name) equals the twin's, within rounding of the largest entry.

    Where terms of order one cancel, as in 1 - h^2, what is left has their error, not a smaller one.
    """
    assert actual.keys() == expected.keys()
    largest = max((np.abs(e).max(initial=0) for e in expected.values()), default=0)
    allowed = tolerance(dtype, terms, backward) * max(1, largest)
    for name, e in expected.items():
        a = actual[name]
        assert a.dtype == dtype, f"{name} is {a.dtype}, expected {np.dtype(dtype)}"
        assert a.shape == e.shape, f"{name} has shape {a.shape}, expected {e.shape}"
        error = np.abs(a.astype(np.float64) - e)
        if not error.size or error.max() <= allowed:  # also false for NaN
            continue
        where = tuple(int(k) for k in np.unravel_index(np.nanargmax(error), error.shape))
        raise AssertionError(
            f"{name}{list(where)} is {a[where]!r}, expected {e[where]!r}; "
            f"{np.sum(~(error <= allowed))} of {error.size} entries are off by over {allowed:.3g}"
        )


def assert_same_bits(actual, expected, what=""):
    """Equal arrays to the last bit, NaN and signs of zero included; nested tuples and dicts too."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), what
        for name, value in expected.items():
            assert_same_bits(actual[name], value, f"{what} {name}".strip())
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected), what
        for k, (a, e) in enumerate(zip(actual, expected, strict=True)):
            assert_same_bits(a, e, f"{what}[{k}]")
    elif expected is None:
        assert actual is None, what
    else:
        a, e = np.ascontiguousarray(actual), np.ascontiguousarray(expected)
        assert (a.dtype, a.shape) == (e.dtype, e.shape), what
        differ = a.view(np.uint8) != e.view(np.uint8)
        assert not differ.any(), f"{what} differs: {a[a != e][:3]} is not {e[a != e][:3]}"


def assert_same_for_threads(compute, counts=(2, 3)):
    """What `compute` returns with one thread, to the last bit, for any number of them."""
    with pyrnn.threads(1):
        expected = compute()
    for n in counts:
        with pyrnn.threads(n):
            assert_same_bits(compute(), expected, f"{n} threads")


def assert_stream_is_whole(problem, y, state):
    """A stream's steps, then its run of the rest, are the whole sequence's y and state."""
    stream = problem.layer.stream(batch_size=problem.x.shape[1])
    stream.state = problem.state
    steps = [stream.step(x_t) for x_t in problem.x[:4]]
    assert_same_bits(np.concatenate([steps, stream.run(problem.x[4:])]), y, "stream")
    assert_same_bits(stream.state, state)
