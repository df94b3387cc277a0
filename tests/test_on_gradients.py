"""Promise: callbacks see each step's gradients once, before clipping, and may write them."""

import math

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import optim
from training import classifier, make_trainer, ragged_task

DATA = ragged_task(N=20)


class Watch(pyrnn.Callback):
    """Notes norms and steps; does to the gradients what it is given."""

    def __init__(self, act=lambda gradients: None):
        self.norms, self.steps, self.act = [], [], act

    def on_gradients(self, trainer, gradients):
        self.norms.append(gradients.norm)
        self.steps.append(gradients.step)
        self.act(gradients)


def fit(trainer, *callbacks, epochs=1, **options):
    options = {"batch_size": 4, "progress": False, "shuffle": False} | options
    trainer.fit(DATA, epochs=epochs, callbacks=callbacks, **options)
    return trainer.model.state_dict()


def halve(gradients):
    for _, parameter in gradients.named:
        parameter.grad *= parameter.dtype.type(0.5)


def test_once_for_each_step():
    """After `accumulate` batches, and for what is left at the end of an epoch; counted on."""
    watch, trainer = Watch(), make_trainer(accumulate=2)
    fit(trainer, watch, epochs=2)  # 5 batches
    assert watch.steps == [1, 2, 3, 4, 5, 6]
    fit(trainer, watch)
    assert watch.steps == [*range(1, 10)] and trainer.optimizer.steps == 9
    pieces = Watch()
    regression = pyrnn.Sequential(pyrnn.GRU(1, 2, seed=0), pyrnn.Linear(2, 1, seed=1))
    series = np.ones((4, 6, 1), np.float32), np.ones((4, 6, 1), np.float32)
    make_trainer(regression, loss=pyrnn.losses.MSE()).fit(
        series, tbptt=2, callbacks=[pieces], progress=False
    )
    assert pieces.steps == [1, 2, 3]


def test_looking_changes_nothing():
    assert_same_bits(fit(make_trainer(), Watch()), fit(make_trainer()))


def test_the_norm_is_that_before_clipping():
    whole, clipped = Watch(), Watch()
    fit(make_trainer(optimizer=optim.SGD(0.0)), whole)
    fit(make_trainer(optimizer=optim.SGD(0.0), clip_norm=1e-3), clipped)
    assert clipped.norms == whole.norms and min(whole.norms) > 1e-3
    model = classifier()
    for parameter in model.parameters():
        parameter.grad[...] = 2.0
    norm = optim.grad_norm(model)
    assert norm == pytest.approx(2 * math.sqrt(model.num_parameters()))
    assert norm == optim.clip_grad_norm(model, 1.0)


def test_what_is_written_is_clipped_and_taken():
    """One after the other; SGD on half of the gradients is SGD with half the rate."""
    half = fit(make_trainer(optimizer=optim.SGD(0.5)), Watch(halve))
    assert_same_bits(half, fit(make_trainer(optimizer=optim.SGD(0.25))))
    sees = Watch()
    fit(make_trainer(optimizer=optim.SGD(0.5)), first := Watch(halve), sees)
    assert sees.norms == pytest.approx([norm / 2 for norm in first.norms])

    def blow_up(gradients):
        for _, parameter in gradients.named:
            parameter.grad *= parameter.dtype.type(2.0**20)

    trainer = make_trainer(optimizer=optim.SGD(1.0), clip_norm=1e-3)
    before = trainer.model.state_dict()
    after = fit(trainer, Watch(blow_up))
    moved = math.sqrt(sum(((after[n] - before[n]) ** 2).sum() for n in after))
    assert moved <= 5 * 1e-3 * 1.001  # five steps of the clipped size at most


def test_frozen_parameters_are_not_among_them():
    names = []
    trainer = make_trainer(classifier().freeze("0.*"))
    fit(trainer, Watch(lambda g: names.extend(name for name, _ in g.named)))
    assert "0.weight" not in names and "2.weight_ih_l0" in names


def test_no_step_no_call():
    """A batch in which no target counts makes no step."""
    watch = Watch()
    loss = pyrnn.losses.CrossEntropy(ignore_index=0)
    trainer = make_trainer(loss=loss)
    x, y = DATA
    y = np.where(np.arange(len(y)) < 8, 0, 1)  # the first two batches of four
    trainer.fit((x, y), batch_size=4, shuffle=False, callbacks=[watch], progress=False)
    assert watch.steps == [1, 2, 3]


def test_written_noise_resumes_to_the_bit(tmp_path):
    """Noise drawn by the number of the step is the same after an interruption."""

    def noise(gradients):
        rng = np.random.default_rng(gradients.step)
        for _, parameter in gradients.named:
            parameter.grad += rng.normal(0, 0.01, parameter.shape).astype(parameter.dtype)

    whole = fit(make_trainer(), Watch(noise), epochs=2, checkpoint=tmp_path / "a")
    fit(make_trainer(), Watch(noise), checkpoint=tmp_path / "b")
    resumed = fit(make_trainer(), Watch(noise), epochs=2, checkpoint=tmp_path / "b", resume=True)
    assert_same_bits(resumed, whole)


@pytest.mark.parametrize("clipping", [{}, {"clip_norm": 1.0}, {"clip_value": 1.0}])
def test_nan_is_refused(clipping):
    """Written or gathered; the weights are those of the step before."""

    def spoil(gradients):
        if gradients.step == 3:
            gradients.named[0][1].grad[0, 0] = np.nan

    trainer, two = make_trainer(**clipping), make_trainer(**clipping)
    with pytest.raises(FloatingPointError, match=r"gradient of '0.weight' is not finite"):
        fit(trainer, Watch(spoil))
    two.fit(tuple(part[:8] for part in DATA), batch_size=4, shuffle=False, progress=False)
    assert_same_bits(trainer.model.state_dict(), two.model.state_dict())
    with pytest.raises(FloatingPointError, match=r"grad_norm: the gradient of '0.weight'"):
        fit(make_trainer(), Watch(spoil), Watch())


def test_one_that_raises_is_named():
    def fail(gradients):
        raise RuntimeError("my own mistake")

    trainer = make_trainer()
    before = trainer.model.state_dict()
    with pytest.raises(RuntimeError, match="my own mistake") as caught:
        fit(trainer, Watch(fail))
    assert "raised by Watch.on_gradients" in caught.value.__notes__[0]
    assert_same_bits(trainer.model.state_dict(), before)
    assert "for step 1" in repr(_seen())


def _seen():
    """The gradients as a callback gets them."""
    kept = []
    fit(make_trainer(), Watch(lambda g: kept.append(repr(g))))
    return kept[0]
