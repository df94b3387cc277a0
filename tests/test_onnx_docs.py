"""Promise: the Python of docs/models.md runs when it is pasted block after block, and so do the
examples of pyrnn.onnx."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

WHY = "not installed: `make test-peers` does it"
pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

import pyrnn  # noqa: E402
import pyrnn.onnx  # noqa: E402

PAGE = Path(__file__).parent.parent / "docs" / "models.md"


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_the_page_runs(capsys, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason=f"torch is {WHY}")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    names = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    said = re.findall(r"print\(.*\)  # (.*)", PAGE.read_text())
    assert [line for line in printed if line in said] == said and len(said) == 6
    assert any(line.startswith("1/LSTM LSTM(input_size=8") for line in printed)


@pytest.mark.parametrize("name", [n for n in vars(pyrnn.onnx) if n[0] != "_"])
def test_examples(name):
    finder = doctest.DocTestFinder(recurse=False)
    globs = {"pyrnn": pyrnn, "np": np}
    (test,) = finder.find(getattr(pyrnn.onnx, name), name, globs=globs, module=False)
    assert test.examples, f"{name} has no example"
    assert doctest.DocTestRunner().run(test).failed == 0
