"""Promise: Seq2Seq is encoder, bridge, decoder and product, with exact gradients, row by row."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits

V, W, E, H, F, B = 9, 7, 4, 5, 6, 4  # source and target vocabulary, sizes, features, rows
SOURCES, TARGETS = np.array([3, 5, 0, 1]), np.array([2, 0, 4, 3])
MODELS = {
    "gru": {},
    "lstm": {"cell": "lstm", "num_layers": 2, "attention": "multiplicative"},
    "rnn": {"cell": "rnn_tanh", "bidirectional": False, "attention": "additive"},
    "plain": {"cell": "lstm", "attention": None, "num_layers": 2, "bidirectional": False},
    "bridged": {"cell": "gru", "attention": None},
    "features": {"cell": "lstm", "attention": None, "feature_size": F, "num_layers": 2},
}


def build(name, dtype="float64", **options):
    options = MODELS[name] | {"dtype": np.dtype(dtype), "seed": 5, "batch_first": False} | options
    return pyrnn.Seq2Seq(None if name == "features" else V, W, E, H, **options)


def problem(model, rng):
    """A source, targets and lengths as keywords; ids out of range after the lengths."""
    target = rng.integers(3, W, (TARGETS.max(), B))  # 1 and 2 are bos and eos
    target[np.arange(len(target))[:, None] >= TARGETS] = -99
    given = {"target": target, "target_lengths": TARGETS}
    if model.feature_size:
        source = rng.standard_normal((B, F)).astype(model.dtype)
    else:
        source = rng.integers(0, V, (SOURCES.max(), B))
        source[np.arange(len(source))[:, None] >= SOURCES] = 99
        given |= {"lengths": SOURCES}
        source = source.T.copy() if model.batch_first else source
    given["target"] = target.T.copy() if model.batch_first else target
    return {"source": source} | given


def row(given, b, model):
    """One row of a problem, without its padding."""
    t, one = TARGETS[b], slice(b, b + 1)
    alone = {"target": given["target"][:t, one]}
    if model.feature_size:
        return alone | {"source": given["source"][one]}
    return alone | {"source": given["source"][: SOURCES[b], one]}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_finite_differences(name, isa, rng):
    """Of every parameter, and of features, for ragged sources and targets."""
    model = build(name)
    given = problem(model, rng)
    logits, pullback = model.vjp(**given)
    assert_same_bits(model(**given), logits)
    cotangent = rng.standard_normal(logits.shape)
    cotangent[np.arange(len(logits))[:, None] > TARGETS] = 0
    d_source = pullback(cotangent)
    checked = [(p.data.copy(), p.grad, p) for p in model.parameters()]
    if model.feature_size:
        checked.append((given["source"], d_source, given["source"]))
    else:
        assert d_source is None

    def slope(array, index, to):
        before, values = array[index], []
        for step in (1e-6, -1e-6):
            array[index] = before + step
            to[...] = array
            values.append(np.vdot(model(**given), cotangent))
        array[index] = before
        to[...] = array
        return (values[0] - values[1]) / 2e-6

    for array, gradient, to in checked:
        for index in rng.permutation(list(np.ndindex(array.shape)))[:6]:
            assert abs(slope(array, tuple(index), to) - gradient[tuple(index)]) < 1e-7


@pytest.mark.parametrize("name", MODELS)
def test_a_ragged_row_is_as_if_alone(name, rng):
    model = build(name, "float32")
    given = problem(model, rng)
    logits = model(**given)
    for b in range(B):
        alone = model(**row(given, b, model))
        assert_same_bits(alone, logits[: TARGETS[b] + 1, b : b + 1])


@pytest.mark.parametrize("name", MODELS)
def test_batch_first_and_threads(name, rng):
    """Both layouts and any number of threads give the same bits."""
    model, swapped = build(name, "float32"), build(name, "float32", batch_first=True)
    given = problem(model, rng)
    logits, pullback = model.vjp(**given)
    d_source = pullback(logits)
    other = given | {"target": given["target"].T.copy()}
    if not model.feature_size:
        other |= {"source": given["source"].T.copy()}
    by_row, back = swapped.vjp(**other)
    assert_same_bits(by_row, logits.swapaxes(0, 1))
    assert_same_bits(back(by_row), d_source)
    grads = [p.grad.copy() for p in model.parameters()]
    assert_same_bits([p.grad for p in swapped.parameters()], grads)
    model.zero_grad()
    with pyrnn.threads(2):
        again, pullback = model.vjp(**given)
        assert_same_bits([again, pullback(again)], [logits, d_source])
    assert_same_bits([p.grad for p in model.parameters()], grads)


def test_what_is_wanted():
    model = build("gru")
    wanted, lengths = model.wanted(np.array([[3, 4], [5, 99]]), [2, 1])
    assert wanted.tolist() == [[3, 4], [5, 2], [2, 0]] and lengths.tolist() == [3, 2]
    swapped = build("gru", batch_first=True)
    assert_same_bits(swapped.wanted(np.array([[3, 5], [4, 99]]), [2, 1])[0], wanted.T)


@pytest.mark.parametrize("name", ["gru", "plain", "features"])
def test_scheduled_sampling_reads_the_models_own_ids(name, rng):
    """p = 1 feeds what the model holds most probable; the gradient is that of these inputs."""
    model, twin = build(name, scheduled_sampling=1.0), build(name)
    for one in (model, twin):  # so that its own ids may be given as a target
        one.output.bias[[one.bos, one.eos]] = -1e9
    given = problem(model, rng) | {"target_lengths": None}
    given["target"] = np.maximum(given["target"], 3)
    logits, pullback = model.vjp(**given)
    own = logits.argmax(axis=-1)[:-1]
    expected, back = twin.vjp(**given | {"target": own})
    assert_same_bits(logits, expected)
    d_logits = rng.standard_normal(logits.shape)
    pullback(d_logits), back(d_logits)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert_same_bits(p.grad, q.grad)
    assert_same_bits(model(**given), twin(**given))  # inference forces the teacher


def test_scheduled_sampling_is_seeded(rng):
    """Some inputs are replaced, others by the next draw, the same ones by the same draw."""
    model = build("gru", scheduled_sampling=0.5)
    given = problem(model, rng)
    first, second = model.vjp(**given)[0], model.vjp(**given)[0]
    assert (first != second).any() and (first != model(**given)).any()
    assert_same_bits(model.vjp(**given, rng=0)[0], first)
    assert_same_bits(model.vjp(**given, rng=1)[0], second)
    model.scheduled_sampling = 0.0
    assert_same_bits(model.vjp(**given)[0], model(**given))


def test_dropout_acts_in_training_alone(rng):
    model = build("lstm", dropout=0.5)
    given = problem(model, rng)
    assert_same_bits(model(**given), build("lstm")(**given))
    first, second = model.vjp(**given, rng=0)[0], model.vjp(**given, rng=1)[0]
    assert (first != second).any()
    assert_same_bits(model.vjp(**given, rng=0)[0], first)


@pytest.mark.parametrize("name", MODELS)
def test_files(name, tmp_path, rng):
    model = build(name, scheduled_sampling=0.25, dropout=0.1)
    given = problem(model, rng)
    model.vjp(**given)
    model.save(tmp_path / "m")
    loaded = pyrnn.load(tmp_path / "m")
    assert loaded.config() == model.config()
    assert_same_bits(loaded(**given), model(**given))
    assert_same_bits(loaded.vjp(**given)[0], model.vjp(**given)[0])


def test_bad_input(rng):
    model = build("gru", "float32")
    given = problem(model, rng)
    wrong = [
        ({"target": None}, ValueError, "target is None"),
        ({"target": given["target"][:, :2]}, ValueError, "target_lengths|lengths has shape"),
        ({"target": given["target"][0]}, ValueError, "target has shape"),
        ({"target": given["target"] + 0.5}, TypeError, "target has dtype"),
        ({"target_lengths": None}, ValueError, r"target\[.*\] is -99, expected 0 <= id < 7"),
        ({"source": given["source"][:, :2]}, ValueError, "lengths has shape"),
        ({"source": given["source"][0]}, ValueError, r"source has shape .*\([NS], [NS]\)"),
        ({"source": given["source"] + 0.5}, TypeError, "source has dtype"),
        ({"lengths": None}, ValueError, r"^Seq2Seq: source\[\d, \d\] is .*source_vocabulary"),
        ({"lengths": [6] * B}, ValueError, r"lengths\[0\] is 6"),
    ]
    for change, error, message in wrong:
        with pytest.raises(error, match=message):
            model(**given | change)
    for special, wrong_id in (("bos", model.bos), ("eos", model.eos)):
        target = given["target"].copy()
        target[0, 2] = wrong_id
        with pytest.raises(ValueError, match=rf"target\[0, 2\] is {wrong_id}, .*{special} = "):
            model(**given | {"target": target})
    with pytest.raises(ValueError, match="scheduled_sampling is 2"):
        model.scheduled_sampling = 2
    assert model.scheduled_sampling == 0.0
    options = [
        ({"source_vocabulary": None}, "expected one of them"),
        ({"feature_size": 3}, "expected one of them"),
        ({"source_vocabulary": None, "feature_size": 3}, "attention is 'additive'"),
        ({"attention": "cosine"}, "attention is 'cosine'"),
        ({"cell": "rnn_relu"}, "cell is 'rnn_relu'"),
        ({"bos": W}, "bos is 7"),
        ({"eos": -1}, "eos is -1"),
        ({"scheduled_sampling": 1.5}, "scheduled_sampling is 1.5"),
        ({"attention": None, "attention_size": 4}, "attention_size is 4, expected None"),
        ({"attention": "dot"}, "memory_size is 10, expected 5"),
    ]
    sizes = {"source_vocabulary": V, "target_vocabulary": W, "embedding_size": E, "hidden_size": H}
    for change, message in options:
        with pytest.raises(ValueError, match=message):
            pyrnn.Seq2Seq(**sizes | change)


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ({"top_k": -5}, ValueError),
        ({"top_p": 2.0}, ValueError),
        ({"temperature": "x"}, TypeError),
        ({"temperature": -1.0}, ValueError),
        ({"seed": "no"}, TypeError),
        ({"beam_width": 0}, ValueError),
        ({"length_penalty": 11}, ValueError),
    ],
    ids=str,
)
def test_every_argument_of_generate_is_checked_whatever_the_method_is(method, argument, error):
    model = pyrnn.Seq2Seq(9, 9, 3, 4, seed=0)
    (name,) = argument
    with pytest.raises(error, match=rf"Seq2Seq: {name} is"):
        model.generate([[1, 2]], method=method, **argument)
