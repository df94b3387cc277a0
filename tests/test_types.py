"""Promise: editors see the types: mypy and pyright understand right uses, and find wrong ones."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyrnn

USES = Path(__file__).parent / "typing" / "uses.py"
SOURCE = Path(pyrnn.__file__).parent.parent
WRONG = {n for n, text in enumerate(USES.read_text().splitlines(), 1) if "# wrong" in text}


def checked(folder, *command):
    """What a checker prints about the uses, on the package that the tests import."""
    pytest.importorskip(command[0], reason=f"{command[0]} is not installed")
    run = [sys.executable, "-m", *command, str(USES)]
    child = subprocess.run(
        run,
        cwd=folder,
        env=os.environ | {"MYPYPATH": str(SOURCE) if "site-packages" not in SOURCE.parts else ""},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert child.returncode == 1, child.stdout + child.stderr  # it found the wrong ones
    return child.stdout


def test_mypy(tmp_path):
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\n")
    out = checked(tmp_path, "mypy", "--no-error-summary", "--show-absolute-path")
    found = re.findall(rf"^{re.escape(str(USES))}:(\d+): error", out, re.MULTILINE)
    assert {int(line) for line in found} == WRONG, out


def test_pyright(tmp_path):
    settings = {"extraPaths": [str(SOURCE)], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    out = checked(tmp_path, "basedpyright", "--outputjson", "--pythonpath", sys.executable)
    diagnostics = json.loads(out)["generalDiagnostics"]
    errors = [d for d in diagnostics if d["severity"] == "error"]
    assert {d["range"]["start"]["line"] + 1 for d in errors} == WRONG, errors


def test_there_are_right_and_wrong_uses():
    assert len(WRONG) >= 15 and USES.read_text().count("assert_type(") > 20
