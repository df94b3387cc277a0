"""Promise: the Python of docs/torch.md runs when it is pasted block after block."""

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
PAGE = Path(__file__).parent.parent / "docs" / "torch.md"


def test_the_page_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 5
    torch.manual_seed(0)
    names = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    said = re.findall(r"print\(.*\)  # (.*)", PAGE.read_text())
    assert printed == said and len(said) == 2
