"""Promise: a checkpoint that is damaged, forged or of another training is refused."""

import errno
import json

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from training import Average, Halving, classifier, make_trainer, ragged_task, regressor


def state_of(trainer):
    """All that a fit may change."""
    extra = [m.extra_state() for m in trainer.model.modules()]
    generator = trainer._generator.bit_generator.state
    return trainer.model.state_dict(), trainer.optimizer.state_dict(), extra, generator


OTHERS = [
    ({"model": regressor()}, "class"),
    ({"model": pyrnn.Sequential(*list(classifier())[2:])}, "expected"),
    ({"optimizer": pyrnn.optim.SGD(0.1)}, "Adam"),
    ({"accumulate": 2}, "accumulate"),
    ({"optimizer": (adam := pyrnn.optim.Adam(1e-2)), "schedule": Halving(adam)}, "schedule"),
    ({"ema": Average(classifier())}, "ema"),
]


@pytest.mark.parametrize(("options", "word"), OTHERS, ids=[word for _, word in OTHERS])
def test_a_checkpoint_of_another_training(options, word, tmp_path):
    """A clear error; trainer and file are as before."""
    path, data = tmp_path / "checkpoint", ragged_task(N=20)
    make_trainer().fit(data, progress=False, checkpoint=path)
    before = path.read_bytes()
    if word in ("class", "expected"):
        x = [np.ones((len(ids), options["model"][0].input_size), "f4") for ids in data[0]]
        options["loss"] = pyrnn.losses.MSE()
        model = options["model"]
        data = x, [model(series) for series in x] if word == "class" else np.ones((20, 4))
    trainer = make_trainer(**options)
    state = json.dumps(state_of(trainer), default=lambda array: array.tobytes().hex())
    with pytest.raises(ValueError, match=word) as error:
        trainer.fit(data, progress=False, checkpoint=path, resume=True)
    assert str(path) in str(error.value)
    assert state == json.dumps(state_of(trainer), default=lambda array: array.tobytes().hex())
    assert path.read_bytes() == before and not trainer.history.loss


def test_settings_and_data_must_be_the_same(tmp_path):
    path, data = tmp_path / "checkpoint", ragged_task(N=20)
    make_trainer().fit(data, batch_size=4, progress=False, checkpoint=path)
    for options, word in (
        ({"batch_size": 5}, "batch_size"),
        ({"shuffle": False}, "shuffle"),
        ({"bucket": False}, "bucket"),
    ):
        with pytest.raises(ValueError, match=word):
            make_trainer().fit(
                data, progress=False, checkpoint=path, resume=True, **{"batch_size": 4, **options}
            )
    for other in (ragged_task(N=21), ragged_task(N=20, seed=1)):
        with pytest.raises(ValueError, match="number of"):
            make_trainer().fit(other, batch_size=4, progress=False, checkpoint=path, resume=True)


def test_other_dtype(tmp_path):
    path = tmp_path / "checkpoint"
    x = np.ones((4, 3, 2))
    for dtype in (np.float32, np.float64):
        model = pyrnn.Sequential(pyrnn.GRU(2, 1, seed=0, dtype=dtype))
        trainer = make_trainer(model, loss=pyrnn.losses.MSE())
        if dtype == np.float32:
            trainer.fit((x, x[..., :1]), progress=False, checkpoint=path)
            continue
        with pytest.raises(ValueError, match="float64"):
            trainer.fit((x, x[..., :1]), progress=False, checkpoint=path, resume=True)


def rewritten(path, change):
    """The file with its training state changed."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    description = json.loads(header["__metadata__"]["pyrnn"])
    change(description["training"]["parts"])
    header["__metadata__"]["pyrnn"] = json.dumps(description)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :])


FORGERIES = {
    "generator": lambda parts: parts["progress"]["state"]["generator"].update(state=-1),
    "huge": lambda parts: parts["progress"]["state"]["generator"].update(has_uint32=2**99),
    "batches": lambda parts: parts["progress"]["state"]["epoch"].update(batches=-1),
    "epoch": lambda parts: parts["progress"]["state"]["epoch"].update(more=1),
    "lr": lambda parts: parts["optimizer"]["state"]["options"].update(lr="fast"),
    "model": lambda parts: parts.update(model=3),
    "missing": lambda parts: parts.pop("history"),
    "tensor": lambda parts: parts["model"]["state"]["weights"].update({"4.bias": {"$tensor": "x"}}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_checkpoints(name, tmp_path):
    """A ValueError with the path; the trainer is as before, and trains."""
    path, data = tmp_path / "checkpoint", ragged_task(N=20)
    make_trainer().fit(data, progress=False, checkpoint=path)
    rewritten(path, FORGERIES[name])
    trainer = make_trainer()
    before = trainer.model.state_dict()
    with pytest.raises(ValueError, match=str(path)):
        trainer.fit(data, progress=False, checkpoint=path, resume=True)
    assert_same_bits(trainer.model.state_dict(), before)
    trainer.fit(data, progress=False)
    fresh = make_trainer()
    fresh.fit(data, progress=False)
    assert_same_bits(trainer.model.state_dict(), fresh.model.state_dict())


def test_damaged_and_foreign_files(tmp_path):
    path, data = tmp_path / "checkpoint", ragged_task(N=20)
    make_trainer().fit(data, progress=False, checkpoint=path)
    raw = path.read_bytes()
    for content in (b"", raw[:-1], raw[: len(raw) // 2], b"\x80\x04" + raw, b"PK\3\4" + raw):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=str(path)):
            make_trainer().fit(data, progress=False, checkpoint=path, resume=True)
    classifier().save(path)
    with pytest.raises(ValueError, match="holds a model"):
        make_trainer().fit(data, progress=False, checkpoint=path, resume=True)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="checkpoint of training"):
        pyrnn.load(path)


def test_places_that_cannot_be_written(tmp_path):
    """Told before the first epoch."""
    trainer, data = make_trainer(), ragged_task(N=20)
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "missing" / "checkpoint", tmp_path / "folder"):
        with pytest.raises(OSError, match=path.parent.name if "missing" in str(path) else "folder"):
            trainer.fit(data, progress=False, checkpoint=path)
    for options in ({"resume": True}, {"checkpoint_every": 3}):
        with pytest.raises(ValueError, match="checkpoint is None"):
            trainer.fit(data, progress=False, **options)
    assert not trainer.history.loss and list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    trainer, data, path = make_trainer(), ragged_task(N=20), tmp_path / "checkpoint"
    trainer.fit(data, progress=False, checkpoint=path)
    before = path.read_bytes()

    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        trainer.fit(data, progress=False, checkpoint=path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
