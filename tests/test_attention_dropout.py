"""Promise: attention drops weights in training, by masks that follow from seed, draw and place."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits, tolerance
from pyrnn import _core

T, S, B, I, H, M, P, DRAW = 3, 21, 5, 3, 6, 7, 0.4, 11
LENGTHS, MEMORY_LENGTHS = np.array([2, 3, 0, 3, 1]), np.array([S, 4, 5, 0, 17])
SCORES = {
    "additive": {},
    "multiplicative": {"scale": True},
    "dot": {"memory_size": H},
}
DECODERS = [
    {"cell": "gru"},
    {"cell": "lstm", "num_layers": 3, "dropout": 0.3, "score": "multiplicative"},
    {"cell": "rnn_tanh", "score": "dot", "memory_size": H},
]


def attention(score, **options):
    options = {"memory_size": M, "score": score, "dropout": P, "seed": 1} | SCORES[score] | options
    return pyrnn.Attention(H, **options)


def decoder(**options):
    options = {"memory_size": M, "attention_dropout": P, "seed": 1} | options
    return pyrnn.AttentionDecoder(I, H, **options)


def given(module, rng, ragged=True):
    """The arguments of a call; NaN where nothing is real."""
    decodes = isinstance(module, pyrnn.AttentionDecoder)
    x = rng.standard_normal((B, T, I if decodes else H)).astype(module.dtype)
    memory = rng.standard_normal((B, S, module.memory_size)).astype(module.dtype)
    if not ragged:
        return {"x" if decodes else "queries": x, "memory": memory}
    memory[np.arange(S) >= MEMORY_LENGTHS[:, None]] = np.nan
    if not decodes:
        return {"queries": x, "memory": memory, "lengths": MEMORY_LENGTHS}
    x[np.arange(T) >= LENGTHS[:, None]] = np.nan
    return {"x": x, "memory": memory, "lengths": LENGTHS, "memory_lengths": MEMORY_LENGTHS}


def flat(outputs):
    """The arrays in nested tuples."""
    if isinstance(outputs, tuple):
        return [array for entry in outputs for array in flat(entry)]
    return [outputs]


def masks(module):
    """What the weights (B, T, S) of a vjp of that draw are multiplied by."""
    seed = module.extra_state()["dropout_seed"]
    ones = np.ones((T, B, S), module.dtype)
    return _core.dropout(ones, module.dropout, seed, DRAW, 0, 1).swapaxes(0, 1)


def whole_vjp(module, inputs, draw=DRAW):
    """Outputs, gradients of the inputs and of the parameters, for gradients that follow from y."""
    module.zero_grad()
    outputs, pullback = module.vjp(**inputs, rng=draw)
    gradients = pullback(*outputs)
    return [*flat(outputs), *flat(gradients), *(p.grad.copy() for p in module.parameters())]


MODULES = [
    *(lambda score=score, **options: attention(score, **options) for score in SCORES),
    *(lambda row=row, **options: decoder(**row, **options) for row in DECODERS),
]
NAMES = [*SCORES, *(row["cell"] for row in DECODERS)]


@pytest.fixture(params=MODULES, ids=NAMES)
def make(request):
    """A constructor of a module with dropout of its attention."""
    return request.param


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("score", SCORES)
def test_the_context_is_the_sum_under_what_is_left_of_the_weights(score, dtype, isa, rng):
    module = attention(score, dtype=dtype)
    inputs = given(module, rng)
    (context, weights), _ = module.vjp(**inputs, rng=DRAW)
    _, before = module(**inputs)
    mask = masks(module)
    assert 0.3 < (mask == 0).mean() < 0.5
    assert_same_bits(weights, before * mask)
    expected = weights.astype("f8") @ np.nan_to_num(inputs["memory"].astype("f8"))
    # Each weight may be 1 / (1 - p) times as large as one of those that sum to 1.
    assert np.abs(context - expected).max() < tolerance(dtype, S) / (1 - P)


@pytest.mark.parametrize("options", DECODERS, ids=str)
def test_a_decoder_drops_anew_at_each_step(options, rng):
    """The first layer, step by step, with the weights of a call times the masks."""
    module = decoder(dtype="f8", **options)
    inputs = given(module, rng, ragged=False)
    x, memory = inputs["x"], inputs["memory"]
    (y, _), _ = module.vjp(**inputs, rng=DRAW)
    mask, state = masks(module.attention), None
    h = np.zeros((B, 1, H))
    for t in range(T):
        _, weights = module.attention(h, memory)
        context = (weights * mask[:, t : t + 1]) @ memory
        assert np.abs(context[:, 0] - y[:, t, H:]).max() < tolerance("float64", H * S * T)
        h, state = module.bottom(np.concatenate([x[:, t : t + 1], context], -1), state)


def test_gradients_are_those_of_finite_differences(make, isa, rng):
    """Of all inputs and parameters under one draw; those of the weights, too."""
    module = make(dtype="f8")
    inputs = given(module, rng)
    outputs, pullback = module.vjp(**inputs, rng=DRAW)
    cotangents = [rng.standard_normal(a.shape) for a in flat(outputs)]
    ends = cotangents[1] if len(cotangents) == 2 else tuple(cotangents[1:])
    gradients = pullback(cotangents[0], ends)

    def value():
        results = flat(module.vjp(**inputs, rng=DRAW)[0])
        return sum(np.vdot(*pair) for pair in zip(results, cotangents, strict=True))

    checked = [
        (array, gradient, array)
        for array, gradient in zip(
            [a for a in inputs.values() if a.dtype == "f8"], gradients[:2], strict=True
        )
    ]
    checked += [(p.data.copy(), p.grad, p) for p in module.parameters()]
    for array, gradient, target in checked:
        real = [index for index in np.ndindex(array.shape) if not np.isnan(array[index])]
        assert not gradient[np.isnan(array)].any()
        for index in (real[i] for i in rng.choice(len(real), min(len(real), 8), replace=False)):
            before, values = array[index], []
            for step in (1e-6, -1e-6, 0):
                array[index] = before + step
                target[...] = array
                values.append(value())
            slope = (values[0] - values[1]) / 2e-6
            assert abs(slope - gradient[index]) < 1e-7


def test_the_mean_over_draws_is_the_context_of_a_call(rng):
    """Of 4000 rows that are alike, each with a mask of its own."""
    module, rows = attention("additive", dtype="f8"), 4000
    queries, memory = rng.standard_normal((1, T, H)), rng.standard_normal((1, S, M))
    expected, _ = module(queries, memory)
    (contexts, _), _ = module.vjp(queries.repeat(rows, 0), memory.repeat(rows, 0), rng=DRAW)
    error = contexts.std(axis=0) / np.sqrt(rows)
    assert (np.abs(contexts.mean(axis=0) - expected[0]) < 5 * error).all()
    again, _ = module.vjp(queries.repeat(rows, 0), memory.repeat(rows, 0), rng=DRAW + 1)
    assert (again[0] != contexts).mean() > 0.99


def test_threads_change_no_bit(make, isa, rng):
    module = make(dtype="f4")
    inputs = {name: np.concatenate([a] * 8) for name, a in given(module, rng).items()}
    results = []
    for threads in (1, 2, 3):
        with pyrnn.threads(threads):
            results.append(whole_vjp(module, inputs))
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


def test_a_row_has_its_mask_in_any_batch(make, rng):
    """The first rows of a ragged batch, also the first alone, and without padding."""
    module = make(dtype="f4")
    inputs = given(module, rng)
    outputs = flat(module.vjp(**inputs, rng=DRAW)[0])[0]
    for rows in range(1, B):
        fewer = {name: a[:rows] for name, a in inputs.items()}
        assert_same_bits(flat(module.vjp(**fewer, rng=DRAW)[0])[0], outputs[:rows])
    steps = LENGTHS[0] if isinstance(module, pyrnn.AttentionDecoder) else T
    arrays = [a for a in inputs.values() if a.dtype == "f4"]
    alone = module.vjp(arrays[0][:1, :steps], arrays[1][:1, : MEMORY_LENGTHS[0]], rng=DRAW)[0]
    assert_same_bits(flat(alone)[0], outputs[:1, :steps])


def test_layouts_and_masks_of_the_memory(rng):
    """The same masks in both layouts; steps of a memory count over the real ones."""
    module = attention("additive", dtype="f4")
    inputs = given(module, rng)
    expected = whole_vjp(module, inputs)
    swapped = attention("additive", dtype="f4", batch_first=False)
    turned = {name: a if a.ndim == 1 else a.swapaxes(0, 1) for name, a in inputs.items()}
    results = whole_vjp(swapped, turned)
    assert_same_bits([a.swapaxes(0, 1) for a in results[:4]], expected[:4])
    assert_same_bits(results[4:], expected[4:])

    spread, mask = np.full((B, 2 * S, M), np.nan, "f4"), np.zeros((B, 2 * S), bool)
    for b, length in enumerate(MEMORY_LENGTHS):
        places = np.sort(rng.permutation(2 * S)[:length])
        spread[b, places], mask[b, places] = inputs["memory"][b, :length], True
    (context, weights), _ = module.vjp(inputs["queries"], spread, mask=mask, rng=DRAW)
    assert_same_bits(context, expected[0])
    for b, length in enumerate(MEMORY_LENGTHS):
        assert_same_bits(weights[b][:, mask[b]], expected[1][b, :, :length])
        assert not weights[b][:, ~mask[b]].any()


@pytest.mark.parametrize("name", ["dropout", "attention_dropout"])
def test_probability_0_and_1(name, rng):
    make = attention if name == "dropout" else lambda score, **options: decoder(**options)
    plain = make("additive", dtype="f4", **{name: 0.0})
    inputs = given(plain, rng)
    assert_same_bits(flat(plain.vjp(**inputs)[0]), flat(plain(**inputs)))
    part = plain if name == "dropout" else plain.attention
    assert part.extra_state() == {}  # so that files and checkpoints stay what they were
    nothing = make("additive", dtype="f4", **{name: 1.0})
    assert_same_bits(nothing.state_dict(), plain.state_dict())
    outputs, pullback = nothing.vjp(**inputs)
    dmemory = pullback(*outputs)[1]
    context = outputs[0] if name == "dropout" else outputs[0][..., H:]
    assert not context.any() and not dmemory.any()
    assert all(np.isfinite(p.grad).all() for p in nothing.parameters())


def test_inference_drops_nothing(make, rng):
    module, plain = make(), make()
    plain.load_state_dict(module.state_dict())
    inputs = given(module, rng, ragged=False)
    module.vjp(**inputs)
    assert_same_bits(flat(module(**inputs)), flat(plain(**inputs)))
    if isinstance(module, pyrnn.AttentionDecoder):
        y, _ = module(**inputs)
        steps = module.steps(inputs["memory"])
        assert_same_bits(np.stack([steps.step(inputs["x"][:, t]) for t in range(T)], 1), y)


def test_the_count_of_draws(make, tmp_path, rng):
    """Each vjp draws anew, `rng` numbers a draw, and copies and files go on where it was."""
    module = make()
    inputs = given(module, rng)
    first, second = (module.vjp(**inputs)[0][0] for _ in range(2))
    assert (first != second).any()
    assert_same_bits(module.vjp(**inputs, rng=0)[0][0], first)
    module.save(tmp_path / "module")
    copies = pyrnn.load(tmp_path / "module"), copy.deepcopy(module)
    copies += (pickle.loads(pickle.dumps(module)),)
    expected = module.vjp(**inputs)[0][0]
    for other in copies:
        assert other.config() == module.config() and repr(other) == repr(module)
        assert_same_bits(other.vjp(**inputs)[0][0], expected)


@pytest.mark.parametrize("cls", [pyrnn.Attention, pyrnn.AttentionDecoder, pyrnn.Seq2Seq])
def test_a_pickle_of_before_there_was_dropout_loads(cls):
    sizes = {pyrnn.Attention: (3, 4), pyrnn.AttentionDecoder: (3, 4, 5)}.get(cls, (9, 9, 3, 4))
    module = cls(*sizes, seed=0)
    state = module.__getstate__()
    for name in {"dropout", "_draws"} if cls is pyrnn.Attention else {"attention_dropout"}:
        del state[name]
    old = cls.__new__(cls)
    old.__setstate__(state)
    assert repr(old) == repr(module) and old.config() == module.config()
    assert old.extra_state() == module.extra_state()
    inputs = [np.ones((2, 3, 3), "f4"), np.ones((2, 3, sizes[-1]), "f4")]
    inputs = [np.full((2, 3), 4)] * 2 if cls is pyrnn.Seq2Seq else inputs
    assert_same_bits(flat(old.vjp(*inputs)[0]), flat(module.vjp(*inputs)[0]))


class Stop(pyrnn.Callback):
    """Ends a training after so many batches."""

    def __init__(self, batches):
        self.left = batches

    def on_batch_end(self, trainer, loss):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_a_training_of_seq2seq_resumes_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    sources = [rng.integers(3, 9, n) for n in rng.integers(1, 6, 20)]
    data = sources, [ids[::-1] for ids in sources]

    def train(stop=None, rate=0.3, **options):
        model = pyrnn.Seq2Seq(9, 9, 4, 6, attention_dropout=rate, seed=1)
        optimizer = pyrnn.optim.Adam(0.01)
        trainer = pyrnn.Trainer(model, pyrnn.losses.CrossEntropy(), optimizer, seed=0)
        callbacks = [Stop(stop)] if stop else []
        options |= {"epochs": 3, "batch_size": 4, "progress": False, "callbacks": callbacks}
        return trainer.fit(data, **options).loss, model.state_dict()

    whole = train()
    assert train(rate=0.0)[0] != whole[0]
    checkpoint = {"checkpoint": tmp_path / "c", "checkpoint_every": 1}
    with pytest.raises(KeyboardInterrupt):
        train(stop=7, **checkpoint)
    losses, weights = train(resume=True, **checkpoint)
    assert losses == whole[0]
    assert_same_bits(weights, whole[1])
    with pytest.raises(ValueError, match="attention_dropout"):
        train(rate=0.2, resume=True, **checkpoint)


def test_a_forward_numbers_its_draw(rng):
    """`rng` of a model's vjp reaches the attention in its forward."""

    class Pooled(pyrnn.Module):
        def __init__(self):
            self.attention = attention("dot")

        def forward(self, x):
            return self.attention(x, x)[0]

    model, x = Pooled(), rng.standard_normal((2, T, H)).astype("f4")
    y, _ = model.vjp(x, rng=DRAW)
    assert_same_bits(y, model.attention.vjp(x, x, rng=DRAW)[0][0])


@pytest.mark.parametrize("value", [-0.1, 1.5, np.nan, "0.1", None, True])
def test_bad_probabilities(value):
    wrong = (
        (pyrnn.Attention, (3, 4), "dropout"),
        (pyrnn.AttentionDecoder, (3, 4, 5), "attention_dropout"),
        (pyrnn.Seq2Seq, (9, 9, 3, 4), "attention_dropout"),
    )
    for cls, sizes, name in wrong:
        with pytest.raises((TypeError, ValueError), match=f"{cls.__name__}: {name} is"):
            cls(*sizes, **{name: value})


def test_bad_input(rng):
    with pytest.raises(ValueError, match=r"attention_dropout is 0\.1, expected 0 as attention"):
        pyrnn.Seq2Seq(9, 9, 3, 4, attention=None, attention_dropout=0.1)
    for module in (attention("dot"), decoder(), attention("dot", dropout=0.0)):
        with pytest.raises((TypeError, ValueError), match="Attention: rng is -1"):
            module.vjp(**given(module, rng), rng=-1)
        with pytest.raises(AttributeError, match="set for good"):
            name = "dropout" if isinstance(module, pyrnn.Attention) else "attention_dropout"
            setattr(module, name, 0.5)
    with pytest.raises(ValueError, match="state has the keys"):
        attention("dot").load_extra_state({})
