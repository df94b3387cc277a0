"""Promise: every example runs as it stands, on its small setting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_runs(path, tmp_path):
    """In an empty folder, with no display and no warnings, within a minute."""
    command = [sys.executable, "-W", "error", str(path), "--quick"]
    env = os.environ | {"MPLBACKEND": "Agg", "HOME": str(tmp_path)}
    options = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True, "timeout": 60}
    child = subprocess.run(command, **options)
    assert child.returncode == 0, child.stderr[-3000:]
    assert child.stdout.strip(), "an example shows something"
