"""Promise: AttentionDecoder is its parts step by step, whole or in pieces, with exact gradients."""

import itertools

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits

T, S, B, I, H, M = 4, 5, 5, 3, 6, 7
LENGTHS, MEMORY_LENGTHS = np.array([4, 2, 0, 3, 1]), np.array([2, 5, 3, 0, 1])
CELLS = ("rnn_tanh", "lstm", "gru")
SCORES = ("additive", "multiplicative", "dot")
OPTIONS = [
    *({"cell": cell, "score": score} for cell, score in itertools.product(CELLS, SCORES)),
    {"cell": "lstm", "num_layers": 3, "attention_size": 4},
    {"cell": "gru", "num_layers": 2, "score": "multiplicative", "scale": True, "batch_first": True},
]


def build(dtype="float64", sizes=(I, H, M), **options):
    width = sizes[1] if options.get("score") == "dot" else sizes[2]
    sizes = sizes[0], sizes[1], width
    options = {"batch_first": False} | options
    return pyrnn.AttentionDecoder(*sizes, dtype=np.dtype(dtype), seed=3, **options)


def problem(decoder, rng, ragged=True):
    """x, memory, state and the lengths; NaN where nothing is real."""

    def normal(*shape):
        return rng.standard_normal(shape).astype(decoder.dtype)

    x, memory = normal(T, B, I), normal(S, B, decoder.memory_size)
    state = tuple(normal(decoder.num_layers, B, H) for _ in decoder.state_names)
    if ragged:
        x[np.arange(T)[:, None] >= LENGTHS] = np.nan
        memory[np.arange(S)[:, None] >= MEMORY_LENGTHS] = np.nan
    lengths = {"lengths": LENGTHS, "memory_lengths": MEMORY_LENGTHS} if ragged else {}
    if decoder.batch_first:
        x, memory = (np.ascontiguousarray(a.swapaxes(0, 1)) for a in (x, memory))
    return x, memory, state if len(state) == 2 else state[0], lengths


def flat(outputs):
    """The arrays in nested tuples."""
    if isinstance(outputs, tuple):
        return [array for entry in outputs for array in flat(entry)]
    return [outputs]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whole_is_its_parts_step_by_step(options, dtype, isa, rng):
    """The cell, Attention and the layers above, called one step at a time, give the same bits."""
    decoder = build(dtype, **options)
    x, memory, state, _ = problem(decoder, rng, ragged=False)
    y, end = decoder(x, memory, state)
    axis = 1 if decoder.batch_first else 0
    steps = decoder.steps(memory, state)
    parts = state if isinstance(state, tuple) else (state,)
    bottom, above = [s[:1] for s in parts], [s[1:] for s in parts]

    def as_state(arrays):
        return tuple(arrays) if len(arrays) == 2 else arrays[0]

    for t in range(T):
        y_t = y.take(t, axis)
        x_t = x.take(t, axis)
        assert_same_bits(steps.step(x_t), y_t)
        query = np.expand_dims(bottom[0][0], axis)
        context, _ = decoder.attention(query, memory)
        both = np.concatenate([np.expand_dims(x_t, axis), context], axis=-1)
        h, bottom_state = decoder.bottom(both, as_state(bottom))
        bottom = list(flat(bottom_state))
        if decoder.above is not None:
            lower = np.concatenate([h, context], axis=-1)
            h, above_state = decoder.above(lower, as_state(above))
            above = list(flat(above_state))
        assert_same_bits(np.concatenate([h, context], axis=-1).squeeze(axis), y_t)
    assert_same_bits(steps.state, end)
    assert_same_bits(decoder.vjp(x, memory, state)[0], (y, end))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients_are_those_of_finite_differences(options, isa, rng):
    """Of x, the memory, the initial state and every parameter, ragged in both."""
    decoder = build(**options)
    x, memory, state, lengths = problem(decoder, rng)
    outputs, pullback = decoder.vjp(x, memory, state, **lengths)
    cotangents = [rng.standard_normal(a.shape) for a in flat(outputs)]
    ends = tuple(cotangents[1:]) if len(cotangents) == 3 else cotangents[1]
    gradients = flat(pullback(cotangents[0], ends))

    def value():
        results = flat(decoder(x, memory, state, **lengths))
        return sum(np.vdot(*pair) for pair in zip(results, cotangents, strict=True))

    def slope(array, index, write):
        before, values = array[index], []
        for step in (1e-6, -1e-6):
            array[index] = before + step
            write(array)
            values.append(value())
        array[index] = before
        write(array)
        return (values[0] - values[1]) / 2e-6

    inputs = [x, memory, *flat(state)]
    checked = [(a, g, lambda _: None) for a, g in zip(inputs, gradients, strict=True)]
    for p in decoder.parameters():
        checked.append((p.data.copy(), p.grad, lambda a, p=p: p.__setitem__(..., a)))
    for array, gradient, write in checked:
        share = min(1, 12 / array.size)
        for index in np.ndindex(array.shape):
            if np.isnan(array[index]):
                assert gradient[index] == 0
            elif rng.random() < share:
                assert abs(slope(array, index, write) - gradient[index]) < 1e-7


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_ragged_row_is_as_if_alone(options, rng):
    decoder = build("float32", **options | {"batch_first": False})
    x, memory, state, lengths = problem(decoder, rng)
    y, end, weights = decoder(x, memory, state, **lengths, return_weights=True)
    (_, _), pullback = decoder.vjp(x, memory, state, **lengths)
    dx, dmemory, dstate = pullback(np.ones_like(y), None)
    for b in range(B):
        t, s, one = LENGTHS[b], MEMORY_LENGTHS[b], slice(b, b + 1)
        alone_state = tuple(a[:, one].copy() for a in flat(state))
        alone_state = alone_state if len(alone_state) == 2 else alone_state[0]
        given = x[:t, one].copy(), memory[:s, one].copy(), alone_state
        outputs = decoder(*given, return_weights=True)
        assert_same_bits(flat(outputs[:2]), [y[:t, one], *(a[:, one] for a in flat(end))])
        assert_same_bits(outputs[2], weights[:t, one, :s])
        assert not y[t:, b].any() and not weights[t:, b].any() and not weights[:, b, s:].any()
        _, back = decoder.vjp(*given)
        gradients = back(np.ones_like(outputs[0]))
        expected = [dx[:t, one], dmemory[:s, one], *(a[:, one] for a in flat(dstate))]
        assert_same_bits(flat(gradients), expected)
        assert not dx[t:, b].any() and not dmemory[s:, b].any()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_layouts_give_the_same_bits(options, rng):
    first = build("float32", **options | {"batch_first": True})
    second = build("float32", **options | {"batch_first": False})
    x, memory, state, lengths = problem(second, rng)

    def swap(a):
        return np.ascontiguousarray(a.swapaxes(0, 1))

    (y, end), pullback = second.vjp(x, memory, state, **lengths)
    (other, other_end), back = first.vjp(swap(x), swap(memory), state, **lengths)
    assert_same_bits(swap(other), y)
    assert_same_bits(other_end, end)
    dx, dmemory, dstate = pullback(y, end)
    other_dx, other_dmemory, other_dstate = back(other, end)
    assert_same_bits([swap(other_dx), swap(other_dmemory)], [dx, dmemory])
    assert_same_bits(flat(other_dstate), flat(dstate))
    grads = [p.grad for p in second.parameters()]
    assert_same_bits([p.grad for p in first.parameters()], grads)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("score", SCORES)
def test_threads_change_no_bit(cell, score, rng):
    """Rows, few and many, that are large enough to be shared."""
    decoder = build("float32", sizes=(24, 40, 33), cell=cell, score=score, num_layers=2)
    for rows in (3, 37):
        x = rng.standard_normal((20, rows, 24)).astype("f4")
        memory = rng.standard_normal((30, rows, decoder.memory_size)).astype("f4")
        lengths = rng.integers(0, 21, rows)
        results = []
        for threads in (1, 2):
            decoder.zero_grad()
            with pyrnn.threads(threads):
                (y, end), pullback = decoder.vjp(x, memory, lengths=lengths)
                gradients = flat(pullback(y, end))
            grads = [p.grad.copy() for p in decoder.parameters()]
            results.append([y, *flat(end), *gradients, *grads])
        assert_same_bits(results[1], results[0])


def test_mask_of_the_memory(rng):
    """A mask that spreads the real steps changes nothing but the places."""
    decoder = build("float32")
    x, memory, state, _ = problem(decoder, rng, ragged=False)
    spread, mask = np.full((2 * S, B, M), np.nan, "f4"), np.zeros((2 * S, B), bool)
    spread[1::2], mask[1::2] = memory, True
    expected = decoder(x, memory, state, return_weights=True)
    y, end, weights = decoder(x, spread, state, memory_mask=mask, return_weights=True)
    assert_same_bits((y, end, weights[..., 1::2]), expected)
    (_, _), pullback = decoder.vjp(x, spread, state, memory_mask=mask)
    assert_same_bits(pullback(y)[1][1::2], decoder.vjp(x, memory, state)[1](y)[1])


def test_empty_sizes():
    decoder = build("float32", num_layers=2)
    for t, s, b in ((0, 3, 2), (2, 0, 2), (2, 3, 0)):
        x, memory = np.ones((t, b, I), "f4"), np.ones((s, b, M), "f4")
        (y, _), pullback = decoder.vjp(x, memory)
        assert y.shape == (t, b, H + M)
        dx, dmemory, dstate = pullback(y)
        assert dx.shape == x.shape and dmemory.shape == memory.shape and dstate.shape == (2, b, H)


def test_need_dx_and_no_gradients(rng):
    decoder = build(num_layers=2)
    x, memory, state, lengths = problem(decoder, rng)
    _, pullback = decoder.vjp(x, memory, state, **lengths, need_dx=False)
    dx, dmemory, dstate = pullback()
    assert dx is None and not dmemory.any() and not dstate.any()
    with pytest.raises(RuntimeError, match="used"):
        pullback()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_files(options, tmp_path, rng):
    decoder = build(**options)
    x, memory, state, lengths = problem(decoder, rng)
    decoder.save(tmp_path / "d")
    loaded = pyrnn.load(tmp_path / "d")
    expected = decoder(x, memory, state, **lengths)
    assert_same_bits(loaded(x, memory, state, **lengths), expected)
    assert loaded.config() == decoder.config()


def test_bad_input(rng):
    decoder = build("float32")
    x, memory, state, _ = problem(decoder, rng, ragged=False)
    wrong = [
        ({"x": x[0]}, ValueError, "expected three"),
        ({"x": x[..., :2]}, ValueError, "x has shape"),
        ({"x": x.astype("f8")}, TypeError, "x has dtype float64"),
        ({"memory": memory[:, :3]}, ValueError, "memory has shape"),
        ({"memory": memory[..., :3]}, ValueError, "memory has shape"),
        ({"state": state[:, :2]}, ValueError, "h0 has shape"),
        ({"lengths": [T + 1] * B}, ValueError, r"lengths\[0\] is 5"),
        ({"memory_lengths": [S + 1] * B}, ValueError, r"lengths\[0\] is 6"),
        ({"memory_mask": np.ones((S, B))}, TypeError, "mask has dtype"),
    ]
    for change, error, message in wrong:
        with pytest.raises(error, match=message):
            decoder(**({"x": x, "memory": memory, "state": state} | change))
    with pytest.raises(ValueError, match="cell is 'rnn_relu'"):
        pyrnn.AttentionDecoder(I, H, M, cell="rnn_relu")
    with pytest.raises(ValueError, match="memory_size is 7, expected 6"):
        pyrnn.AttentionDecoder(I, H, M, score="dot")
    with pytest.raises(ValueError, match="x_t has shape"):
        decoder.steps(memory).step(x)


def test_dropout_without_a_layer_above_is_told(recwarn):
    for make in (pyrnn.AttentionDecoder, pyrnn.GRU):
        sizes = (I, H, M) if make is pyrnn.AttentionDecoder else (I, H)
        with pytest.warns(UserWarning, match=r"dropout=0.5 acts between layers") as seen:
            make(*sizes, dropout=0.5)
        assert seen[0].filename == __file__
        make(*sizes, dropout=0.5, num_layers=2)
    assert not recwarn.list
