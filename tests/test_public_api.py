"""Promise: no public name, argument or default changes unnoticed: they are those of a snapshot."""

import difflib
import importlib
import sys
from pathlib import Path

import pytest

import pyrnn

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))  # as for a script that is run there
public_api = importlib.import_module("public_api")
NEEDS = {"keras": "h5py", "onnx": "onnx", "torch": "torch", "estimators": "sklearn"}


@pytest.mark.parametrize("namespace", public_api.NAMESPACES)
def test_api_is_that_of_the_snapshot(namespace):
    """A change that is meant is written by `python tools/public_api.py --write` and is told in
    CHANGELOG.md; CONTRIBUTING.md says which changes need a deprecation first."""
    pytest.importorskip(NEEDS.get(namespace.rpartition(".")[2], "numpy"))
    kept = (public_api.FOLDER / f"{namespace}.txt").read_text()
    changes = difflib.unified_diff(
        kept.splitlines(), public_api.text(namespace).splitlines(), "snapshot", "now", n=0
    )
    assert not list(changes)


def test_what_changes_is_found(monkeypatch):
    kept = public_api.text("pyrnn")
    for name, value in (("GRU", pyrnn.LSTM), ("threads", lambda number: None)):
        with monkeypatch.context() as patch:
            if not isinstance(value, type):
                value.__module__ = "pyrnn"
            patch.setattr(pyrnn, name, value)
            assert public_api.text("pyrnn") != kept
    with monkeypatch.context() as patch:
        patch.delattr(pyrnn.Linear, "__call__")
        assert public_api.text("pyrnn") != kept
    assert public_api.text("pyrnn") == kept


def test_the_snapshot_has_what_it_should():
    text = public_api.text("pyrnn").splitlines()
    assert (
        "class Linear(in_features, out_features, *, bias=True, dtype='float32', seed=None)" in text
    )
    assert "load(path, *, classes=())" in text
    assert not [line for line in text if "0x" in line]
