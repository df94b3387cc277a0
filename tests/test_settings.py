"""Promise: a public object takes only what it uses; an option acts at once or is refused."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import pyrnn
from pyrnn import estimators, losses, metrics, optim


def model():
    return pyrnn.Sequential(
        pyrnn.GRU(2, 4, seed=0), pyrnn.Dropout(0.1), pyrnn.LastStep(), pyrnn.Linear(4, 3, seed=0)
    )


def trainer(net=None, optimizer=None, **options):
    optimizer = optimizer or optim.Adam(0.01)
    return pyrnn.Trainer(net or model(), losses.CrossEntropy(), optimizer, seed=0, **options)


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((12, 5, 2)).astype(np.float32), rng.integers(0, 3, 12)


ARGUMENTS = {  # of the constructors that need some
    **dict.fromkeys(("Add", "Concat", "Parallel", "Residual", "TimeDistributed"), (pyrnn.Tanh(),)),
    "AttentionDecoder": (2, 3, 4),
    "Attention": (3, 4),
    **{"Backtest": (None,) * 7, "ForecasterSearch": (None,) * 5},
    **dict.fromkeys(("CRF", "LayerNorm", "RollingOrigins"), (3,)),
    **dict.fromkeys(("CSVLogger", "ModelCheckpoint"), ("log.csv",)),
    "Chain": ([optim.Warmup(o := optim.SGD(0.1), 2), optim.Cosine(o, 5)], [2]),
    **{name: (optim.SGD(0.1), 5) for name in ("Cosine", "Cyclic", "OneCycle", "Polynomial")},
    "WarmRestarts": (optim.SGD(0.1), 5),
    "Exponential": (optim.SGD(0.1), 0.5),
    "Lambda": (optim.SGD(0.1), lambda count: 1.0),
    "MultiStep": (optim.SGD(0.1), [5]),
    "EMA": (model(),),
    "Embedding": (5, 3),
    **dict.fromkeys(("EntityF1", "EntityPrecision", "EntityRecall"), (["O", "B-A"],)),
    **dict.fromkeys(("GRU", "LSTM", "RNN", "Linear"), (2, 3)),
    "LearningRateCurve": ([0.1], [1.0]),
    "OnPlateau": (optim.SGD(0.1),),
    "LoadReport": ([], ["extra"]),
    "Output": (np.zeros((1, 2)), ()),
    "Parameter": (np.ones(3),),
    "PruningCallback": (type("", (), dict.fromkeys(("report", "should_prune"), print))(),),
    "Seq2Seq": (5, 6, 3, 4),
    **dict.fromkeys(("SequenceDataset", "StoredDataset"), (np.ones((3, 2)),)),
    "Sequential": tuple(model()),
    "Step": (optim.SGD(0.1), 5),
    "Trainer": (model(), losses.CrossEntropy(), optim.Adam()),
    "Warmup": (optim.Cosine(optim.SGD(0.1), 5), 5),
}


def value():
    """What a forward is given."""
    kept = []

    class Net(pyrnn.Module):
        def forward(self, x):
            kept.append(x)
            return x

    Net()(np.ones(3))
    return kept[0]


BASES = {"Module", "Output", "Loss", "Metric", "Optimizer", "Schedule"}  # made by subclasses
TRACE = pyrnn.trace(model(), np.ones((3, 2), np.float32))
MADE_BY_CALLS = {
    "Pullback": model().vjp(np.ones((2, 1, 2), np.float32))[1],
    "Stream": model()[0].stream(),
    "SequentialStream": model().stream(),
    "Summary": model().summary(),
    "Value": value(),
    **{"Trace": TRACE, "LayerTrace": TRACE.layers[0], "TraceTable": TRACE.table()},
    "LossPullback": losses.MSE().vjp(np.ones(2), np.ones(2))[1],
}


def public_objects():
    """One object of each public class."""
    yield from MADE_BY_CALLS.values()
    for package in (pyrnn, losses, metrics, optim, estimators):
        for name, cls in vars(package).items():
            is_class = inspect.isclass(cls) and name[0] != "_" and name not in MADE_BY_CALLS
            if is_class and name not in BASES and not issubclass(cls, Exception):
                yield cls(*ARGUMENTS.get(name, ()))


OBJECTS = list(public_objects())


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda thing: type(thing).__name__)
def test_nothing_unknown_is_taken(thing):
    for name in ("require_grad", "trainig", "learning_rates", "hiden_size"):
        with pytest.raises(AttributeError, match=name):
            setattr(thing, name, 1)
        assert not hasattr(thing, name)


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda thing: type(thing).__name__)
def test_options_are_for_the_constructor(thing):
    """Or they have a setter that checks. Estimators' act at the next fit."""
    cls = type(thing)
    # What results stand in; a tuple cannot be written.
    kept = (pyrnn.History, pyrnn.LoadReport, pyrnn.Output)
    if cls.__module__.startswith("pyrnn.estimators") or isinstance(thing, kept):
        return
    options = set(inspect.signature(cls).parameters) - {"args", "kwargs"}
    methods = {name for name in options if inspect.isfunction(getattr(cls, name, None))}
    for name in sorted((options & set(dir(thing))) - methods - {"bias"}):
        before = getattr(thing, name)
        if isinstance(getattr(cls, name, None), property) and getattr(cls, name).fset:
            with pytest.raises((AttributeError, TypeError, ValueError)):
                setattr(thing, name, "nonsense")
        else:
            with pytest.raises(AttributeError, match=name):
                setattr(thing, name, before)
        now = getattr(thing, name)
        if now is not before:  # made anew at each reading
            assert now == before if isinstance(now, float) else len(now) == len(before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_take_no_more(copied):
    for thing in (model(), losses.Huber(), optim.Step(optim.SGD(0.1), 2), pyrnn.Parameter([1.0])):
        with pytest.raises(AttributeError):
            copied(thing).training = True


def test_the_nearest_word_is_named():
    for thing, name, word in (
        (optim.Adam(), "learning_rate", "'lr'"),
        (pyrnn.LSTM(2, 3), "hiden_size", "'hidden_size'"),
        (losses.Huber(), "dleta", "'delta'"),
        (metrics.F1(), "avarage", "'average'"),
        (pyrnn.EarlyStopping(), "patiense", "'patience'"),
        (pyrnn.LSTM(2, 3), "dropout", r"LSTM\(dropout=...\)"),
        (pyrnn.Parameter([1.0]), "data", r"p\[...\] = value"),
        (pyrnn.Parameter([1.0]), "require_grad", "require_grad"),
        (model(), "requires_grad", r"freeze\(\)"),
    ):
        with pytest.raises(AttributeError, match=word):
            setattr(thing, name, 0.5)


def test_own_classes_take_what_they_like():
    class Net(pyrnn.Module):
        def __init__(self):
            self.rnn = pyrnn.GRU(2, 3, seed=0)

    class Cell(pyrnn.LSTM):
        pass

    class Watch(pyrnn.Callback):
        pass

    class Decay(optim.Schedule):
        pass

    for thing in (Net(), Cell(2, 3), Watch(), Decay(optim.SGD(0.1))):
        thing.anything = thing.best = 1
        thing.best += 1
    net = Net()
    net.rnn = pyrnn.LSTM(2, 3, seed=0)
    assert len(net.parameters()) == 4
    with pytest.raises(AttributeError, match="dropout"):  # the inherited option does not act
        Cell(2, 3).dropout = 0.5


def test_the_layout_is_set_where_it_acts():
    """Of a layer alone, not of what has agreed with others or has no time axis."""
    layer, x = pyrnn.GRU(2, 3, seed=0), np.ones((4, 2, 2), np.float32)
    before = layer(x)[0]
    layer.batch_first = False
    np.testing.assert_array_equal(layer(x.swapaxes(0, 1))[0].swapaxes(0, 1), before)
    net = model()
    for thing in (net, net[0], net[1], pyrnn.Linear(2, 3), pyrnn.Tanh(), pyrnn.Seq2Seq(5, 6, 3, 4)):
        with pytest.raises(AttributeError, match="batch_first"):
            thing.batch_first = False
        assert thing.batch_first


class OwnLSTM(pyrnn.LSTM):
    """A user's subclass."""


class OwnSequential(pyrnn.Sequential):
    """Another one."""


class Wrapper(pyrnn.Module):
    """A user's module, which may choose its layout while it is made."""

    def __init__(self):
        self.rnn = OwnLSTM(2, 3, seed=0)
        self.batch_first = True

    def __call__(self, x):
        return self.rnn(x)[0]


def test_no_part_changes_its_layout_whoever_wrote_it():
    layer = OwnLSTM(2, 3, seed=0)
    layer.batch_first = False  # alone
    wrapper, decoder = Wrapper(), pyrnn.AttentionDecoder(2, 3, 4, num_layers=2)
    net = OwnSequential(OwnLSTM(2, 3), wrapper, pyrnn.Linear(3, 2))
    nested = pyrnn.Sequential(pyrnn.Sequential(OwnLSTM(2, 3)), pyrnn.Linear(3, 2))
    translator = pyrnn.Seq2Seq(5, 6, 3, 4)
    parts = (
        net, net[0], wrapper, wrapper.rnn, nested, nested[0], nested[0][0], decoder, decoder.above,
        decoder.bottom, decoder.attention, translator.encoder, translator.encoder.layers,
    )  # fmt: skip
    for part in parts:
        with pytest.raises(AttributeError, match="batch_first cannot be set"):
            part.batch_first = False
        assert part.batch_first


def test_parameters_are_tied_and_nothing_else():
    embedding, out = pyrnn.Embedding(7, 4, seed=0), pyrnn.Linear(4, 7, seed=1)
    out.weight = embedding.weight
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(out(x), x @ embedding.weight.data.T + out.bias.data, rtol=1e-6)
    for value, error in (
        (np.zeros((7, 4), np.float32), TypeError),
        (None, TypeError),
        (pyrnn.Parameter(np.zeros((4, 7), np.float32)), ValueError),
        (pyrnn.Parameter(np.zeros((7, 4))), ValueError),
    ):
        with pytest.raises(error, match="weight"):
            out.weight = value
        assert out.weight is embedding.weight


def test_schedules_act_together():
    """Each factor on the optimizer's own rate, whoever steps first; of the trainer's list and by
    hand."""
    optimizer = optim.SGD(1.0, groups=[{"params": pyrnn.Parameter([0.0]), "lr": 0.5}])
    first, second = optim.Step(optimizer, 1, gamma=0.5), optim.Cosine(optimizer, 4)
    for count in range(1, 5):
        first.step()
        second.step()
        factor = 0.5**count * (1 + np.cos(np.pi * count / 4)) / 2
        assert optimizer.lrs == pytest.approx((factor, factor / 2), abs=1e-15)
    net, optimizer = model(), optim.SGD(1.0)
    warmup, fall = (
        optim.Warmup(optimizer, 10, start_factor=0.5),
        optim.Step(optimizer, 1, gamma=0.1),
    )
    t = trainer(net, optimizer, schedule=[warmup, fall])
    assert optimizer.lr == 0.5
    t.fit(data(), epochs=2, batch_size=4, progress=False)
    assert optimizer.lr == pytest.approx((0.5 + 0.5 * 6 / 10) * 0.01)


def test_a_new_schedule_begins_with_the_own_rate():
    optimizer = optim.SGD(0.4)
    for make in (
        lambda: optim.Step(optimizer, 1, gamma=0.0),
        lambda: optim.OnPlateau(optimizer, patience=0),
        lambda: optim.Warmup(optim.Cosine(optimizer, 2), 2, start_factor=1.0),
        lambda: optim.Cosine(optimizer, 1),
    ):
        schedule = make()
        assert optimizer.lr == 0.4 and optimizer.own_lrs == (0.4,)
        for _ in range(4):
            schedule.step(1.0)
        assert optimizer.lr < 0.4
    with pytest.raises(ValueError, match="steps"):
        optim.Cosine(optimizer, 0)
    assert optimizer.lr == 0.0  # one that is refused changes nothing
    optimizer.lr = 0.2  # by hand: its own from now on
    assert optim.Cosine(optimizer, 5).base_lrs == (0.2,)


def test_own_rates_are_kept_in_states():
    optimizer = optim.SGD(0.4)
    schedule = optim.Step(optimizer, 1, gamma=0.5)
    schedule.step()
    other = optim.SGD(0.1)
    other.load_state_dict(optimizer.state_dict())
    assert (other.lr, other.own_lrs) == (0.2, (0.4,))
    old = {key: value for key, value in optimizer.state_dict().items() if key != "own_lrs"}
    third = optim.SGD(0.1)
    third.load_state_dict(old)  # as older versions wrote it: the schedule's state has the rates
    again = optim.Step(third, 1, gamma=0.5)
    again.load_state_dict(schedule.state_dict())
    assert (third.lr, third.own_lrs) == (0.2, (0.4,))


def test_options_of_an_optimizer_are_for_reading():
    optimizer = optim.Adam(0.1)
    for change in (
        lambda: optimizer.options.update(eps=1.0),
        lambda: optimizer.groups[0].__setitem__("learning_rate", 1.0),
        lambda: optimizer.lrs.__setitem__(0, 1.0),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()


def test_an_optimizer_belongs_to_its_parameters():
    net, other, optimizer = model(), model(), optim.Adam(0.1)
    optimizer.step(net)
    before, kept = optimizer.state_dict(), other.state_dict()
    with pytest.raises(ValueError, match="one optimizer per model"):
        optimizer.step(other)
    with pytest.raises(ValueError, match="one optimizer per model"):
        trainer(other, optimizer)
    with pytest.raises(ValueError, match="one optimizer per model"):
        optimizer.step(net) or optimizer.step(copy.deepcopy(net))
    assert optimizer.state_dict()["steps"] == {name: 2 for name in before["steps"]}
    for name, values in kept.items():
        assert (other.state_dict()[name] == values).all()
    new = optim.Adam(0.1)
    new.load_state_dict(optimizer.state_dict())
    new.step(other)
    late = trainer(other, unused := optim.Adam(0.1))  # two trainers made before the first fit
    trainer(net, unused).fit(data(), progress=False)
    with pytest.raises(ValueError, match="one optimizer per model"):
        late.fit(data(), progress=False)


def test_probabilities_are_no_logits():
    front = [pyrnn.GRU(2, 3, seed=0), pyrnn.LastStep()]
    for loss, end in (
        (losses.CrossEntropy(), [pyrnn.Softmax()]),
        (losses.CrossEntropy(), [pyrnn.Sequential(pyrnn.Softmax()), pyrnn.Dropout(0.1)]),
        (losses.BCEWithLogits(), [pyrnn.Sigmoid()]),
    ):
        with pytest.raises(ValueError, match="logits"):
            pyrnn.Trainer(pyrnn.Sequential(*front, *end), loss, optim.Adam())
    pyrnn.Trainer(pyrnn.Sequential(*front, pyrnn.Sigmoid()), losses.MSE(), optim.Adam())
    pyrnn.Trainer(
        pyrnn.Sequential(*front, pyrnn.Softmax(), pyrnn.Linear(3, 2)),
        losses.CrossEntropy(),
        optim.Adam(),
    )


def test_suffixes_of_other_formats(tmp_path):
    net = pyrnn.Linear(2, 2, seed=0)
    for name in ("m.pt", "m.PTH", "m.onnx", "m.keras", "m.h5", "m.npz", "m.pkl"):
        with pytest.raises(ValueError, match=r"safetensors"):
            net.save(tmp_path / name)
        with pytest.raises(ValueError, match=r"safetensors"):
            trainer().fit(data(), progress=False, checkpoint=tmp_path / name)
    assert not list(tmp_path.iterdir())
    for name in ("m", "m.safetensors", "m.v2", "best.model"):
        net.save(tmp_path / name)
        assert (pyrnn.load(tmp_path / name).weight.data == net.weight.data).all()


def test_state_dicts_hold_plain_arrays():
    net = pyrnn.Linear(2, 2, seed=0)
    before = net.state_dict()
    masked = np.ma.masked_array(np.ones(2, np.float32), mask=[True, False])
    for value in (masked, object(), "text"):
        with pytest.raises(TypeError, match="bias"):
            net.load_state_dict(before | {"bias": value})
        assert (net.bias.data == before["bias"]).all()


def test_class_weights_of_classes_yet_to_come():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((4, 1)) for _ in range(6)]
    y = [["a", "b", "a", "b"]] * 6
    weights = {"a": 1.0, "b": 2.0, "c": 7.0}
    tagger = estimators.SequenceTagger(hidden_size=3, class_weight=weights, random_state=0)
    tagger.partial_fit(X, y, classes=["a", "b", "c"])
    assert tagger._class_weights[0].tolist() == [1.0, 2.0, 7.0]
    balanced = estimators.SequenceClassifier(hidden_size=3, class_weight="balanced")
    with pytest.raises(ValueError, match=r"balanced.*'c'"):
        balanced.partial_fit(X, ["a", "b"] * 3, classes=["a", "b", "c"])


def test_parameters_that_a_warm_start_cannot_follow():
    X, y = data()
    est = estimators.SequenceClassifier(hidden_size=4, epochs=1, warm_start=True, random_state=0)
    est.fit(X, y)
    with pytest.raises(ValueError, match="hidden_size is 8, expected 4"):
        est.set_params(hidden_size=8).fit(X, y)
    est.set_params(hidden_size=4, learning_rate=0.0)
    before = est.network_.state_dict()
    est.fit(X, y)
    for name, values in est.network_.state_dict().items():
        assert (values == before[name]).all()  # a learning rate of 0 acts
    with pytest.raises(ValueError, match="optimizer"):
        est.set_params(optimizer="sgd").partial_fit(X, y)
    est.set_params(warm_start=False, hidden_size=8).fit(X, y)
    assert est.network_[0].hidden_size == 8
