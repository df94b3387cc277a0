#!/usr/bin/env python3
"""Gives a reader of files damaged ones, led by which lines of Python each one reaches.

python tools/fuzz.py READER [SECONDS]     READER is one of those below; 60 seconds by default

A file may be read, or refused with one of the errors that the docstrings promise: ValueError,
OSError, MemoryError. Anything else, a crash, a hang of 20 s or 2 GB of memory ends the run, and the
file stays in build/fuzz. Needs atheris: `make fuzz` installs it and runs all of them.
"""

import contextlib
import os
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pyrnn"]):
    import numpy as np

    import pyrnn
    import pyrnn.estimators
    import pyrnn.keras
    import pyrnn.onnx

FOLDER = Path(__file__).parent.parent / "build" / "fuzz"
REFUSALS = (ValueError, OSError, MemoryError)
X, Y = np.ones((4, 3, 2), np.float32), np.zeros((4, 1), np.float32)


def model():
    last = pyrnn.LastStep(), pyrnn.Linear(3, 1, seed=0)
    return pyrnn.Sequential(pyrnn.GRU(2, 3, seed=0), pyrnn.Dropout(0.5, seed=0), *last)


def fit(path, resume):
    trainer = pyrnn.Trainer(model(), pyrnn.losses.MSE(), pyrnn.optim.Adam(), seed=0)
    trainer.fit(X, Y, epochs=1, progress=False, checkpoint=path, resume=resume)


def save_estimator(path):
    settings = {"hidden_size": 2, "epochs": 1, "random_state": 0, "early_stopping": False}
    pyrnn.estimators.SequenceClassifier(**settings).fit(X, ["a", "b", "a", "b"]).save(path)


def save_keras(path):
    """A legacy file as the tests make them: in it no checksum hides what is behind."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from keras_files import layer, legacy_file

    dense = layer("Dense", units=1, activation="linear", use_bias=False)
    kernel = {"dense": {"dense/kernel:0": np.ones((2, 1), np.float32)}}
    Path(path).write_bytes(legacy_file([dense], kernel))


READERS = {  # what reads, and what writes a first file
    "load": (pyrnn.load, lambda path: model().save(path)),
    "weights": (lambda path: model().load_state_dict(path), lambda path: model().save(path)),
    "checkpoint": (lambda path: fit(path, True), lambda path: fit(path, False)),
    "estimator": (pyrnn.estimators.load, save_estimator),
    "keras": (pyrnn.keras.load, save_keras),
    "onnx": (pyrnn.onnx.load, lambda path: pyrnn.onnx.export(model(), path)),
}
SUFFIXES = {"keras": ".h5", "onnx": ".onnx"}


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in READERS:
        sys.exit(f"{__doc__}\nreaders: {', '.join(READERS)}")
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    read, write = READERS[name]
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    path = os.path.join(tempfile.mkdtemp(), f"file{SUFFIXES.get(name, '.safetensors')}")
    write(path)
    (corpus / "first").write_bytes(Path(path).read_bytes())
    warnings.simplefilter("ignore")

    def one(data):
        with open(path, "wb") as file:
            file.write(data)
        with contextlib.suppress(*REFUSALS):
            read(path)

    options = f"-max_total_time={seconds} -timeout=20 -rss_limit_mb=2048 -max_len=20000"
    atheris.Setup([sys.argv[0], *options.split(), f"-artifact_prefix={FOLDER}/", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
