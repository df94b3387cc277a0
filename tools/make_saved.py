#!/usr/bin/env python3
"""Writes the files of models and trainings that every later version must read.

    python tools/make_saved.py tests/data/saved/NAME

A folder is made once, by the version that it is of, and never again: tests/test_saved.py holds all
later versions to it. What is in it is described in tests/saved.py.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import saved


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    predictions, losses = {}, {}
    for name, (make, x) in saved.MODELS.items():
        model = make()
        model.save(folder / f"{name}.safetensors")
        predictions[name] = [list(map(float, row)) for row in saved.predictions(model, x)]
    for name in saved.TRAININGS:
        losses[name] = saved.train(name).loss
        saved.train(name, folder / f"{name}.checkpoint", stop=saved.STOPPED_AFTER)
    (folder / "vocabulary.json").write_text(json.dumps(saved.vocabulary().tokens) + "\n")
    text = json.dumps({"predictions": predictions, "losses": losses})
    (folder / "expected.json").write_text(text + "\n")
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    print(sizes, f"{sum(sizes.values()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
