"""Promise: the sample comes first, in one layout for a whole model, and no bit depends on it."""

import copy
import json
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn._base.tensor_file import read_tensors, write_tensors
from training import make_trainer, ragged_series

N, T, F = 6, 9, 4
LENGTHS = [9, 2, 0, 5, 9, 1]
both_layouts = pytest.mark.parametrize("batch_first", [True, False])
RECURRENT = {
    "RNN": {},
    "LSTM": {"num_layers": 2, "dropout": 0.3, "zoneout": 0.2, "recompute_every": 16},
    "GRU": {"bidirectional": True, "merge": "mul"},
}
PARTS = {  # that know no time, and those that do
    "Linear": lambda **_: pyrnn.Linear(F, 3, seed=0),
    "LayerNorm": lambda **_: pyrnn.LayerNorm(F),
    "Tanh": lambda **_: pyrnn.Tanh(),
    "Softmax": lambda **_: pyrnn.Softmax(),
    "Dropout": lambda **o: pyrnn.Dropout(0.4, seed=1, **o),
    "LastStep": lambda **o: pyrnn.LastStep(bidirectional=True, **o),
    "LastStep reversed": lambda **o: pyrnn.LastStep(direction="reverse", **o),
    "SumPool": pyrnn.SumPool,
    "MeanPool": pyrnn.MeanPool,
    "MaxPool": pyrnn.MaxPool,
    "Concat": lambda **_: pyrnn.Concat(pyrnn.Identity(), PARTS["Linear"](), PARTS["Dropout"]()),
    "Residual": lambda **_: pyrnn.Residual(pyrnn.LSTM(F, F, direction="reverse", seed=0)),
    "TimeDistributed": lambda **_: pyrnn.TimeDistributed(PARTS["Linear"]()),
}


def by_time(array):
    """(T, N, ...) of (N, T, ...), C-contiguous; and the way back."""
    return np.ascontiguousarray(array.swapaxes(0, 1))


def memories(array):
    """The same (N, T, ...) as memory may hold it: by row, by time, with gaps, backwards."""
    yield array
    yield by_time(array).swapaxes(0, 1)
    yield np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3]
    yield array[:, ::-1].copy()[:, ::-1]
    yield np.asfortranarray(array)


def draw(rng, *shape):
    return rng.standard_normal(shape or (N, T, F)).astype(np.float32)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers(name, lengths, rng, isa):
    """Outputs and gradients, for every way in which memory may hold x and dy."""
    options = RECURRENT[name] | {"seed": 0}
    first = getattr(pyrnn, name)(F, 5, batch_first=False, **options)
    layer = getattr(pyrnn, name)(F, 5, **options)
    x = draw(rng)
    (y, state), pullback = first.vjp(by_time(x), lengths=lengths, rng=3)
    dy = draw(rng, N, T, y.shape[-1])
    dx, dstate = pullback(by_time(dy), state)
    grads = [p.grad.copy() for p in first.parameters()]
    for given, sent in zip(memories(x), memories(dy), strict=True):
        layer.zero_grad()
        assert_same_bits(layer(given, lengths=lengths), swapped(first(by_time(x), lengths=lengths)))
        (got, end), back = layer.vjp(given, lengths=lengths, rng=3)
        assert_same_bits((got, end), (y.swapaxes(0, 1), state))
        assert_same_bits(back(sent, end), (dx.swapaxes(0, 1), dstate))
        assert_same_bits([p.grad for p in layer.parameters()], grads)


def swapped(outputs):
    return outputs[0].swapaxes(0, 1), *outputs[1:]


@pytest.mark.parametrize("name", PARTS)
def test_parts(name, rng):
    """In a Sequential of either layout: outputs, dx and what they add to .grad."""
    x, results = draw(rng), []
    for batch_first in (True, False):
        model = pyrnn.Sequential(PARTS[name](), batch_first=batch_first)
        assert model[0].batch_first is batch_first
        given = list(memories(x)) if batch_first else [by_time(x)]
        for one in given:
            model.zero_grad()
            (y, _), pullback = model.vjp(one, lengths=LENGTHS, rng=3)
            y, dy = (y, y + 1) if batch_first or model.drops_time else (y.swapaxes(0, 1), y + 1)
            dx, _ = pullback(dy)
            dx = dx if batch_first else dx.swapaxes(0, 1)
            results.append([y, dx, *(p.grad.copy() for p in model.parameters())])
    for other in results[1:]:
        assert_same_bits(other, results[0])


def tagger(**options):
    """A model whose parts do all that layouts could get wrong."""
    return pyrnn.Sequential(
        pyrnn.Linear(2, 4, seed=0),
        pyrnn.LayerNorm(4),
        pyrnn.GRU(4, 5, bidirectional=True, num_layers=2, dropout=0.2, seed=1),
        pyrnn.Sequential(pyrnn.Dropout(0.2, seed=2), pyrnn.LSTM(10, 6, seed=3)),
        pyrnn.Linear(6, 1, seed=4),
        **options,
    )


@pytest.mark.parametrize("ragged", [False, True])
def test_training_gives_the_same_bits(ragged):
    """By a Trainer, in both layouts, with the loss and metrics of a validation."""
    x, target = ragged_series()
    if not ragged:
        x, target = (np.stack([np.resize(a, (7, a.shape[1])) for a in b]) for b in (x, target))
    results = []
    for batch_first in (True, False):
        metrics = [pyrnn.metrics.MAE(), pyrnn.metrics.MASE()]
        trainer = make_trainer(
            tagger(batch_first=batch_first), loss=pyrnn.losses.Huber(), metrics=metrics
        )
        history = trainer.fit(
            (x, target), validation=(x, target), epochs=3, batch_size=7, progress=False
        )
        results.append([history.loss, history.val_loss, history.metrics])
        results[-1] += [trainer.model.state_dict(), trainer.predict(x)]
    assert results[0][:3] == results[1][:3]
    assert_same_bits(results[1][3:], results[0][3:])


def test_more_padding_changes_no_bit(rng):
    """Also of the parts that know no time, and whatever the padding holds."""
    x, results = draw(rng, N, T, 2), []
    for width in (T, T + 7):
        given = np.full((N, width, 2), np.nan, np.float32)
        given[:, :T] = x
        model = tagger()
        (y, _), pullback = model.vjp(given, lengths=LENGTHS, rng=0)
        dy = np.zeros_like(y)
        dy[:, :T] = 1
        dx, _ = pullback(dy)
        results.append([y[:, :T], dx[:, :T], *(p.grad for p in model.parameters())])
    assert_same_bits(results[1], results[0])


@both_layouts
def test_streams(batch_first, rng):
    model = pyrnn.Sequential(
        pyrnn.GRU(F, 5, seed=0), pyrnn.Tanh(), pyrnn.LSTM(5, 3, seed=1), batch_first=batch_first
    )
    x = draw(rng)
    given = x if batch_first else by_time(x)
    whole, stream = model(given), model.stream(batch_size=N)
    axis = 1 if batch_first else 0
    chunks = [stream.run(chunk) for chunk in np.split(given, [2, 2, 7], axis=axis)]
    assert_same_bits(np.concatenate(chunks, axis=axis), whole)
    stream.reset()
    steps = [stream.step(x[:, t]) for t in range(T)]
    assert_same_bits(np.stack(steps, axis=axis), whole)
    one = model.stream()
    assert_same_bits(one.run(x[0]), whole.take(0, 1 - axis))


def test_attention_and_decoders_take_the_sample_first(rng):
    """By default; in the two layouts they have the same bits, also of every gradient."""
    queries, memory = draw(rng, N, T, 3), draw(rng, N, 5, F)
    for cls, sizes in ((pyrnn.Attention, (3, F)), (pyrnn.AttentionDecoder, (3, 6, F))):
        results = []
        for module in (cls(*sizes, seed=0), cls(*sizes, seed=0, batch_first=False)):
            given = (queries, memory) if module.batch_first else map(by_time, (queries, memory))
            outputs, pullback = module.vjp(*given)
            first = outputs[0] if module.batch_first else outputs[0].swapaxes(0, 1)
            dx, dmemory = pullback(outputs[0])[:2]
            gradients = [d if module.batch_first else d.swapaxes(0, 1) for d in (dx, dmemory)]
            results.append([first, *gradients, *(p.grad for p in module.parameters())])
        assert results[0][0].shape[:2] == (N, T)
        assert_same_bits(results[1], results[0])


def test_one_word_for_all_parts():
    model = tagger(batch_first=False)
    for module in model.modules():
        assert module.batch_first is False, module
    assert all(module.batch_first for module in tagger().modules())
    said = pyrnn.Sequential(pyrnn.GRU(3, 4, batch_first=False, seed=0), pyrnn.LastStep())
    assert [part.batch_first for part in (said, *said)] == [False] * 3
    inner = pyrnn.Sequential(pyrnn.GRU(3, 4, seed=0), pyrnn.LastStep())
    outer = pyrnn.Sequential(inner, pyrnn.Linear(4, 2), batch_first=False)
    assert [m.batch_first for m in (outer, inner, inner[0], inner[1])] == [False] * 4


def test_a_sequential_speaks_for_its_parts():
    """What a layer deep inside says holds for all around it, in both ways and for dtypes too."""
    deep = pyrnn.Sequential(pyrnn.Sequential(pyrnn.GRU(3, 4, batch_first=False, seed=0)))
    outer = pyrnn.Sequential(pyrnn.Linear(3, 3), deep, pyrnn.Dropout(0.1))
    assert not any(module.batch_first for module in outer.modules())
    with pytest.raises(ValueError, match="batch_first=False, expected True"):
        pyrnn.Sequential(deep, batch_first=True)
    silent = pyrnn.Sequential(pyrnn.Sequential(pyrnn.Dropout(0.1), pyrnn.Tanh()))
    wide = pyrnn.Linear(3, 3, dtype=np.float64)
    assert silent.dtype == np.float32 and pyrnn.Sequential(silent, wide).dtype == np.float64
    with pytest.raises(ValueError, match="disagree in dtype: Sequential float32, Linear float64"):
        pyrnn.Sequential(deep, wide)


class Own(pyrnn.Module):
    """A part of the user's own, with a layer in it that follows."""

    stateful = True

    def __init__(self):
        self.gru = pyrnn.GRU(3, 4, seed=0)

    def __call__(self, x, state=None, lengths=None, mask=None):
        return self.gru(x, state, lengths, mask)

    def vjp(self, x, state=None, lengths=None, mask=None, *, need_dx=True):
        return self.gru.vjp(x, state, lengths, mask, need_dx=need_dx)


@both_layouts
def test_a_part_of_the_users_own_follows(batch_first, rng):
    model, x = pyrnn.Sequential(Own(), batch_first=batch_first), draw(rng, 5, 7, 3)
    assert model[0].gru.batch_first is batch_first
    expected = pyrnn.GRU(3, 4, seed=0)(x)[0]
    assert_same_bits(model.predict(x), expected)
    alone = Own()
    alone.gru.batch_first = batch_first
    assert_same_bits(alone.predict(x), expected)


def test_layouts_that_disagree():
    with pytest.raises(ValueError, match=r"module 1: LSTM has batch_first=False, expected True"):
        pyrnn.Sequential(pyrnn.GRU(3, 4, batch_first=True), pyrnn.LSTM(4, 5, batch_first=False))
    with pytest.raises(ValueError, match=r"module 0: GRU has batch_first=False, expected True"):
        pyrnn.Sequential(pyrnn.GRU(3, 4, batch_first=False), batch_first=True)
    layer = pyrnn.GRU(3, 4)
    pyrnn.Sequential(layer)
    pyrnn.Sequential(layer, batch_first=True)
    with pytest.raises(ValueError, match=r"module 0 \(GRU\) is part of a Sequential with batch_fi"):
        pyrnn.Sequential(layer, batch_first=False)
    inner = pyrnn.Sequential(pyrnn.GRU(3, 4), batch_first=True)
    with pytest.raises(ValueError, match=r"module 0: Sequential has batch_first=True, expected Fa"):
        pyrnn.Sequential(inner, batch_first=False)
    for make in (pyrnn.GRU, pyrnn.LSTM, pyrnn.RNN):
        with pytest.raises(TypeError, match=f"{make.__name__}: batch_first is 1, expected True or"):
            make(3, 4, batch_first=1)
    with pytest.raises(TypeError, match="Sequential: batch_first is 'yes'"):
        pyrnn.Sequential(layer, batch_first="yes")


def test_what_is_refused_leaves_the_parts_alone():
    layer = pyrnn.GRU(3, 4, seed=0)
    with pytest.raises(ValueError, match="disagree in dtype"):
        pyrnn.Sequential(layer, pyrnn.Linear(4, 2, dtype=np.float64), batch_first=False)
    assert layer.batch_first
    pyrnn.Sequential(layer, batch_first=False)


@both_layouts
def test_files_and_copies_keep_it(batch_first, tmp_path, rng):
    model = tagger(batch_first=batch_first)
    model.save(tmp_path / "m")
    x = draw(rng, N, T, 2)
    for twin in (
        pyrnn.load(tmp_path / "m"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ):
        assert [m.batch_first for m in twin.modules()] == [batch_first] * len(list(twin.modules()))
        assert repr(twin) == repr(model)
        assert_same_bits(twin(x if batch_first else by_time(x)), model(x) if batch_first
                         else model(by_time(x)))  # fmt: skip
    layer = pyrnn.GRU(3, 4, batch_first=None if batch_first else False)
    assert ("batch_first=False" in repr(layer)) is not batch_first
    assert layer.config()["batch_first"] is batch_first


def old_file(model, path, value):
    """As it was written when time came first by default: no entry of Sequential, one of layers."""
    model.save(path)
    tensors, description = read_tensors(str(path))

    def aged(tree):
        if tree["class"] == "Sequential":
            return {"class": "Sequential", "parts": [aged(part) for part in tree["parts"]]}
        layout = {"batch_first": value} if "batch_first" in tree["config"] else {}
        return tree | {"config": tree["config"] | layout}

    text = json.loads(json.dumps(description))
    kept = {name: text[name] for name in ("ties", "extra_state")}
    write_tensors(path, tensors, {"model": aged(text["model"]), **kept})


@both_layouts
def test_files_of_before(batch_first, tmp_path, rng):
    model = tagger(batch_first=batch_first)
    old_file(model, tmp_path / "m", batch_first)
    loaded = pyrnn.load(tmp_path / "m")
    assert [m.batch_first for m in loaded.modules()] == [batch_first] * len(list(model.modules()))
    x = draw(rng, N, T, 2)
    assert_same_bits(loaded.predict(x), model.predict(x))


def test_files_of_before_with_no_word_are_time_major(tmp_path):
    old_file(pyrnn.Sequential(pyrnn.Linear(3, 2), pyrnn.Tanh()), tmp_path / "m", None)
    assert pyrnn.load(tmp_path / "m").batch_first is False


def test_a_crf_of_before_is_read_sample_first(tmp_path, rng):
    crf = pyrnn.CRF(3, seed=0)
    crf.save(tmp_path / "m")
    tensors, description = read_tensors(str(tmp_path / "m"))
    description["model"]["config"]["batch_first"] = False
    kept = {name: description[name] for name in ("model", "ties", "extra_state")}
    write_tensors(tmp_path / "m", tensors, kept)
    y = draw(rng, 2, 5, 3)
    assert_same_bits(pyrnn.load(tmp_path / "m").marginals(y), crf.marginals(y))


def test_run_carries_the_state_on(rng):
    model = pyrnn.Sequential(
        pyrnn.GRU(F, 5, seed=0), pyrnn.Sequential(pyrnn.LSTM(5, 3, seed=1)), pyrnn.Linear(3, 2)
    )
    x = draw(rng)
    whole = model.run(x)
    assert isinstance(whole, pyrnn.Output) and whole._fields == ("y", "state")
    assert_same_bits(whole.y, model(x))
    y, state = model.run(x[:, :4])
    rest = model.run(x[:, 4:], state)
    assert_same_bits(np.concatenate([y, rest.y], axis=1), whole.y)
    assert_same_bits(rest.state, whole.state)
    mask = np.arange(T) < np.array(LENGTHS)[:, None]
    assert_same_bits(model.run(x, mask=mask), model.run(x, lengths=LENGTHS))
    assert_same_bits(model(x, mask=mask), model(x, LENGTHS))
    (y, state), pullback = model.vjp(x)
    assert_same_bits((y, state), tuple(whole))
    _, dstate = pullback(y, state)
    assert [np.shape(d) for d in (dstate[0], *dstate[1])] == [(1, N, 5), (1, N, 3), (1, N, 3)]


@both_layouts
def test_a_checkpoint_of_the_other_layout_goes_on(batch_first, tmp_path):
    data, path = ragged_series(), tmp_path / "c"
    loss = pyrnn.losses.MSE()
    whole = make_trainer(tagger(), loss=loss)
    whole.fit(data, epochs=4, batch_size=9, progress=False)
    options = {"batch_size": 9, "progress": False, "checkpoint": path}
    begun = make_trainer(tagger(batch_first=batch_first), loss=loss)
    begun.fit(data, epochs=2, **options)
    resumed = make_trainer(tagger(batch_first=not batch_first), loss=loss)
    resumed.fit(data, epochs=4, resume=True, **options)
    assert_same_bits(resumed.model.state_dict(), whole.model.state_dict())
