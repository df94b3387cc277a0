"""Promise: fit and evaluate take x and y as people have them, and hold out the share they name."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import classifier, make_trainer, padded, ragged_series, ragged_task, regressor


def fitted(*data, **options):
    trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
    history = trainer.fit(*data, epochs=2, batch_size=7, progress=False, **options)
    return history.loss, history.val_loss, trainer.model.state_dict()


def assert_same(one, other):
    assert one[:2] == other[:2]
    assert_same_bits(one[2], other[2])


def test_x_and_y_are_the_tuple():
    x, target = ragged_series()
    (array, lengths), wide = padded(x), padded(target)[0]
    tuples = (x, target), (array, wide, lengths)
    assert_same(fitted(x, target, validation=(x, target)), fitted(tuples[0], validation=tuples[0]))
    named = {"lengths": lengths, "validation": tuples[1]}
    assert_same(fitted(array, wide, **named), fitted(tuples[1], validation=tuples[1]))
    assert_same(fitted(array[:, :4], wide[:, :4]), fitted((array[:, :4], wide[:, :4])))
    trainer = make_trainer(regressor(), loss=pyrnn.losses.MSE())
    assert trainer.evaluate(x, target) == trainer.evaluate((x, target))
    assert trainer.evaluate(array, wide, lengths=lengths) == trainer.evaluate(tuples[1])


@pytest.mark.parametrize("form", ["list", "padded", "dataset", "own targets"])
def test_a_share_is_the_last_samples(form):
    x, target = ragged_series(N=41)
    (array, lengths), wide = padded(x), padded(target)[0]
    if form == "list":
        data, parts = (x, target), ((x[:32], target[:32]), (x[32:], target[32:]))
    elif form == "dataset":
        data = pyrnn.SequenceDataset(x, target)
        parts = ((x[:32], target[:32]), (x[32:], target[32:]))
    else:
        data = (array, wide, lengths)
        parts = tuple(tuple(a[rows] for a in data) for rows in (slice(32), slice(32, None)))
    if form == "own targets":
        results = []
        labels = [[1 + n % 2] * int(n > 1) for n in lengths]
        for train, held in (
            ((array, labels, lengths), 0.2),
            ((array[:32], labels[:32], lengths[:32]), (array[32:], labels[32:], lengths[32:])),
        ):
            model = pyrnn.Sequential(pyrnn.GRU(2, 4, seed=0), pyrnn.Linear(4, 3, seed=1))
            trainer = make_trainer(model, loss=pyrnn.losses.CTC(zero_infinity=True))
            history = trainer.fit(train, validation=held, epochs=2, progress=False)
            results.append((history.loss, history.val_loss, model.state_dict()))
    else:
        results = fitted(data, validation=0.2), fitted(parts[0], validation=parts[1])
    assert_same(*results)


def test_shares_that_leave_nothing():
    x, target = ragged_task(N=10)
    trainer = make_trainer()
    trainer.fit(x, target, validation=np.float32(0.1), progress=False)
    trainer.fit(x, target, validation=0.9, progress=False)  # 10 * (1 - 0.9) is 1, less a bit
    before = trainer.model.state_dict()
    for share in (0.0, 1.0, -0.2, 1, 3, float("nan")):
        with pytest.raises(ValueError, match=r"validation is .*, expected 0 < share"):
            trainer.fit(x, target, validation=share, progress=False)
    for share, words in ((1e-12, "10 are left"), (0.95, "0 are left")):
        with pytest.raises(ValueError, match=f"of 10 samples, of which {words}"):
            trainer.fit(x, target, validation=share, progress=False)
    with pytest.raises(TypeError, match="validation"):
        trainer.fit(x, target, validation=True, progress=False)
    assert_same_bits(trainer.model.state_dict(), before)


def test_a_share_resumes(tmp_path):
    x, target = ragged_task()
    options = {"validation": 0.25, "progress": False, "batch_size": 8}
    whole, begun, resumed = make_trainer(), make_trainer(), make_trainer()
    whole.fit(x, target, epochs=3, **options)
    begun.fit(x, target, epochs=1, checkpoint=tmp_path / "c", **options)
    resumed.fit(x, target, epochs=3, checkpoint=tmp_path / "c", resume=True, **options)
    assert whole.history.val_loss == resumed.history.val_loss
    assert_same_bits(whole.model.state_dict(), resumed.model.state_dict())
    with pytest.raises(ValueError, match="number of samples"):
        make_trainer().fit(
            x, target, checkpoint=tmp_path / "c", resume=True, **options | {"validation": 0.5}
        )


def test_what_is_said_twice_is_refused():
    x, target = ragged_task(N=8)
    trainer, data = make_trainer(), pyrnn.SequenceDataset(x, target)
    for call in (trainer.fit, trainer.evaluate):
        with pytest.raises(TypeError, match=r"x is a tuple and y is given too.*validation="):
            call((x, target), (x, target))
        with pytest.raises(TypeError, match="x is a dataset and y is given too"):
            call(data, target)
        with pytest.raises(ValueError, match="lengths are given without y"):
            call((x, target), lengths=[1] * 8)
        with pytest.raises(TypeError, match="expected x with y, a tuple"):
            call(x[0])


def test_words_are_the_classes():
    """Each public class without arguments, by its name; letters' case and underscores aside."""
    model = classifier()
    trainer = pyrnn.Trainer(model, "cross_entropy", "adam", metrics=["accuracy", "Perplexity"])
    assert isinstance(trainer.optimizer, pyrnn.optim.Adam)
    x, target = ragged_task()
    made = pyrnn.Trainer(
        classifier(),
        pyrnn.losses.CrossEntropy(),
        pyrnn.optim.Adam(),
        metrics=[pyrnn.metrics.Accuracy(), pyrnn.metrics.Perplexity()],
    )
    assert trainer.evaluate(x, target) == made.evaluate(x, target)
    for word in ("CrossEntropy", "crossentropy", "cross-entropy", "CROSS_ENTROPY"):
        pyrnn.Trainer(model, word, "SGD", metrics="accuracy")
    for name, cls in vars(pyrnn.optim).items():
        is_class = isinstance(cls, type) and issubclass(cls, pyrnn.optim.Optimizer)
        if is_class and cls is not pyrnn.optim.Optimizer:
            assert type(pyrnn.Trainer(model, "mse", name.lower()).optimizer) is cls


@pytest.mark.parametrize(
    ("loss", "optimizer", "metrics", "words"),
    [
        ("mse", "adamm", (), r"optimizer is 'adamm'.*did you mean 'adam'"),
        ("mase", "adam", (), r"loss is 'mase', .*did you mean 'mse' or 'mae'"),
        ("bce", "adam", (), r"loss is 'bce', .*did you mean 'bcewithlogits'"),
        ("categorical_crossentropy", "adam", (), r"did you mean 'crossentropy'"),
        ("MSELoss", "adam", (), r"did you mean 'mse'"),
        ("binary_crossentropy", "adam", (), r"did you mean 'bcewithlogits'\?"),
        ("mean_absolute_error", "adam", (), r"did you mean 'mae'\?"),
        ("L1Loss", "adam", (), r"did you mean 'mae'\?"),
        ("cross entropi", "adam", (), r"did you mean 'crossentropy'"),
        ("mse", "adam", ["acuracy"], r"metrics is 'acuracy'.*did you mean 'accuracy'"),
        ("mse", "adam", "zzz", r"metrics is 'zzz', expected one of \['accuracy', .*'rmse'\]$"),
        ("loss", "adam", (), r"loss is 'loss', expected one of .*'mse'"),
        ("mse", "", (), r"optimizer is '', expected one of"),
    ],
)
def test_unknown_words_name_the_nearest(loss, optimizer, metrics, words):
    with pytest.raises(ValueError, match=words):
        pyrnn.Trainer(regressor(), loss, optimizer, metrics=metrics)


def test_a_class_instead_of_an_object():
    for loss, optimizer in ((pyrnn.losses.MSE, "adam"), ("mse", pyrnn.optim.Adam)):
        with pytest.raises(TypeError, match=r"is the class (MSE|Adam), expected (MSE|Adam)\("):
            pyrnn.Trainer(regressor(), loss, optimizer)
    with pytest.raises(TypeError, match=r"expected a pyrnn Loss, or a word: .*mse"):
        pyrnn.Trainer(regressor(), 3, "adam")


def test_estimators_take_the_same_words():
    estimators = pytest.importorskip("pyrnn.estimators")
    X, y = ragged_series(N=12)
    y = [row[-1, 0] for row in y]
    options = {"hidden_size": 3, "epochs": 2, "random_state": 0}
    one, other = (
        estimators.SequenceRegressor(loss=loss, optimizer=optimizer, **options).fit(X, y)
        for loss, optimizer in (("mae", "adamw"), ("MAE", "AdamW"))
    )
    assert_same_bits(one.predict(X), other.predict(X))
    for option, words in (({"optimizer": "adamm"}, "'adam'"), ({"loss": "hubber"}, "'huber'")):
        with pytest.raises(ValueError, match=f"SequenceRegressor: .*did you mean {words}"):
            estimators.SequenceRegressor(**options, **option).fit(X, y)
    with pytest.raises(ValueError, match=r"crossentropy.*expected one of"):
        estimators.SequenceRegressor(loss="crossentropy", **options).fit(X, y)


def test_classes_of_another_dtype_name_the_conversion():
    model = pyrnn.Sequential(pyrnn.LastStep(), pyrnn.Linear(3, 2, seed=0))
    trainer, x = pyrnn.Trainer(model, "cross_entropy", "adam"), np.zeros((4, 5, 3), "f")
    text = np.array(["no", "yes", "yes", "no"])
    with pytest.raises(TypeError, match=r"dtype bool, expected integers: target.astype\(np.int64"):
        trainer.fit(x, text == "yes", progress=False)
    with pytest.raises(TypeError, match=r"real numbers; np.unique\(..., return_inverse=True\)"):
        trainer.fit(x, text, progress=False)
    by_name = trainer.evaluate(x, np.unique(text, return_inverse=True)[1])
    assert by_name == trainer.evaluate(x, (text == "yes").astype(np.int64))
