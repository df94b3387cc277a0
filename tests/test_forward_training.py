"""Promise: a module with a forward is trained, resumed, saved and loaded as any module is."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim
from shapes import Net, floats, made


def data(ragged=False):
    x = floats(20, 6, 3, dtype=np.float32)
    target = (x.sum(axis=-1) > 0).astype(np.int64)
    lengths = np.random.default_rng(2).integers(1, 7, 20)
    return (x, target, lengths) if ragged else (x, target)


def trainer(model, **options):
    return pyrnn.Trainer(model, losses.CrossEntropy(), optim.Adam(0.02), seed=0, **options)


class TestTraining:
    @pytest.mark.parametrize("ragged", [False, True])
    def test_a_trainer_takes_it_as_any_module(self, ragged):
        t = trainer(Net(), metrics=[pyrnn.metrics.Accuracy()])
        history = t.fit(data(ragged), validation=data(ragged), epochs=5, progress=False)
        assert history.loss[-1] < history.loss[0]
        assert t.predict(data()[0]).shape == (20, 6, 2)
        lists = [x[:n] for x, n in zip(data()[0], data(True)[2], strict=True)]
        assert [len(y) for y in t.model.predict(lists)] == [len(x) for x in lists]

    def test_the_time_axis_is_read_off_the_output(self):
        def forward(self, x, lengths=None):
            return self.head(self.pool(self.rnn(x, lengths=lengths)[0], lengths=lengths))

        parts = {
            "rnn": pyrnn.GRU(3, 4, seed=0),
            "pool": pyrnn.MeanPool(),
            "head": pyrnn.Linear(4, 2),
        }
        t = trainer(made(forward, **parts))
        x, target, lengths = data(ragged=True)
        t.fit((x, target[:, 0], lengths), epochs=1, progress=False)
        assert t.predict(x, lengths).shape == (20, 2)

    def test_a_mask_is_given_where_it_is_named(self):
        seen = []

        def forward(self, x, mask=None):
            seen.append(mask)
            return self.rnn(x, mask=mask)[0]

        t = trainer(made(forward, rnn=pyrnn.GRU(3, 2, seed=0)))
        other = trainer(pyrnn.GRU(3, 2, seed=0))
        for each in (t, other):
            each.fit(data(ragged=True), epochs=2, progress=False)
        assert any(mask is not None and mask.dtype == bool for mask in seen)
        chain = pyrnn.Sequential(t.model)  # one sequence alone, too
        x = data()[0][0]
        assert_same_bits(chain(x, lengths=[4])[:4], t.model(x[:4]))
        assert_same_bits(t.model.rnn.state_dict(), other.model.state_dict())

    def test_rows_of_one_length_at_a_time_where_no_lengths_are_named(self):
        """As any module that takes none: padding is never met."""
        own = made(lambda self, x: self.rnn(x)[0], rnn=pyrnn.GRU(3, 2, seed=0))
        other = pyrnn.GRU(3, 2, seed=0)
        x, lengths = data()[0], data(ragged=True)[2]
        assert_same_bits(own.predict(x, lengths), other.predict(x, lengths))
        assert trainer(own).fit(data(ragged=True), progress=False).loss

    def test_no_padding_reaches_a_part_of_a_sequential_that_names_no_lengths(self):
        centred = made(lambda self, x: x - x.mean(axis=1, keepdims=True))
        model = pyrnn.Sequential(centred, pyrnn.GRU(3, 4, seed=0), pyrnn.LastStep())
        x, _, lengths = data(ragged=True)
        y, (_, pullback) = model(x, lengths), model.vjp(x, lengths=lengths)
        dx, _ = pullback(np.ones_like(y))
        for row, n in enumerate(lengths):
            alone = x[row : row + 1, :n]
            assert_same_bits(model(alone)[0], y[row])
            assert_same_bits(model.vjp(alone)[1](np.ones_like(y[:1]))[0][0], dx[row, :n])

    def test_a_state_without_lengths_takes_no_ragged_data(self):
        model = made(lambda self, x, state=None: self.rnn(x, state), rnn=pyrnn.GRU(3, 2, seed=0))
        assert trainer(model).fit(data(), progress=False).loss
        with pytest.raises(ValueError, match=r"Made: x has rows of different lengths, which its"):
            trainer(model).fit(data(ragged=True), progress=False)

    def test_state_and_truncated_training(self):
        def forward(self, x, state=None, lengths=None):
            y, state = self.rnn(x, state, lengths)
            return self.head(y), state

        def parts():
            return {"rnn": pyrnn.LSTM(3, 4, seed=0), "head": pyrnn.Linear(4, 2, seed=1)}

        own, chain = made(forward, **parts()), pyrnn.Sequential(*parts().values())
        for model in (own, chain):
            trainer(model).fit(data(), epochs=2, tbptt=2, progress=False)
        assert_same_bits([*own.state_dict().values()], [*chain.state_dict().values()])

    def test_inside_a_sequential(self):
        model = pyrnn.Sequential(pyrnn.Linear(3, 3, seed=0), Net(), pyrnn.Linear(2, 2, seed=0))
        assert trainer(model).fit(data(ragged=True), epochs=1, progress=False).loss
        with pytest.raises(TypeError, match=r"Net has a forward.*no stream"):
            model.stream()
        own = pyrnn.Sequential(made(lambda self, x: x - x.mean(axis=1, keepdims=True)))
        with pytest.raises(TypeError, match=r"Made has a forward.*no stream"):
            own.stream()

    def test_resumed_training_has_the_bits_of_one_that_ran_through(self, tmp_path):
        whole, path = trainer(Net(), clip_norm=1.0), tmp_path / "c.safetensors"
        whole.fit(data(ragged=True), epochs=4, progress=False)
        first = trainer(Net(), clip_norm=1.0)
        first.fit(data(ragged=True), epochs=2, progress=False, checkpoint=path)
        again = trainer(Net(), clip_norm=1.0)
        again.fit(data(ragged=True), epochs=4, progress=False, checkpoint=path, resume=True)
        assert_same_bits(again.model.state_dict(), whole.model.state_dict())
        other = trainer(Net(seed=1), clip_norm=1.0)
        with pytest.raises(ValueError):
            other.fit(data(), epochs=4, progress=False, checkpoint=path, resume=True)

    def test_random_numbers_are_refused(self):
        rng = np.random.default_rng(0)

        def noisy(self, x):
            return self.rnn(x + rng.standard_normal(x.shape).astype(np.float32))[0]

        model = made(noisy, rnn=pyrnn.GRU(3, 2, seed=0))
        before = model.state_dict()
        with pytest.raises(ValueError, match="forward of Made depends on random numbers"):
            trainer(model).fit(data(), progress=False)
        assert_same_bits(model.state_dict(), before)

    def test_several_outputs_are_refused(self):
        model = made(lambda self, x: self.rnn(x), rnn=pyrnn.GRU(3, 2, seed=0))
        with pytest.raises(TypeError, match=r"Made.* of type tuple, expected one array"):
            trainer(model).fit(data(), progress=False)

    def test_an_error_leaves_the_model_as_it_was(self):
        def forward(self, x):
            self.calls += 1
            return self.rnn(x if self.calls < 6 else np.sin(x))[0]

        model = made(forward, rnn=pyrnn.GRU(3, 2, seed=0), calls=0)
        states = []

        class Keep(pyrnn.Callback):
            def on_batch_end(self, trainer, loss):
                states.append(model.state_dict())

        with pytest.raises(TypeError, match=r"np\.sin is not recorded"):
            trainer(model).fit(data(), epochs=9, batch_size=10, progress=False, callbacks=[Keep()])
        assert_same_bits(model.state_dict(), states[-1])

    def test_summary(self):
        text = str(Net().summary((2, 5, 3)))
        assert "rnn  GRU(input_size=3, hidden_size=4)" in text and "(2, 5, 2)" in text


class TestFiles:
    def test_saved_and_loaded(self, tmp_path):
        path, x = tmp_path / "net.safetensors", floats(2, 5, 3, dtype=np.float32)
        for model in (Net(hidden=6), pyrnn.Sequential(Net(hidden=2), pyrnn.Linear(2, 2))):
            model.vjp(x)  # draws a mask
            model.save(path)
            with pytest.raises(
                ValueError, match=r"is a 'Net', expected one of.*classes=\[\.\.\.\]"
            ):
                pyrnn.load(path)
            again = pyrnn.load(path, classes=[Net])
            assert_same_bits(again(x), model(x))
            assert_same_bits(again.vjp(x)[0], model.vjp(x)[0])

    def test_what_cannot_be_described_says_how(self, tmp_path):
        class Wrapped(pyrnn.Module):
            def __init__(self, inner):
                self.inner = inner

            def forward(self, x):
                return self.inner(x)

        class Lost(pyrnn.Module):
            def __init__(self, size):
                self.linear = pyrnn.Linear(size, size)

            def forward(self, x):
                return self.linear(x)

        for model in (Wrapped(pyrnn.Linear(3, 2)), Lost(3)):
            with pytest.raises(TypeError, match=r"save: .*state_dict\(\)"):
                model.save(tmp_path / "m.safetensors")
            assert not (tmp_path / "m.safetensors").exists()

    def test_bad_classes(self, tmp_path):
        path = tmp_path / "net.safetensors"
        Net().save(path)
        linear = type("Linear", (Net,), {})
        for classes, error, words in (
            (3, TypeError, "classes is 3"),
            ([Net()], TypeError, "classes holds of type Net"),
            ([linear], ValueError, "a second Linear"),
        ):
            with pytest.raises(error, match=words):
                pyrnn.load(path, classes=classes)
        with pytest.raises(TypeError, match="a file cannot describe Linear"):
            linear().save(path)


@pytest.mark.parametrize("kind", [tuple, list, dict])
def test_several_targets_are_refused_as_several_outputs(kind):
    both = pyrnn.Parallel(pyrnn.Linear(3, 2, seed=0), pyrnn.Linear(3, 1, seed=1))
    x, classes, values = np.zeros((8, 3), "f"), np.zeros(8, int), np.zeros((8, 1), "f")
    target = {"c": classes, "v": values} if kind is dict else kind((classes, values))
    trainer = pyrnn.Trainer(both, "mse", "adam")
    expected = (
        rf"train target is a {kind.__name__} of 2 targets, expected one array: several outputs "
        "are trained with the losses' vjp"
    )
    with pytest.raises(TypeError, match=expected):
        trainer.fit(x, target, progress=False)
    with pytest.raises(TypeError, match=expected):
        trainer.fit((x, target), progress=False)
    for given in ({"c": "mse", "v": "mse"}, ["mse", "mse"]):
        with pytest.raises(TypeError, match="expected a pyrnn Loss; several outputs are trained"):
            pyrnn.Trainer(both, given, "adam")


def test_a_ragged_target_of_as_many_steps_as_samples_is_one_target():
    x = [np.ones((2, 3), "f"), np.ones((2, 3), "f"), np.ones((1, 3), "f")]
    target = [np.ones((len(each), 1), "f") for each in x]
    trainer = pyrnn.Trainer(pyrnn.Linear(3, 1, seed=0), "mse", "adam")
    assert trainer.fit(x, target, progress=False).loss
    pair = pyrnn.SequenceDataset(np.ones((2, 2, 3), "f"), [np.ones((2, 1), "f")] * 2)
    assert trainer.fit(pair, progress=False).loss
