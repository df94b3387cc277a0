"""Promise: files of every version load in every later one, and give what they gave then."""

import json
import shutil

import numpy as np
import pytest

import pyrnn
import saved

FOLDERS = sorted(saved.SAVED.iterdir())
KEPT = ["0.1.0-time-major", "0.1.0"]
VOCABULARIES = [f / "vocabulary.json" for f in FOLDERS if f.name != "0.1.0-time-major"]


def test_no_folder_is_lost():
    """A folder that was written once stays: whole, and small."""
    assert {folder.name for folder in FOLDERS} >= set(KEPT)
    for folder in FOLDERS:
        assert sum(path.stat().st_size for path in folder.iterdir()) < 100_000


@pytest.mark.parametrize("name", saved.MODELS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_model_of_an_earlier_version(folder, name):
    """Its predictions are those of the version that saved it; the sample comes first."""
    model, (_, x) = pyrnn.load(folder / f"{name}.safetensors"), saved.MODELS[name]
    expected = saved.expected(folder)["predictions"][name]
    np.testing.assert_allclose(saved.predictions(model, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("path", VOCABULARIES, ids=lambda path: path.parent.name)
def test_a_vocabulary_of_an_earlier_version(path):
    vocabulary = pyrnn.Vocabulary(json.loads(path.read_text()))
    assert vocabulary == saved.vocabulary()
    assert vocabulary.encode(["b", "<eos>", "z"]).tolist() == [3, 2, vocabulary.unknown]


@pytest.mark.filterwarnings("ignore:.*instruction set:UserWarning")
@pytest.mark.parametrize("name", saved.TRAININGS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_training_of_an_earlier_version_goes_on(folder, name, tmp_path):
    """Its epochs before and after the interruption have the losses of one that ran through."""
    path, losses = tmp_path / "checkpoint", saved.expected(folder)["losses"][name]
    shutil.copy(folder / f"{name}.checkpoint", path)
    history = saved.train(name, path, resume=True)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-5, atol=1e-6)
    assert len(losses) == saved.EPOCHS
