"""Promise: after the same pyrnn.seed all that is given no seed gets the same numbers."""

import threading

import numpy as np
import pytest

import pyrnn
from children import run
from compare import assert_same_bits
from training import ragged_task


@pytest.fixture(autouse=True)
def unseeded():
    """Each test leaves the operating system's random numbers."""
    yield
    pyrnn.seed(None)


def made():
    """The first weights of every kind of module that has random ones."""
    modules = [
        pyrnn.LSTM(2, 3, num_layers=2, dropout=0.5), pyrnn.GRU(2, 3), pyrnn.RNN(2, 3),
        pyrnn.Linear(2, 3), pyrnn.Embedding(4, 3), pyrnn.Attention(2, 3, score="additive"),
        pyrnn.AttentionDecoder(2, 3, 4), pyrnn.Seq2Seq(5, 6, 3, 4), pyrnn.CRF(3),
    ]  # fmt: skip
    parameter = pyrnn.Parameter(np.zeros((4, 4)))
    drawn = [module.state_dict() for module in modules]
    for draw in (pyrnn.init.uniform, pyrnn.init.normal):
        draw(parameter, 1.0)
        drawn.append({"drawn": parameter.data.copy()})
    for draw in (pyrnn.init.glorot_uniform, pyrnn.init.glorot_normal, pyrnn.init.orthogonal):
        draw(parameter)
        drawn.append({"drawn": parameter.data.copy()})
    dropped = [
        pyrnn.Dropout(0.5).vjp(np.ones((8, 8)))[0],
        modules[0].vjp(np.ones((2, 4, 2), np.float32))[0][0],
    ]
    return [array for one in drawn for array in one.values()] + dropped


def trained():
    """A model, its dropout and the order of the batches, all without a seed of their own."""
    model = pyrnn.Sequential(
        pyrnn.Embedding(4, 5), pyrnn.Dropout(0.3), pyrnn.GRU(5, 6), pyrnn.LastStep(),
        pyrnn.Linear(6, 4),
    )  # fmt: skip
    trainer = pyrnn.Trainer(model, pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(0.01))
    history = trainer.fit(ragged_task(N=20), epochs=2, batch_size=4, progress=False)
    text = pyrnn.generate(_speaker(), [1, 2], 12)
    return [*model.state_dict().values(), np.array(history.loss), np.array(text)]


def _speaker():
    return pyrnn.Sequential(pyrnn.Embedding(9, 4), pyrnn.GRU(4, 5), pyrnn.Linear(5, 9))


@pytest.mark.parametrize("work", [made, trained])
def test_the_same_seed_gives_the_same_bits(work):
    def seeded(number):
        pyrnn.seed(number)
        return work()

    first = seeded(3)
    assert_same_bits(first, seeded(3))
    others = seeded(4)
    same = [np.array_equal(a, b) for a, b in zip(first, others, strict=True)]
    assert not all(same)
    pyrnn.seed(None)
    assert not all(np.array_equal(a, b) for a, b in zip(work(), work(), strict=True))


def test_no_two_get_the_same_numbers():
    pyrnn.seed(0)
    weights = [pyrnn.Linear(2, 3).weight.data for _ in range(20)]
    assert len({w.tobytes() for w in weights}) == 20


def test_a_seed_of_ones_own_holds_and_takes_no_number():
    pyrnn.seed(5)
    expected = pyrnn.Linear(2, 3).weight.data
    pyrnn.seed(5)
    own = pyrnn.Linear(2, 3, seed=1)
    assert_same_bits(pyrnn.Linear(2, 3).weight.data, expected)
    pyrnn.seed(6)
    assert_same_bits(own.weight.data, pyrnn.Linear(2, 3, seed=1).weight.data)


def test_another_process_gets_the_same():
    program = (
        "import pyrnn; pyrnn.seed(11); pyrnn.GRU(2, 3)\n"
        "print(pyrnn.Linear(2, 3).weight.data.tobytes().hex())"
    )
    pyrnn.seed(11)
    pyrnn.GRU(2, 3)
    expected = pyrnn.Linear(2, 3).weight.data.tobytes().hex()
    assert run(program) == [expected]


def test_threads_share_the_numbers_out():
    """Together they get those that one thread would; none comes twice or is left out."""

    def weights(threads):
        pyrnn.seed(2)
        found = []

        def work():
            for _ in range(48 // threads):
                found.append(pyrnn.Linear(2, 2).weight.data.tobytes())

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return found

    alone = weights(1)
    assert sorted(weights(8)) == sorted(alone) and len(set(alone)) == 48


def test_a_training_resumes_whatever_the_seed_is_then(tmp_path):
    def fit(number, path, epochs, **options):
        pyrnn.seed(number)
        model = pyrnn.Sequential(pyrnn.Embedding(4, 5), pyrnn.Dropout(0.3), pyrnn.GRU(5, 4))
        model = pyrnn.Sequential(model, pyrnn.LastStep())
        trainer = pyrnn.Trainer(model, pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(0.01))
        trainer.fit(
            ragged_task(N=20), epochs=epochs, batch_size=4, progress=False, checkpoint=path,
            **options,
        )  # fmt: skip
        return model.state_dict()

    whole = fit(1, tmp_path / "a", 2)
    fit(1, tmp_path / "b", 1)
    assert_same_bits(fit(9, tmp_path / "b", 2, resume=True), whole)


def test_estimators_without_a_random_state():
    pytest.importorskip("sklearn")
    from pyrnn.estimators import SequenceClassifier

    x, y = np.sin(np.arange(240.0)).reshape(12, 10, 2), np.arange(12) % 2

    def scores():
        pyrnn.seed(3)
        return SequenceClassifier(epochs=2, hidden_size=4).fit(x, y).predict_proba(x)

    assert_same_bits(scores(), scores())


@pytest.mark.parametrize("bad", [-1, 2**64, 1.5, "7", True])
def test_bad_seeds(bad):
    with pytest.raises((TypeError, ValueError), match="seed: number is"):
        pyrnn.seed(bad)


def test_a_module_loaded_from_a_file_is_that_file(tmp_path):
    pyrnn.seed(1)
    gru = pyrnn.GRU(2, 3)
    gru.save(tmp_path / "gru.safetensors")
    pyrnn.seed(2)
    assert_same_bits(pyrnn.load(tmp_path / "gru.safetensors").state_dict(), gru.state_dict())
