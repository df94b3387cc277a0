"""Promise: Attention is its equation, with the gradients of finite differences, in every layout."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits, tolerance

T, S, B, Q, M, A = 3, 5, 4, 6, 7, 9
SCORES = {
    "additive": {"attention_size": A},
    "multiplicative": {},
    "scaled": {"score": "multiplicative", "scale": True},
    "dot": {"memory_size": Q},
}


def build(name, dtype=np.float64, **options):
    options = {"memory_size": M, "score": name, "batch_first": False} | SCORES[name] | options
    return pyrnn.Attention(Q, dtype=dtype, seed=1, **options)


def problem(attention, rng):
    """Queries and a memory, ragged, one row empty, with NaN after the lengths."""
    queries = rng.standard_normal((T, B, Q)).astype(attention.dtype)
    memory = rng.standard_normal((S, B, attention.memory_size)).astype(attention.dtype)
    lengths = np.array([S, 2, 0, 3])
    memory[np.arange(S)[:, None] >= lengths] = np.nan
    return queries, memory, lengths


def twin(attention, queries, memory, lengths):
    """(context, weights) in float64, row by row."""
    weights = np.zeros((T, B, S))
    context = np.zeros((T, B, attention.memory_size))
    p = {name: values.astype(np.float64) for name, values in attention.state_dict().items()}
    queries, memory = queries.astype(np.float64), memory.astype(np.float64)
    for t, b in np.ndindex(T, B):
        m, q = memory[: lengths[b], b], queries[t, b]
        if attention.score == "additive":
            keys = m @ p["key.weight"].T + p["key.bias"]
            e = np.tanh(p["query.weight"] @ q + keys) @ p["v"]
        else:
            e = m @ q if attention.score == "dot" else m @ p["key.weight"].T @ q
            e = e / np.sqrt(Q) if attention.scale else e
        w = np.exp(e - e.max(initial=0))
        weights[t, b, : lengths[b]] = w / w.sum() if len(w) else w
        context[t, b] = weights[t, b, : lengths[b]] @ m
    return context, weights


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SCORES)
def test_forward_is_the_equation(name, dtype, isa, rng):
    attention = build(name, np.dtype(dtype))
    given = problem(attention, rng)
    outputs = attention(*given)
    for actual, expected in zip(outputs, twin(attention, *given), strict=True):
        assert actual.dtype == dtype
        # A score sums Q + M + A terms; the exponential passes its error on.
        assert np.abs(actual - expected).max() < 4 * tolerance(dtype, Q + M + A)
    assert not outputs[0][:, 2].any() and not outputs[1][:, 2].any()
    assert_same_bits(attention.vjp(*given)[0], outputs)


@pytest.mark.parametrize("name", SCORES)
def test_gradients_are_those_of_finite_differences(name, isa, rng):
    """Of queries, memory and every parameter, for random gradients of context and weights."""
    attention = build(name)
    queries, memory, lengths = problem(attention, rng)
    outputs, pullback = attention.vjp(queries, memory, lengths)
    cotangents = [rng.standard_normal(a.shape) for a in outputs]
    d_queries, d_memory = pullback(*cotangents)

    def value():
        pairs = zip(attention(queries, memory, lengths), cotangents, strict=True)
        return sum(np.vdot(output, cotangent) for output, cotangent in pairs)

    def slope(array, index, write):
        before, ends = array[index], []
        for step in (1e-6, -1e-6):
            array[index] = before + step
            write(array)
            ends.append(value())
        array[index] = before
        write(array)
        return (ends[0] - ends[1]) / 2e-6

    checked = [(queries, d_queries, lambda _: None), (memory, d_memory, lambda _: None)]
    for p in attention.parameters():
        checked.append((p.data.copy(), p.grad, lambda a, p=p: p.__setitem__(..., a)))
    for array, gradient, write in checked:
        for index in np.ndindex(array.shape):
            if np.isnan(array[index]):
                assert gradient[index] == 0
            elif rng.random() < 0.5:
                assert abs(slope(array, index, write) - gradient[index]) < 1e-7


@pytest.mark.parametrize("name", SCORES)
def test_layouts_masks_and_rows_alone(name, rng):
    """batch_first, a mask of any pattern, a row alone and one without B give the same bits."""
    attention, swapped = build(name, np.float32), build(name, np.float32, batch_first=True)
    queries, memory, lengths = problem(attention, rng)
    cotangents = [rng.standard_normal(a.shape).astype("f4") for a in attention(queries, memory)]
    outputs, pullback = attention.vjp(queries, memory, lengths)
    gradients = pullback(*cotangents)

    def swap(arrays):
        return [np.ascontiguousarray(a.swapaxes(0, 1)) for a in arrays]

    other, back = swapped.vjp(*swap([queries, memory]), lengths)
    assert_same_bits(swap(other), list(outputs))
    assert_same_bits(swap(back(*swap(cotangents))), list(gradients))
    for p, q in zip(attention.parameters(), swapped.parameters(), strict=True):
        assert_same_bits(p.grad, q.grad)

    spread, mask = np.full((2 * S, *memory.shape[1:]), np.nan, "f4"), np.zeros((2 * S, B), bool)
    for b in range(B):
        steps = np.sort(rng.permutation(2 * S)[: lengths[b]])
        spread[steps, b], mask[steps, b] = memory[: lengths[b], b], True
    (context, weights), back = attention.vjp(queries, spread, mask=mask)
    assert_same_bits(context, outputs[0])
    for b in range(B):
        assert_same_bits(weights[:, b, mask[:, b]], outputs[1][:, b, : lengths[b]])
    assert not weights[:, ~mask.T].any()
    d_spread = np.full((T, B, 2 * S), np.nan, "f4")
    for b in range(B):
        d_spread[:, b, mask[:, b]] = cotangents[1][:, b, : lengths[b]]
    d_queries, d_memory = back(cotangents[0], d_spread)
    assert_same_bits(d_queries, gradients[0])
    assert not d_memory[~mask].any()

    for b in range(B):
        alone = attention(queries[:, b], memory[:, b], lengths=[lengths[b]])
        assert_same_bits(list(alone), [a[:, b] for a in outputs])


def test_threads_change_no_bit(rng):
    for name in SCORES:
        attention = build(name, np.float32, memory_size=Q)
        queries = rng.standard_normal((30, 33, Q)).astype("f4")
        memory = rng.standard_normal((40, 33, Q)).astype("f4")
        results = []
        for threads in (1, 2):
            attention.zero_grad()
            with pyrnn.threads(threads):
                outputs, pullback = attention.vjp(queries, memory)
                gradients = pullback(outputs[0], outputs[1])
            results.append([*outputs, *gradients, *(p.grad.copy() for p in attention.parameters())])
        assert_same_bits(results[1], results[0], name)


def test_empty_sizes():
    attention = build("additive", np.float32)
    for t, s, b in ((0, 3, 2), (2, 0, 2), (2, 3, 0)):
        queries, memory = np.ones((t, b, Q), "f4"), np.ones((s, b, M), "f4")
        (context, weights), pullback = attention.vjp(queries, memory)
        assert context.shape == (t, b, M) and weights.shape == (t, b, s)
        d_queries, d_memory = pullback(context, weights)
        assert d_queries.shape == queries.shape and d_memory.shape == memory.shape


@pytest.mark.parametrize("name", SCORES)
def test_files_and_copies(name, tmp_path, rng):
    attention = build(name)
    given = problem(attention, rng)
    attention.save(tmp_path / "a")
    assert_same_bits(pyrnn.load(tmp_path / "a")(*given), attention(*given))


def test_bad_input():
    x, m = np.zeros((T, B, Q), "f4"), np.zeros((S, B, M), "f4")
    wrong = [
        ({"score": "cosine"}, {}, ValueError, "score is 'cosine'"),
        ({"score": "dot"}, {}, ValueError, "memory_size is 7, expected 6"),
        ({"score": "dot", "attention_size": 3}, {}, ValueError, "memory_size|attention_size is 3"),
        ({"scale": True}, {}, ValueError, "scale is True"),
        ({"attention_size": 0}, {}, ValueError, "attention_size is 0"),
        ({}, {"queries": x[..., :3]}, ValueError, "queries has shape"),
        ({}, {"queries": x.astype("f8")}, TypeError, "queries has dtype float64"),
        ({}, {"memory": m[:, :2]}, ValueError, "memory has shape"),
        ({}, {"memory": m[..., :2]}, ValueError, "memory has shape"),
        ({}, {"lengths": [1, 2, 3, S + 1]}, ValueError, r"lengths\[3\] is 6"),
        ({}, {"mask": np.ones((S, B))}, TypeError, "mask has dtype"),
        ({}, {"mask": np.ones((S, B), bool), "lengths": [1] * B}, ValueError, "both given"),
    ]
    for options, call, error, message in wrong:
        with pytest.raises(error, match=message):
            attention = pyrnn.Attention(Q, M, seed=0, batch_first=False, **options)
            attention(**({"queries": x, "memory": m} | call))
    _, pullback = pyrnn.Attention(Q, M, seed=0, batch_first=False).vjp(x, m)
    with pytest.raises(ValueError, match="dcontext has shape"):
        pullback(x[:1])
